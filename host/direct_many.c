/* A library's loops over many items, counted and timed as direct.c does its calls for one. */
#include "direct.h"

typedef struct {
  direct_t direct; /* its position, limit and target mean nothing */
  PyObject *gate;
  Py_ssize_t small;
  Py_ssize_t each;
  Py_ssize_t most;
} many_t;

static int many_clear(PyObject *object) {
  Py_CLEAR(((many_t *)object)->gate);
  return direct_clear(object);
}

static int many_traverse(PyObject *object, visitproc visit, void *arg) {
  Py_VISIT(((many_t *)object)->gate);
  return direct_traverse(object, visit, arg);
}

static void many_dealloc(PyObject *object) { direct_freed(object, many_clear); }

static PyObject *many_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *tally, *local, *operation, *reason, *call, *gate, *other;
  Py_ssize_t small, each, most, number_size;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "DirectMany() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOOOOOOnnnn:DirectMany", &tally, &local, &operation, &reason, &call,
                        &gate, &other, &small, &each, &most, &number_size))
    return NULL;
  if (!direct_is_a(type, "Tally", tally)) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "DirectMany() takes a Tally");
    return NULL;
  }
  many_t *many =
      (many_t *)direct_made(type, tally, local, operation, reason, call, other, number_size);
  if (!many)
    return NULL;
  many->gate = Py_NewRef(gate);
  many->small = small;
  many->each = each;
  many->most = most;
  return (PyObject *)many;
}

/* Whether a list seems so large that a look at all of it shows: items need not be like the first.
 */
static int seems_large(const many_t *many, PyObject *items, Py_ssize_t count) {
  PyObject *first = PyList_GetItem(items, 0);
  return count > 1 && first && PyBytes_CheckExact(first) &&
         PyBytes_Size(first) >= 2 * many->most / count;
}

/* Bytes of items that are to be done here; 0 for others, -1 with an exception. */
static Py_ssize_t many_size(const many_t *many, PyObject *items) {
  Py_ssize_t count = PyList_Size(items);
  if (count <= 0 || seems_large(many, items, count))
    return 0;
  int64_t size = objects_bytes_total(items);
  if (size <= 0 || size >= many->most)
    return size < -1 ? -1 : 0;
  if (size + count * many->each < many->small)
    return (Py_ssize_t)size;
  PyObject *asked = PyLong_FromLongLong(size);
  PyObject *found = asked ? PyObject_CallFunctionObjArgs(many->gate, items, asked, NULL) : NULL;
  Py_XDECREF(asked);
  int open = found ? PyObject_IsTrue(found) : -1;
  Py_XDECREF(found);
  return open > 0 ? (Py_ssize_t)size : open;
}

static Py_ssize_t many_result_size(const many_t *many, PyObject *results, Py_ssize_t count) {
  if (!PyList_CheckExact(results) || PyList_Size(results) != count) {
    PyErr_SetString(PyExc_TypeError, "the library's loop returns a list of as many results");
    return -1;
  }
  if (many->direct.number_size)
    return count * many->direct.number_size;
  int64_t size = objects_bytes_total(results);
  if (size < 0 && !PyErr_Occurred())
    PyErr_SetString(PyExc_TypeError, "the library's loop returns bytes");
  return (Py_ssize_t)size;
}

PyDoc_STRVAR(
    run_many_doc,
    "run(items, *arguments) -> list or None\n\n"
    "Call the library's loop and count the call. None, with nothing done, for items that are\n"
    "not all `bytes`, have no bytes or `most` and more, and for what `gate(items, bytes)` lets\n"
    "not through. What `other` returns for what is no list, and while the tally is paused or\n"
    "the thread waits for turns. What the loop raises passes through; where it returns None,\n"
    "nothing is counted.");

static PyObject *run_many(PyObject *object, PyObject *const *args, Py_ssize_t given) {
  many_t *many = (many_t *)object;
  if (given < 1 || given > MOST_ARGUMENTS) {
    PyErr_Format(PyExc_TypeError, "run() takes 1 to %d arguments, not %zd", MOST_ARGUMENTS, given);
    return NULL;
  }
  PyObject *each[MOST_ARGUMENTS] = {NULL};
  for (Py_ssize_t i = 0; i < given; i++)
    each[i] = args[i];
  int paused = PyList_CheckExact(args[0]) ? direct_is_paused(&many->direct) : 1;
  if (paused < 0)
    return NULL;
  if (paused)
    return PyObject_CallFunctionObjArgs(many->direct.other, each[0], each[1], each[2], each[3],
                                        each[4], NULL);
  Py_ssize_t size = many_size(many, args[0]);
  if (size <= 0)
    return size < 0 ? NULL : Py_NewRef(Py_None);
  Py_ssize_t count = PyList_Size(args[0]);
  double started = direct_now();
  PyObject *results = PyObject_CallFunctionObjArgs(many->direct.call, each[0], each[1], each[2],
                                                   each[3], each[4], NULL);
  if (!results || results == Py_None)
    return results;
  if (PyList_Size(args[0]) != count) {
    /* Another thread has changed it, while the library let it: the long way says so. */
    Py_DECREF(results);
    Py_RETURN_NONE;
  }
  Py_ssize_t out = many_result_size(many, results, count);
  if (out < 0 || direct_file(&many->direct, count, size, out, started, direct_now()) < 0)
    Py_CLEAR(results);
  return results;
}

static PyMethodDef many_methods[] = {
    {"run", (PyCFunction)(void (*)(void))run_many, METH_FASTCALL, run_many_doc},
    {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(
    many_doc,
    "DirectMany(tally, local, operation, reason, call, gate, other, small, each, most,\n"
    "number_size, /)\n"
    "--\n\n"
    "A library's loop over a list of items, of less than `most` bytes. Items whose bytes and\n"
    "`each` for every one of them are less than `small` need not ask the gate. Results and\n"
    "records are as those of a Direct.");

static PyType_Slot many_slots[] = {{Py_tp_doc, (void *)many_doc},
                                   {Py_tp_new, many_new},
                                   {Py_tp_dealloc, many_dealloc},
                                   {Py_tp_traverse, many_traverse},
                                   {Py_tp_clear, many_clear},
                                   {Py_tp_methods, many_methods},
                                   {0, NULL}};

static PyType_Spec many_spec = {
    .name = "fpga_accel._objects.DirectMany",
    .basicsize = sizeof(many_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = many_slots,
};

int direct_many_add_type(PyObject *module) { return objects_add_type(module, &many_spec); }
