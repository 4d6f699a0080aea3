/* Loaded in front of the C library (LD_PRELOAD), it answers for the resolver from a file of its
   own, HOSTS_OF_TEST, whose lines are ADDRESS NAME [ADDRESS OF THAT NAME]. A test so has names on a
   machine without a network, and a resolver that hangs if the file is a FIFO. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host {
    char address[64], name[256], leads_to[64];
};

/* The line about an address or a name. */
static int find(const char *address, const char *name, struct host *host)
{
    const char *path = getenv("HOSTS_OF_TEST");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        int fields = sscanf(line, "%63s %255s %63s", host->address, host->name, host->leads_to);
        if (fields == 2)
            strcpy(host->leads_to, host->address);
        found = fields >= 2 && ((address && strcmp(address, host->address) == 0) ||
                                (name && strcmp(name, host->name) == 0));
    }
    if (file)
        fclose(file);
    return found;
}

int getnameinfo(const struct sockaddr *address, socklen_t length, char *name, socklen_t size,
                char *service, socklen_t service_size, int flags)
{
    (void)length, (void)service, (void)service_size, (void)flags;
    char text[64];
    struct host host;
    const struct sockaddr_in *inet = (const void *)address;
    if (address->sa_family != AF_INET || !inet_ntop(AF_INET, &inet->sin_addr, text, sizeof text) ||
        !find(text, NULL, &host))
        return EAI_NONAME;
    snprintf(name, size, "%s", host.name);
    return 0;
}

/* freeaddrinfo(3) of the C library gives one block of malloc(3) back for each entry. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)service;
    struct host host;
    if (!name || !find(NULL, name, &host))
        return EAI_NONAME;
    struct addrinfo *info = calloc(1, sizeof *info + sizeof(struct sockaddr_in));
    if (!info)
        return EAI_MEMORY;
    struct sockaddr_in *inet = (void *)(info + 1);
    inet->sin_family = AF_INET;
    inet_pton(AF_INET, host.leads_to, &inet->sin_addr);
    info->ai_family = AF_INET;
    info->ai_socktype = hints ? hints->ai_socktype : SOCK_STREAM;
    info->ai_addrlen = sizeof *inet;
    info->ai_addr = (void *)inet;
    *result = info;
    return 0;
}
