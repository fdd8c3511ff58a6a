/* fpga_accel._objects: looks at compressed frames before a library decodes them. */
#include "host.h"
#include "objects.h"

/* Of a buffer that one call of a library decodes: the size that it declares to hold and can have. 0
 * for all others. */
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

/* The two functions of a format: NAME_plain_size of one buffer, which is WHAT, and NAME_all_plain.
 */
#define FORMAT(NAME, WHAT)                                                                         \
  PyDoc_STRVAR(NAME##_plain_size_doc, #NAME                                                        \
               "_plain_size(data, /) -> int\n\n"                                                   \
               "The content size of a buffer that is " WHAT ", which declares\n"                   \
               "a size it can have; 0 for all others. What is compressed is not looked at.");      \
  static PyObject *NAME##_plain_size(PyObject *module, PyObject *data) {                           \
    (void)module;                                                                                  \
    return PyLong_FromUnsignedLongLong(plain_size(fa_##NAME##_plain_size, data));                  \
  }                                                                                                \
  PyDoc_STRVAR(NAME##_all_plain_doc,                                                               \
               #NAME "_all_plain(items, most, /) -> bool\n\n"                                      \
                     "Whether " #NAME "_plain_size is from 1 to `most` for each of some\n"         \
                     "objects.");                                                                  \
  static PyObject *NAME##_all_plain(PyObject *module, PyObject *const *args, Py_ssize_t given) {   \
    (void)module;                                                                                  \
    return all_plain(fa_##NAME##_plain_size, args, given);                                         \
  }

FORMAT(lz4, "one LZ4 frame and nothing else")
FORMAT(snappy, "one raw Snappy stream")
FORMAT(bgzf, "one BGZF block and perhaps the empty last one")
FORMAT(zstd, "one Zstandard frame and nothing else")

#define METHODS(NAME)                                                                              \
  {#NAME "_plain_size", NAME##_plain_size, METH_O, NAME##_plain_size_doc}, FAST(NAME##_all_plain)

static PyMethodDef methods[] = {
    METHODS(lz4), METHODS(snappy), METHODS(bgzf), METHODS(zstd), {NULL, NULL, 0, NULL}};

int frames_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
