/* Tells the service that its argument names that its parameters have changed, as
 * `sc.exe control NAME paramchange` does. Wine 8 has no such command. */
#include <windows.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    SERVICE_STATUS status;
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = OpenServiceA(manager, argc > 1 ? argv[1] : "", SERVICE_PAUSE_CONTINUE);

    if (!ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status)) {
        printf("error %lu\n", GetLastError());
        return 1;
    }
    printf("told\n");
    return 0;
}
