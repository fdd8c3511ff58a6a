/* What Direct has for DirectMany, whose objects start with one. */
#ifndef FPGA_ACCEL_DIRECT_H
#define FPGA_ACCEL_DIRECT_H

#include "objects.h"

/* The data, where the result goes, and what a cipher needs beside them. */
#define MOST_ARGUMENTS 5

typedef struct {
  PyObject ob_base;
  PyObject *tally;
  PyObject *local; /* its `last` is the thread's Last */
  PyObject *operation;
  PyObject *reason;
  PyObject *call;
  PyObject *other;     /* NULL: none */
  Py_ssize_t position; /* of the data among the arguments */
  Py_ssize_t limit;
  Py_ssize_t number_size; /* bytes that a result counts for, 0: its length */
  Py_ssize_t target;      /* the argument that results are copied into, -1: none */
  unsigned long long serial;
} direct_t;

/* Hidden, so that the compiler may put them in where they are called: 4 ns of the 87 of a call. */
#pragma GCC visibility push(hidden)

/* A new object of a type that starts with a direct_t; what belongs to neither is zero. */
direct_t *direct_made(PyTypeObject *type, PyObject *tally, PyObject *local, PyObject *operation,
                      PyObject *reason, PyObject *call, PyObject *other, Py_ssize_t number_size);

int direct_clear(PyObject *object);
int direct_traverse(PyObject *object, visitproc visit, void *arg);
void direct_freed(PyObject *object, inquiry clear);

/* Whether an object is of another type of this module. */
int direct_is_a(PyTypeObject *direct_type, const char *name, PyObject *object);

/* The clock of time.perf_counter(). */
double direct_now(void);

/* Whether calls of the thread go the long way now; -1 with an exception. */
int direct_is_paused(direct_t *direct);

/* Counts a call and makes it the thread's last; -1 with an exception. */
int direct_file(direct_t *direct, Py_ssize_t items, Py_ssize_t in, Py_ssize_t out, double started,
                double ended);

#pragma GCC visibility pop

#endif
