/* Finds boxes with "network" in images (uint8, C x H x W each, one after another) of a file or standard input; prints a
 * line for each: the number of its image, its class, its score in 2^-16 of a logit, and its left, upper, right and
 * lower edge in sixteenths of a pixel.
 */
#include <stdio.h>

#include "network_boxes.h"

int main(int argc, char **argv)
{
    static uint8_t image[NETWORK_IMAGE_BYTES];
    static network_box boxes[NETWORK_MOST_BOXES];
    BITSPIKE_BOXES_MEMORY
    FILE *const images = argc > 1 ? fopen(argv[1], "rb") : stdin;
    unsigned long seen = 0;
    size_t got;

    if (images == NULL) {
        perror(argv[1]);
        return 2;
    }
    while ((got = fread(image, 1, sizeof image, images)) == sizeof image) {
        int32_t count;

#ifdef NETWORK_MOST_CODE
        for (size_t i = 0; i < sizeof image; i++)
            if (image[i] > NETWORK_MOST_CODE) {
                fprintf(stderr, "image %lu: got code %d; want 0..%d\n", seen, image[i], NETWORK_MOST_CODE);
                return 2;
            }
#endif
        network_run(image, BITSPIKE_BOXES_NAMES);
        count = network_boxes(BITSPIKE_BOXES_NAMES, boxes);
        for (int32_t i = 0; i < count; i++)
            printf("%lu %s %lld %ld %ld %ld %ld\n", seen, network_class_names[boxes[i].label],
                   (long long)boxes[i].score, (long)boxes[i].left, (long)boxes[i].top, (long)boxes[i].right,
                   (long)boxes[i].bottom);
        seen++;
    }
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
