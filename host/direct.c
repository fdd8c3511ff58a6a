/* Calls of a library for work too small for a device, counted and timed: what
 * Python would spend on that is as long as such a call. */
#include "direct.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

/* ---- Tally ---- */

typedef struct {
  PyObject ob_base;
  long long calls;
  long long items;
  long long bytes_in;
  long long bytes_out;
  char paused; /* calls are to take the long way, where each is filed */
} tally_t;

static PyMemberDef tally_members[] = {
    {"calls", T_LONGLONG, offsetof(tally_t, calls), READONLY, "Calls that returned a result."},
    {"items", T_LONGLONG, offsetof(tally_t, items), READONLY, "Items of these calls."},
    {"bytes_in", T_LONGLONG, offsetof(tally_t, bytes_in), READONLY, "Bytes of their inputs."},
    {"bytes_out", T_LONGLONG, offsetof(tally_t, bytes_out), READONLY, "Bytes of their results."},
    {"paused", T_BOOL, offsetof(tally_t, paused), 0, "True: Direct objects do nothing."},
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
#ifdef Py_GIL_DISABLED
  __atomic_fetch_add(sum, more, __ATOMIC_RELAXED);
#else
  *sum += more;
#endif
}

/* ---- Last ---- */

/* What one thread did last on one Accelerator. A small call leaves numbers here,
 * of which the record is made where somebody looks: making it at once costs more
 * than a third of such a call. */
typedef struct {
  PyObject ob_base;
  PyObject *value;     /* as it was set */
  PyObject *operation; /* of a Direct's call, which then is the last; not the Direct */
  PyObject *reason;    /* itself, which may hold a key */
  Py_ssize_t items;
  Py_ssize_t in;
  Py_ssize_t out;
  double started;
  double ended;
  char waits; /* the thread has to wait for its turn, which Direct objects do not */
} last_t;

/* Let `place` hold `object`, which may be NULL. */
static void keep(PyObject **place, PyObject *object) {
  if (*place == object)
    return;
  PyObject *before = *place;
  *place = Py_XNewRef(object);
  Py_XDECREF(before);
}

/* The record, in the shape that receipts are made from. */
static PyObject *record(const last_t *last) {
  return Py_BuildValue("OOOnnndd", last->operation, last->reason, Py_False, last->items, last->in,
                       last->out, last->started, last->ended);
}

/* Where the calling thread's Last objects are, for the Direct objects it used
 * lately: looking one up in a threading.local takes longer than all else. The
 * pointers are borrowed from that local. A serial is never given twice, so an
 * entry of a Direct that is gone is never found; one whose Last is gone in this
 * thread is removed by last_dealloc. */
#define REMEMBERED 8

static _Thread_local struct {
  unsigned long long serial;
  last_t *last;
} remembered[REMEMBERED];

static int last_clear(PyObject *object) {
  last_t *last = (last_t *)object;
  Py_CLEAR(last->value);
  Py_CLEAR(last->operation);
  Py_CLEAR(last->reason);
  return 0;
}

static int last_traverse(PyObject *object, visitproc visit, void *arg) {
  last_t *last = (last_t *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(last->value);
  Py_VISIT(last->operation);
  Py_VISIT(last->reason);
  return 0;
}

static void last_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  for (int i = 0; i < REMEMBERED; i++)
    if (remembered[i].last == (last_t *)object)
      remembered[i].serial = 0;
  last_clear(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static PyObject *last_get(PyObject *object, void *closure) {
  (void)closure;
  last_t *last = (last_t *)object;
  if (last->operation)
    return record(last);
  return Py_NewRef(last->value ? last->value : Py_None);
}

static int last_set(PyObject *object, PyObject *value, void *closure) {
  (void)closure;
  last_t *last = (last_t *)object;
  keep(&last->value, value);
  Py_CLEAR(last->operation);
  return 0;
}

static PyMemberDef last_members[] = {
    {"waits", T_BOOL, offsetof(last_t, waits), 0,
     "True: the thread takes turns, and Direct objects do nothing in it."},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef last_getset[] = {
    {"value", last_get, last_set, "What was set, or the record of a later call of a Direct.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot last_slots[] = {
    {Py_tp_doc, "Last()\n--\n\nWhat one thread did last; Direct objects write to it."},
    {Py_tp_dealloc, last_dealloc},
    {Py_tp_traverse, last_traverse},
    {Py_tp_clear, last_clear},
    {Py_tp_getset, last_getset},
    {Py_tp_members, last_members},
    {0, NULL}};

static PyType_Spec last_spec = {
    .name = "fpga_accel._objects.Last",
    .basicsize = sizeof(last_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = last_slots,
};

/* ---- Direct ---- */

static unsigned long long serials;

int direct_clear(PyObject *object) {
  direct_t *direct = (direct_t *)object;
  Py_CLEAR(direct->tally);
  Py_CLEAR(direct->local);
  Py_CLEAR(direct->operation);
  Py_CLEAR(direct->reason);
  Py_CLEAR(direct->call);
  Py_CLEAR(direct->other);
  return 0;
}

int direct_traverse(PyObject *object, visitproc visit, void *arg) {
  direct_t *direct = (direct_t *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(direct->tally);
  Py_VISIT(direct->local);
  Py_VISIT(direct->operation);
  Py_VISIT(direct->reason);
  Py_VISIT(direct->call);
  Py_VISIT(direct->other);
  return 0;
}

void direct_freed(PyObject *object, inquiry clear) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  clear(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static void direct_dealloc(PyObject *object) { direct_freed(object, direct_clear); }

int direct_is_a(PyTypeObject *direct_type, const char *name, PyObject *object) {
  PyTypeObject *type = objects_type_beside(direct_type, name);
  int found = type && Py_TYPE(object) == type;
  Py_XDECREF((PyObject *)type);
  return found;
}

direct_t *direct_made(PyTypeObject *type, PyObject *tally, PyObject *local, PyObject *operation,
                      PyObject *reason, PyObject *call, PyObject *other, Py_ssize_t number_size) {
  direct_t *direct = (direct_t *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!direct)
    return NULL;
  direct->tally = Py_NewRef(tally);
  direct->local = Py_NewRef(local);
  direct->operation = Py_NewRef(operation);
  direct->reason = Py_NewRef(reason);
  direct->call = Py_NewRef(call);
  direct->other = Py_XNewRef(other);
  direct->number_size = number_size;
  direct->target = -1;
  direct->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
  return direct;
}

static PyObject *direct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *tally, *local, *operation, *reason, *call, *other = NULL;
  Py_ssize_t position, limit, number_size = 0, target = -1;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "Direct() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOOOOnn|nnO:Direct", &tally, &local, &operation, &reason, &call,
                        &position, &limit, &number_size, &target, &other))
    return NULL;
  if (!direct_is_a(type, "Tally", tally) || position < 0 || position >= MOST_ARGUMENTS ||
      target < -1 || target >= MOST_ARGUMENTS || target == position) {
    if (!PyErr_Occurred())
      PyErr_Format(PyExc_TypeError, "Direct() takes a Tally and different positions below %d",
                   MOST_ARGUMENTS);
    return NULL;
  }
  direct_t *direct = direct_made(type, tally, local, operation, reason, call, other, number_size);
  if (!direct)
    return NULL;
  direct->position = position;
  direct->limit = limit;
  direct->target = target;
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
  if (PyLong_CheckExact(result)) {
    Py_ssize_t written = PyLong_AsSsize_t(result);
    if (written < 0 && !PyErr_Occurred())
      PyErr_SetString(PyExc_ValueError, "the library reports a negative size");
    return written;
  }
  return PyBytes_CheckExact(result) ? PyBytes_Size(result) : PyObject_Size(result);
}

/* Opens a buffer to write to. What holds Python objects is none ('O' in a format, which a field's
 * name may hold as well), however writable it is. */
static int open_target(PyObject *target, Py_buffer *to) {
  if (PyObject_GetBuffer(target, to, PyBUF_WRITABLE | PyBUF_ND | PyBUF_FORMAT) < 0) {
    PyErr_Clear();
    return -1;
  }
  if (!to->format || !strchr(to->format, 'O'))
    return 0;
  PyBuffer_Release(to);
  return -1;
}

/* How many bytes of a result a buffer now holds; -1 without an exception where it takes none or is
 * too small: the long way says what is wrong. */
static Py_ssize_t copied(PyObject *result, PyObject *target) {
  Py_buffer from, to;
  if (open_target(target, &to) < 0)
    return -1;
  if (PyObject_GetBuffer(result, &from, PyBUF_SIMPLE) < 0) {
    PyBuffer_Release(&to);
    return -1;
  }
  Py_ssize_t size = from.len <= to.len ? from.len : -1;
  if (size > 0)
    memcpy(to.buf, from.buf, (size_t)size);
  PyBuffer_Release(&from);
  PyBuffer_Release(&to);
  return size;
}

double direct_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* The calling thread's Last, as a new reference. */
static last_t *last_of(direct_t *direct) {
  last_t *last = remembered[direct->serial % REMEMBERED].last;
  if (remembered[direct->serial % REMEMBERED].serial == direct->serial)
    return (last_t *)Py_NewRef((PyObject *)last);
  PyObject *found = PyObject_GetAttrString(direct->local, "last");
  if (!found)
    return NULL;
  if (!direct_is_a(Py_TYPE((PyObject *)direct), "Last", found)) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "the local's attribute `last` is no Last");
    Py_DECREF(found);
    return NULL;
  }
  remembered[direct->serial % REMEMBERED].serial = direct->serial;
  remembered[direct->serial % REMEMBERED].last = (last_t *)found;
  return (last_t *)found;
}

int direct_is_paused(direct_t *direct) {
  if (((tally_t *)direct->tally)->paused)
    return 1;
  last_t *last = last_of(direct);
  if (!last)
    return -1;
  int waits = last->waits;
  Py_DECREF((PyObject *)last);
  return waits;
}

int direct_file(direct_t *direct, Py_ssize_t items, Py_ssize_t in, Py_ssize_t out, double started,
                double ended) {
  last_t *last = last_of(direct);
  if (!last)
    return -1;
  keep(&last->operation, direct->operation);
  keep(&last->reason, direct->reason);
  last->items = items;
  last->in = in;
  last->out = out;
  last->started = started;
  last->ended = ended;
  Py_DECREF((PyObject *)last);
  tally_t *tally = (tally_t *)direct->tally;
  count(&tally->calls, 1);
  count(&tally->items, items);
  count(&tally->bytes_in, in);
  count(&tally->bytes_out, out);
  return 0;
}

PyDoc_STRVAR(run_doc,
             "run(*arguments) -> result or None\n\n"
             "Call the library and count the call. None, with nothing done, for data of no\n"
             "bytes, of `limit` bytes or more, or in a buffer of an unusual type, and while the\n"
             "tally is paused or the thread waits for turns. What the library raises passes "
             "through; where it returns None,\n"
             "nothing is counted. With a `target`, the result is copied into that argument, which\n"
             "the library is not given, and its size returned; None where there is no room.");

static PyObject *run(PyObject *object, PyObject *const *args, Py_ssize_t given) {
  direct_t *direct = (direct_t *)object;
  Py_ssize_t least = direct->position > direct->target ? direct->position : direct->target;
  if (given <= least || given > MOST_ARGUMENTS) {
    PyErr_Format(PyExc_TypeError, "run() takes %zd to %d arguments, not %zd", least + 1,
                 MOST_ARGUMENTS, given);
    return NULL;
  }
  Py_ssize_t size = input_size(args[direct->position]);
  if (size <= 0 || size >= direct->limit)
    Py_RETURN_NONE;
  int paused = direct_is_paused(direct);
  if (paused)
    return paused < 0 ? NULL : Py_NewRef(Py_None);
  PyObject *each[MOST_ARGUMENTS] = {NULL};
  for (Py_ssize_t i = 0, taken = 0; i < given; i++)
    if (i != direct->target)
      each[taken++] = args[i];
  double started = direct_now();
  PyObject *result =
      PyObject_CallFunctionObjArgs(direct->call, each[0], each[1], each[2], each[3], each[4], NULL);
  if (!result || result == Py_None)
    return result;
  if (direct->target >= 0) {
    Py_ssize_t written = copied(result, args[direct->target]);
    Py_DECREF(result);
    if (written < 0)
      return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    result = PyLong_FromSsize_t(written);
    if (!result)
      return NULL;
  }
  Py_ssize_t out = result_size(direct, result);
  if (out < 0 || direct_file(direct, 1, size, out, started, direct_now()) < 0)
    Py_CLEAR(result);
  return result;
}

/* What `other` does with the arguments, which hold the values of named ones behind the others. */
static PyObject *other_way(direct_t *direct, PyObject *const *args, Py_ssize_t given,
                           PyObject *names) {
  PyObject *plain = PyTuple_New(given), *named = names ? PyDict_New() : NULL, *result = NULL;
  if (!plain || (names && !named))
    goto end;
  for (Py_ssize_t i = 0; i < given; i++)
    PyTuple_SetItem(plain, i, Py_NewRef(args[i]));
  for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++)
    if (PyDict_SetItem(named, PyTuple_GetItem(names, i), args[given + i]) < 0)
      goto end;
  result = PyObject_Call(direct->other, plain, named);
end:
  Py_XDECREF(plain);
  Py_XDECREF(named);
  return result;
}

PyDoc_STRVAR(bound_doc,
             "bound(*arguments, **named) -> result\n\n"
             "The same as `run` with None for a third argument that is left out, and what `other`\n"
             "returns where that returns None or raises, or where arguments have names.");

#define BOUND_ARGUMENTS 3

/* Whether an exception is about the arguments or the data, so that the other way tells it better.
 */
static int is_refusal(void) {
  return PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError);
}

/* What `run` gives, None with no exception where the other way is to be taken. */
static PyObject *run_or_none(PyObject *object, PyObject *const *args, Py_ssize_t given) {
  PyObject *result = run(object, args, given);
  if (result || !is_refusal())
    return result;
  PyErr_Clear();
  Py_RETURN_NONE;
}

static int check_other(direct_t *direct) {
  if (direct->other)
    return 0;
  PyErr_SetString(PyExc_TypeError, "a bound call needs another way");
  return -1;
}

static PyObject *bound(PyObject *object, PyObject *const *args, Py_ssize_t given, PyObject *names) {
  direct_t *direct = (direct_t *)object;
  if (check_other(direct) < 0)
    return NULL;
  if (!names && given >= BOUND_ARGUMENTS - 1 && given <= BOUND_ARGUMENTS) {
    PyObject *all[] = {args[0], args[1], given == BOUND_ARGUMENTS ? args[2] : Py_None};
    PyObject *result = run_or_none(object, all, BOUND_ARGUMENTS);
    if (result != Py_None)
      return result;
    Py_DECREF(result);
  }
  return other_way(direct, args, given, names);
}

PyDoc_STRVAR(
    bound_into_doc,
    "bound_into(*arguments, **named) -> result\n\n"
    "The same with a buffer as a fourth argument, where the second is exactly bytes: they\n"
    "share no memory with a buffer that is written to.");

static PyObject *bound_into(PyObject *object, PyObject *const *args, Py_ssize_t given,
                            PyObject *names) {
  direct_t *direct = (direct_t *)object;
  if (check_other(direct) < 0)
    return NULL;
  if (!names && given == BOUND_ARGUMENTS + 1 && PyBytes_CheckExact(args[1])) {
    PyObject *result = run_or_none(object, args, given);
    if (result != Py_None)
      return result;
    Py_DECREF(result);
  }
  return other_way(direct, args, given, names);
}

static PyMethodDef direct_methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, run_doc},
    {"bound", (PyCFunction)(void (*)(void))bound, METH_FASTCALL | METH_KEYWORDS, bound_doc},
    {"bound_into", (PyCFunction)(void (*)(void))bound_into, METH_FASTCALL | METH_KEYWORDS,
     bound_into_doc},
    {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(
    direct_doc,
    "Direct(tally, local, operation, reason, call, position, limit, number_size=0, target=-1,\n"
    "other=None, /)\n--\n\n"
    "A library's call for one item of less than `limit` bytes, which is argument `position`.\n"
    "Its results count for `number_size` bytes where that is not 0, else for their length,\n"
    "or for what they say where they are ints.\n"
    "Its record goes to `local.last`, a Last, as a tuple of operation, reason, False, 1, bytes\n"
    "in, bytes out, start and end (of time.perf_counter()).");

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

int direct_add_types(PyObject *module) {
  if (objects_add_type(module, &tally_spec) < 0 || objects_add_type(module, &last_spec) < 0)
    return -1;
  return objects_add_type(module, &direct_spec);
}
