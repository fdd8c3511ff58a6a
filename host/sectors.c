/* fpga_accel._objects: xts.c, beside the library's block cipher, which keeps the GIL as well: the
 * steps are of microseconds, and whoever lets go between them may wait for milliseconds. */
#include "host.h"
#include "objects.h"

#define MOST_NUMBERS 5

/* Addresses, counts and sizes, all of them ints. */
static int numbers_of(PyObject *const *args, Py_ssize_t given, Py_ssize_t wanted,
                      unsigned long long *numbers) {
  if (given != wanted) {
    PyErr_Format(PyExc_TypeError, "%zd arguments given, %zd are taken", given, wanted);
    return -1;
  }
  for (Py_ssize_t i = 0; i < wanted; i++) {
    numbers[i] = PyLong_AsUnsignedLongLong(args[i]);
    if (PyErr_Occurred())
      return -1;
  }
  return 0;
}

static uint8_t *at(unsigned long long address) { return (uint8_t *)(uintptr_t)address; }

PyDoc_STRVAR(xts_numbers_doc, "xts_numbers(first, skip, count, numbers, /)\n\n"
                              "See fa_xts_numbers; first and numbers are addresses.");

static PyObject *xts_numbers(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  unsigned long long n[MOST_NUMBERS];
  if (numbers_of(args, given, 4, n) < 0)
    return NULL;
  fa_xts_numbers(at(n[0]), n[1], n[2], at(n[3]));
  Py_RETURN_NONE;
}

PyDoc_STRVAR(xts_combine_doc, "xts_combine(text, firsts, units, unit, result, /)\n\n"
                              "See fa_xts_combine; all but units and unit are addresses.");

static PyObject *xts_combine(PyObject *module, PyObject *const *args, Py_ssize_t given) {
  (void)module;
  unsigned long long n[MOST_NUMBERS];
  if (numbers_of(args, given, 5, n) < 0)
    return NULL;
  fa_xts_combine(at(n[0]), at(n[1]), n[2], n[3], at(n[4]));
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {FAST(xts_numbers), FAST(xts_combine), {NULL, NULL, 0, NULL}};

int sectors_add_functions(PyObject *module) { return PyModule_AddFunctions(module, methods); }
