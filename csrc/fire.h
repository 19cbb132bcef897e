/* A step of neurons whose codes are stored at once, of registers of 32 bits whose rows are whole vectors: four rows at
 * once, so that what holds for a channel is loaded once for them, and nothing between sums and codes leaves registers. */
#ifndef BITSPIKE_FIRE_H
#define BITSPIKE_FIRE_H

#include "lanes.h"
#include "plan.h"

/* What is the same in all channels. */
struct fire_step {
  const struct bs_fire *by;
  int32_t threshold, one_bit; /* one_bit: codes are 1 where the potential has reached the threshold, else 0 */
  int32_t there;              /* -1: the offsets of the currents are there at this step, else 0 */
  int32_t lo;                 /* the level of code 0 */
};

static struct fire_step fire_step_of(const struct bs_fire *by, int32_t t, int64_t lo) {
  const int64_t threshold = by->hi * ((int64_t)1 << by->shift) - by->half;
  struct fire_step step = {.by = by, .lo = (int32_t)lo};
  step.there = by->current && t < by->current->steps ? -1 : 0;
  step.one_bit = by->lo == 0 && by->hi == 1 && lo == 0 && threshold <= INT32_MAX;
  step.threshold = (int32_t)(threshold < INT32_MIN ? INT32_MIN : threshold); /* which all potentials have reached */
  return step;
}

/* -1 where the potential has reached the threshold, and a choice by it. */
#if defined(__AVX512F__)
typedef __mmask16 bs_spikes;
static inline bs_spikes reached(bs_lanes u, int32_t threshold) {
  return _mm512_cmpge_epi32_mask((__m512i)u, _mm512_set1_epi32(threshold));
}
static inline bs_lanes either(bs_spikes which, bs_lanes a, bs_lanes b) {
  return (bs_lanes)_mm512_mask_blend_epi32(which, (__m512i)b, (__m512i)a);
}
static inline bs_bytes bits_of(bs_spikes which) { return (bs_bytes)_mm_maskz_set1_epi8(which, 1); }
#else
typedef bs_lanes bs_spikes;
static inline bs_spikes reached(bs_lanes u, int32_t threshold) { return u >= threshold; }
static inline bs_lanes either(bs_spikes which, bs_lanes a, bs_lanes b) { return (which & a) | (~which & b); }
static inline bs_bytes bits_of(bs_spikes which) { return __builtin_convertvector(-which, bs_bytes); }
#endif

#define BEGIN_FIRE(p)                                                            \
  bs_lanes u##p = {0}, v##p = {0};                                               \
  bs_bytes codes##p;                                                             \
  if (rows > p) u##p = lanes_of(x, p * width), v##p = lanes_of(v, p * width);
#define CURRENT_ROW(p) \
  if (rows > p) u##p = u##p * m;
#define SHIFTED_ROW(p) \
  if (rows > p) u##p = (u##p * m + half) >> shift;
#define WHOLE_ROW(p) \
  if (rows > p) u##p = u##p * whole + ((u##p * m + half) >> shift);
#define OFFSET_ROW(p) u##p += offset;
#define FACTOR_ROW(p) v##p *= (int32_t)by->factor;
#define POTENTIAL_ROW(p) u##p += v##p >> by->leak;
#define ONE_BIT_ROW(p) const bs_spikes spike##p = reached(u##p, step->threshold);
#define LEVEL_ROW(p) const bs_lanes sent##p = within((u##p + (int32_t)by->half) >> by->shift, (int32_t)by->lo, (int32_t)by->hi);
#define HARD_BIT_ROW(p) v##p = either(spike##p, reset, u##p);
#define HARD_ROW(p) v##p = either(reached(sent##p, 1) | reached(-sent##p, 1), reset, u##p);
#define SOFT_BIT_ROW(p) v##p = either(spike##p, u##p - one, u##p);
#define SOFT_ROW(p) v##p = u##p - sent##p * one;
#define BIT_CODES_ROW(p) codes##p = bits_of(spike##p);
#define LEVEL_CODES_ROW(p) codes##p = __builtin_convertvector(sent##p - step->lo, bs_bytes);
#define END_FIRE(p)                                                              \
  if (rows > p) {                                                                \
    memcpy(v + p * width, &v##p, sizeof v##p);                                   \
    memcpy(to + (int64_t)p * channels, &codes##p, (size_t)some);                 \
  }

/* `some` channels from `k` on of so many rows of currents, or of what they are made of, and of states. */
static inline __attribute__((always_inline)) void fire_some(const int rows, const int some, const struct fire_step *step,
                                                            const int32_t *x, int32_t *v, int32_t k, int32_t width,
                                                            int32_t channels, uint8_t *to) {
  const struct bs_fire *by = step->by;
  const struct bs_affine *current = by->current;
  const int32_t one = (int32_t)((uint32_t)1 << by->shift);
  const bs_lanes reset = (bs_lanes){0} + (int32_t)by->reset;
  EACH_OF_ROWS(BEGIN_FIRE)
  if (current) {
    const bs_lanes m = lanes_of(current->multiplier, k), offset = lanes_of(current->offset, k) & step->there;
    const int32_t half = (int32_t)current->half, shift = current->shift;
    if (current->whole) {
      const bs_lanes whole = lanes_of(current->whole, k);
      EACH_OF_ROWS(WHOLE_ROW)
    } else if (shift) {
      EACH_OF_ROWS(SHIFTED_ROW)
    } else {
      EACH_OF_ROWS(CURRENT_ROW)
    }
    EACH_OF_ROWS(OFFSET_ROW)
  }
  if (by->factor != 1) { EACH_OF_ROWS(FACTOR_ROW) }
  EACH_OF_ROWS(POTENTIAL_ROW)
  if (step->one_bit) {
    EACH_OF_ROWS(ONE_BIT_ROW)
    if (by->hard) { EACH_OF_ROWS(HARD_BIT_ROW) }
    else { EACH_OF_ROWS(SOFT_BIT_ROW) }
    EACH_OF_ROWS(BIT_CODES_ROW)
  } else {
    EACH_OF_ROWS(LEVEL_ROW)
    if (by->hard) { EACH_OF_ROWS(HARD_ROW) }
    else { EACH_OF_ROWS(SOFT_ROW) }
    EACH_OF_ROWS(LEVEL_CODES_ROW)
  }
  EACH_OF_ROWS(END_FIRE)
}

/* Rows of `channels`, whose codes follow each other. */
static void fire_rows(const struct fire_step *step, const int32_t *x, int32_t *v, int32_t count, int32_t width,
                      int32_t channels, uint8_t *to) {
  const int32_t whole = channels / LANES * LANES;
  for (int32_t i = 0; i < count;) {
    const int32_t rows = count - i < ROWS_AT_ONCE ? 1 : ROWS_AT_ONCE;
    for (int32_t k = 0; k < channels; k += LANES)
      if (rows == 1) fire_some(1, k < whole ? LANES : channels - whole, step, x + k, v + k, k, width, channels, to + k);
      else if (k < whole) fire_some(ROWS_AT_ONCE, LANES, step, x + k, v + k, k, width, channels, to + k);
      else fire_some(ROWS_AT_ONCE, channels - whole, step, x + k, v + k, k, width, channels, to + k);
    i += rows, x += rows * width, v += rows * width, to += rows * channels;
  }
}

#undef BEGIN_FIRE
#undef CURRENT_ROW
#undef SHIFTED_ROW
#undef WHOLE_ROW
#undef OFFSET_ROW
#undef FACTOR_ROW
#undef POTENTIAL_ROW
#undef ONE_BIT_ROW
#undef LEVEL_ROW
#undef HARD_BIT_ROW
#undef HARD_ROW
#undef SOFT_BIT_ROW
#undef SOFT_ROW
#undef BIT_CODES_ROW
#undef LEVEL_CODES_ROW
#undef END_FIRE

#endif
