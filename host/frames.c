/* fpga_accel._objects: looks at compressed frames before a library decodes them. */
#include "host.h"
#include "objects.h"

/* Of a buffer that one call of a library decodes: what it holds, or the most. 0 for all others. */
typedef uint64_t (*plain_size_t)(const uint8_t *frame, uint64_t size);

/* 0 for what is no buffer of bytes behind each other, too. */
static uint64_t plain_size(plain_size_t of, PyObject *frame) {
  if (PyBytes_CheckExact(frame))
    return of((const uint8_t *)PyBytes_AsString(frame), (uint64_t)PyBytes_Size(frame));
  Py_buffer view;
  if (!PyObject_CheckBuffer(frame) || PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE) < 0) {
    PyErr_Clear();
    return 0;
  }
  uint64_t size = of(view.buf, (uint64_t)view.len);
  PyBuffer_Release(&view);
  return size;
}

static PyObject *all_plain(plain_size_t of, PyObject *const *args, Py_ssize_t given) {
  if (given != 2) {
    PyErr_SetString(PyExc_TypeError, "a look at all frames takes them and a size");
    return NULL;
  }
  unsigned long long most = PyLong_AsUnsignedLongLong(args[1]);
  PyObject *frames = PyErr_Occurred() ? NULL : PyObject_GetIter(args[0]);
  if (!frames)
    return NULL;
  int all = 1;
  PyObject *frame = NULL;
  while (all && (frame = PyIter_Next(frames))) {
    uint64_t size = plain_size(of, frame);
    all = size > 0 && size <= most;
    Py_DECREF(frame);
  }
  Py_DECREF(frames);
  return PyErr_Occurred() ? NULL : PyBool_FromLong(all);
}

/* NAME of one buffer, by fa_NAME. */
#define SIZE(NAME, WHAT)                                                                           \
  PyDoc_STRVAR(NAME##_doc, #NAME "(data, /) -> int\n\n" WHAT "; 0 for all others.\n"               \
                                 "What is compressed is not looked at.");                          \
  static PyObject *NAME(PyObject *module, PyObject *data) {                                        \
    (void)module;                                                                                  \
    return PyLong_FromUnsignedLongLong(plain_size(fa_##NAME, data));                               \
  }

/* NAME of some objects, by fa_OF of each. */
#define ALL(NAME, OF)                                                                              \
  PyDoc_STRVAR(NAME##_doc, #NAME "(items, most, /) -> bool\n\n"                                    \
                                 "Whether fa_" #OF " of host.h is from 1 to `most` for each.");    \
  static PyObject *NAME(PyObject *module, PyObject *const *args, Py_ssize_t given) {               \
    (void)module;                                                                                  \
    return all_plain(fa_##OF, args, given);                                                        \
  }

SIZE(lz4_plain_size, "What one LZ4 frame and nothing else declares to hold")
SIZE(lz4_plain_most, "The most that one LZ4 frame and nothing else holds")
ALL(lz4_all_plain, lz4_plain_most)
SIZE(snappy_plain_size, "What one raw Snappy stream declares to hold")
ALL(snappy_all_plain, snappy_plain_size)
ALL(gzip_all_plain, gzip_plain_size)
ALL(zlib_all_plain, zlib_is_plain)
SIZE(bgzf_plain_size, "What one BGZF block and perhaps the empty last one declare to hold")
ALL(bgzf_all_plain, bgzf_plain_size)
SIZE(zstd_plain_most, "The most that one Zstandard frame and nothing else holds")
ALL(zstd_all_plain, zstd_plain_size)

/* Where each of joined frames ends, which hold at most so much. */
static PyObject *ends_of_lz4(const uint8_t *data, uint64_t size, uint64_t most) {
  PyObject *ends = PyList_New(0);
  for (uint64_t position = 0; ends && position < size;) {
    uint64_t content;
    int declared;
    uint64_t frame = fa_lz4_plain_frame(data + position, size - position, &content, &declared);
    if (!frame || content > most) {
      Py_DECREF(ends);
      Py_RETURN_NONE;
    }
    most -= content;
    position += frame;
    PyObject *end = PyLong_FromUnsignedLongLong(position);
    if (!end || PyList_Append(ends, end) < 0)
      Py_CLEAR(ends);
    Py_XDECREF(end);
  }
  return ends;
}

PyDoc_STRVAR(
    lz4_plain_ends_doc,
    "lz4_plain_ends(data, most, /) -> list[int] | None\n\n"
    "Where each of some joined LZ4 frames ends which together hold at most so many bytes.\n"
    "None for all others. What is compressed is not looked at.");
static PyObject *lz4_plain_ends(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (given != 2) {
    PyErr_SetString(PyExc_TypeError, "a look at joined frames takes them and a size");
    return NULL;
  }
  unsigned long long most = PyLong_AsUnsignedLongLong(args[1]);
  if (PyErr_Occurred())
    return NULL;
  Py_buffer view;
  if (!PyObject_CheckBuffer(args[0]) || PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) {
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  PyObject *ends = ends_of_lz4(view.buf, (uint64_t)view.len, most);
  PyBuffer_Release(&view);
  return ends;
}

#define ONE(NAME) {#NAME, NAME, METH_O, NAME##_doc}

static PyMethodDef methods[] = {
    ONE(lz4_plain_size),    ONE(lz4_plain_most),    FAST(lz4_all_plain),  FAST(lz4_plain_ends),
    ONE(snappy_plain_size), FAST(snappy_all_plain), ONE(bgzf_plain_size), FAST(bgzf_all_plain),
    FAST(gzip_all_plain),   FAST(zlib_all_plain),   ONE(zstd_plain_most), FAST(zstd_all_plain),
    {NULL, NULL, 0, NULL}};

int frames_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
