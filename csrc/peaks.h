/* Peaks: how many products a second this processor's instructions give where nothing comes from memory.
 *
 * What a kernel reaches is a share of one of them. Each runs a kernel's innermost instructions on registers alone. */
#ifndef BITSPIKE_PEAKS_H
#define BITSPIKE_PEAKS_H

#include "bitspike.h"

/* Of codes and weights in bytes; of one bit each, weights 1 and -1; of one bit each, weights 1, 0 and -1; of codes of
 * four bits and weights of two values, looked up. */
enum bs_peak { BS_DOT = 0, BS_SIGNS = 1, BS_DIGITS = 2, BS_TABLE = 3 };

/* Runs `rounds` rounds and returns the products that they make; 0 where the level has no such instructions. */
BS_API int64_t bs_peak(int32_t level, int32_t peak, int64_t rounds);

int64_t bs_peak_avx2(int32_t peak, int64_t rounds);
int64_t bs_peak_avx512(int32_t peak, int64_t rounds);
int64_t bs_peak_amx(int64_t rounds); /* BS_DOT alone */

#endif
