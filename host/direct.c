/* Calls of a library for work too small for a device, counted and timed: what
 * Python would spend on that is as long as such a call. */
#include "objects.h"

#include <stddef.h>
#include <structmember.h>
#include <time.h>

/* ---- Tally ---- */

typedef struct {
  PyObject ob_base;
  long long calls;
  long long bytes_in;
  long long bytes_out;
  char paused; /* calls are to take the long way, where each is filed */
} tally_t;

static PyMemberDef tally_members[] = {
    {"calls", T_LONGLONG, offsetof(tally_t, calls), READONLY, "Calls that returned a result."},
    {"bytes_in", T_LONGLONG, offsetof(tally_t, bytes_in), READONLY, "Bytes of their inputs."},
    {"bytes_out", T_LONGLONG, offsetof(tally_t, bytes_out), READONLY, "Bytes of their results."},
    {"paused", T_BOOL, offsetof(tally_t, paused), 0, "True: Direct.run does nothing."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot tally_slots[] = {
    {Py_tp_doc, "Tally()\n--\n\nCounts of the calls of any number of Direct objects."},
    {Py_tp_members, tally_members},
    {0, NULL}};

static PyType_Spec tally_spec = {
    .name = "fpga_accel._objects.Tally",
    .basicsize = sizeof(tally_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tally_slots,
};

/* Without a GIL two threads may count at once. */
static void count(long long *sum, long long more) {
  __atomic_fetch_add(sum, more, __ATOMIC_RELAXED);
}

/* ---- Direct ---- */

#define MOST_ARGUMENTS 4

typedef struct {
  PyObject ob_base;
  PyObject *tally;
  PyObject *local; /* gets `last` */
  PyObject *last;  /* name of that attribute */
  PyObject *operation;
  PyObject *reason;
  PyObject *call;
  PyObject *one;       /* items, as the record says it */
  Py_ssize_t position; /* of the data among the arguments */
  Py_ssize_t limit;
  Py_ssize_t number_size; /* bytes that a result counts for, 0: its length */
} direct_t;

static int direct_clear(PyObject *object) {
  direct_t *direct = (direct_t *)object;
  Py_CLEAR(direct->tally);
  Py_CLEAR(direct->local);
  Py_CLEAR(direct->last);
  Py_CLEAR(direct->operation);
  Py_CLEAR(direct->reason);
  Py_CLEAR(direct->call);
  Py_CLEAR(direct->one);
  return 0;
}

static int direct_traverse(PyObject *object, visitproc visit, void *arg) {
  direct_t *direct = (direct_t *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(direct->tally);
  Py_VISIT(direct->local);
  Py_VISIT(direct->operation);
  Py_VISIT(direct->reason);
  Py_VISIT(direct->call);
  return 0;
}

static void direct_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  direct_clear(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static int is_tally(PyTypeObject *direct_type, PyObject *object) {
  PyObject *module = PyType_GetModule(direct_type);
  PyObject *type = module ? PyObject_GetAttrString(module, "Tally") : NULL;
  int found = type && Py_TYPE(object) == (PyTypeObject *)type;
  Py_XDECREF(type);
  return found;
}

static PyObject *direct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *tally, *local, *operation, *reason, *call;
  Py_ssize_t position, limit, number_size = 0;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "Direct() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOOOOnn|n:Direct", &tally, &local, &operation, &reason, &call,
                        &position, &limit, &number_size))
    return NULL;
  if (!is_tally(type, tally) || position < 0 || position >= MOST_ARGUMENTS) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_TypeError, "Direct() takes a Tally and a position below %d",
                   MOST_ARGUMENTS);
    return NULL;
  }
  direct_t *direct = (direct_t *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!direct)
    return NULL;
  direct->tally = Py_NewRef(tally);
  direct->local = Py_NewRef(local);
  direct->operation = Py_NewRef(operation);
  direct->reason = Py_NewRef(reason);
  direct->call = Py_NewRef(call);
  direct->position = position;
  direct->limit = limit;
  direct->number_size = number_size;
  direct->last = PyUnicode_InternFromString("last");
  direct->one = PyLong_FromLong(1);
  if (!direct->last || !direct->one)
    Py_CLEAR(direct);
  return (PyObject *)direct;
}

/* Bytes of an input of a type that every library takes, else -1. */
static Py_ssize_t input_size(PyObject *data) {
  if (PyBytes_CheckExact(data))
    return PyBytes_Size(data);
  if (!PyByteArray_Check(data) && !PyMemoryView_Check(data))
    return -1;
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
    PyErr_Clear();
    return -1;
  }
  Py_ssize_t size = view.len;
  PyBuffer_Release(&view);
  return size;
}

static Py_ssize_t result_size(const direct_t *direct, PyObject *result) {
  if (direct->number_size)
    return direct->number_size;
  return PyBytes_CheckExact(result) ? PyBytes_Size(result) : PyObject_Size(result);
}

/* The clock of time.perf_counter(). */
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The record of one call, in the shape that receipts are made from. */
static PyObject *record(const direct_t *direct, Py_ssize_t in, Py_ssize_t out, double started,
                        double ended) {
  PyObject *parts[8] = {Py_NewRef(direct->operation), Py_NewRef(direct->reason),
                        Py_NewRef(Py_False),          Py_NewRef(direct->one),
                        PyLong_FromSsize_t(in),       PyLong_FromSsize_t(out),
                        PyFloat_FromDouble(started),  PyFloat_FromDouble(ended)};
  PyObject *tuple = PyTuple_New(8);
  int whole = tuple != NULL;
  for (Py_ssize_t i = 0; i < 8; i++)
    whole &= parts[i] != NULL;
  for (Py_ssize_t i = 0; i < 8; i++)
    if (whole)
      PyTuple_SetItem(tuple, i, parts[i]);
    else
      Py_XDECREF(parts[i]);
  if (!whole)
    Py_CLEAR(tuple);
  return tuple;
}

static int file(direct_t *direct, Py_ssize_t in, Py_ssize_t out, double started, double ended) {
  PyObject *filed = record(direct, in, out, started, ended);
  int failed = filed ? PyObject_SetAttr(direct->local, direct->last, filed) : -1;
  Py_XDECREF(filed);
  if (failed)
    return -1;
  tally_t *tally = (tally_t *)direct->tally;
  count(&tally->calls, 1);
  count(&tally->bytes_in, in);
  count(&tally->bytes_out, out);
  return 0;
}

PyDoc_STRVAR(run_doc,
             "run(*arguments) -> result or None\n\n"
             "Call the library and count the call. None, with nothing done, for data of no\n"
             "bytes, of `limit` bytes or more, or in a buffer of an unusual type, and while the\n"
             "tally is paused. What the library raises passes through; where it returns None,\n"
             "nothing is counted.");

static PyObject *run(PyObject *object, PyObject *const *args, Py_ssize_t given) {
  direct_t *direct = (direct_t *)object;
  if (given <= direct->position || given > MOST_ARGUMENTS) {
    PyErr_Format(PyExc_TypeError, "run() takes %zd to %d arguments, not %zd", direct->position + 1,
                 MOST_ARGUMENTS, given);
    return NULL;
  }
  Py_ssize_t size = input_size(args[direct->position]);
  if (size <= 0 || size >= direct->limit || ((tally_t *)direct->tally)->paused)
    Py_RETURN_NONE;
  PyObject *each[MOST_ARGUMENTS] = {NULL};
  for (Py_ssize_t i = 0; i < given; i++)
    each[i] = args[i];
  double started = now();
  PyObject *result =
      PyObject_CallFunctionObjArgs(direct->call, each[0], each[1], each[2], each[3], NULL);
  if (!result || result == Py_None)
    return result;
  Py_ssize_t out = result_size(direct, result);
  if (out < 0 || file(direct, size, out, started, now()) < 0)
    Py_CLEAR(result);
  return result;
}

static PyMethodDef direct_methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, run_doc}, {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(
    direct_doc,
    "Direct(tally, local, operation, reason, call, position, limit, number_size=0, /)\n--\n\n"
    "A library's call for one item of less than `limit` bytes, which is argument `position`.\n"
    "Its results count for `number_size` bytes where that is not 0, else for their length.\n"
    "Its record goes to `local.last`, a tuple of operation, reason, False, 1, bytes in, bytes\n"
    "out, start and end (of time.perf_counter()).");

static PyType_Slot direct_slots[] = {{Py_tp_doc, (void *)direct_doc},
                                     {Py_tp_new, direct_new},
                                     {Py_tp_dealloc, direct_dealloc},
                                     {Py_tp_traverse, direct_traverse},
                                     {Py_tp_clear, direct_clear},
                                     {Py_tp_methods, direct_methods},
                                     {0, NULL}};

static PyType_Spec direct_spec = {
    .name = "fpga_accel._objects.Direct",
    .basicsize = sizeof(direct_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = direct_slots,
};

static int add_type(PyObject *module, PyType_Spec *spec) {
  PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
  int failed = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
  Py_XDECREF(type);
  return failed;
}

int direct_add_types(PyObject *module) {
  return add_type(module, &tally_spec) < 0 ? -1 : add_type(module, &direct_spec);
}
