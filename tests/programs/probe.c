/* The program that the end-to-end tests serve. Its first argument says how it behaves. */
#include "probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No test needs a program for longer; none is left behind for longer. */
enum { PATIENCE = 120 * 1000 };

static char buffer[1 << 16];

static int give_all(int to, const char *data, size_t size)
{
    while (size > 0) {
        long count = give(to, data, size);
        if (count <= 0)
            return 0;
        data += count;
        size -= (size_t)count;
    }
    return 1;
}

static void say(int to, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size > 0)
        give_all(to, line, (size_t)size);
}

/* Sends back what it gets. */
static int cat(void)
{
    long count;
    while ((count = take(buffer, sizeof buffer)) > 0)
        if (!give_all(1, buffer, (size_t)count)) {
            say(2, "cannot write %ld bytes: error %d\n", count, last_error());
            return 1;
        }
    if (count < 0)
        say(2, "cannot read: error %d\n", last_error());
    return count == 0 ? 0 : 1;
}

/* Answers only when the peer has sent everything: with the number of bytes and their FNV-1a. */
static int checksum(void)
{
    unsigned long long total = 0, hash = 0xcbf29ce484222325u;
    long count;
    while ((count = take(buffer, sizeof buffer)) > 0) {
        total += (unsigned long long)count;
        for (long i = 0; i < count; i++)
            hash = (hash ^ (unsigned char)buffer[i]) * 0x100000001b3u;
    }
    say(1, "%llu %016llx\n", total, hash);
    return count == 0 ? 0 : 1;
}

/* As checksum, but reads nothing before the other end of PORT closes. */
static int checksum_after(int port)
{
    say(1, "ready\n");
    lifeline(port);
    return checksum();
}

/* Numbered lines of 15 bytes, and ends at once; without a number it goes on until nobody wants
 * them. */
static int print_lines(long lines)
{
    for (long line = 0; line < lines || lines == 0; line++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%014ld\n", line);
        if (!give_all(1, text, (size_t)size))
            return 1;
    }
    return 0;
}

/* Says that it runs, and ends when its peer does. */
static int hold(void)
{
    say(1, "ready %s\n", getenv("INETD_SESSION") ? getenv("INETD_SESSION") : "?");
    while (take(buffer, sizeof buffer) > 0)
        ;
    return 0;
}

static int ignore_everything(void)
{
    ignore_stop();
    say(1, "ready\n");
    rest_milliseconds(PATIENCE);
    return 0;
}

static int slow(int duration)
{
    say(1, "ready\n");
    rest_milliseconds(duration);
    say(1, "done\n");
    return 0;
}

static int leave_behind(const char *self, const char *port, int detached)
{
    if (!start_lifeline(self, port, detached))
        return 1;
    say(1, "gone\n");
    return 0;
}

/* Standard output and standard error, told apart by what they say. */
static int complain(const char *what)
{
    if (strcmp(what, "lines") == 0)
        say(2, "first complaint\nsecond complaint\n");
    else if (strcmp(what, "unfinished") == 0)
        say(2, "no line break");
    else if (strcmp(what, "control") == 0)
        say(2, "evil \x1b[31mred\x1b[0m\r tab\t quote\" \x01\n2026-01-01T00:00:00.000Z INFO FORGED\n");
    else if (strcmp(what, "long") == 0) {
        memset(buffer, 'x', sizeof buffer);
        give_all(2, buffer, sizeof buffer);
        say(2, "\n");
    }
    say(1, "said\n");
    return 0;
}

/* Numbers the datagrams of its peer: each read gives one, and each write is one. */
static int count_datagrams(void)
{
    long size;
    for (int number = 1; (size = take(buffer, sizeof buffer)) > 0; number++)
        say(1, "%d %.*s", number, (int)size, buffer);
    return size == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    const char *value = argc > 2 ? argv[2] : "";

    prepare();
    if (strcmp(mode, "cat") == 0)
        return cat();
    if (strcmp(mode, "checksum") == 0)
        return checksum();
    if (strcmp(mode, "checksum-after") == 0)
        return checksum_after(atoi(value));
    if (strcmp(mode, "print") == 0)
        return print_lines(atol(value));
    if (strcmp(mode, "hold") == 0)
        return hold();
    if (strcmp(mode, "ignore-stop") == 0)
        return ignore_everything();
    if (strcmp(mode, "slow") == 0)
        return slow(atoi(value));
    if (strcmp(mode, "exit") == 0)
        return atoi(value);
    if (strcmp(mode, "say") == 0) {
        say(1, "%s\n", value);
        return 0;
    }
    if (strcmp(mode, "crash") == 0)
        crash();
    if (strcmp(mode, "complain") == 0)
        return complain(value);
    if (strcmp(mode, "leave") == 0)
        return leave_behind(argv[0], value, 0);
    if (strcmp(mode, "leave-detached") == 0)
        return leave_behind(argv[0], value, 1);
    if (strcmp(mode, "lifeline") == 0)
        return lifeline(atoi(value));
    if (strcmp(mode, "count-datagrams") == 0)
        return count_datagrams();
    if (strcmp(mode, "answer-datagram") == 0)
        return answer_datagram("got ");
    if (strcmp(mode, "facts-of-datagram") == 0) {
        const char *socket = getenv("Inetd_SOCK");
        say(1, "%s %s %s", getenv("PROTO"), getenv("REMOTE_PORT"), socket ? socket : "none");
        return take(buffer, sizeof buffer) < 0;
    }
    if (strcmp(mode, "descriptors") == 0) {
        print_descriptors();
        return 0;
    }
    if (strcmp(mode, "environment") == 0) {
        for (int i = 0; i < argc; i++)
            say(1, "arg %s\n", argv[i]);
        print_environment();
        return 0;
    }
    if (strcmp(mode, "identity") == 0) {
        print_identity();
        return 0;
    }
    say(2, "probe: unknown mode '%s'\n", mode);
    return 64;
}
