/* fpga_accel._objects: the C that knows Python objects. This file turns buffers
 * into addresses and sizes, and makes bytes whose memory others fill.
 *
 * Limited API of 3.11 (the first with Py_buffer), so one build serves every
 * later CPython. Addresses travel as Python ints; sizes and addresses of many
 * items as arrays of uint64. The caller vouches for the addresses it passes.
 *
 * What is not here, and why: shrinking a bytes object. _PyBytes_Resize is not in
 * the limited API (3.11 to 3.13), so a result of unknown size is written to a
 * reused slab first and copied out once its size is known.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "huge.h"
#include "objects.h"

#include <stddef.h>
#include <stdint.h>

/* ---- Keep: what holds the buffers while others use their addresses ---- */

typedef struct {
  PyObject ob_base; /* what PyObject_HEAD stands for */
  PyObject *items;  /* the one buffer, or the tuple of all; NULL when released */
  Py_buffer *views; /* of the items that are not exactly bytes */
  Py_ssize_t view_count;
  Py_buffer one; /* views of a Keep of one item, which saves an allocation */
} keep_t;

static objects_state_t *state_of(PyObject *module) { return PyModule_GetState(module); }

static keep_t *keep_new(PyObject *module) {
  PyTypeObject *type = state_of(module)->keep_type;
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  return (keep_t *)allocate(type, 0); /* zeroed */
}

/* Detaches everything first: releasing a view may run any Python code. */
static int keep_clear(PyObject *object) {
  keep_t *keep = (keep_t *)object;
  PyObject *items = keep->items;
  Py_buffer *views = keep->views;
  Py_ssize_t count = keep->view_count;
  keep->items = NULL;
  keep->views = NULL;
  keep->view_count = 0;
  for (Py_ssize_t i = 0; i < count; i++)
    PyBuffer_Release(&views[i]);
  if (views != &keep->one)
    PyMem_Free(views);
  Py_XDECREF(items);
  return 0;
}

static int keep_traverse(PyObject *object, visitproc visit, void *arg) {
  keep_t *keep = (keep_t *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(keep->items);
  /* Not memoryviews: the collector would clear those of a garbage cycle before this Keep, while
   * they are exported, and that ends in a crash. A cycle with one lives until release(). */
  for (Py_ssize_t i = 0; i < keep->view_count; i++)
    if (!keep->views[i].obj || !PyMemoryView_Check(keep->views[i].obj))
      Py_VISIT(keep->views[i].obj);
  return 0;
}

static void keep_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  keep_clear(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static PyObject *keep_release(PyObject *object, PyObject *unused) {
  (void)unused;
  keep_clear(object);
  Py_RETURN_NONE;
}

static PyObject *keep_all_bytes(PyObject *object, PyObject *unused) {
  (void)unused;
  return PyBool_FromLong(((keep_t *)object)->view_count == 0);
}

static PyObject *keep_enter(PyObject *object, PyObject *unused) {
  (void)unused;
  return Py_NewRef(object);
}

static PyObject *keep_exit(PyObject *object, PyObject *unused) {
  return keep_release(object, unused);
}

static PyMethodDef keep_methods[] = {
    {"release", keep_release, METH_NOARGS, "Let go of the buffers now. Safe to call twice."},
    {"all_bytes", keep_all_bytes, METH_NOARGS, "Whether every item is exactly bytes."},
    {"__enter__", keep_enter, METH_NOARGS, NULL},
    {"__exit__", keep_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot keep_slots[] = {
    {Py_tp_doc, "Holds buffers, so that their addresses stay valid until release() or the end."},
    {Py_tp_dealloc, keep_dealloc},
    {Py_tp_traverse, keep_traverse},
    {Py_tp_clear, keep_clear},
    {Py_tp_methods, keep_methods},
    {0, NULL}};

static PyType_Spec keep_spec = {
    .name = "fpga_accel._objects.Keep",
    .basicsize = sizeof(keep_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = keep_slots,
};

/* ---- one item ---- */

typedef struct {
  uint64_t address;
  uint64_t size;
} span_t;

/* Names the item in the message of an error about one of many. */
static void set_error(PyObject *type, Py_ssize_t index, const char *format, PyObject *detail) {
  PyObject *text = PyUnicode_FromFormat(format, detail);
  if (!text)
    return;
  if (index < 0)
    PyErr_SetObject(type, text);
  else
    PyErr_Format(type, "item %zd: %U", index, text);
  Py_DECREF(text);
}

static void set_type_error(PyObject *item, Py_ssize_t index) {
  if (PyUnicode_Check(item)) {
    set_error(PyExc_TypeError, index, "expected bytes or another buffer, not str: encode it first",
              NULL);
    return;
  }
  PyObject *name = PyType_GetName(Py_TYPE(item));
  if (name)
    set_error(PyExc_TypeError, index, "expected bytes or another buffer, not %U", name);
  Py_XDECREF(name);
}

/* numpy says ValueError where memoryview says BufferError: make it one. Other
 * exceptions (memory, interrupts, an exporter's own) pass unchanged. */
static void set_buffer_error(Py_ssize_t index) {
  if (!PyErr_ExceptionMatches(PyExc_BufferError) && !PyErr_ExceptionMatches(PyExc_ValueError))
    return;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  set_error(PyExc_BufferError, index, "%S", value);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
}

/* Only exact bytes: a subclass may export a buffer of its own. */
static int is_plain_bytes(PyObject *item) { return PyBytes_CheckExact(item); }

/* Where the content of exact bytes starts behind the object, found when the module is loaded: a
 * call less for each of ten thousand items. */
static uintptr_t content_offset;

static void span_of_bytes(PyObject *bytes, span_t *span) {
  span->address = (uintptr_t)bytes + content_offset;
  span->size = (uint64_t)Py_SIZE(bytes);
}

/* The span of an item that is not plain bytes; view stays open. index < 0: there is one only. */
static int open_view(PyObject *item, int writable, Py_ssize_t index, Py_buffer *view,
                     span_t *span) {
  if (!PyObject_CheckBuffer(item)) {
    set_type_error(item, index);
    return -1;
  }
  if (PyObject_GetBuffer(item, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) {
    set_buffer_error(index);
    return -1;
  }
  span->address = (uintptr_t)view->buf;
  span->size = (uint64_t)view->len;
  return 0;
}

/* ---- arguments ---- */

/* An address of `what`, NULL with an exception if it is none or misaligned. */
static void *address_argument(PyObject *argument, const char *what) {
  void *address = PyLong_AsVoidPtr(argument);
  if (!address && !PyErr_Occurred())
    PyErr_Format(PyExc_ValueError, "%s is a null address", what);
  if ((uintptr_t)address % sizeof(uint64_t) != 0) {
    PyErr_Format(PyExc_ValueError, "%s is not a multiple of 8", what);
    return NULL;
  }
  return address;
}

static Py_ssize_t count_argument(PyObject *argument, const char *what) {
  Py_ssize_t count = PyLong_AsSsize_t(argument);
  if (count < 0 && !PyErr_Occurred())
    PyErr_Format(PyExc_ValueError, "%s is negative", what);
  return count < 0 ? -1 : count;
}

static int check_argument_count(const char *name, Py_ssize_t given, Py_ssize_t low,
                                Py_ssize_t high) {
  if (given >= low && given <= high)
    return 0;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments, not %zd", name, low, high, given);
  return -1;
}

/* An optional count of rows: ANY_COUNT for one that is absent or None, -1 with an exception. */
#define ANY_COUNT PY_SSIZE_T_MAX

static Py_ssize_t optional_count(PyObject *const *args, Py_ssize_t given, Py_ssize_t index) {
  int absent = given <= index || args[index] == Py_None;
  return absent ? ANY_COUNT : count_argument(args[index], "count");
}

/* The items as a tuple of our own, which no other thread can change. */
static PyObject *items_argument(PyObject *items, Py_ssize_t count) {
  if (!PyList_Check(items) && !PyTuple_Check(items)) {
    PyErr_SetString(PyExc_TypeError, "items must be a list or a tuple");
    return NULL;
  }
  PyObject *tuple = PySequence_Tuple(items);
  if (tuple && count != ANY_COUNT && PyTuple_Size(tuple) != count) {
    PyErr_Format(PyExc_ValueError, "%zd items for %zd rows", PyTuple_Size(tuple), count);
    Py_CLEAR(tuple);
  }
  return tuple;
}

/* ---- many items ---- */

/* Allocated at the first item that needs it, for all that may follow: a view
 * must not move once it is open. */
static Py_buffer *next_view(keep_t *keep, Py_ssize_t left) {
  if (!keep->views)
    keep->views = PyMem_Calloc((size_t)left, sizeof(Py_buffer));
  if (!keep->views)
    return (Py_buffer *)PyErr_NoMemory();
  return &keep->views[keep->view_count];
}

static int add_view(keep_t *keep, PyObject *item, int writable, Py_ssize_t index, Py_ssize_t left,
                    span_t *span) {
  Py_buffer *view = next_view(keep, left);
  if (!view || open_view(item, writable, index, view, span) < 0)
    return -1;
  keep->view_count++;
  return 0;
}

/* Addresses and sizes go to two arrays. */
static int fill(keep_t *keep, int writable, uint64_t *addresses, uint64_t *sizes) {
  PyObject *items = keep->items;
  Py_ssize_t count = PyTuple_Size(items);
  span_t span;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = PyTuple_GetItem(items, i);
    if (!writable && is_plain_bytes(item))
      span_of_bytes(item, &span);
    else if (add_view(keep, item, writable, i, count - i, &span) < 0)
      return -1;
    addresses[i] = span.address;
    sizes[i] = span.size;
  }
  return 0;
}

static PyObject *keep_many(PyObject *module, PyObject *items, Py_ssize_t count, int writable,
                           uint64_t *addresses, uint64_t *sizes) {
  PyObject *tuple = items_argument(items, count);
  keep_t *keep = tuple ? keep_new(module) : NULL;
  if (!keep) {
    Py_XDECREF(tuple);
    return NULL;
  }
  keep->items = tuple;
  if (fill(keep, writable, addresses, sizes) < 0)
    Py_CLEAR(keep);
  return (PyObject *)keep;
}

PyDoc_STRVAR(
    addresses_from_buffers_doc,
    "addresses_from_buffers(items, addresses, sizes, count=None, writable=False, /)\n"
    "-> Keep\n\n"
    "Write the address and the size in bytes of each item (a list or a tuple of\n"
    "C-contiguous buffers) to two uint64 arrays, given by their addresses. They hold until\n"
    "the result is released or dropped. count: the rows that the arrays have; another\n"
    "number of items is a ValueError. Give it, or a tuple, where another thread could\n"
    "change the list.");

static PyObject *addresses_from_buffers(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  if (check_argument_count("addresses_from_buffers", given, 3, 5) < 0)
    return NULL;
  Py_ssize_t count = optional_count(args, given, 3);
  int writable = given > 4 ? PyObject_IsTrue(args[4]) : 0;
  if (count < 0 || writable < 0)
    return NULL;
  uint64_t *addresses = address_argument(args[1], "addresses");
  uint64_t *sizes = addresses ? address_argument(args[2], "sizes") : NULL;
  return sizes ? keep_many(module, args[0], count, writable, addresses, sizes) : NULL;
}

PyDoc_STRVAR(
    bytes_total_doc,
    "bytes_total(items, [offsets, count], /) -> int\n\n"
    "The bytes over all items of a list or a tuple, -1 where one is not exactly bytes. In\n"
    "a third of the time of addresses_from_buffers, as it holds none of them. An int64\n"
    "array of `count` + 1 `offsets` is told where the items lie once they are joined.");

/* Objects lie anywhere: each is asked for so many items ahead. */
#define AHEAD 16

/* Returns -1 where an item is not bytes. */
static int64_t total_of(PyObject *items, Py_ssize_t count, int64_t *offsets) {
  int is_list = PyList_Check(items);
  int64_t total = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = is_list ? PyList_GetItem(items, i) : PyTuple_GetItem(items, i);
    if (count - i > AHEAD)
      __builtin_prefetch(is_list ? PyList_GetItem(items, i + AHEAD)
                                 : PyTuple_GetItem(items, i + AHEAD));
    if (!is_plain_bytes(item))
      return -1;
    if (offsets)
      offsets[i] = total;
    total += Py_SIZE(item);
  }
  if (offsets)
    offsets[count] = total;
  return total;
}

int64_t objects_bytes_total(PyObject *list) {
#ifdef Py_GIL_DISABLED
  PyObject *own = items_argument(list, ANY_COUNT);
  if (!own)
    return -2;
  int64_t total = total_of(own, PyTuple_Size(own), NULL);
  Py_DECREF(own);
  return total;
#else
  return total_of(list, PyList_Size(list), NULL);
#endif
}

static PyObject *bytes_total(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (check_argument_count("bytes_total", given, 1, 3) < 0)
    return NULL;
  PyObject *items = args[0], *own = NULL;
  if (!PyList_Check(items) && !PyTuple_Check(items)) {
    PyErr_SetString(PyExc_TypeError, "items must be a list or a tuple");
    return NULL;
  }
  int64_t *offsets = NULL;
  Py_ssize_t wanted = ANY_COUNT;
  if (given > 1) {
    if (check_argument_count("bytes_total", given, 3, 3) < 0)
      return NULL;
    offsets = address_argument(args[1], "offsets");
    wanted = offsets ? count_argument(args[2], "count") : -1;
    if (wanted < 0)
      return NULL;
  }
#ifdef Py_GIL_DISABLED
  items = own = items_argument(items, wanted);
  if (!items)
    return NULL;
#endif
  Py_ssize_t count = PyList_Check(items) ? PyList_Size(items) : PyTuple_Size(items);
  PyObject *total = NULL;
  if (wanted != ANY_COUNT && count != wanted)
    PyErr_Format(PyExc_ValueError, "%zd items for %zd rows", count, wanted);
  else if (count >= 0)
    total = PyLong_FromLongLong(total_of(items, count, offsets));
  Py_XDECREF(own);
  return PyErr_Occurred() ? NULL : total;
}

/* ---- one buffer ---- */

PyDoc_STRVAR(address_doc,
             "address(buffer, writable=False, /) -> (address, nbytes, Keep)\n\n"
             "Where the bytes of a C-contiguous buffer are, as long as the Keep holds it.");

static PyObject *address_result(const span_t *span, keep_t *keep) {
  PyObject *result = PyTuple_New(3);
  PyObject *address = PyLong_FromUnsignedLongLong(span->address);
  PyObject *size = PyLong_FromUnsignedLongLong(span->size);
  if (!result || !address || !size) {
    Py_XDECREF(result);
    Py_XDECREF(address);
    Py_XDECREF(size);
    return NULL;
  }
  PyTuple_SetItem(result, 0, address);
  PyTuple_SetItem(result, 1, size);
  PyTuple_SetItem(result, 2, Py_NewRef((PyObject *)keep));
  return result;
}

static PyObject *address(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  if (check_argument_count("address", given, 1, 2) < 0)
    return NULL;
  int writable = given > 1 ? PyObject_IsTrue(args[1]) : 0;
  keep_t *keep = writable < 0 ? NULL : keep_new(module);
  if (!keep)
    return NULL;
  span_t span;
  PyObject *result = NULL;
  keep->items = Py_NewRef(args[0]);
  keep->views = &keep->one;
  if (!writable && is_plain_bytes(args[0]))
    span_of_bytes(args[0], &span);
  else if (open_view(args[0], writable, -1, &keep->one, &span) == 0)
    keep->view_count = 1;
  else
    goto done;
  result = address_result(&span, keep);
done:
  Py_DECREF(keep);
  return result;
}

PyDoc_STRVAR(
    start_of_doc,
    "start_of(buffer, /) -> int\n\n"
    "Where the bytes of a C-contiguous buffer are, for a caller who holds it: what address()\n"
    "says first, in a third of its time.");

static PyObject *start_of(PyObject *module, PyObject *buffer) {
  (void)module;
  Py_buffer view;
  span_t span;
  if (open_view(buffer, 0, -1, &view, &span) < 0)
    return NULL;
  PyBuffer_Release(&view);
  return PyLong_FromUnsignedLongLong(span.address);
}

/* ---- bytes objects for results ---- */

/* Bytes of undefined content that are no one else's yet. Size 0 is the shared
 * empty object, to which nobody may write: its address is 0. With a NULL source
 * size 1 is a fresh object too; only a copy of one byte is shared (3.11 to 3.13,
 * and a test asks the running one). */
static PyObject *fresh_bytes(uint64_t size, uint64_t *address) {
  if (size > (uint64_t)PY_SSIZE_T_MAX)
    return PyErr_NoMemory();
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  char *content = bytes && size > 0 ? (char *)bytes + content_offset : NULL;
  if (content)
    prefer_huge(content, (size_t)size);
  *address = (uintptr_t)content;
  return bytes;
}

PyDoc_STRVAR(new_bytes_doc,
             "new_bytes(size, /) -> (bytes, address)\n\n"
             "Bytes of undefined content. Write all of them, before anyone else sees the object.\n"
             "Size 0 is the shared b'' with address 0.");

static PyObject *new_bytes(PyObject *module, PyObject *argument) {
  (void)module;
  Py_ssize_t size = count_argument(argument, "size");
  if (size < 0)
    return NULL;
  uint64_t address;
  PyObject *bytes = fresh_bytes((uint64_t)size, &address);
  PyObject *number = bytes ? PyLong_FromUnsignedLongLong(address) : NULL;
  PyObject *pair = number ? PyTuple_New(2) : NULL;
  if (!pair) {
    Py_XDECREF(number);
    Py_XDECREF(bytes);
    return NULL;
  }
  PyTuple_SetItem(pair, 0, bytes);
  PyTuple_SetItem(pair, 1, number);
  return pair;
}

PyDoc_STRVAR(new_bytes_list_doc,
             "new_bytes_list(sizes, count, addresses, /) -> list[bytes]\n\n"
             "new_bytes for `count` sizes (uint64) at once; their addresses go to a uint64 array.\n"
             "The two arrays may be one.");

static PyObject *new_bytes_list(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (check_argument_count("new_bytes_list", given, 3, 3) < 0)
    return NULL;
  Py_ssize_t count = count_argument(args[1], "count");
  if (count <= 0)
    return count == 0 ? PyList_New(0) : NULL;
  const uint64_t *sizes = address_argument(args[0], "sizes");
  uint64_t *addresses = sizes ? address_argument(args[2], "addresses") : NULL;
  PyObject *list = addresses ? PyList_New(count) : NULL;
  for (Py_ssize_t i = 0; list && i < count; i++) {
    PyObject *bytes = fresh_bytes(sizes[i], &addresses[i]);
    if (bytes)
      PyList_SetItem(list, i, bytes);
    else
      Py_CLEAR(list);
  }
  return list;
}

PyDoc_STRVAR(bytes_list_from_column_doc,
             "bytes_list_from_column(address, offsets, count, /) -> list[bytes]\n\n"
             "Copies of memory, made with the GIL held: `count` items between the int64 `offsets`\n"
             "behind `address`.");

static PyObject *bytes_list_from_column(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (check_argument_count("bytes_list_from_column", given, 3, 3) < 0)
    return NULL;
  Py_ssize_t count = count_argument(args[2], "count");
  if (count <= 0)
    return count == 0 ? PyList_New(0) : NULL;
  const char *data = PyLong_AsVoidPtr(args[0]);
  const int64_t *offsets = PyErr_Occurred() ? NULL : address_argument(args[1], "offsets");
  if (offsets && !data && offsets[count] > offsets[0]) {
    PyErr_SetString(PyExc_ValueError, "bytes at a null address");
    return NULL;
  }
  PyObject *list = offsets ? PyList_New(count) : NULL;
  for (Py_ssize_t i = 0; list && i < count; i++) {
    Py_ssize_t size = (Py_ssize_t)(offsets[i + 1] - offsets[i]);
    PyObject *bytes = PyBytes_FromStringAndSize(size ? data + offsets[i] : "", size);
    if (bytes)
      PyList_SetItem(list, i, bytes);
    else
      Py_CLEAR(list);
  }
  return list;
}

/* ---- for the module, and for the other files ---- */

static PyMethodDef methods[] = {FAST(addresses_from_buffers),
                                FAST(bytes_total),
                                FAST(address),
                                {"start_of", start_of, METH_O, start_of_doc},
                                {"new_bytes", new_bytes, METH_O, new_bytes_doc},
                                FAST(new_bytes_list),
                                FAST(bytes_list_from_column),
                                {NULL, NULL, 0, NULL}};

int objects_check_count(const char *name, Py_ssize_t given, Py_ssize_t wanted) {
  if (given == wanted)
    return 0;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments, not %zd", name, wanted, given);
  return -1;
}

int objects_add_type(PyObject *module, PyType_Spec *spec) {
  PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
  int failed = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
  Py_XDECREF(type);
  return failed;
}

PyTypeObject *objects_type_beside(PyTypeObject *type, const char *name) {
  PyObject *module = PyType_GetModule(type);
  return module ? (PyTypeObject *)PyObject_GetAttrString(module, name) : NULL;
}

int objects_add(PyObject *module) {
  PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
  if (!empty)
    return -1;
  content_offset = (uintptr_t)PyBytes_AsString(empty) - (uintptr_t)empty;
  Py_DECREF(empty);
  PyObject *type = PyType_FromModuleAndSpec(module, &keep_spec, NULL);
  state_of(module)->keep_type = (PyTypeObject *)type;
  if (!type || PyModule_AddType(module, (PyTypeObject *)type) < 0)
    return -1;
  return PyModule_AddFunctions(module, methods);
}
