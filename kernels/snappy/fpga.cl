/* Snappy for FPGAs and their emulator: the plain algorithm, no pipeline. One work-item is launched,
 * so the range of rows that portable.cl gives it is the whole table. No -D parameters. */
#include "portable.cl"
