/* Preloaded into jobrunner by tests/test_machine_faults.py: a disk that fails, and a clock that jumps.

   While the file $FAULTS/eio exists, nothing can be flushed, and $FAULTS/NAME-PID has a line for each call of fsync,
   fdatasync or syncfs that failed in a process. $FAULTS/jump holds seconds by which the wall clock is off. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *in_folder(const char *name, char *path, size_t size) {
    const char *folder = getenv("FAULTS");
    snprintf(path, size, "%s/%s", folder ? folder : "", name);
    return path;
}

static int disk_fails(const char *call) {
    char path[4096], name[64];
    if (access(in_folder("eio", path, sizeof path), F_OK) != 0) return 0;
    snprintf(name, sizeof name, "%s-%d", call, getpid());
    FILE *file = fopen(in_folder(name, path, sizeof path), "a");
    if (file) {
        fputc('\n', file);
        fclose(file);
    }
    errno = EIO;
    return 1;
}

#define FAILING(name)                                        \
    int name(int descriptor) {                               \
        static int (*real)(int);                             \
        if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        return disk_fails(#name) ? -1 : real(descriptor);         \
    }

FAILING(fsync)
FAILING(fdatasync)
FAILING(syncfs)

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    char path[4096];
    FILE *file = clock == CLOCK_REALTIME ? fopen(in_folder("jump", path, sizeof path), "r") : NULL;
    long seconds;
    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) now->tv_sec += seconds;
        fclose(file);
    }
    return result;
}
