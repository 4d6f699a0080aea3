/* A client of a Unix socket of Windows: what it reads goes to the socket, and what comes from the
 * socket it writes. It ends when the server closes. A system without such sockets makes it say
 * `none`. */
#include <winsock2.h>

#include <stdio.h>
#include <string.h>

/* afunix.h, which old compilers do not have. */
struct address {
    unsigned short family;
    char path[108];
};

static char up[1 << 16], down[1 << 16];
static SOCKET server;

static DWORD WINAPI send_all(void *nothing)
{
    DWORD count;

    (void)nothing;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), up, sizeof up, &count, NULL) && count > 0)
        if (send(server, up, (int)count, 0) != (int)count)
            return 1;
    shutdown(server, SD_SEND);
    return 0;
}

int main(int argc, char **argv)
{
    struct address address = { .family = AF_UNIX };
    WSADATA data;
    DWORD written;
    int count;

    WSAStartup(MAKEWORD(2, 2), &data);
    server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (server == INVALID_SOCKET) {
        puts(WSAGetLastError() == WSAEAFNOSUPPORT ? "none" : "error");
        return 1;
    }
    strncpy(address.path, argc > 1 ? argv[1] : "", sizeof address.path - 1);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) {
        printf("error %d\n", WSAGetLastError());
        return 1;
    }
    CreateThread(NULL, 0, send_all, NULL, 0, NULL);
    while ((count = recv(server, down, sizeof down, 0)) > 0)
        if (!WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), down, (DWORD)count, &written, NULL))
            return 1;
    return 0;
}
