/* What the passes of training are written with: loops over a block, and bfloat16 as floats. */
#ifndef BITSPIKE_LOOPS_H
#define BITSPIKE_LOOPS_H

#include <stdint.h>
#include <string.h>

typedef const float *restrict in;
typedef float *restrict out;

#define EACH for (int i = 0; i < m; i++)
#define INLINE static inline __attribute__((always_inline))

static inline void widened(const uint16_t *restrict from, out to, int m) {
  EACH {
    const uint32_t bits = (uint32_t)from[i] << 16;
    memcpy(to + i, &bits, sizeof bits);
  }
}

/* To the nearest, of two to the even one, as torch rounds. */
static inline void narrowed(in from, uint16_t *restrict to, int m) {
  EACH {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    to[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
}

/* Sums in double, lane by lane of sixteen and these in order: the same at every instruction set. */
typedef float bs_floats8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double bs_doubles8 __attribute__((vector_size(64)));
struct bs_lanes {
  bs_doubles8 half[2];
};
#define FLOATS8(from) (*(const bs_floats8 *)(from))
#define DOUBLES8(floats) __builtin_convertvector(floats, bs_doubles8)

INLINE double sum_of(const struct bs_lanes *lanes) {
  double sum = 0;
  for (int half = 0; half < 2; half++) {
    for (int lane = 0; lane < 8; lane++) sum += lanes->half[half][lane];
  }
  return sum;
}

#endif
