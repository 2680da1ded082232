// Makes a disk fail for the files whose paths hold a text. Preloaded into a process by DiskFaultTests; built by
//
//     cc -shared -fPIC -O1 -o disk_faults.so disk_faults.c -ldl
//
// DISK_FAULTS_FOLDER is that text, DISK_FAULTS_ORDERS a file that is looked at with every call and says what fails, one
// `CALL ERRNO` a line: create, write, fsync, rename or read, and the error's number. An empty or missing file: nothing.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// The error that the orders have for the call, or 0. By system calls alone: the functions of the library are those below.
static int ordered(const char *call) {
    const char *path = getenv("DISK_FAULTS_ORDERS");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    char text[256];
    long count = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    text[count > 0 ? count : 0] = 0;
    for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : line) {
        size_t length = strlen(call);
        if (strncmp(line, call, length) == 0 && line[length] == ' ') return atoi(line + length + 1);
    }
    return 0;
}

static int is_ours(const char *path) {
    const char *folder = getenv("DISK_FAULTS_FOLDER");
    return folder && path && strstr(path, folder) != NULL;
}

static int is_ours_file(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long count = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return is_ours(path);
}

// Returns whether the call is to fail, with errno set.
static int fails(const char *call, int ours) {
    int error = ours ? ordered(call) : 0;
    if (error) errno = error;
    return error != 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int open_it(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if ((flags & O_CREAT) && fails("create", is_ours(path))) return -1;
    return real(path, flags, mode);
}

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                     \
        return open_it(REAL(name), path, flags, mode);    \
    }
OPEN(open)
OPEN(open64)

// A file that exists is asked for first: only those that are ours cost a look at the orders.
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return fails("write", is_ours_file(file)) ? -1 : REAL(pwrite)(file, bytes, count, offset);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return fails("write", is_ours_file(file)) ? -1 : REAL(pwrite64)(file, bytes, count, offset);
}
ssize_t read(int file, void *bytes, size_t count) {
    return fails("read", is_ours_file(file)) ? -1 : REAL(read)(file, bytes, count);
}
int fsync(int file) { return fails("fsync", is_ours_file(file)) ? -1 : REAL(fsync)(file); }
int rename(const char *from, const char *to) { return fails("rename", is_ours(from)) ? -1 : REAL(rename)(from, to); }
