/* fpga_accel._objects: looks at compressed frames before a library decodes them. */
#include "host.h"
#include "objects.h"

static uint64_t plain_size(PyObject *frame) {
  const char *data = PyBytes_AsString(frame);
  return fa_lz4_plain_size((const uint8_t *)data, (uint64_t)PyBytes_Size(frame));
}

PyDoc_STRVAR(lz4_plain_size_doc,
             "lz4_plain_size(frame, /) -> int\n\n"
             "The content size of bytes that are one LZ4 frame and nothing else, which declares\n"
             "a size it can have; 0 for all others. What the blocks hold is not looked at.");

static PyObject *lz4_plain_size(PyObject *module, PyObject *frame) {
  (void)module;
  return PyLong_FromUnsignedLongLong(PyBytes_CheckExact(frame) ? plain_size(frame) : 0);
}

PyDoc_STRVAR(lz4_all_plain_doc,
             "lz4_all_plain(frames, most, /) -> bool\n\n"
             "Whether lz4_plain_size is from 1 to `most` for each object of a list or tuple.");

static PyObject *lz4_all_plain(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  if (given != 2 || !(PyList_Check(args[0]) || PyTuple_Check(args[0]))) {
    PyErr_SetString(PyExc_TypeError, "lz4_all_plain() takes a list or tuple and a size");
    return NULL;
  }
  unsigned long long most = PyLong_AsUnsignedLongLong(args[1]);
  PyObject *frames = PyErr_Occurred() ? NULL : PySequence_Tuple(args[0]);
  if (!frames)
    return NULL;
  int all = 1;
  for (Py_ssize_t i = 0; all && i < PyTuple_Size(frames); i++) {
    PyObject *frame = PyTuple_GetItem(frames, i);
    uint64_t size = PyBytes_CheckExact(frame) ? plain_size(frame) : 0;
    all = size > 0 && size <= most;
  }
  Py_DECREF(frames);
  return PyBool_FromLong(all);
}

static PyMethodDef methods[] = {
    {"lz4_plain_size", lz4_plain_size, METH_O, lz4_plain_size_doc},
    {"lz4_all_plain", (PyCFunction)(void (*)(void))lz4_all_plain, METH_FASTCALL, lz4_all_plain_doc},
    {NULL, NULL, 0, NULL}};

int frames_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
