/* fpga_accel._objects: looks at compressed frames before a library decodes them. */
#include "host.h"
#include "objects.h"

/* Of a buffer that is one frame and nothing else: a size that it declares to hold and can have. 0
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
  if (given != 2 || !(PyList_Check(args[0]) || PyTuple_Check(args[0]))) {
    PyErr_SetString(PyExc_TypeError, "a look at all frames takes a list or tuple and a size");
    return NULL;
  }
  unsigned long long most = PyLong_AsUnsignedLongLong(args[1]);
  PyObject *frames = PyErr_Occurred() ? NULL : PySequence_Tuple(args[0]);
  if (!frames)
    return NULL;
  int all = 1;
  for (Py_ssize_t i = 0; all && i < PyTuple_Size(frames); i++) {
    uint64_t size = plain_size(of, PyTuple_GetItem(frames, i));
    all = size > 0 && size <= most;
  }
  Py_DECREF(frames);
  return PyBool_FromLong(all);
}

PyDoc_STRVAR(lz4_plain_size_doc,
             "lz4_plain_size(frame, /) -> int\n\n"
             "The content size of a buffer that is one LZ4 frame and nothing else, which declares\n"
             "a size it can have; 0 for all others. What the blocks hold is not looked at.");

static PyObject *lz4_plain_size(PyObject *module, PyObject *frame) {
  (void)module;
  return PyLong_FromUnsignedLongLong(plain_size(fa_lz4_plain_size, frame));
}

PyDoc_STRVAR(lz4_all_plain_doc,
             "lz4_all_plain(frames, most, /) -> bool\n\n"
             "Whether lz4_plain_size is from 1 to `most` for each object of a list or tuple.");

static PyObject *lz4_all_plain(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  return all_plain(fa_lz4_plain_size, args, given);
}

PyDoc_STRVAR(snappy_plain_size_doc,
             "snappy_plain_size(stream, /) -> int\n\n"
             "The content size of a raw Snappy stream that declares one it can have; 0 for all\n"
             "others. Its elements are not looked at.");

static PyObject *snappy_plain_size(PyObject *module, PyObject *stream) {
  (void)module;
  return PyLong_FromUnsignedLongLong(plain_size(fa_snappy_plain_size, stream));
}

PyDoc_STRVAR(snappy_all_plain_doc,
             "snappy_all_plain(streams, most, /) -> bool\n\n"
             "Whether snappy_plain_size is from 1 to `most` for each object of a list or tuple.");

static PyObject *snappy_all_plain(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  return all_plain(fa_snappy_plain_size, args, given);
}

PyDoc_STRVAR(zstd_plain_size_doc, "zstd_plain_size(frame, /) -> int\n\n"
                                  "As lz4_plain_size, of a Zstandard frame.");

static PyObject *zstd_plain_size(PyObject *module, PyObject *frame) {
  (void)module;
  return PyLong_FromUnsignedLongLong(plain_size(fa_zstd_plain_size, frame));
}

PyDoc_STRVAR(zstd_all_plain_doc,
             "zstd_all_plain(frames, most, /) -> bool\n\n"
             "Whether zstd_plain_size is from 1 to `most` for each object of a list or tuple.");

static PyObject *zstd_all_plain(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  return all_plain(fa_zstd_plain_size, args, given);
}

static PyMethodDef methods[] = {
    {"lz4_plain_size", lz4_plain_size, METH_O, lz4_plain_size_doc},
    FAST(lz4_all_plain),
    {"snappy_plain_size", snappy_plain_size, METH_O, snappy_plain_size_doc},
    FAST(snappy_all_plain),
    {"zstd_plain_size", zstd_plain_size, METH_O, zstd_plain_size_doc},
    FAST(zstd_all_plain),
    {NULL, NULL, 0, NULL}};

int frames_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
