/* fpga_accel._objects: what a library's loop gives, put where it stays as it comes: then it is
 * still in the cache, and its memory serves for the next result. */
#include "host.h"
#include "objects.h"

#include <limits.h>
#include <string.h>

/* The next result; NULL with an exception, also where there is none. */
static PyObject *next_of(PyObject *results) {
  PyObject *result = PyIter_Next(results);
  if (!result && !PyErr_Occurred())
    PyErr_SetString(PyExc_ValueError, "a loop gave fewer results than there are items");
  return result;
}

/* Whether there is nothing more; 0 with an exception. */
static int is_over(PyObject *results) {
  PyObject *result = PyIter_Next(results);
  if (!result)
    return !PyErr_Occurred();
  Py_DECREF(result);
  PyErr_SetString(PyExc_ValueError, "a loop gave more results than there are items");
  return 0;
}

/* ---- Numbers ---- */

static int write_number(PyObject *result, void *out, Py_ssize_t width) {
  unsigned long long number = PyLong_AsUnsignedLongLong(result);
  if (number == ULLONG_MAX && PyErr_Occurred())
    return -1;
  if (width == sizeof(uint64_t)) {
    *(uint64_t *)out = number;
    return 0;
  }
  if (number > UINT32_MAX) {
    PyErr_SetString(PyExc_OverflowError, "a number of more than 4 bytes");
    return -1;
  }
  *(uint32_t *)out = (uint32_t)number;
  return 0;
}

static int write_numbers(PyObject *results, const Py_buffer *view) {
  Py_ssize_t width = view->itemsize;
  if (!view->format || !strchr("ILQ", view->format[0]) ||
      (width != sizeof(uint32_t) && width != sizeof(uint64_t)) ||
      (uintptr_t)view->buf % (size_t)width) {
    PyErr_SetString(PyExc_ValueError, "an array of other than unsigned numbers of 4 or 8 bytes");
    return -1;
  }
  for (Py_ssize_t at = 0; at < view->len; at += width) {
    PyObject *result = next_of(results);
    int written = result ? write_number(result, (char *)view->buf + at, width) : -1;
    Py_XDECREF(result);
    if (written < 0)
      return -1;
  }
  return is_over(results) ? 0 : -1;
}

PyDoc_STRVAR(numbers_from_doc, "numbers_from(results, numbers, /)\n\n"
                               "Write as many ints as an array has numbers, of 4 or 8 bytes each.");

static PyObject *numbers_from(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  Py_buffer view;
  if (objects_check_count("numbers_from", given, 2) < 0)
    return NULL;
  PyObject *results = PyObject_GetIter(args[0]);
  if (!results)
    return NULL;
  int written = PyObject_GetBuffer(args[1], &view, PyBUF_WRITABLE | PyBUF_ND | PyBUF_FORMAT);
  if (!written) {
    written = write_numbers(results, &view);
    PyBuffer_Release(&view);
  }
  Py_DECREF(results);
  return written < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- Bytes ---- */

typedef struct {
  PyObject *results;
  PyObject *first; /* the first result where that has been taken, else NULL */
  PyObject *rest;  /* the results from the first on that there was no room for */
  char *out;
  int64_t room;
  int64_t *offsets;
  Py_ssize_t count;
} column_t;

static int put(column_t *column, PyObject *result, Py_ssize_t index) {
  if (!PyBytes_CheckExact(result)) {
    PyErr_SetString(PyExc_TypeError, "a loop gave a result that is not bytes");
    return -1;
  }
  int64_t end = column->offsets[index], size = (int64_t)PyBytes_Size(result);
  column->offsets[index + 1] = end;
  if (PyList_Size(column->rest) || size > column->room - end)
    return PyList_Append(column->rest, result);
  memcpy(column->out + end, PyBytes_AsString(result), (size_t)size);
  column->offsets[index + 1] += size;
  return 0;
}

static int fill(column_t *column) {
  column->offsets[0] = 0;
  for (Py_ssize_t i = 0; i < column->count; i++) {
    PyObject *result =
        i == 0 && column->first ? Py_NewRef(column->first) : next_of(column->results);
    int done = result ? put(column, result, i) : -1;
    Py_XDECREF(result);
    if (done < 0)
      return -1;
  }
  return is_over(column->results) ? 0 : -1;
}

static int fill_views(column_t *column, const Py_buffer *out, const Py_buffer *offsets) {
  column->count = offsets->len / (Py_ssize_t)sizeof(int64_t) - 1;
  if (column->count < 0 || offsets->len % (Py_ssize_t)sizeof(int64_t) ||
      (uintptr_t)offsets->buf % sizeof(int64_t)) {
    PyErr_SetString(PyExc_ValueError, "offsets are n + 1 numbers of 8 bytes");
    return -1;
  }
  column->out = out->buf;
  column->room = (int64_t)out->len;
  column->offsets = offsets->buf;
  return fill(column);
}

PyDoc_STRVAR(
    column_from_doc,
    "column_from(results, out, offsets, first=None, /) -> list[bytes]\n\n"
    "Write n `bytes` behind each other to a buffer, and their n + 1 offsets; the first may have\n"
    "been taken from the results already. Return those that there was no room for; their offsets\n"
    "say that they are empty.");

static PyObject *column_from(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (given != 4 && objects_check_count("column_from", given, 3) < 0)
    return NULL;
  column_t column = {.results = PyObject_GetIter(args[0]),
                     .first = given == 4 && args[3] != Py_None ? args[3] : NULL,
                     .rest = PyList_New(0)};
  Py_buffer out, offsets;
  int filled = -1;
  if (column.results && column.rest && PyObject_GetBuffer(args[1], &out, PyBUF_WRITABLE) == 0) {
    if (PyObject_GetBuffer(args[2], &offsets, PyBUF_WRITABLE) == 0) {
      filled = fill_views(&column, &out, &offsets);
      PyBuffer_Release(&offsets);
    }
    PyBuffer_Release(&out);
  }
  Py_XDECREF(column.results);
  if (filled < 0)
    Py_CLEAR(column.rest);
  return column.rest;
}

/* ---- Whole streams ---- */

typedef struct {
  PyObject ob_base;
  PyObject *decoder_type;
  PyObject *flag;
  PyObject *items;
  PyObject *tail;
  PyObject *other;      /* NULL: none */
  PyObject *decompress; /* names */
  PyObject *eof;
  PyObject *unused_data;
} streams_t;

static int streams_clear(PyObject *object) {
  streams_t *streams = (streams_t *)object;
  Py_CLEAR(streams->decoder_type);
  Py_CLEAR(streams->flag);
  Py_CLEAR(streams->items);
  Py_CLEAR(streams->tail);
  Py_CLEAR(streams->other);
  Py_CLEAR(streams->decompress);
  Py_CLEAR(streams->eof);
  Py_CLEAR(streams->unused_data);
  return 0;
}

static int streams_traverse(PyObject *object, visitproc visit, void *arg) {
  streams_t *streams = (streams_t *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(streams->decoder_type);
  Py_VISIT(streams->flag);
  Py_VISIT(streams->items);
  Py_VISIT(streams->other);
  return 0;
}

static void streams_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  streams_clear(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static PyObject *streams_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *decoder_type, *flag, *items, *tail, *other = Py_None;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "WholeStreams() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOOS|O:WholeStreams", &decoder_type, &flag, &items, &tail, &other))
    return NULL;
  streams_t *streams = (streams_t *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!streams)
    return NULL;
  streams->decoder_type = Py_NewRef(decoder_type);
  streams->flag = Py_NewRef(flag);
  streams->tail = Py_NewRef(tail);
  streams->other = other == Py_None ? NULL : Py_NewRef(other);
  streams->items = PyObject_GetIter(items);
  streams->decompress = PyUnicode_InternFromString("decompress");
  streams->eof = PyUnicode_InternFromString("eof");
  streams->unused_data = PyUnicode_InternFromString("unused_data");
  if (!streams->items || !streams->decompress || !streams->eof || !streams->unused_data)
    Py_CLEAR(streams);
  return (PyObject *)streams;
}

/* Bytes behind a stream; -1 where it has not ended, -2 with an exception. */
static Py_ssize_t bytes_behind(const streams_t *streams, PyObject *decoder) {
  PyObject *eof = PyObject_GetAttr(decoder, streams->eof);
  int ended = eof ? PyObject_IsTrue(eof) : -1;
  Py_XDECREF(eof);
  if (ended <= 0)
    return ended < 0 ? -2 : -1;
  PyObject *unused = PyObject_GetAttr(decoder, streams->unused_data);
  Py_ssize_t behind = unused ? PyObject_Size(unused) : -1;
  Py_XDECREF(unused);
  return behind < 0 ? -2 : behind;
}

/* Bytes of the tail where an item ends with it behind something else; -1 with an exception. */
static Py_ssize_t tail_size(const streams_t *streams, PyObject *item) {
  Py_ssize_t size = PyBytes_Size(streams->tail);
  Py_buffer view;
  if (!size)
    return 0;
  if (PyObject_GetBuffer(item, &view, PyBUF_SIMPLE) < 0)
    return -1;
  int ends = view.len > size && memcmp((const char *)view.buf + view.len - size,
                                       PyBytes_AsString(streams->tail), (size_t)size) == 0;
  PyBuffer_Release(&view);
  return ends ? size : 0;
}

/* What `other` makes of an item behind whose first stream there are so many bytes. */
static PyObject *by_other(const streams_t *streams, PyObject *item, PyObject *first,
                          Py_ssize_t behind) {
  PyObject *bytes = PyLong_FromSsize_t(behind);
  if (!bytes)
    return NULL;
  PyObject *content = PyObject_CallFunctionObjArgs(streams->other, item, first, bytes, NULL);
  Py_DECREF(bytes);
  return content;
}

/* The content of an item of which a decoder made its first; NULL with an exception. */
static PyObject *content_of(const streams_t *streams, PyObject *item, PyObject *decoder,
                            PyObject *first) {
  Py_ssize_t behind = bytes_behind(streams, decoder);
  Py_ssize_t tail = behind < -1 ? -1 : tail_size(streams, item);
  if (tail < 0)
    return NULL;
  if (behind == tail)
    return Py_NewRef(first);
  PyObject *content =
      behind > 0 && streams->other ? by_other(streams, item, first, behind) : Py_NewRef(Py_None);
  if (content != Py_None)
    return content;
  Py_DECREF(content);
  PyErr_SetString(PyExc_ValueError, "an item is not one whole stream");
  return NULL;
}

static PyObject *streams_next(PyObject *object) {
  streams_t *streams = (streams_t *)object;
  PyObject *item = PyIter_Next(streams->items), *first = NULL, *content = NULL;
  if (!item)
    return NULL;
  PyObject *decoder = PyObject_CallFunctionObjArgs(streams->decoder_type, streams->flag, NULL);
  if (decoder)
    first = PyObject_CallMethodObjArgs(decoder, streams->decompress, item, NULL);
  if (first)
    content = content_of(streams, item, decoder, first);
  Py_XDECREF(first);
  Py_XDECREF(decoder);
  Py_DECREF(item);
  return content;
}

PyDoc_STRVAR(
    streams_doc,
    "WholeStreams(decoder_type, flag, items, tail, other=None, /)\n--\n\n"
    "An iterator over the contents of items that are each one stream, and perhaps `tail`\n"
    "behind it, by a decoder of its own, `decoder_type(flag)`. Of an item with more behind\n"
    "its stream, what `other(item, content, bytes behind)` returns; ValueError where that\n"
    "is None, and for others.");

static PyType_Slot streams_slots[] = {
    {Py_tp_doc, (void *)streams_doc}, {Py_tp_new, streams_new},
    {Py_tp_dealloc, streams_dealloc}, {Py_tp_traverse, streams_traverse},
    {Py_tp_clear, streams_clear},     {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, streams_next},   {0, NULL}};

static PyType_Spec streams_spec = {
    .name = "fpga_accel._objects.WholeStreams",
    .basicsize = sizeof(streams_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = streams_slots,
};

static PyMethodDef methods[] = {FAST(numbers_from), FAST(column_from), {NULL, NULL, 0, NULL}};

int loops_add(PyObject *module) {
  if (objects_add_type(module, &streams_spec) < 0)
    return -1;
  return PyModule_AddFunctions(module, methods);
}
