/* A library's loops over many items, counted and timed as direct.c does its calls for one. */
#include "direct.h"

#include <structmember.h>

/* ---- Epoch ---- */

typedef struct {
  PyObject ob_base;
  long long now;
} epoch_t;

static PyMemberDef epoch_members[] = {
    {"now", T_LONGLONG, offsetof(epoch_t, now), 0, "Another number: what gates said is forgotten."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot epoch_slots[] = {
    {Py_tp_doc, "Epoch()\n--\n\nHow long the answers of gates hold."},
    {Py_tp_members, epoch_members},
    {0, NULL}};

static PyType_Spec epoch_spec = {
    .name = "fpga_accel._objects.Epoch",
    .basicsize = sizeof(epoch_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = epoch_slots,
};

/* ---- DirectMany ---- */

/* Shapes whose answers are kept: a question takes as long as a library does for some items. */
#define SHAPES 64
/* Without a GIL one thread may read what another writes. */
#ifdef Py_GIL_DISABLED
#define KEEPS_SHAPES 0
#else
#define KEEPS_SHAPES 1
#endif

typedef struct {
  Py_ssize_t count;
  Py_ssize_t size;
  long long epoch;
  Py_ssize_t left; /* calls that the gate has let through beforehand */
  Py_ssize_t done; /* how many of these there were */
} shape_t;

typedef struct {
  direct_t direct; /* its position, limit and target mean nothing */
  PyObject *gate;
  PyTypeObject *batch_type;
  PyObject *batch_call;
  PyObject *offsets; /* the name of a batch's attribute: n + 1 int64 of n items */
  epoch_t *epoch;
  shape_t shapes[2][SHAPES]; /* of batches, of lists */
  Py_ssize_t small;
  Py_ssize_t each;
  Py_ssize_t most;
} many_t;

static int many_clear(PyObject *object) {
  many_t *many = (many_t *)object;
  Py_CLEAR(many->gate);
  Py_CLEAR(many->batch_type);
  Py_CLEAR(many->batch_call);
  Py_CLEAR(many->offsets);
  Py_CLEAR(many->epoch);
  return direct_clear(object);
}

static int many_traverse(PyObject *object, visitproc visit, void *arg) {
  many_t *many = (many_t *)object;
  Py_VISIT(many->gate);
  Py_VISIT(many->batch_type);
  Py_VISIT(many->batch_call);
  return direct_traverse(object, visit, arg);
}

static void many_dealloc(PyObject *object) { direct_freed(object, many_clear); }

static PyObject *many_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *tally, *local, *operation, *reason, *call, *batch_type, *batch_call, *gate, *epoch;
  PyObject *other;
  Py_ssize_t small, each, most, number_size;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "DirectMany() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOOOOO!OOOOnnnn:DirectMany", &tally, &local, &operation, &reason,
                        &call, &PyType_Type, &batch_type, &batch_call, &gate, &epoch, &other,
                        &small, &each, &most, &number_size))
    return NULL;
  if (!direct_is_a(type, "Tally", tally) || !direct_is_a(type, "Epoch", epoch)) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "DirectMany() takes a Tally and an Epoch");
    return NULL;
  }
  many_t *many =
      (many_t *)direct_made(type, tally, local, operation, reason, call, other, number_size);
  if (!many)
    return NULL;
  many->gate = Py_NewRef(gate);
  many->batch_type = (PyTypeObject *)Py_NewRef(batch_type);
  many->batch_call = Py_NewRef(batch_call);
  many->epoch = (epoch_t *)Py_NewRef(epoch);
  many->small = small;
  many->each = each;
  many->most = most;
  many->offsets = PyUnicode_InternFromString("_offsets");
  if (!many->offsets)
    Py_CLEAR(many);
  return (PyObject *)many;
}

/* Whether a list seems so large that a look at all of it shows: items need not be like the first.
 */
static int seems_large(const many_t *many, PyObject *items, Py_ssize_t count) {
  PyObject *first = PyList_GetItem(items, 0);
  return count > 1 && first && PyBytes_CheckExact(first) &&
         PyBytes_Size(first) >= 2 * many->most / count;
}

/* Bytes of a list's items; 0 where they are not all bytes, -1 with an exception. */
static Py_ssize_t list_size(const many_t *many, PyObject *items, Py_ssize_t *count) {
  *count = PyList_Size(items);
  if (*count <= 0 || seems_large(many, items, *count))
    return 0;
  int64_t size = objects_bytes_total(items);
  return size < -1 ? -1 : size < 0 ? 0 : (Py_ssize_t)size;
}

/* Bytes of a batch's items; -1 with an exception. */
static Py_ssize_t batch_size(const many_t *many, PyObject *batch, Py_ssize_t *count) {
  PyObject *offsets = PyObject_GetAttr(batch, many->offsets);
  Py_buffer view;
  int opened = offsets ? PyObject_GetBuffer(offsets, &view, PyBUF_SIMPLE) : -1;
  Py_XDECREF(offsets);
  if (opened < 0)
    return -1;
  const int64_t *bounds = view.buf;
  *count = view.len / (Py_ssize_t)sizeof(int64_t) - 1;
  Py_ssize_t size = *count > 0 ? (Py_ssize_t)(bounds[*count] - bounds[0]) : 0;
  PyBuffer_Release(&view);
  return size < 0 ? 0 : size;
}

/* What the gate says of a call, and of some more before it that it had let through. */
static Py_ssize_t asked(const many_t *many, PyObject *items, Py_ssize_t size, Py_ssize_t before) {
  PyObject *bytes = PyLong_FromSsize_t(size), *calls = PyLong_FromSsize_t(before + 1);
  PyObject *found = NULL;
  if (bytes && calls)
    found = PyObject_CallFunctionObjArgs(many->gate, items, bytes, calls, NULL);
  Py_XDECREF(bytes);
  Py_XDECREF(calls);
  Py_ssize_t more = found ? PyLong_AsSsize_t(found) : -1;
  Py_XDECREF(found);
  return more;
}

/* Whether the gate lets a call through, or did so before; -1 with an exception. */
static int is_let_through(many_t *many, PyObject *items, Py_ssize_t count, Py_ssize_t size,
                          int listed) {
  size_t mixed = (size_t)count * 31 + (size_t)size;
  shape_t *shape = &many->shapes[listed][(mixed ^ mixed >> 6 ^ mixed >> 12) % SHAPES];
  long long epoch = many->epoch->now; /* read first: it may end meanwhile */
  int known = KEEPS_SHAPES && shape->count == count && shape->size == size && shape->epoch == epoch;
  if (known && shape->left > 0) {
    shape->left--;
    shape->done++;
    return 1;
  }
  Py_ssize_t calls = asked(many, items, size, known ? shape->done : 0);
  if (calls > 0)
    *shape = (shape_t){count, size, epoch, calls - 1, 0};
  return calls > 0 ? 1 : calls < 0 && PyErr_Occurred() ? -1 : 0;
}

/* Whether items are to be done here; -1 with an exception. */
static int is_admitted(many_t *many, PyObject *items, Py_ssize_t count, Py_ssize_t size,
                       int listed) {
  if (size <= 0 || size >= many->most)
    return 0;
  if (size + count * many->each < many->small)
    return 1;
  return is_let_through(many, items, count, size, listed);
}

/* Bytes of as many results as there were items; -1 with an exception. */
static Py_ssize_t many_result_size(const many_t *many, PyObject *results, Py_ssize_t count,
                                   int listed) {
  Py_ssize_t found = PyObject_Size(results);
  if (found < 0)
    return -1;
  if (found == count && many->direct.number_size)
    return count * many->direct.number_size;
  int fits = listed ? PyList_CheckExact(results) : Py_TYPE(results) == many->batch_type;
  if (found != count || !fits) {
    PyErr_SetString(PyExc_TypeError, "the library's loop returns as many results as items");
    return -1;
  }
  if (!listed)
    return batch_size(many, results, &found);
  int64_t size = objects_bytes_total(results);
  if (size < 0 && !PyErr_Occurred())
    PyErr_SetString(PyExc_TypeError, "the library's loop returns bytes");
  return (Py_ssize_t)size;
}

PyDoc_STRVAR(
    run_many_doc,
    "run(items, *arguments) -> list, batch, array or None\n\n"
    "Call the library's loop and count the call. None, with nothing done, for items of a list\n"
    "that are not all `bytes`, for those that have no bytes or `most` and more, and for what\n"
    "the gate lets not through. What `other` returns for what is neither list nor\n"
    "batch, and while the tally is paused or the thread waits for turns. What the loop raises\n"
    "passes through; where it returns None, nothing is counted.");

static PyObject *run_many(PyObject *object, PyObject *const *args, Py_ssize_t given) {
  many_t *many = (many_t *)object;
  if (given < 1 || given > MOST_ARGUMENTS) {
    PyErr_Format(PyExc_TypeError, "run() takes 1 to %d arguments, not %zd", MOST_ARGUMENTS, given);
    return NULL;
  }
  PyObject *each[MOST_ARGUMENTS] = {NULL};
  for (Py_ssize_t i = 0; i < given; i++)
    each[i] = args[i];
  int listed = PyList_CheckExact(args[0]), known = listed || Py_TYPE(args[0]) == many->batch_type;
  int paused = known ? direct_is_paused(&many->direct) : 1;
  if (paused < 0)
    return NULL;
  if (paused)
    return PyObject_CallFunctionObjArgs(many->direct.other, each[0], each[1], each[2], each[3],
                                        each[4], NULL);
  Py_ssize_t count = 0;
  Py_ssize_t size = listed ? list_size(many, args[0], &count) : batch_size(many, args[0], &count);
  int admitted = size < 0 ? -1 : is_admitted(many, args[0], count, size, listed);
  if (admitted <= 0)
    return admitted < 0 ? NULL : Py_NewRef(Py_None);
  double started = direct_now();
  PyObject *results =
      PyObject_CallFunctionObjArgs(listed ? many->direct.call : many->batch_call, each[0], each[1],
                                   each[2], each[3], each[4], NULL);
  if (!results || results == Py_None)
    return results;
  if (listed && PyList_Size(args[0]) != count) {
    /* Another thread has changed it, while the library let it: the long way says so. */
    Py_DECREF(results);
    Py_RETURN_NONE;
  }
  Py_ssize_t out = many_result_size(many, results, count, listed);
  if (out < 0 || direct_file(&many->direct, count, size, out, started, direct_now()) < 0)
    Py_CLEAR(results);
  return results;
}

static PyMethodDef many_methods[] = {
    {"run", (PyCFunction)(void (*)(void))run_many, METH_FASTCALL, run_many_doc},
    {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(
    many_doc,
    "DirectMany(tally, local, operation, reason, call, batch_type, batch_call, gate, epoch,\n"
    "other, small, each, most, number_size, /)\n"
    "--\n\n"
    "A library's loop over items of less than `most` bytes: `call` takes a list of them and\n"
    "`batch_call` a batch, which is exactly of a type and has `_offsets`, an array of n + 1\n"
    "int64 for n items. Items whose bytes and `each` for every one of them are less than\n"
    "`small` need not ask `gate(items, bytes, calls)`, which returns how many calls with as\n"
    "many items of as many bytes it lets through, this one and others until the Epoch ends;\n"
    "`calls` are this one and the others that were done since it was asked last.\n"
    "Results and records are as those of a Direct.");

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

int direct_many_add_types(PyObject *module) {
  if (objects_add_type(module, &epoch_spec) < 0)
    return -1;
  return objects_add_type(module, &many_spec);
}
