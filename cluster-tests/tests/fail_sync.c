/* Refuses fsync and fdatasync of files under $FAIL_SYNC_UNDER while the file $FAIL_SYNC exists, and
 * notes the path of each that was refused in $FAIL_SYNC.refused. While the file $SLOW_SYNC exists, each sync
 * takes as many milliseconds longer as it says. To be preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refused(int fd) {
    const char *trigger = getenv("FAIL_SYNC"), *under = getenv("FAIL_SYNC_UNDER");
    if (!trigger || !under || access(trigger, F_OK) != 0) return 0;
    char link[64], path[4096], note[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, under, strlen(under)) != 0) return 0;
    snprintf(note, sizeof note, "%s.refused", trigger);
    int told = open(note, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (told >= 0) {
        dprintf(told, "%s\n", path);
        close(told);
    }
    errno = EIO;
    return 1;
}

static void slow(void) {
    const char *trigger = getenv("SLOW_SYNC");
    FILE *file = trigger ? fopen(trigger, "r") : NULL;
    int ms = 0;
    if (!file) return;
    if (fscanf(file, "%d", &ms) == 1 && ms > 0) usleep((useconds_t)ms * 1000);
    fclose(file);
}

int fsync(int fd) {
    slow();
    if (refused(fd)) return -1;
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return next(fd);
}

int fdatasync(int fd) {
    slow();
    if (refused(fd)) return -1;
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}
