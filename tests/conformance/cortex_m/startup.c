/* Starts a program on a Cortex-M under a debugger or emulator that answers semihosting calls: files, arguments, exit.
 *
 * Every exception but reset ends the run with a status that is not 0.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SYS_WRITE0 = 0x04, SYS_GET_CMDLINE = 0x15, SYS_EXIT = 0x18 };
enum { RUN_TIME_ERROR = 0x20023 };
enum { MOST_ARGUMENTS = 8, EXCEPTIONS = 15 + 32 };

extern uint32_t stack_top[], data_start[], data_end[], data_in_flash[], bss_start[], bss_end[];
extern char heap_start[], heap_end[];

void reset(void);
void *_sbrk(ptrdiff_t bytes);
void _fini(void);
int main(int argc, char **argv);
void initialise_monitor_handles(void); /* newlib's: opens standard input, output and error */

static int call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return r0;
}

static void fault(void)
{
    (void)call(SYS_WRITE0, "fault\n");
    for (;;)
        (void)call(SYS_EXIT, (const void *)RUN_TIME_ERROR);
}

void *_sbrk(ptrdiff_t bytes) /* malloc() calls it; newlib's own expects the stack above the heap */
{
    static char *top = heap_start;

    if (bytes > heap_end - top)
        return (void *)-1;
    top += bytes;
    return top - bytes;
}

void _fini(void) /* exit() calls it */
{
}

void reset(void)
{
    static char line[256];
    static char *arguments[MOST_ARGUMENTS + 1];
    struct {
        char *text;
        size_t bytes;
    } block = {line, sizeof line};
    int count = 0;

#ifdef __ARM_FEATURE_MVE
    *(volatile uint32_t *)0xE000ED88 |= 15U << 20; /* CPACR: there are no vectors after a reset */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    memcpy(data_start, data_in_flash, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    initialise_monitor_handles();
    if (call(SYS_GET_CMDLINE, &block) != 0)
        fault();
    for (char *word = strtok(line, " "); word != NULL && count < MOST_ARGUMENTS; word = strtok(NULL, " "))
        arguments[count++] = word;
    exit(main(count, arguments));
}

__attribute__((section(".vectors"), used)) static void (*const vectors[1 + EXCEPTIONS])(void) = {
    (void (*)(void))stack_top,
    reset,
    [2 ... EXCEPTIONS] = fault,
};
