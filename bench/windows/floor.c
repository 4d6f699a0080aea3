/* What a superserver on Windows could reach: accept, CreateProcess with the socket as standard input,
 * output and error, and nothing else.
 *
 * floor [-t THREADS] ADDRESS PORT PROGRAM   starts PROGRAM for each connection
 *
 * It keeps no records, watches no program, passes no facts, has no jobs and no list of handles. Its
 * creation flags are those of inetd, because they decide how dear CreateProcess itself is. With
 * more than one thread a program may inherit the connections of others: this is a measure, and no
 * server. */
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 200 };

static WCHAR program[MAX_PATH];
static SOCKET listener;

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %d\n", what, WSAGetLastError());
    exit(1);
}

static DWORD WINAPI serve(void *unused)
{
    for (;;) {
        WCHAR line[MAX_PATH];
        PROCESS_INFORMATION process;
        STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
        SOCKET connection = accept(listener, NULL, NULL);
        if (connection == INVALID_SOCKET)
            continue;
        /* An accepted socket can be inherited, if nobody changes that. */
        start.hStdInput = start.hStdOutput = start.hStdError = (HANDLE)connection;
        wcscpy(line, program);
        if (CreateProcessW(program, line, NULL, NULL, TRUE,
                           CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP, NULL, NULL, &start,
                           &process)) {
            CloseHandle(process.hThread);
            CloseHandle(process.hProcess);
        }
        closesocket(connection);
    }
    return (DWORD)(ULONG_PTR)unused;
}

int main(int count, char **arguments)
{
    int threads = 1;
    if (count > 2 && !strcmp(arguments[1], "-t")) {
        threads = atoi(arguments[2]);
        count -= 2;
        arguments += 2;
    }
    if (count != 4) {
        fprintf(stderr, "usage: floor [-t THREADS] ADDRESS PORT PROGRAM\n");
        return 2;
    }
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data))
        fail("WSAStartup");
    MultiByteToWideChar(CP_ACP, 0, arguments[3], -1, program, MAX_PATH);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = inet_addr(arguments[1]),
        .sin_port = htons((unsigned short)atoi(arguments[2])),
    };
    /* Without the overlapped attribute, which a program cannot use as its standard input; accepted
     * sockets have none, either. */
    listener = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_NO_HANDLE_INHERIT);
    if (listener == INVALID_SOCKET || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, BACKLOG))
        fail("bind");
    for (int i = 1; i < threads; i++)
        if (!CreateThread(NULL, 0, serve, NULL, 0, NULL))
            fail("CreateThread");
    serve(NULL);
    return 0;
}
