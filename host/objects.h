/* fpga_accel._objects: what objects.c has for the others, and what each adds to the module, which
 * returns 0, or -1 with an exception. */
#ifndef FPGA_ACCEL_OBJECTS_H
#define FPGA_ACCEL_OBJECTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* An entry of a table of methods for a function that takes its arguments as an array. */
#define FAST(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, name##_doc}

/* What a module holds of its own. */
typedef struct {
  PyTypeObject *keep_type;
} objects_state_t;

/* Adds a type, for the others. */
int objects_add_type(PyObject *module, PyType_Spec *spec);

/* Another type of the module of `type`, as a new reference. */
PyTypeObject *objects_type_beside(PyTypeObject *type, const char *name);

/* 0 where a function was given as many arguments as it takes; -1 with an exception. */
int objects_check_count(const char *name, Py_ssize_t given, Py_ssize_t wanted);

/* The bytes over all items of a list, -1 where one is not exactly bytes; -2 with an exception. */
int64_t objects_bytes_total(PyObject *list);

int arrays_add_functions(PyObject *module);
int arrow_add(PyObject *module);
int direct_add_types(PyObject *module);
int direct_many_add_types(PyObject *module);
int frames_add_functions(PyObject *module);
int lease_add_type(PyObject *module);
int loops_add(PyObject *module);
int objects_add(PyObject *module);
int sectors_add_functions(PyObject *module);
int windows_add_types(PyObject *module);

#endif
