/* Loaded in front of the C library (LD_PRELOAD), it hangs whoever opens the file OPEN_HANGS to read
   it, as a disk or a file server does that does not answer any more, from the moment that there is a
   file of the same name with `.now` behind it, until that is gone. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void hang(const char *path)
{
    const char *hangs = getenv("OPEN_HANGS");
    char now[PATH_MAX];
    if (!hangs || strcmp(path, hangs) != 0)
        return;
    snprintf(now, sizeof now, "%s.now", hangs);
    while (access(now, F_OK) == 0)
        usleep(10000);
}

typedef int opener(const char *, int, ...);

static int forward(const char *name, const char *path, int flags, va_list arguments)
{
    opener *next = (opener *)dlsym(RTLD_NEXT, name);
    int creates = flags & (O_CREAT | __O_TMPFILE);
    mode_t mode = creates ? va_arg(arguments, mode_t) : 0;
    hang(path);
    return next(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int file = forward("open", path, flags, arguments);
    va_end(arguments);
    return file;
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int file = forward("open64", path, flags, arguments);
    va_end(arguments);
    return file;
}
