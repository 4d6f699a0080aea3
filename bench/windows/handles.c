/* handles NAME: prints how many handles all processes have together whose executable is called so. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>
#include <winternl.h>

enum { EXTENDED_HANDLES = 64, TOO_SMALL = (int)0xC0000004, MOST_PROCESSES = 64 };

/* SYSTEM_HANDLE_INFORMATION_EX, which the headers do not have. */
struct entry {
    void *object;
    ULONG_PTR process, handle;
    ULONG access;
    USHORT trace, type;
    ULONG attributes, reserved;
};
struct table {
    ULONG_PTR count, reserved;
    struct entry entries[];
};

int main(int count, char **arguments)
{
    DWORD wanted[MOST_PROCESSES], found = 0;
    if (count != 2) {
        fprintf(stderr, "usage: handles NAME\n");
        return 2;
    }
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 process = {.dwSize = sizeof process};
    for (BOOL more = Process32First(snapshot, &process); more && found < MOST_PROCESSES;
         more = Process32Next(snapshot, &process))
        if (!_stricmp(process.szExeFile, arguments[1]))
            wanted[found++] = process.th32ProcessID;
    struct table *table = NULL;
    ULONG size = 1 << 20;
    NTSTATUS status;
    do {
        size *= 2;
        table = realloc(table, size);
        if (!table)
            return 1;
        status = NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)EXTENDED_HANDLES, table, size,
                                          NULL);
    } while (status == TOO_SMALL);
    if (status) {
        fprintf(stderr, "handles: %08lx\n", (unsigned long)status);
        return 1;
    }
    unsigned long sum = 0;
    for (ULONG_PTR i = 0; i < table->count; i++)
        for (DWORD place = 0; place < found; place++)
            sum += table->entries[i].process == wanted[place];
    printf("%lu\n", sum);
    return found ? 0 : 1;
}
