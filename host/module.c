/* The module fpga_accel._objects, of what the other files add to it. */
#include "objects.h"

static int (*const parts[])(PyObject *) = {
    objects_add,           arrow_add,         direct_add_types,     direct_many_add_types,
    lease_add_type,        windows_add_types, arrays_add_functions, frames_add_functions,
    sectors_add_functions, loops_add,
};

static int module_exec(PyObject *module) {
  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
    if (parts[i](module) < 0)
      return -1;
  return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
  objects_state_t *state = PyModule_GetState(module);
  Py_VISIT(state->keep_type);
  return 0;
}

static int module_clear(PyObject *module) {
  objects_state_t *state = PyModule_GetState(module);
  Py_CLEAR(state->keep_type);
  return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fpga_accel._objects",
    .m_doc = "Buffers to addresses, and memory to bytes.",
    .m_size = sizeof(objects_state_t),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__objects(void) { return PyModuleDef_Init(&module_def); }
