#include "probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void prepare(void)
{
}

long take(char *buffer, size_t size)
{
    return read(0, buffer, size);
}

long give(int to, const char *buffer, size_t size)
{
    return write(to, buffer, size);
}

int last_error(void)
{
    return errno;
}

void rest_milliseconds(int duration)
{
    usleep((useconds_t)duration * 1000);
}

void ignore_stop(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

void crash(void)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    raise(SIGSEGV);
}

void print_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    char path[PATH_MAX], target[PATH_MAX];

    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(folder))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%.16s", entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        dprintf(1, "%s %s\n", entry->d_name, target);
    }
}

static void print_limit(const char *name, int resource)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        dprintf(1, "limit %s unlimited\n", name);
    else
        dprintf(1, "limit %s %llu\n", name, (unsigned long long)limit.rlim_cur);
}

/* The signal sets of /proc/PID/status, as hexadecimal masks. */
static void print_signals(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "Sig", 3) == 0)
            dprintf(1, "signals %s", line);
}

void print_environment(void)
{
    char folder[PATH_MAX];
    mode_t mask = umask(0);

    for (char **variable = environ; *variable; variable++)
        dprintf(1, "env %s\n", *variable);
    dprintf(1, "cwd %s\n", getcwd(folder, sizeof folder) ? folder : "?");
    dprintf(1, "umask %03o\n", (unsigned)mask);
    dprintf(1, "pid %d\n", (int)getpid());
    dprintf(1, "pgid %d\n", (int)getpgrp());
    dprintf(1, "nice %d\n", getpriority(PRIO_PROCESS, 0));
    print_limit("nofile", RLIMIT_NOFILE);
    print_limit("core", RLIMIT_CORE);
    print_limit("fsize", RLIMIT_FSIZE);
    print_limit("cpu", RLIMIT_CPU);
    print_signals();
}

void print_identity(void)
{
    gid_t groups[64];
    int count = getgroups(64, groups);

    dprintf(1, "uid %d %d\ngid %d %d\ngroups", (int)getuid(), (int)geteuid(), (int)getgid(),
            (int)getegid());
    for (int i = 0; i < count; i++)
        dprintf(1, " %d", (int)groups[i]);
    dprintf(1, "\n");
}

int answer_datagram(const char *prefix)
{
    char datagram[2048];
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    size_t length = strlen(prefix);
    memcpy(datagram, prefix, length);
    ssize_t count = recvfrom(0, datagram + length, sizeof datagram - length, 0,
                             (struct sockaddr *)&peer, &size);
    if (count < 0)
        return 1;
    count += (ssize_t)length;
    return sendto(0, datagram, (size_t)count, 0, (struct sockaddr *)&peer, size) != count;
}

/* Returns only when the new process has made its connection, so that whoever sees our end knows
 * that there is somebody left behind. */
int start_lifeline(const char *self, const char *port, int detached)
{
    int started[2];
    char byte;

    if (pipe(started) != 0)
        return 0;
    pid_t child = fork();
    if (child < 0)
        return 0;
    if (child == 0) {
        if (detached) {
            setsid();
            if (fork() != 0)
                _exit(0);
            close(0);
            close(1);
            close(2);
        }
        close(started[0]);
        char number[16];
        snprintf(number, sizeof number, "%d", started[1]);
        setenv("PROBE_STARTED", number, 1);
        execl("/proc/self/exe", self, "lifeline", port, (char *)NULL);
        _exit(1);
    }
    close(started[1]);
    if (detached)
        waitpid(child, NULL, 0);
    return read(started[0], &byte, 1) == 1;
}

int lifeline(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *started = getenv("PROBE_STARTED");
    char byte;

    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    if (started) {
        int pipe = atoi(started);
        if (write(pipe, "+", 1) != 1)
            return 1;
        close(pipe);
    }
    while (read(sock, &byte, 1) > 0)
        ;
    return 0;
}
