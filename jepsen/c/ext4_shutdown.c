/* Makes the ext4 file system at a path forget what was not synced, as a power cut does. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NOLOGFLUSH 2

int main(int argc, char **argv)
{
    uint32_t flag = NOLOGFLUSH;
    int file = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
    if (file < 0 || ioctl(file, EXT4_IOC_SHUTDOWN, &flag) != 0) {
        perror("ext4_shutdown");
        return 1;
    }
    return 0;
}
