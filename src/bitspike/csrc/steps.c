/* Runs "network" one step at a time: reads the input of a step (uint8) after another from a file or standard
 * input, and prints a line of each output behind each: what it is so far. An image is given at every step. After NETWORK_TIME_STEPS
 * steps the next sequence begins.
 */
#include <stdio.h>

#include "network.h"

#ifdef NETWORK_TRACE
void network_trace(const void *values, size_t bytes)
{
    (void)values;
    (void)bytes;
}
#endif

int main(int argc, char **argv)
{
    static uint8_t input[NETWORK_STEP_BYTES];
    /* ANSWERS */
    FILE *const steps = argc > 1 ? fopen(argv[1], "rb") : stdin;
    unsigned long seen = 0;
    size_t got;

    if (steps == NULL) {
        perror(argv[1]);
        return 2;
    }
    while ((got = fread(input, 1, sizeof input, steps)) == sizeof input) {
#ifdef NETWORK_MOST_CODE
        for (size_t i = 0; i < sizeof input; i++)
            if (input[i] > NETWORK_MOST_CODE) {
                fprintf(stderr, "step %lu: got code %d; want 0..%d\n", seen, input[i], NETWORK_MOST_CODE);
                return 2;
            }
#endif
        if (seen % NETWORK_TIME_STEPS == 0)
            network_reset();
        network_step(input, /* GIVEN */);
        /* PRINTED */
        if (fflush(stdout) != 0)
            return 2;
        seen++;
    }
    if (ferror(steps)) {
        perror("steps");
        return 2;
    }
    if (got != 0 || seen == 0) {
        fprintf(stderr, "step %lu: got %lu bytes; want %lu\n", seen, (unsigned long)got,
                (unsigned long)sizeof input);
        return 2;
    }
    return 0;
}
