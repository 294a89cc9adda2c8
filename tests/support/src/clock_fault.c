/* A clock that runs at another rate than the machine's. Loaded between a service and the C library by LD_PRELOAD.
 * CLOCK_RATE: the seconds of this clock in a second of the machine, such as 0.99. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

#define CLOCKS 8
#define NANOS 1000000000LL

typedef int (*get_time)(clockid_t, struct timespec *);

static get_time original;
static double rate = 1;
/* When each clock began to run at its own rate. */
static long long begun[CLOCKS];

static long long nanos(const struct timespec *time) {
    return time->tv_sec * NANOS + time->tv_nsec;
}

__attribute__((constructor)) static void begin(void) {
    const char *wanted = getenv("CLOCK_RATE");
    get_time found = (get_time)dlsym(RTLD_NEXT, "clock_gettime");
    for (clockid_t clock = 0; clock < CLOCKS; clock++) {
        struct timespec now;
        if (found(clock, &now) == 0) begun[clock] = nanos(&now);
    }
    if (wanted) rate = atof(wanted);
    original = found;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!original) return ((get_time)dlsym(RTLD_NEXT, "clock_gettime"))(clock, time);
    int result = original(clock, time);
    /* Those of the processor time of a process or a thread stay as they are. */
    int is_time = clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID;
    if (result == 0 && clock >= 0 && clock < CLOCKS && is_time) {
        long long shown = begun[clock] + (long long)((double)(nanos(time) - begun[clock]) * rate);
        time->tv_sec = shown / NANOS;
        time->tv_nsec = shown % NANOS;
    }
    return result;
}
