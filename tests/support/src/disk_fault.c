/*
 * For LD_PRELOAD: lets the writes of one process fail as on a disk that is full or read-only. Tests run as root, on a disk
 * that is neither: permissions do not stop root, and a limit on the size of files gives another error than a full disk.
 *
 * While the file that DISK_FAULT names exists, it holds which fault this is (another number begins anew), the errno, the
 * bytes that are written before it, how many calls fail then (0: all), and the path of a file, or of a directory with a
 * slash behind it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct fault {
    long serial;
    int error;
    long room;
    long calls;
    char path[PATH_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The fault that is counted, the bytes that were written in it, and the calls that have failed. */
static long serial, written, failed;

/* The function of that name that would be called without this library. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether there is one for that path. */
static int find(struct fault *fault, const char *path) {
    const char *marker = getenv("DISK_FAULT");
    char text[PATH_MAX + 128];
    int fd = marker == NULL ? -1 : NEXT(open)(marker, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length < 0 ? 0 : length] = 0;
    const char *form = "%ld %d %ld %ld %4095s";
    if (sscanf(text, form, &fault->serial, &fault->error, &fault->room, &fault->calls, fault->path) != 5) return 0;
    size_t end = strlen(fault->path);
    return fault->path[end - 1] == '/' ? strncmp(path, fault->path, end) == 0 : strcmp(path, fault->path) == 0;
}

/* The error of a call that would write so many bytes, or 0. */
static int count(const struct fault *fault, size_t bytes) {
    int error = 0;
    pthread_mutex_lock(&lock);
    if (serial != fault->serial) {
        serial = fault->serial;
        written = failed = 0;
    }
    if (written + (long)bytes <= fault->room) {
        written += (long)bytes;
    } else if (fault->calls == 0 || failed < fault->calls) {
        failed++;
        error = fault->error;
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static int refuses(int fd, size_t bytes) {
    struct fault fault;
    char link[64], path[PATH_MAX];
    int saved = errno, error = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = bytes > 0 ? readlink(link, path, sizeof path - 1) : -1;
    /* A pipe has no path: handlers of signals write to one, and should not open files. */
    if (length > 0 && path[0] == '/') {
        path[length] = 0;
        if (find(&fault, path)) error = count(&fault, bytes);
    }
    errno = error == 0 ? saved : error;
    return error != 0;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    return refuses(fd, count) ? -1 : NEXT(write)(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return refuses(fd, count) ? -1 : NEXT(pwrite)(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    return refuses(fd, count) ? -1 : NEXT(pwrite64)(fd, bytes, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int part = 0; part < count; part++) bytes += parts[part].iov_len;
    return refuses(fd, bytes) ? -1 : NEXT(writev)(fd, parts, count);
}

/* A full disk lets files be opened, and mostly made. A read-only one does not if they are to be written; of one that is to
 * be made and is there, the system says that first. */
static int refuses_to_open(const char *path, int flags) {
    struct fault fault;
    int saved = errno, made = flags & O_CREAT && flags & O_EXCL && access(path, F_OK) == 0;
    int refused = (flags & O_ACCMODE) != O_RDONLY && !made && find(&fault, path) && fault.error == EROFS;
    errno = refused ? EROFS : saved;
    return refused;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return refuses_to_open(path, flags) ? -1 : NEXT(name)(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
