/* The boxes that the outputs of "network" say, made by bitspike. network_boxes.h says how to get them. */
#include "network_boxes.h"

/* x >> shift, rounded down: C leaves that of a negative number to the compiler. */
static int64_t network_right(int64_t x, int shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

/* An output without its lowest bits, as far as 32 bits go: only then does its product with a multiplier fit into 64. */
static int64_t network_word(int64_t x, int dropped)
{
    const int64_t y = network_right(x, dropped);

    return y < INT32_MIN ? INT32_MIN : y > INT32_MAX ? INT32_MAX : y;
}

/* (y * multiplier + 2^(shift - 1)) >> shift: rounded half up. */
static int64_t network_scaled(int64_t y, int64_t multiplier, int shift)
{
    return network_right(y * multiplier + (((int64_t)1 << shift) >> 1), shift);
}

static int32_t network_clipped(int64_t x, int32_t most)
{
    return x < 0 ? 0 : x > most ? most : (int32_t)x;
}

typedef struct {
    int32_t stride; /* from cell to cell, in sixteenths of a pixel */
    int dropped;    /* the lowest bits of the output, which no box shows */
    int64_t score, distance;
    int score_shift, distance_shift;
} network_scale;

/* Adds the box of a cell, if it is sure enough and has an area; returns how many there are then. */
static int32_t network_cell(const int64_t values[NETWORK_BOX_CLASSES + 4], int32_t row, int32_t column,
                            const network_scale *scale, network_box *boxes, int32_t count)
{
    const int64_t *const sides = values + NETWORK_BOX_CLASSES;
    const int64_t x = (int64_t)column * scale->stride + scale->stride / 2;
    const int64_t y = (int64_t)row * scale->stride + scale->stride / 2;
    network_box box;

    box.label = 0;
    for (int32_t k = 1; k < NETWORK_BOX_CLASSES; k++)
        if (values[k] > values[box.label])
            box.label = k;
    box.score = network_scaled(values[box.label], scale->score, scale->score_shift);
    if (box.score < NETWORK_LEAST_SCORE)
        return count;
    box.left = network_clipped(x - network_scaled(sides[0], scale->distance, scale->distance_shift), NETWORK_RIGHT);
    box.top = network_clipped(y - network_scaled(sides[1], scale->distance, scale->distance_shift), NETWORK_BOTTOM);
    box.right = network_clipped(x + network_scaled(sides[2], scale->distance, scale->distance_shift), NETWORK_RIGHT);
    box.bottom = network_clipped(y + network_scaled(sides[3], scale->distance, scale->distance_shift), NETWORK_BOTTOM);
    if (box.left >= box.right || box.top >= box.bottom)
        return count;
    boxes[count] = box;
    return count + 1;
}

/* Whether two boxes of a class have more in common than may be: intersection / union > IOU, without the division. */
static int network_same(const network_box *a, const network_box *b)
{
    const int64_t left = a->left > b->left ? a->left : b->left, top = a->top > b->top ? a->top : b->top;
    const int64_t right = a->right < b->right ? a->right : b->right;
    const int64_t bottom = a->bottom < b->bottom ? a->bottom : b->bottom;
    const int64_t both = left < right && top < bottom ? (right - left) * (bottom - top) : 0;
    const int64_t first = (int64_t)(a->right - a->left) * (a->bottom - a->top);
    const int64_t second = (int64_t)(b->right - b->left) * (b->bottom - b->top);

    return a->label == b->label && both * NETWORK_IOU_OF > (first + second - both) * NETWORK_IOU;
}

/* Orders boxes, the surest first and equals as they were; those that show what an earlier one shows are left out. */
static int32_t network_stay(network_box *boxes, int32_t count)
{
    int32_t kept = 0;

    for (int32_t i = 1; i < count; i++) {
        const network_box box = boxes[i];
        int32_t at = i;

        for (; at > 0 && boxes[at - 1].score < box.score; at--)
            boxes[at] = boxes[at - 1];
        boxes[at] = box;
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t before = 0;

        while (before < kept && !network_same(&boxes[before], &boxes[i]))
            before++;
        if (before == kept)
            boxes[kept++] = boxes[i];
    }
    return kept;
}

BITSPIKE_BOXES_CODE
