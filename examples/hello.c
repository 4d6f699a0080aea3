/* A network server that does not know it: it only uses the C library's standard input and output.
 *
 * Linux:   cc -o hello hello.c
 * Windows: x86_64-w64-mingw32-gcc -o hello.exe hello.c
 */
#include <stdio.h>

int main(void)
{
    char name[64];

    printf("What is your name?\n");
    /* A socket is no terminal, so the C library keeps output back until its buffer is full.
     * Send the question before waiting for the answer. */
    fflush(stdout);

    if (scanf("%63s", name) != 1)
        return 1;
    printf("Hello, %s!\n", name);
    return 0;
}
