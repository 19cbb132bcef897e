/* Vectors of 32 bits, and rows that are computed at once, so that what is the same for all of them is loaded once. */
#ifndef BITSPIKE_LANES_H
#define BITSPIKE_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { ROWS_AT_ONCE = 4 };

typedef int32_t bs_lanes __attribute__((vector_size(4 * LANES)));
typedef uint8_t bs_bytes __attribute__((vector_size(LANES)));
typedef float bs_floats __attribute__((vector_size(4 * LANES)));

#define EACH_OF_ROWS(DO) DO(0) DO(1) DO(2) DO(3)

static inline bs_lanes lanes_of(const void *values, int64_t k) {
  bs_lanes found;
  memcpy(&found, (const int32_t *)values + k, sizeof found);
  return found;
}

static inline bs_lanes within(bs_lanes x, int32_t lo, int32_t hi) {
  for (int i = 0; i < LANES; i++) x[i] = x[i] < lo ? lo : x[i];
  for (int i = 0; i < LANES; i++) x[i] = x[i] > hi ? hi : x[i];
  return x;
}

#endif
