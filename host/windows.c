/* Items of a column, one after the other, for loops of library calls: each a buffer, and the same
 * two objects in turn while nobody keeps them, much as zip() does with its tuple: map() lets go of
 * one before it asks for the next, the variable of a loop after it. Views of memory would take as
 * long as the shortest of such calls. */
#include "host.h"
#include "objects.h"

/* ---- Windows ---- */

typedef struct {
  PyObject ob_base;
  Py_buffer data;
  Py_buffer offsets; /* int64, one more than items */
  Py_ssize_t count;
  int writable;
  PyTypeObject *walk_type; /* owned, as is the next */
  PyTypeObject *window_type;
} windows_t;

static PyObject *allocated(PyTypeObject *type) {
  return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* zeroed */
}

static void freed(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static int fits(windows_t *windows) {
  Py_ssize_t numbers = windows->offsets.len / (Py_ssize_t)sizeof(int64_t);
  windows->count = numbers - 1;
  return numbers > 0 && windows->offsets.len % (Py_ssize_t)sizeof(int64_t) == 0 &&
         (uintptr_t)windows->offsets.buf % sizeof(int64_t) == 0 &&
         fa_offsets_first_wrong(windows->offsets.buf, (size_t)windows->count,
                                (uint64_t)windows->data.len) < 0;
}

static PyObject *windows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *data, *offsets;
  int writable = 0;
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_SetString(PyExc_TypeError, "Windows() takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OO|p:Windows", &data, &offsets, &writable))
    return NULL;
  windows_t *windows = (windows_t *)allocated(type);
  if (!windows)
    return NULL;
  windows->writable = writable;
  windows->walk_type = objects_type_beside(type, "Walk");
  windows->window_type = windows->walk_type ? objects_type_beside(type, "Window") : NULL;
  if (!windows->window_type ||
      PyObject_GetBuffer(data, &windows->data, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0 ||
      PyObject_GetBuffer(offsets, &windows->offsets, PyBUF_SIMPLE) < 0) {
    Py_DECREF((PyObject *)windows);
    return NULL;
  }
  if (!fits(windows)) {
    Py_DECREF((PyObject *)windows);
    PyErr_SetString(PyExc_ValueError,
                    "offsets are 8-byte numbers that do not descend or leave the buffer");
    return NULL;
  }
  return (PyObject *)windows;
}

static void windows_dealloc(PyObject *object) {
  windows_t *windows = (windows_t *)object;
  PyBuffer_Release(&windows->data);
  PyBuffer_Release(&windows->offsets);
  Py_XDECREF((PyObject *)windows->walk_type);
  Py_XDECREF((PyObject *)windows->window_type);
  freed(object);
}

static Py_ssize_t windows_length(PyObject *object) { return ((windows_t *)object)->count; }

/* ---- Window ---- */

typedef struct {
  PyObject ob_base;
  windows_t *windows; /* owned: whose memory it is */
  char *start;
  Py_ssize_t size;
} window_t;

static void window_dealloc(PyObject *object) {
  Py_XDECREF((PyObject *)((window_t *)object)->windows);
  freed(object);
}

static int window_buffer(PyObject *object, Py_buffer *view, int flags) {
  window_t *window = (window_t *)object;
  int readonly = !window->windows->writable;
  return PyBuffer_FillInfo(view, object, window->start, window->size, readonly, flags);
}

static Py_ssize_t window_length(PyObject *object) { return ((window_t *)object)->size; }

static PyType_Slot window_slots[] = {{Py_tp_doc, "The item that a loop over Windows is at."},
                                     {Py_tp_dealloc, window_dealloc},
                                     {Py_sq_length, window_length},
                                     {Py_bf_getbuffer, window_buffer},
                                     {0, NULL}};

static PyType_Spec window_spec = {
    .name = "fpga_accel._objects.Window",
    .basicsize = sizeof(window_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = window_slots,
};

/* ---- Walk ---- */

typedef struct {
  PyObject ob_base;
  windows_t *windows; /* owned */
  window_t *window;   /* owned, the last; NULL before the first */
  window_t *spare;    /* owned, the one before; NULL before the second */
  Py_ssize_t next;
} walk_t;

static PyObject *windows_iter(PyObject *object) {
  walk_t *walk = (walk_t *)allocated(((windows_t *)object)->walk_type);
  if (walk)
    walk->windows = (windows_t *)Py_NewRef(object);
  return (PyObject *)walk;
}

static void walk_dealloc(PyObject *object) {
  walk_t *walk = (walk_t *)object;
  Py_XDECREF((PyObject *)walk->window);
  Py_XDECREF((PyObject *)walk->spare);
  Py_XDECREF((PyObject *)walk->windows);
  freed(object);
}

static window_t *window_of(windows_t *windows) {
  window_t *made = (window_t *)allocated(windows->window_type);
  if (made)
    made->windows = (windows_t *)Py_NewRef((PyObject *)windows);
  return made;
}

/* Offsets were checked when they were given, and are once more: the array may have been written to.
 */
static int move(window_t *window, Py_ssize_t index) {
  const windows_t *windows = window->windows;
  const int64_t *bounds = (const int64_t *)windows->offsets.buf + index;
  int64_t start = bounds[0], end = bounds[1];
  if (start < 0 || end < start || end > windows->data.len) {
    PyErr_SetString(PyExc_ValueError, "the offsets have changed and leave the buffer");
    return -1;
  }
  window->start = (char *)windows->data.buf + start;
  window->size = (Py_ssize_t)(end - start);
  return 0;
}

static PyObject *windows_item(PyObject *object, Py_ssize_t index) {
  windows_t *windows = (windows_t *)object;
  if (index < 0 || index >= windows->count) {
    PyErr_SetString(PyExc_IndexError, "there is no such item");
    return NULL;
  }
  window_t *window = window_of(windows);
  if (window && move(window, index) < 0) {
    Py_DECREF((PyObject *)window);
    return NULL;
  }
  return (PyObject *)window;
}

/* Whether nobody else holds a window, and so no buffer of it is in use: whoever has one holds it.
 */
static int is_free(window_t *window) {
#ifdef Py_GIL_DISABLED
  (void)window;
  return 0;
#else
  return window && Py_REFCNT((PyObject *)window) == 1;
#endif
}

static int has_free_window(walk_t *walk) {
  if (is_free(walk->window))
    return 1;
  window_t *next = is_free(walk->spare) ? walk->spare : window_of(walk->windows);
  if (!next)
    return 0;
  if (next != walk->spare)
    Py_XDECREF((PyObject *)walk->spare);
  walk->spare = walk->window;
  walk->window = next;
  return 1;
}

static PyObject *walk_next(PyObject *object) {
  walk_t *walk = (walk_t *)object;
  if (walk->next >= walk->windows->count || !has_free_window(walk) ||
      move(walk->window, walk->next) < 0)
    return NULL;
  walk->next++;
  return Py_NewRef((PyObject *)walk->window);
}

static PyType_Slot walk_slots[] = {{Py_tp_doc, "A loop over Windows."},
                                   {Py_tp_dealloc, walk_dealloc},
                                   {Py_tp_iter, PyObject_SelfIter},
                                   {Py_tp_iternext, walk_next},
                                   {0, NULL}};

static PyType_Spec walk_spec = {
    .name = "fpga_accel._objects.Walk",
    .basicsize = sizeof(walk_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = walk_slots,
};

PyDoc_STRVAR(windows_doc,
             "Windows(buffer, offsets, writable=False, /)\n--\n\n"
             "The items of a column, to loop over: each a buffer, and the same object as the one\n"
             "before where nobody has kept that. `offsets` are n + 1 int64 of n items.");

static PyType_Slot windows_slots[] = {{Py_tp_doc, (void *)windows_doc},
                                      {Py_tp_new, windows_new},
                                      {Py_tp_dealloc, windows_dealloc},
                                      {Py_tp_iter, windows_iter},
                                      {Py_sq_length, windows_length},
                                      {Py_sq_item, windows_item},
                                      {0, NULL}};

static PyType_Spec windows_spec = {
    .name = "fpga_accel._objects.Windows",
    .basicsize = sizeof(windows_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = windows_slots,
};

int windows_add_types(PyObject *module) {
  if (objects_add_type(module, &window_spec) < 0 || objects_add_type(module, &walk_spec) < 0)
    return -1;
  return objects_add_type(module, &windows_spec);
}
