/* A network server that knows it: inetd tells it in Inetd_SOCK which descriptor is its socket,
 * and it uses the whole socket interface.
 *
 * Linux: cc -o network network.c
 * On Windows see network-windows.c and network-wine.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char *address_of(const struct sockaddr_storage *peer, char *text, size_t size)
{
    const void *address = NULL;

    if (peer->ss_family == AF_INET)
        address = &((const struct sockaddr_in *)peer)->sin_addr;
    else if (peer->ss_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
    if (!address || !inet_ntop(peer->ss_family, address, text, (socklen_t)size))
        snprintf(text, size, "a local socket");
    return text;
}

int main(void)
{
    const char *number = getenv("Inetd_SOCK");
    if (!number) {
        fprintf(stderr, "network: Inetd_SOCK is not set: start me from inetd\n");
        return 1;
    }
    int sock = atoi(number);

    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (getpeername(sock, (struct sockaddr *)&peer, &length) != 0) {
        perror("network: getpeername");
        return 1;
    }

    char address[INET6_ADDRSTRLEN], line[160], answer[256];
    int size = snprintf(line, sizeof line, "You are %s. Say something.\r\n",
                        address_of(&peer, address, sizeof address));
    if (send(sock, line, (size_t)size, MSG_NOSIGNAL) != size)
        return 1;

    ssize_t count = recv(sock, line, sizeof line, 0);
    if (count <= 0)
        return 1;
    size = snprintf(answer, sizeof answer, "You sent %zd bytes: %.*s", count, (int)count, line);
    return send(sock, answer, (size_t)size, MSG_NOSIGNAL) == size ? 0 : 1;
}
