/* What a superserver could reach: accept, vfork, dup, exec, and nothing else.
 *
 * floor [-t THREADS] ADDRESS PORT PROGRAM [ARG...]   starts PROGRAM for each connection
 * floor -e ADDRESS PORT                              echoes TCP and UDP, on one thread
 *
 * It keeps no records, watches no program, passes no facts, sets no limits: children are reaped by
 * the kernel (SA_NOCLDWAIT). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, BUFFER = 64 * 1024, DATAGRAMS = 64 };

static char **program;
static int listener;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *serve(void *unused)
{
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            continue;
        if (vfork() == 0) {
            dup2(connection, 0);
            dup2(connection, 1);
            dup2(connection, 2);
            signal(SIGCHLD, SIG_DFL);
            execve(program[0], program, environ);
            _exit(127);
        }
        close(connection);
    }
    return unused;
}

static void answer_datagrams(int udp, char *buffer)
{
    for (int i = 0; i < DATAGRAMS; i++) {
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(udp, buffer, BUFFER, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
        if (got < 0)
            return;
        sendto(udp, buffer, (size_t)got, 0, (struct sockaddr *)&from, length);
    }
}

static void answer_stream(int connection, char *buffer)
{
    ssize_t got = read(connection, buffer, BUFFER);
    if (got <= 0) {
        close(connection);
        return;
    }
    for (ssize_t sent = 0; sent < got;) {
        ssize_t part = write(connection, buffer + sent, (size_t)(got - sent));
        if (part <= 0)
            return;
        sent += part;
    }
}

static void watch(int queue, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
}

static void echo(int udp)
{
    static char buffer[BUFFER];
    struct epoll_event events[256];
    int queue = epoll_create1(0);
    watch(queue, listener);
    watch(queue, udp);
    for (;;) {
        int count = epoll_wait(queue, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == udp) {
                answer_datagrams(udp, buffer);
            } else if (fd == listener) {
                int one = 1, connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (connection < 0)
                    continue;
                setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watch(queue, connection);
            } else {
                answer_stream(fd, buffer);
            }
        }
    }
}

int main(int count, char **arguments)
{
    int threads = 1, echoes = 0, option;
    while ((option = getopt(count, arguments, "+t:e")) > 0) {
        if (option == 't')
            threads = atoi(optarg);
        else if (option == 'e')
            echoes = 1;
        else
            return 2;
    }
    if (count - optind < (echoes ? 2 : 3)) {
        fprintf(stderr, "usage: floor [-t THREADS] ADDRESS PORT PROGRAM [ARG...] | -e ADDRESS PORT\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, arguments[optind], &address.sin_addr);
    address.sin_port = htons((unsigned short)atoi(arguments[optind + 1]));
    program = arguments + optind + 2;

    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG))
        fail("bind");
    if (echoes) {
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        signal(SIGPIPE, SIG_IGN);
        if (bind(udp, (struct sockaddr *)&address, sizeof address))
            fail("bind");
        echo(udp);
    }
    struct sigaction no_zombies = {.sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &no_zombies, NULL);
    for (int i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, NULL))
            fail("pthread_create");
    }
    serve(NULL);
    return 0;
}
