/* Writes "hello\n" and exits. No C library: one page, nothing to relocate, so that what is measured
 * is the superserver and the kernel. */
#include "calls.h"

void _start(void)
{
    call(WRITE, 1, (long)"hello\n", 6);
    call(EXIT_GROUP, 0, 0, 0);
}
