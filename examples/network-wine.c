/* A network server that knows it, for Windows and Wine: Inetd_SOCK holds the value of the SOCKET
 * handle that this program inherited.
 *
 * Wine 8 takes a handle for a socket only in the process that made it, so this program makes the
 * socket known to its own process first. On Windows that does no harm.
 *
 * x86_64-w64-mingw32-gcc -o network-wine.exe network-wine.c -lws2_32
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <stdio.h>
#include <stdlib.h>

static SOCKET open_socket(const char *number)
{
    WSAPROTOCOL_INFOW info;
    SOCKET inherited = (SOCKET)strtoull(number, NULL, 10);

    if (WSADuplicateSocketW(inherited, GetCurrentProcessId(), &info) != 0)
        return inherited;
    SOCKET own = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, 0);
    return own == INVALID_SOCKET ? inherited : own;
}

int main(void)
{
    const char *number = getenv("Inetd_SOCK");
    if (!number) {
        fprintf(stderr, "network: Inetd_SOCK is not set: start me from inetd\n");
        return 1;
    }
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    SOCKET sock = open_socket(number);

    struct sockaddr_storage peer;
    int length = sizeof peer;
    if (getpeername(sock, (struct sockaddr *)&peer, &length) != 0) {
        fprintf(stderr, "network: getpeername: error %d\n", WSAGetLastError());
        return 1;
    }
    char address[NI_MAXHOST];
    if (getnameinfo((struct sockaddr *)&peer, length, address, sizeof address, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return 1;

    char line[160], answer[256];
    int size = snprintf(line, sizeof line, "You are %.100s. Say something.\r\n", address);
    if (send(sock, line, size, 0) != size)
        return 1;

    int count = recv(sock, line, sizeof line, 0);
    if (count <= 0)
        return 1;
    size = snprintf(answer, sizeof answer, "You sent %d bytes: %.*s", count, count, line);
    return send(sock, answer, size, 0) == size ? 0 : 1;
}
