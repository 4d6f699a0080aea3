#include "probe.h"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void prepare(void)
{
    for (int fd = 0; fd < 3; fd++)
        _setmode(fd, _O_BINARY);
}

long take(char *buffer, size_t size)
{
    return _read(0, buffer, (unsigned)size);
}

long give(int to, const char *buffer, size_t size)
{
    return _write(to, buffer, (unsigned)size);
}

int last_error(void)
{
    return (int)_doserrno;
}

void rest_milliseconds(int duration)
{
    Sleep((DWORD)duration);
}

static BOOL WINAPI do_nothing(DWORD event)
{
    (void)event;
    return TRUE;
}

void ignore_stop(void)
{
    SetConsoleCtrlHandler(do_nothing, TRUE);
}

/* Ends the process with the exception's code, as Windows does when no debugger is wanted. */
static LONG WINAPI want_no_debugger(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    return EXCEPTION_EXECUTE_HANDLER;
}

void crash(void)
{
    SetUnhandledExceptionFilter(want_no_debugger);
    RaiseException(EXCEPTION_ACCESS_VIOLATION, EXCEPTION_NONCONTINUABLE, 0, NULL);
}

static void line(const char *format, ...)
{
    static char text[40000];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0)
        _write(1, text, (unsigned)size);
}

/* Sockets and pipes have one file type. Handle values are multiples of four and small. */
void print_descriptors(void)
{
    static const DWORD standard[] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };

    for (int i = 0; i < 3; i++)
        line("std %d %llu\n", i, (unsigned long long)(ULONG_PTR)GetStdHandle(standard[i]));
    for (ULONG_PTR value = 4; value < 4096; value += 4) {
        DWORD flags;
        HANDLE handle = (HANDLE)value;
        if (!GetHandleInformation(handle, &flags))
            continue;
        DWORD type = GetFileType(handle);
        if (type == FILE_TYPE_PIPE)
            line("pipe %llu\n", (unsigned long long)value);
        else if (type == FILE_TYPE_DISK)
            line("file %llu\n", (unsigned long long)value);
    }
}

void print_environment(void)
{
    char folder[MAX_PATH * 4];
    char *block = GetEnvironmentStringsA();

    /* Names that begin with `=` are the drives' working directories, not variables. */
    for (char *variable = block; *variable; variable += strlen(variable) + 1)
        if (*variable != '=')
            line("env %s\n", variable);
    GetCurrentDirectoryA(sizeof folder, folder);
    line("cwd %s\n", folder);
    line("pid %lu\n", GetCurrentProcessId());
}

void print_identity(void)
{
    char name[256];
    DWORD size = sizeof name;
    BOOL in_job = FALSE;
    HANDLE token;
    union {
        TOKEN_MANDATORY_LABEL label;
        TOKEN_PRIVILEGES privileges;
        char bytes[4096];
    } about;

    if (GetUserNameA(name, &size))
        line("user %s\n", name);
    IsProcessInJob(GetCurrentProcess(), NULL, &in_job);
    line("job %d\n", in_job ? 1 : 0);
    line("console %d\n", GetConsoleWindow() ? 1 : 0);
    char sid[SECURITY_MAX_SID_SIZE];
    DWORD length = sizeof sid;
    BOOL is_administrator = FALSE;
    if (CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, sid, &length)
        && CheckTokenMembership(NULL, sid, &is_administrator))
        line("administrator %d\n", is_administrator ? 1 : 0);
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return;
    if (GetTokenInformation(token, TokenIntegrityLevel, &about, sizeof about, &size)) {
        PSID sid = about.label.Label.Sid;
        line("integrity %lu\n", *GetSidSubAuthority(sid, *GetSidSubAuthorityCount(sid) - 1));
    }
    if (GetTokenInformation(token, TokenPrivileges, &about, sizeof about, &size))
        line("privileges %lu\n", about.privileges.PrivilegeCount);
}

/* Under Wine an inherited socket has to be made known first; on Windows that does no harm. */
int answer_datagram(const char *prefix)
{
    char datagram[2048];
    struct sockaddr_storage peer;
    int size = sizeof peer, length = (int)strlen(prefix);
    WSAPROTOCOL_INFOW info;
    WSADATA data;

    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    SOCKET inherited = (SOCKET)GetStdHandle(STD_INPUT_HANDLE);
    if (WSADuplicateSocketW(inherited, GetCurrentProcessId(), &info) != 0)
        return 2;
    SOCKET sock = WSASocketW(-1, -1, -1, &info, 0, 0);
    if (sock == INVALID_SOCKET)
        return 3;
    memcpy(datagram, prefix, (size_t)length);
    int count = recvfrom(sock, datagram + length, (int)sizeof datagram - length, 0,
                         (struct sockaddr *)&peer, &size);
    if (count < 0)
        return 4;
    count += length;
    return sendto(sock, datagram, count, 0, (struct sockaddr *)&peer, size) == count ? 0 : 5;
}

/* Returns only when the new process has made its connection, so that whoever sees our end knows
 * that there is somebody left behind. */
int start_lifeline(const char *self, const char *port, int detached)
{
    char path[MAX_PATH], command[MAX_PATH + 64], event_name[64], byte_name[64];
    PROCESS_INFORMATION process;
    STARTUPINFOA start = { .cb = sizeof start };

    (void)self;
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(event_name, sizeof event_name, "probe-%lu", GetCurrentProcessId());
    snprintf(byte_name, sizeof byte_name, "PROBE_STARTED=%s", event_name);
    HANDLE started = CreateEventA(NULL, TRUE, FALSE, event_name);
    _putenv(byte_name);
    snprintf(command, sizeof command, "\"%s\" lifeline %s", path, port);
    DWORD flags = detached ? DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP : 0;
    if (!CreateProcessA(path, command, NULL, NULL, !detached, flags, NULL, NULL, &start, &process))
        return 0;
    HANDLE either[] = { started, process.hProcess };
    return WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0;
}

int lifeline(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *started = getenv("PROBE_STARTED");
    WSADATA data;
    char byte;

    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    SOCKET sock = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sock, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    HANDLE event = started ? OpenEventA(EVENT_MODIFY_STATE, FALSE, started) : NULL;
    if (event)
        SetEvent(event);
    while (recv(sock, &byte, 1, 0) > 0)
        ;
    return 0;
}
