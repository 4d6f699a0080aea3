/* Reads with one thread while another one writes, which one synchronous socket does not allow on
 * Windows: says a hundred lines although a read waits, then sends back what it has read. */
#include <windows.h>

#include <stdio.h>

static char input[1 << 16];
static DWORD size;

static DWORD WINAPI read_all(void *event)
{
    DWORD count;

    SetEvent(event);
    while (size < sizeof input
           && ReadFile(GetStdHandle(STD_INPUT_HANDLE), input + size, sizeof input - size, &count, NULL)
           && count > 0)
        size += count;
    return 0;
}

static void print(const char *text, DWORD length)
{
    DWORD written;

    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

int main(void)
{
    HANDLE reading = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE thread = CreateThread(NULL, 0, read_all, reading, 0, NULL);

    WaitForSingleObject(reading, INFINITE);
    for (int number = 1; number <= 100; number++) {
        char line[32];
        print(line, (DWORD)snprintf(line, sizeof line, "line %d\n", number));
    }
    WaitForSingleObject(thread, INFINITE);
    print(input, size);
    return 0;
}
