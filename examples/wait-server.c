/* A server that inetd starts at its first connection (`wait = true`): it gets the listening socket,
 * accepts for itself, and ends when nobody came for a while; inetd then watches the port again.
 *
 * Linux:   cc -o wait-server wait-server.c
 * Windows: x86_64-w64-mingw32-gcc -o wait-server.exe wait-server.c -lws2_32
 * Usage:   wait-server [SECONDS TO STAY WITHOUT A CONNECTION]
 */
#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#define close closesocket
#define poll WSAPoll
#else
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
typedef int SOCKET;
#define INVALID_SOCKET (-1)
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

/* The listening socket is the handle in Inetd_SOCK; see network-wine.c about the second step. */
static SOCKET listening_socket(void)
{
    WSADATA data;
    WSAPROTOCOL_INFOW info;
    const char *number = getenv("Inetd_SOCK");

    if (!number || WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return INVALID_SOCKET;
    SOCKET inherited = (SOCKET)strtoull(number, NULL, 10);
    if (WSADuplicateSocketW(inherited, GetCurrentProcessId(), &info) != 0)
        return inherited;
    SOCKET own = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, 0);
    return own == INVALID_SOCKET ? inherited : own;
}

/* A connection inherits the mode of the listener, which inetd may have made non-blocking. */
static void make_blocking(SOCKET connection)
{
    u_long off = 0;
    ioctlsocket(connection, FIONBIO, &off);
}

static int process_id(void)
{
    return (int)GetCurrentProcessId();
}

#else

/* The listening socket is descriptor 0, as in every inetd, and descriptor 3, as in systemd
 * (sd_listen_fds(3)): the variables say whether they are meant for this very process. */
static SOCKET listening_socket(void)
{
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

    if (count && pid && atoi(count) == 1 && atoi(pid) == getpid())
        return 3;
    return 0;
}

static void make_blocking(SOCKET connection)
{
    (void)connection;
}

static int process_id(void)
{
    return (int)getpid();
}

#endif

int main(int argc, char **argv)
{
    int patience = (argc > 1 ? atoi(argv[1]) : 10) * 1000;
    SOCKET listener = listening_socket();
    struct pollfd ready = { .fd = listener, .events = POLLIN };

    if (listener == INVALID_SOCKET) {
        fprintf(stderr, "wait-server: no listening socket: start me from inetd with wait = true\n");
        return 1;
    }
    for (int visitor = 1; poll(&ready, 1, patience) > 0; visitor++) {
        SOCKET connection = accept(listener, NULL, NULL);
        if (connection == INVALID_SOCKET)
            continue; /* That visitor has gone already. */
        make_blocking(connection);
        char line[96];
        int size = snprintf(line, sizeof line, "You are visitor %d of process %d.\n", visitor,
                            process_id());
        send(connection, line, (size_t)size, 0);
        close(connection);
    }
    return 0;
}
