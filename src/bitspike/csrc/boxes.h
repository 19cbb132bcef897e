/* The boxes that the outputs of "network" say, in integers alone. bitspike.detection.WholeHead is the definition. */
#ifndef NETWORK_BOXES_H
#define NETWORK_BOXES_H

#include "network.h"

BITSPIKE_BOXES_CONSTANTS

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t score;                     /* in 2^-16 of a logit */
    int32_t left, top, right, bottom;  /* in sixteenths of a pixel of the input */
    int32_t label;                     /* its class */
} network_box;

extern const char *const network_class_names[NETWORK_BOX_CLASSES];

/* Writes the boxes that the outputs of network_run say, the surest first, and returns how many they are. */
int32_t network_boxes(BITSPIKE_BOXES_OUTPUTS network_box boxes[NETWORK_MOST_BOXES]);

#ifdef __cplusplus
}
#endif

#endif
