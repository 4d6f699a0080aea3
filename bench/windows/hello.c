/* Writes "hello\n" and exits. No C library: nothing to load but kernel32. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void start(void)
{
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "hello\n", 6, &written, NULL);
    ExitProcess(0);
}
