/* Writes "ready\n" and waits until the peer is gone. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

void start(void)
{
    char buffer[512];
    DWORD done;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "ready\n", 6, &done, NULL);
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, sizeof buffer, &done, NULL) && done)
        ;
    ExitProcess(0);
}
