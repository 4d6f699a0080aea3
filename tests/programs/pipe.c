/* A client of a named pipe: what it reads goes to the pipe, and what comes from the pipe it writes.
 * It ends, and closes the pipe, when either side does. It waits for an instance of the pipe, unless
 * its second argument is `once`. */
#include <windows.h>

#include <stdio.h>

static char up[1 << 16], down[1 << 16];
static HANDLE server;

/* One call on the pipe, to its end. Both directions are under way at the same time, so the pipe is
 * open for overlapped calls. */
static DWORD wait_for(BOOL called, OVERLAPPED *call)
{
    DWORD count = 0;

    if (!called && GetLastError() != ERROR_IO_PENDING)
        return 0;
    return GetOverlappedResult(server, call, &count, TRUE) ? count : 0;
}

static DWORD WINAPI send_all(void *nothing)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    OVERLAPPED call = { .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL) };
    DWORD count, sent, part;

    (void)nothing;
    while (ReadFile(input, up, sizeof up, &count, NULL) && count > 0)
        for (sent = 0; sent < count; sent += part) {
            part = wait_for(WriteFile(server, up + sent, count - sent, NULL, &call), &call);
            if (part == 0)
                return 1;
        }
    ExitProcess(0);
}

int main(int argc, char **argv)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    OVERLAPPED call = { .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL) };
    char name[300];
    DWORD count, written;

    snprintf(name, sizeof name, "\\\\.\\pipe\\%s", argc > 1 ? argv[1] : "");
    do
        server = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                             FILE_FLAG_OVERLAPPED, NULL);
    while (server == INVALID_HANDLE_VALUE && GetLastError() == ERROR_PIPE_BUSY && argc < 3
           && (WaitNamedPipeA(name, 1000) || GetLastError() == ERROR_SEM_TIMEOUT));
    if (server == INVALID_HANDLE_VALUE) {
        printf("error %lu\n", GetLastError());
        return 1;
    }
    CreateThread(NULL, 0, send_all, NULL, 0, NULL);
    while ((count = wait_for(ReadFile(server, down, sizeof down, NULL, &call), &call)) > 0)
        if (!WriteFile(output, down, count, &written, NULL))
            return 1;
    return 0;
}
