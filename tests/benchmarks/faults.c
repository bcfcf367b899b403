/* Lets the n-th operation that writes below a folder fail: cc -shared -fPIC -O1 -o faults.so faults.c -ldl -lpthread

   A process that is started with LD_PRELOAD=faults.so calls `fault_begin` (through ctypes, mostly in a child that it has
   forked). From then on each operation of any thread on a file below `root` is counted, from 1 on. The one with the
   number `at`, and with `once` == 0 all after it, fails with `code`, an errno, or ends the process at once where `code`
   is 0, as `kill -9` or a power cut would. Of the bytes of a write that fails half are written, as on a disk that gets
   full. What gives room (unlink, rmdir) does not fail for want of it. `fault_log` names a file descriptor for a line
   about each operation. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENDED 77

static char root[PATH_MAX];
static atomic_long count;
static long at;
static int code, once, active, log_to = -1;

void fault_begin(const char *folder, long number, int error, int only_once) {
    snprintf(root, sizeof root, "%s", folder);
    at = number, code = error, once = only_once, active = 1;
    atomic_store(&count, 0);
}

void fault_end(void) { active = 0; }
long fault_count(void) { return atomic_load(&count); }
void fault_log(int fd) { log_to = fd; }

#define NEXT(type, name) ((type) dlsym(RTLD_NEXT, name))

static int below(const char *path) {
    size_t length = strlen(root);
    return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int named(int fd, char *real) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, real, PATH_MAX - 1);
    if (size < 0) return 0;
    real[size] = 0;
    return 1;
}

/* The folder of a path has to be there; the path itself may not be, or be a link. */
static int path_below(int at_folder, const char *path, char *shown) {
    char whole[2 * PATH_MAX], real[PATH_MAX];
    if (!active || !path) return 0;
    if (path[0] != '/' && at_folder != AT_FDCWD) {
        if (!named(at_folder, real)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", real, path);
    } else snprintf(whole, sizeof whole, "%s", path);
    char *slash = strrchr(whole, '/');
    const char *name = slash ? slash + 1 : whole;
    char last[NAME_MAX + 1];
    snprintf(last, sizeof last, "%s", name);
    if (slash) *slash = 0; else strcpy(whole, ".");
    if (!realpath(*whole ? whole : "/", real) || !below(real)) return 0;
    snprintf(shown, PATH_MAX, "%s/%s", real, last);
    return 1;
}

static int file_below(int fd, char *shown) {
    return active && named(fd, shown) && below(shown);
}

static int written_below(int fd, char *shown) {
    if (!active) return 0;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && file_below(fd, shown);
}

/* Counts an operation; returns the errno with which it is to fail, or 0. */
static int fault(const char *name, const char *path, int gives_room) {
    long number = atomic_fetch_add(&count, 1) + 1;
    int hit = at > 0 && (number == at || (number > at && !once));
    if (log_to >= 0) dprintf(log_to, "%ld %s %s%s\n", number, name, path, hit ? " FAILS" : "");
    if (!hit) return 0;
    if (!code) return -1;
    return gives_room && code == ENOSPC ? 0 : code;
}

static int failed(int error) {
    if (error < 0) _exit(ENDED);
    errno = error;
    return -1;
}

#define COUNT(name, here, room) \
    char shown[PATH_MAX]; \
    int error = (here) ? fault(name, shown, room) : 0; \
    if (error) return failed(error)

/* ------------------------------------------------------------------------------------------------------ opening */

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT); }

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

#define OPEN(symbol) \
    int symbol(const char *path, int flags, ...) { \
        MODE(flags, flags) \
        COUNT("open", writes(flags) && path_below(AT_FDCWD, path, shown), 0); \
        return NEXT(int (*)(const char *, int, ...), #symbol)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(symbol) \
    int symbol(int folder, const char *path, int flags, ...) { \
        MODE(flags, flags) \
        COUNT("open", writes(flags) && path_below(folder, path, shown), 0); \
        return NEXT(int (*)(int, const char *, int, ...), #symbol)(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define CREAT(symbol) \
    int symbol(const char *path, mode_t mode) { \
        COUNT("open", path_below(AT_FDCWD, path, shown), 0); \
        return NEXT(int (*)(const char *, mode_t), #symbol)(path, mode); \
    }
CREAT(creat)
CREAT(creat64)

/* stdio writes from within libc, where nothing can be put between: opening fails, and so does closing below */
#define FOPEN(symbol) \
    FILE *symbol(const char *path, const char *how) { \
        char shown[PATH_MAX]; \
        int error = strpbrk(how, "wa+") && path_below(AT_FDCWD, path, shown) ? fault("fopen", shown, 0) : 0; \
        if (error) { failed(error); return NULL; } \
        return NEXT(FILE *(*)(const char *, const char *), #symbol)(path, how); \
    }
FOPEN(fopen)
FOPEN(fopen64)

int fclose(FILE *file) {
    char shown[PATH_MAX];
    int error = written_below(fileno(file), shown) ? fault("fclose", shown, 0) : 0;
    if (error < 0) _exit(ENDED);
    int result = NEXT(int (*)(FILE *), "fclose")(file);
    return error ? failed(error) : result;
}

int close(int fd) {
    char shown[PATH_MAX];
    int error = written_below(fd, shown) ? fault("close", shown, 0) : 0;
    if (error < 0) _exit(ENDED);
    int result = NEXT(int (*)(int), "close")(fd);  /* it is closed also where that fails */
    return error ? failed(error) : result;
}

/* ------------------------------------------------------------------------------------------------------ content */

/* Half of the bytes are written; where there was room for some, that is no error yet. */
static ssize_t half(int error, ssize_t size, ssize_t done) {
    if (error < 0) _exit(ENDED);
    if (error == ENOSPC && !once && size > 1 && done > 0) return done;
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *data, size_t size) {
    char shown[PATH_MAX];
    int error = file_below(fd, shown) ? fault("write", shown, 0) : 0;
    ssize_t (*next)(int, const void *, size_t) = NEXT(ssize_t (*)(int, const void *, size_t), "write");
    return error ? half(error, size, size > 1 ? next(fd, data, size / 2) : 0) : next(fd, data, size);
}

#define PWRITE(symbol, type) \
    ssize_t symbol(int fd, const void *data, size_t size, type place) { \
        char shown[PATH_MAX]; \
        int error = file_below(fd, shown) ? fault("pwrite", shown, 0) : 0; \
        ssize_t (*next)(int, const void *, size_t, type) = NEXT(ssize_t (*)(int, const void *, size_t, type), #symbol); \
        return error ? half(error, size, size > 1 ? next(fd, data, size / 2, place) : 0) : next(fd, data, size, place); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int number) {
    COUNT("writev", file_below(fd, shown), 0);
    return NEXT(ssize_t (*)(int, const struct iovec *, int), "writev")(fd, parts, number);
}

#define SENDFILE(symbol, type) \
    ssize_t symbol(int to, int from, type *place, size_t size) { \
        COUNT("sendfile", file_below(to, shown), 0); \
        return NEXT(ssize_t (*)(int, int, type *, size_t), #symbol)(to, from, place, size); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *read_at, int to, off64_t *write_at, size_t size, unsigned flags) {
    COUNT("copy_file_range", file_below(to, shown), 0);
    return NEXT(ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned), "copy_file_range")(
        from, read_at, to, write_at, size, flags);
}

#define FTRUNCATE(symbol, type) \
    int symbol(int fd, type size) { \
        COUNT("ftruncate", file_below(fd, shown), 0); \
        return NEXT(int (*)(int, type), #symbol)(fd, size); \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FALLOCATE(symbol, type) \
    int symbol(int fd, type place, type size) { \
        char shown[PATH_MAX]; \
        int error = file_below(fd, shown) ? fault("fallocate", shown, 0) : 0; \
        if (error < 0) _exit(ENDED); \
        return error ? error : NEXT(int (*)(int, type, type), #symbol)(fd, place, size); \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)

int fsync(int fd) {
    COUNT("fsync", file_below(fd, shown), 0);
    return NEXT(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd) {
    COUNT("fdatasync", file_below(fd, shown), 0);
    return NEXT(int (*)(int), "fdatasync")(fd);
}

/* ------------------------------------------------------------------------------------------------------ names */

int rename(const char *from, const char *to) {
    COUNT("rename", path_below(AT_FDCWD, to, shown), 0);
    return NEXT(int (*)(const char *, const char *), "rename")(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    COUNT("rename", path_below(b, to, shown), 0);
    return NEXT(int (*)(int, const char *, int, const char *), "renameat")(a, from, b, to);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    COUNT("rename", path_below(b, to, shown), 0);
    return NEXT(int (*)(int, const char *, int, const char *, unsigned), "renameat2")(a, from, b, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    COUNT("mkdir", path_below(AT_FDCWD, path, shown), 0);
    return NEXT(int (*)(const char *, mode_t), "mkdir")(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    COUNT("mkdir", path_below(folder, path, shown), 0);
    return NEXT(int (*)(int, const char *, mode_t), "mkdirat")(folder, path, mode);
}

int link(const char *from, const char *to) {
    COUNT("link", path_below(AT_FDCWD, to, shown), 0);
    return NEXT(int (*)(const char *, const char *), "link")(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    COUNT("link", path_below(b, to, shown), 0);
    return NEXT(int (*)(int, const char *, int, const char *, int), "linkat")(a, from, b, to, flags);
}

int symlink(const char *target, const char *path) {
    COUNT("symlink", path_below(AT_FDCWD, path, shown), 0);
    return NEXT(int (*)(const char *, const char *), "symlink")(target, path);
}

int symlinkat(const char *target, int folder, const char *path) {
    COUNT("symlink", path_below(folder, path, shown), 0);
    return NEXT(int (*)(const char *, int, const char *), "symlinkat")(target, folder, path);
}

int unlink(const char *path) {
    COUNT("unlink", path_below(AT_FDCWD, path, shown), 1);
    return NEXT(int (*)(const char *), "unlink")(path);
}

int unlinkat(int folder, const char *path, int flags) {
    COUNT("unlink", path_below(folder, path, shown), 1);
    return NEXT(int (*)(int, const char *, int), "unlinkat")(folder, path, flags);
}

int rmdir(const char *path) {
    COUNT("rmdir", path_below(AT_FDCWD, path, shown), 1);
    return NEXT(int (*)(const char *), "rmdir")(path);
}
