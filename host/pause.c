/* Short pauses of the calling thread. */
#define _DEFAULT_SOURCE
#include "host.h"

#include <time.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#define BILLION 1000000000u

void fa_pause(uint64_t nanoseconds) {
#if defined(__linux__)
  /* A thread is woken up to 50 us late, so that the system has more to do at once: between polls
   * that would be most of the pause. */
  int slack = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
  struct timespec pause = {(time_t)(nanoseconds / BILLION), (long)(nanoseconds % BILLION)};
  nanosleep(&pause, NULL);
#if defined(__linux__)
  if (slack > 0)
    prctl(PR_SET_TIMERSLACK, (unsigned long)slack, 0UL, 0UL, 0UL);
#endif
}
