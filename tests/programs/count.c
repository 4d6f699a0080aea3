/* Counts the characters of its input, which is text to it: at a console Ctrl-Z ends it. */
#include <stdio.h>

int main(void)
{
    int count = 0;

    while (getchar() != EOF)
        count++;
    printf("counted:%d\n", count);
    return 0;
}
