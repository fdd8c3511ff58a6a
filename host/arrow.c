/* fpga_accel._objects: columns of byte strings through the Arrow C data interface, with no copy in
 * either direction: https://arrow.apache.org/docs/format/CDataInterface.html */
#include "host.h"
#include "objects.h"

#include <stdlib.h>
#include <string.h>
#include <structmember.h>

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif

#define SCHEMA "arrow_schema"
#define ARRAY "arrow_array"
/* Validity, offsets, data. */
#define BUFFERS 3

/* ---- out ---- */

typedef struct {
  PyObject *owner; /* of the memory that the buffers are in */
  const void *buffers[BUFFERS];
} exported_t;

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }

/* Any thread may call this, with or without the GIL. */
static void release_exported(struct ArrowArray *array) {
  exported_t *exported = array->private_data;
  array->release = NULL;
  if (!Py_IsInitialized())
    return; /* the owner went with the interpreter */
  PyGILState_STATE held = PyGILState_Ensure();
  Py_DECREF(exported->owner);
  free(exported);
  PyGILState_Release(held);
}

/* A consumer that takes a structure out of its capsule leaves `release` NULL. */
static void drop_schema(PyObject *capsule) {
  struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, SCHEMA);
  if (schema->release)
    schema->release(schema);
  free(schema);
}

static void drop_array(PyObject *capsule) {
  struct ArrowArray *array = PyCapsule_GetPointer(capsule, ARRAY);
  if (array->release)
    array->release(array);
  free(array);
}

static PyObject *schema_capsule(void) {
  struct ArrowSchema *schema = calloc(1, sizeof *schema);
  if (!schema)
    return PyErr_NoMemory();
  *schema = (struct ArrowSchema){.format = "Z", .name = "", .release = release_schema};
  PyObject *capsule = PyCapsule_New(schema, SCHEMA, drop_schema);
  if (!capsule)
    free(schema);
  return capsule;
}

static PyObject *array_capsule(PyObject *owner, Py_ssize_t count, const void *offsets,
                               const void *data) {
  struct ArrowArray *array = calloc(1, sizeof *array);
  exported_t *exported = calloc(1, sizeof *exported);
  PyObject *capsule = array && exported ? PyCapsule_New(array, ARRAY, drop_array) : NULL;
  if (!capsule) {
    free(array);
    free(exported);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
  }
  *exported = (exported_t){.owner = Py_NewRef(owner), .buffers = {NULL, offsets, data}};
  *array = (struct ArrowArray){.length = count,
                               .n_buffers = BUFFERS,
                               .buffers = exported->buffers,
                               .release = release_exported,
                               .private_data = exported};
  return capsule;
}

PyDoc_STRVAR(arrow_capsules_doc,
             "arrow_capsules(owner, count, offsets, data, /) -> (schema, array)\n\n"
             "Capsules of a large_binary array of `count` items without nulls. The owner holds\n"
             "the int64 offsets and the data, which are given by their addresses, until the\n"
             "consumer releases the array or drops its capsule.");

static PyObject *arrow_capsules(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *owner;
  Py_ssize_t count;
  unsigned long long offsets, data;
  if (!PyArg_ParseTuple(args, "OnKK:arrow_capsules", &owner, &count, &offsets, &data))
    return NULL;
  PyObject *schema = schema_capsule();
  PyObject *array = schema ? array_capsule(owner, count, (const void *)(uintptr_t)offsets,
                                           (const void *)(uintptr_t)data)
                           : NULL;
  PyObject *pair = array ? PyTuple_New(2) : NULL;
  if (!pair) {
    Py_XDECREF(schema);
    Py_XDECREF(array);
    return NULL;
  }
  PyTuple_SetItem(pair, 0, schema);
  PyTuple_SetItem(pair, 1, array);
  return pair;
}

/* ---- in ---- */

typedef struct {
  PyObject ob_base;
  struct ArrowArray array; /* taken out of its capsule */
  const void *data;
  Py_ssize_t size;
  unsigned long long offsets; /* address of the first item's */
  Py_ssize_t count;
  int width; /* bytes of an offset */
} column_t;

static void column_dealloc(PyObject *object) {
  column_t *column = (column_t *)object;
  PyTypeObject *type = Py_TYPE(object);
  if (column->array.release)
    column->array.release(&column->array);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static int column_getbuffer(PyObject *object, Py_buffer *view, int flags) {
  const column_t *column = (column_t *)object;
  return PyBuffer_FillInfo(view, object, (void *)(uintptr_t)column->data, column->size, 1, flags);
}

static PyMemberDef column_members[] = {
    {"offsets", T_ULONGLONG, offsetof(column_t, offsets), READONLY, "Address of the offsets."},
    {"count", T_PYSSIZET, offsetof(column_t, count), READONLY, "How many items there are."},
    {"width", T_INT, offsetof(column_t, width), READONLY, "Bytes of an offset: 4 or 8."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot column_slots[] = {
    {Py_tp_doc,
     "A binary array of someone else's; its buffer is the data that its offsets count in."},
    {Py_tp_dealloc, column_dealloc},
    {Py_tp_members, column_members},
    {Py_bf_getbuffer, column_getbuffer},
    {0, NULL}};

static PyType_Spec column_spec = {
    .name = "fpga_accel._objects.ArrowColumn",
    .basicsize = sizeof(column_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = column_slots,
};

/* Bytes of an offset of the types that are byte strings, else 0. */
static int offset_width(const struct ArrowSchema *schema) {
  const char *format = schema->format;
  if (!format || !format[0] || format[1] || schema->dictionary)
    return 0;
  if (format[0] == 'Z' || format[0] == 'U')
    return 8;
  return format[0] == 'z' || format[0] == 'u' ? 4 : 0;
}

static int check_type(const struct ArrowSchema *schema) {
  if (offset_width(schema))
    return 0;
  PyErr_Format(PyExc_TypeError,
               "an Arrow array of the format \"%s\"%s; a Batch takes binary, large_binary, string "
               "and large_string",
               schema->format ? schema->format : "", schema->dictionary ? ", a dictionary" : "");
  return -1;
}

static int check_nulls(const struct ArrowArray *array) {
  const uint8_t *valid = array->buffers[0];
  uint64_t nulls = (uint64_t)(array->null_count > 0 ? array->null_count : 0);
  if (array->null_count && valid)
    nulls = fa_unset_bits(valid, (uint64_t)array->offset, (uint64_t)array->length);
  if (!nulls)
    return 0;
  PyErr_Format(PyExc_ValueError, "%llu of %lld items are null, which a Batch cannot say",
               (unsigned long long)nulls, (long long)array->length);
  return -1;
}

static int check_shape(const struct ArrowArray *array) {
  if (array->length >= 0 && array->offset >= 0 && array->offset <= INT64_MAX - array->length &&
      array->n_buffers == BUFFERS && array->buffers && (array->buffers[1] || array->length == 0))
    return 0;
  PyErr_Format(PyExc_ValueError, "a malformed Arrow array: length %lld, offset %lld, %lld buffers",
               (long long)array->length, (long long)array->offset, (long long)array->n_buffers);
  return -1;
}

/* Arrays of other producers may lie at any address. */
static int64_t load_offset(const uint8_t *p, int width) {
  int64_t wide;
  int32_t narrow;
  if (width == sizeof wide) {
    memcpy(&wide, p, sizeof wide);
    return wide;
  }
  memcpy(&narrow, p, sizeof narrow);
  return narrow;
}

/* The data ends with the last item: the interface says no size. */
static int set_data(column_t *column, const struct ArrowArray *array) {
  const uint8_t *offsets = array->buffers[1];
  int64_t last = 0;
  if (array->length) {
    offsets += (uint64_t)array->offset * (uint64_t)column->width;
    last = load_offset(offsets + (uint64_t)array->length * (uint64_t)column->width, column->width);
    column->offsets = (uintptr_t)offsets;
  }
  if (last < 0 || (last && !array->buffers[2])) {
    PyErr_Format(PyExc_ValueError, "a malformed Arrow array: its data ends at %lld%s",
                 (long long)last, array->buffers[2] ? "" : " and is not there");
    return -1;
  }
  column->data = last ? array->buffers[2] : "";
  column->size = (Py_ssize_t)last;
  column->count = (Py_ssize_t)array->length;
  return 0;
}

PyDoc_STRVAR(arrow_column_doc,
             "arrow_column(schema, array, /) -> ArrowColumn\n\n"
             "Take a binary array without nulls out of its capsule; the producer's memory is\n"
             "released with the result. TypeError: another type. ValueError: nulls, or no\n"
             "sound array. Of the offsets only the last is looked at.");

static PyObject *arrow_column(PyObject *module, PyObject *args) {
  PyObject *schema_capsule, *array_capsule;
  if (!PyArg_ParseTuple(args, "OO:arrow_column", &schema_capsule, &array_capsule))
    return NULL;
  const struct ArrowSchema *schema = PyCapsule_GetPointer(schema_capsule, SCHEMA);
  struct ArrowArray *array = schema ? PyCapsule_GetPointer(array_capsule, ARRAY) : NULL;
  if (!array)
    return NULL;
  if (!schema->release || !array->release) {
    PyErr_SetString(PyExc_ValueError, "the Arrow array was released or taken before");
    return NULL;
  }
  if (check_type(schema) < 0 || check_shape(array) < 0 || check_nulls(array) < 0)
    return NULL;
  PyObject *type = PyObject_GetAttrString(module, "ArrowColumn");
  if (!type)
    return NULL;
  allocfunc allocate = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
  column_t *column = (column_t *)allocate((PyTypeObject *)type, 0); /* zeroed */
  Py_DECREF(type);
  if (!column)
    return NULL;
  column->width = offset_width(schema);
  if (set_data(column, array) < 0) {
    Py_DECREF((PyObject *)column);
    return NULL;
  }
  column->array = *array;
  array->release = NULL;
  return (PyObject *)column;
}

static PyMethodDef methods[] = {
    {"arrow_capsules", arrow_capsules, METH_VARARGS, arrow_capsules_doc},
    {"arrow_column", arrow_column, METH_VARARGS, arrow_column_doc},
    {NULL, NULL, 0, NULL}};

int arrow_add(PyObject *module) {
  return objects_add_type(module, &column_spec) < 0 ? -1 : PyModule_AddFunctions(module, methods);
}
