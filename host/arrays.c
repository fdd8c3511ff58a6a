/* fpga_accel._objects: columns.c on arrays of uint64 and int64, given as buffers. Every launch
 * makes some of these steps, and in NumPy's steps each is three to five times as long. They keep
 * the GIL: 10,000 items are a few microseconds. */
#include "host.h"
#include "objects.h"

#include <string.h>

#define MOST_ARRAYS 3

/* Open views of `wanted` arrays of 8-byte numbers, the last `written` of which are written to. */
typedef struct {
  Py_buffer views[MOST_ARRAYS];
  Py_ssize_t count;
} arrays_t;

static void close_arrays(arrays_t *arrays) {
  while (arrays->count > 0)
    PyBuffer_Release(&arrays->views[--arrays->count]);
}

static int open_arrays(arrays_t *arrays, PyObject *const *given, Py_ssize_t wanted,
                       Py_ssize_t written) {
  for (arrays->count = 0; arrays->count < wanted; arrays->count++) {
    Py_buffer *view = &arrays->views[arrays->count];
    int flags = arrays->count < wanted - written ? PyBUF_SIMPLE : PyBUF_WRITABLE;
    if (PyObject_GetBuffer(given[arrays->count], view, flags) < 0) {
      close_arrays(arrays);
      return -1;
    }
    if (view->len % (Py_ssize_t)sizeof(uint64_t) || (uintptr_t)view->buf % sizeof(uint64_t)) {
      PyErr_SetString(PyExc_ValueError, "an array of other than 8-byte numbers");
      arrays->count++;
      close_arrays(arrays);
      return -1;
    }
  }
  return 0;
}

static size_t length(const arrays_t *arrays, Py_ssize_t which) {
  return (size_t)arrays->views[which].len / sizeof(uint64_t);
}

static void *start(const arrays_t *arrays, Py_ssize_t which) { return arrays->views[which].buf; }

static PyObject *wrong_lengths(arrays_t *arrays) {
  close_arrays(arrays);
  PyErr_SetString(PyExc_ValueError, "arrays of lengths that do not belong together");
  return NULL;
}

PyDoc_STRVAR(
    column_offsets_doc,
    "column_offsets(sizes, offsets, /) -> int\n\n"
    "Write the n + 1 offsets of n items of these sizes that lie behind each other; return\n"
    "their bytes.");

static PyObject *column_offsets(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  arrays_t arrays;
  if (objects_check_count("column_offsets", given, 2) < 0 || open_arrays(&arrays, args, 2, 1) < 0)
    return NULL;
  size_t count = length(&arrays, 0);
  if (length(&arrays, 1) != count + 1)
    return wrong_lengths(&arrays);
  uint64_t end = fa_offsets(start(&arrays, 0), count, start(&arrays, 1));
  close_arrays(&arrays);
  return PyLong_FromUnsignedLongLong(end);
}

PyDoc_STRVAR(column_grown_doc,
             "column_grown(offsets, change, grown, /) -> int\n\n"
             "Write the n + 1 offsets of n items that are each `change` bytes longer than those\n"
             "between the given offsets; return their bytes, -1 where one has too few.");

static PyObject *column_grown(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  arrays_t arrays;
  if (objects_check_count("column_grown", given, 3) < 0)
    return NULL;
  Py_ssize_t change = PyLong_AsSsize_t(args[1]);
  PyObject *both[] = {args[0], args[2]};
  if (PyErr_Occurred() || open_arrays(&arrays, both, 2, 1) < 0)
    return NULL;
  size_t count = length(&arrays, 0);
  if (!count || length(&arrays, 1) != count)
    return wrong_lengths(&arrays);
  int64_t end = fa_offsets_grown(start(&arrays, 0), count - 1, change, start(&arrays, 1));
  close_arrays(&arrays);
  return PyLong_FromLongLong(end);
}

PyDoc_STRVAR(column_spans_doc,
             "column_spans(address, offsets, addresses, sizes, /)\n\n"
             "Write where the items between n + 1 offsets are, and their sizes, where the first\n"
             "byte of all is at an address.");

static PyObject *column_spans(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  arrays_t arrays;
  if (objects_check_count("column_spans", given, 4) < 0)
    return NULL;
  unsigned long long address = PyLong_AsUnsignedLongLong(args[0]);
  if (PyErr_Occurred() || open_arrays(&arrays, args + 1, 3, 2) < 0)
    return NULL;
  size_t count = length(&arrays, 1);
  if (length(&arrays, 0) != count + 1 || length(&arrays, 2) != count)
    return wrong_lengths(&arrays);
  fa_spans(start(&arrays, 0), count, address, start(&arrays, 1), start(&arrays, 2));
  close_arrays(&arrays);
  Py_RETURN_NONE;
}

PyDoc_STRVAR(sizes_same_doc, "sizes_same(sizes, others, /) -> bool\n\n"
                             "Whether as many items have the same sizes.");

static PyObject *sizes_same(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  arrays_t arrays;
  if (objects_check_count("sizes_same", given, 2) < 0 || open_arrays(&arrays, args, 2, 0) < 0)
    return NULL;
  size_t count = length(&arrays, 0);
  int same = length(&arrays, 1) == count && (!count || memcmp(start(&arrays, 0), start(&arrays, 1),
                                                              count * sizeof(uint64_t)) == 0);
  close_arrays(&arrays);
  return PyBool_FromLong(same);
}

/* What a function of columns.c says of an array of sizes. */
static PyObject *told(PyObject *sizes, uint64_t (*of)(const uint64_t *, size_t)) {
  arrays_t arrays;
  if (open_arrays(&arrays, &sizes, 1, 0) < 0)
    return NULL;
  uint64_t number = of(start(&arrays, 0), length(&arrays, 0));
  close_arrays(&arrays);
  return PyLong_FromUnsignedLongLong(number);
}

PyDoc_STRVAR(sizes_largest_doc, "sizes_largest(sizes, /) -> int\n\n"
                                "The largest size, 0 of none.");

static PyObject *sizes_largest(PyObject *module, PyObject *sizes) {
  (void)module;
  return told(sizes, fa_sizes_largest);
}

PyDoc_STRVAR(sizes_padded_doc, "sizes_padded(sizes, /) -> int\n\n"
                               "The bytes of all items, each up to a multiple of 16.");

static PyObject *sizes_padded(PyObject *module, PyObject *sizes) {
  (void)module;
  return told(sizes, fa_sizes_padded);
}

static PyMethodDef methods[] = {FAST(column_offsets),
                                FAST(column_grown),
                                FAST(column_spans),
                                FAST(sizes_same),
                                {"sizes_largest", sizes_largest, METH_O, sizes_largest_doc},
                                {"sizes_padded", sizes_padded, METH_O, sizes_padded_doc},
                                {NULL, NULL, 0, NULL}};

int arrays_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
