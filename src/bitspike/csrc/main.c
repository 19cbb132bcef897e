/* Runs "network" on images (uint8, C x H x W each, one after another; of trains each step so) of a file or standard
 * input; prints a line of each output for each, or for each of its steps where these have answers. Every export writes a
 * main.c: in a folder with several, it runs what was exported last.
 *
 * Built with -DNETWORK_TRACE, the second argument is a file that takes every stored edge of every image, as it lies in
 * memory: [T][H][W][C].
 */
#include <stdio.h>

#include "network.h"

#ifdef NETWORK_TRACE
static FILE *traced;

void network_trace(const void *values, size_t bytes)
{
    if (fwrite(values, 1, bytes, traced) != bytes)
        perror("trace");
}
#endif

int main(int argc, char **argv)
{
    static uint8_t image[NETWORK_IMAGE_BYTES];
    /* ANSWERS */
    FILE *const images = argc > 1 ? fopen(argv[1], "rb") : stdin;
    unsigned long seen = 0;
    size_t got;

    if (images == NULL) {
        perror(argv[1]);
        return 2;
    }
#ifdef NETWORK_TRACE
    traced = argc > 2 ? fopen(argv[2], "wb") : NULL;
    if (traced == NULL) {
        fprintf(stderr, "usage: %s IMAGES TRACE\n", argv[0]);
        return 2;
    }
#endif
    while ((got = fread(image, 1, sizeof image, images)) == sizeof image) {
#ifdef NETWORK_MOST_CODE
        for (size_t i = 0; i < sizeof image; i++)
            if (image[i] > NETWORK_MOST_CODE) {
                fprintf(stderr, "image %lu: got code %d; want 0..%d\n", seen, image[i], NETWORK_MOST_CODE);
                return 2;
            }
#endif
        network_run(image, /* GIVEN */);
        /* PRINTED */
        seen++;
    }
#ifdef NETWORK_TRACE
    if (fclose(traced) != 0)
        return 2;
#endif
    if (ferror(images)) {
        perror("images");
        return 2;
    }
    if (got != 0 || seen == 0) {
        fprintf(stderr, "image %lu: got %lu bytes; want %lu\n", seen, (unsigned long)got,
                (unsigned long)sizeof image);
        return 2;
    }
    return fflush(stdout) == 0 ? 0 : 2;
}
