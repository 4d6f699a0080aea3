/* A network server that only reads and writes its standard handles, without any buffer between.
 * It sends back what it gets, in capitals.
 *
 * Linux:   cc -o readwrite readwrite.c
 * Windows: x86_64-w64-mingw32-gcc -o readwrite.exe readwrite.c
 */
#ifdef _WIN32

#include <windows.h>

static long read_some(char *buffer, long size)
{
    DWORD count = 0;
    if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, (DWORD)size, &count, NULL))
        return -1;
    return (long)count;
}

static long write_some(const char *buffer, long size)
{
    DWORD count = 0;
    if (!WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), buffer, (DWORD)size, &count, NULL))
        return -1;
    return (long)count;
}

#else

#include <unistd.h>

static long read_some(char *buffer, long size)
{
    return read(STDIN_FILENO, buffer, (size_t)size);
}

static long write_some(const char *buffer, long size)
{
    return write(STDOUT_FILENO, buffer, (size_t)size);
}

#endif

int main(void)
{
    char buffer[4096];
    long count;

    while ((count = read_some(buffer, sizeof buffer)) > 0) {
        for (long i = 0; i < count; i++)
            if (buffer[i] >= 'a' && buffer[i] <= 'z')
                buffer[i] -= 'a' - 'A';
        /* A write may take less than it was given. */
        for (long done = 0; done < count;) {
            long written = write_some(buffer + done, count - done);
            if (written <= 0)
                return 1;
            done += written;
        }
    }
    /* 0 is the end of the peer's data; a negative number is an error. */
    return count == 0 ? 0 : 1;
}
