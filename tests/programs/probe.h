/* What probe.c needs of the system: in unix.c and in windows.c with the same names. */
#include <stddef.h>

/* Called first: nothing may change a byte between here and the peer. */
void prepare(void);

/* As read(2) and write(2) on standard input, output (1) and error (2). */
long take(char *buffer, size_t size);
long give(int to, const char *buffer, size_t size);

/* The system's number of the error in the last of these. */
int last_error(void);

void rest_milliseconds(int duration);

/* Takes no notice of a polite request to stop. */
void ignore_stop(void);

/* Dies of a memory fault. */
void crash(void);

/* What of this process a program can see, one fact a line. */
void print_descriptors(void);
void print_environment(void);
void print_identity(void);

/* Takes one datagram from the socket that is standard input and sends it back behind `prefix`. */
int answer_datagram(const char *prefix);

/* Starts `probe lifeline PORT` and returns at once. `detached`: as a daemon would, without our
 * standard handles and, on Unix, in a session of its own and with no living parent. */
int start_lifeline(const char *self, const char *port, int detached);

/* Connects to PORT of this machine and stays until the other end closes. Whoever listens there
 * sees the end of the connection when this process is gone, however it went. */
int lifeline(int port);
