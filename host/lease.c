/* Memory on loan: who looks at it through a buffer holds the Lease, and it goes back with the last
 * of them. For arrays of the page pool, of which every launch makes some. */
#include "objects.h"

typedef struct {
  PyObject ob_base;
  PyObject *owner; /* its release() takes the memory back */
  void *address;
  Py_ssize_t size;
} lease_t;

static PyObject *lease_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *owner;
  unsigned long long address;
  Py_ssize_t size;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "Lease() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OKn:Lease", &owner, &address, &size))
    return NULL;
  if (!address || size < 0) {
    PyErr_SetString(PyExc_ValueError, "a Lease is of memory: an address and a size");
    return NULL;
  }
  lease_t *lease = (lease_t *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!lease)
    return NULL;
  lease->owner = Py_NewRef(owner);
  lease->address = (void *)(uintptr_t)address;
  lease->size = size;
  return (PyObject *)lease;
}

static void lease_dealloc(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  lease_t *lease = (lease_t *)object;
  PyObject *kind, *value, *trace;
  PyErr_Fetch(&kind, &value, &trace);
  PyObject *done = PyObject_CallMethod(lease->owner, "release", NULL);
  if (!done)
    PyErr_WriteUnraisable(lease->owner);
  Py_XDECREF(done);
  PyErr_Restore(kind, value, trace);
  Py_DECREF(lease->owner);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static int lease_buffer(PyObject *object, Py_buffer *view, int flags) {
  lease_t *lease = (lease_t *)object;
  return PyBuffer_FillInfo(view, object, lease->address, lease->size, 0, flags);
}

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, "Lease(owner, address, size, /)\n--\n\n"
                "A buffer of memory on loan; `owner.release()` is called when nobody holds it."},
    {Py_tp_new, (void *)lease_new},
    {Py_tp_dealloc, (void *)lease_dealloc},
    {Py_bf_getbuffer, (void *)lease_buffer},
    {0, NULL}};

static PyType_Spec lease_spec = {
    .name = "fpga_accel._objects.Lease",
    .basicsize = sizeof(lease_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lease_slots,
};

int lease_add_type(PyObject *module) { return objects_add_type(module, &lease_spec); }
