/* Preloaded into a node: makes fsync and fdatasync slow or fail.
 *
 * JEPSEN_FSYNC_CONTROL names a file whose first bytes say what to do: "error" (EIO), "delay N" (N
 * milliseconds first), anything else: nothing. Each time something was done, a byte is added to the
 * file of that name with ".count" behind it: the evidence. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int act(void)
{
    const char *control = getenv("JEPSEN_FSYNC_CONTROL");
    char text[32] = {0}, count[4096];
    long ms = 0;
    int file, failed = 0;
    if (control == NULL || (file = open(control, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0)
        return 0;
    if (strncmp(text, "error", 5) == 0)
        failed = 1;
    else if (sscanf(text, "delay %ld", &ms) == 1 && ms > 0) {
        struct timespec pause = {ms / 1000, (ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    } else
        return 0;
    snprintf(count, sizeof count, "%s.count", control);
    if ((file = open(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) >= 0) {
        if (write(file, "x", 1) != 1)
            failed |= 0;
        close(file);
    }
    return failed;
}

typedef int (*sync_fn)(int);

int fsync(int fd)
{
    static sync_fn next;
    if (next == NULL)
        next = (sync_fn)dlsym(RTLD_NEXT, "fsync");
    if (act()) {
        errno = EIO;
        return -1;
    }
    return next(fd);
}

int fdatasync(int fd)
{
    static sync_fn next;
    if (next == NULL)
        next = (sync_fn)dlsym(RTLD_NEXT, "fdatasync");
    if (act()) {
        errno = EIO;
        return -1;
    }
    return next(fd);
}
