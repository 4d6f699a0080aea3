/* Wine 8 lacks this library, and every Rust program for Windows needs its one function: random
 * bytes. Here they come from RtlGenRandom, which Wine has under the name of SystemFunction036.
 *
 * x86_64-w64-mingw32-gcc -shared -o bcryptprimitives.dll bcryptprimitives.c -ladvapi32
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
    const ULONG most = 1u << 28; /* RtlGenRandom takes a 32-bit size. */

    while (size > 0) {
        ULONG part = size < most ? (ULONG)size : most;
        if (!SystemFunction036(buffer, part))
            return FALSE;
        buffer += part;
        size -= part;
    }
    return TRUE;
}
