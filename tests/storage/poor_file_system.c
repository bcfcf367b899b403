/* Makes a folder look as if it lay on a file system that lacks something: cc -shared -fPIC -o poor.so poor_file_system.c -ldl

   POOR_ROOT=/folder POOR="flock=38 fsync=22 symlink=1" LD_PRELOAD=poor.so command

   POOR names calls with the errno that they fail with, for all that lies below POOR_ROOT. `rename` fails where the new
   name is taken; `dirsync` is fsync of a folder; `lock` are the record locks of fcntl, which SQLite uses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int wanted(const char *call) {
    char key[32];
    const char *list = getenv("POOR"), *place;
    snprintf(key, sizeof key, "%s=", call);
    for (place = list; place && (place = strstr(place, key)); place++)
        if (place == list || place[-1] == ' ') return atoi(place + strlen(key));
    return 0;
}

static int below(const char *path) {
    const char *root = getenv("POOR_ROOT");
    return root && !strncmp(path, root, strlen(root));
}

static int path_below(const char *path) {
    char folder[PATH_MAX], real[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0; else strcpy(folder, ".");
    return realpath(*folder ? folder : "/", real) && below(real);
}

static int file_below(int fd) {
    char link[64], real[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, real, sizeof real - 1);
    if (size < 0) return 0;
    real[size] = 0;
    return below(real);
}

#define FAIL(call, here) do { int code = wanted(call); if (code && (here)) { errno = code; return -1; } } while (0)
#define NEXT(type, name) ((type) dlsym(RTLD_NEXT, name))

int flock(int fd, int how) {
    FAIL("flock", file_below(fd));
    return NEXT(int (*)(int, int), "flock")(fd, how);
}

int fsync(int fd) {
    struct stat facts;
    int folder = !fstat(fd, &facts) && S_ISDIR(facts.st_mode);
    FAIL(folder ? "dirsync" : "fsync", file_below(fd));
    return NEXT(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd) {
    FAIL("fsync", file_below(fd));
    return NEXT(int (*)(int), "fdatasync")(fd);
}

int link(const char *from, const char *to) {
    FAIL("link", path_below(to));
    return NEXT(int (*)(const char *, const char *), "link")(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    FAIL("link", path_below(to));
    return NEXT(int (*)(int, const char *, int, const char *, int), "linkat")(a, from, b, to, flags);
}

int symlink(const char *target, const char *path) {
    FAIL("symlink", path_below(path));
    return NEXT(int (*)(const char *, const char *), "symlink")(target, path);
}

int symlinkat(const char *target, int folder, const char *path) {
    FAIL("symlink", path_below(path));
    return NEXT(int (*)(const char *, int, const char *), "symlinkat")(target, folder, path);
}

static int taken(const char *path) {
    struct stat facts;
    return path_below(path) && !lstat(path, &facts);
}

int rename(const char *from, const char *to) {
    FAIL("rename", taken(to));
    return NEXT(int (*)(const char *, const char *), "rename")(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    FAIL("rename", taken(to));
    return NEXT(int (*)(int, const char *, int, const char *), "renameat")(a, from, b, to);
}

static int record_lock(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    FAIL("lock", record_lock(command) && file_below(fd));
    return NEXT(int (*)(int, int, void *), "fcntl")(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    FAIL("lock", record_lock(command) && file_below(fd));
    return NEXT(int (*)(int, int, void *), "fcntl64")(fd, command, argument);
}
