/* How many products of bytes this processor adds up in a second, by the best instruction of a level. */
#ifndef BITSPIKE_PEAK_H
#define BITSPIKE_PEAK_H

#include "bitspike.h"

/* Runs `rounds` of a loop that does nothing else; the products that it added up. */
BS_API int64_t bs_peak(int32_t level, int64_t rounds);

int64_t bs_peak_avx2(int64_t rounds);
int64_t bs_peak_avx512(int64_t rounds);

#endif
