/* As Node.js and other runtimes: standard input has to be a pipe, and a socket is none. */
#include <windows.h>

#include <stdio.h>

int main(void)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    DWORD flags;

    if (GetFileType(input) != FILE_TYPE_PIPE || !GetNamedPipeInfo(input, &flags, NULL, NULL, NULL)) {
        printf("EINVAL: standard input is no pipe\n");
        return 1;
    }
    printf("standard input is a pipe\n");
    return 0;
}
