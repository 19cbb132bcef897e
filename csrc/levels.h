/* Levels by thresholds, of sums of 32 bits whose rows are whole vectors: four rows at once, so that each threshold is
 * loaded once for them, and the levels stay in registers, where loops over bytes would go through memory. */
#ifndef BITSPIKE_LEVELS_H
#define BITSPIKE_LEVELS_H

#include "lanes.h"
#include "plan.h"

/* The levels, one more where the sum has reached the next. */
static inline bs_lanes passed(bs_lanes level, bs_lanes x, bs_lanes least) {
#if defined(__AVX512F__)
  const __mmask16 reached = _mm512_cmpge_epi32_mask((__m512i)x, (__m512i)least);
  return (bs_lanes)_mm512_mask_add_epi32((__m512i)level, reached, (__m512i)level, _mm512_set1_epi32(1));
#else
  return level - (x >= least);
#endif
}

#define BEGIN_ROW(p)                                                    \
  bs_lanes x##p = {0}, level##p = start;                                \
  if (rows > p) {                                                       \
    memcpy(&x##p, a + (int64_t)p * width, sizeof x##p);                 \
    x##p ^= turned;                                                     \
  }
#define PASS_ROW(p) \
  if (rows > p) level##p = passed(level##p, x##p, least);
#define LINE_ROW(p)                                                     \
  if (rows > p)                                                         \
    level##p += within(__builtin_convertvector(__builtin_convertvector(x##p, bs_floats) * slope + offset, bs_lanes), 0, by->count);
#define LEVELS_OF(rows, lo)                                             \
  const bs_lanes start = (bs_lanes){0} + (int32_t)(lo);                 \
  bs_lanes turned = {0}, least;                                         \
  if (!by->slope) memcpy(&turned, by->turned + k, sizeof turned);       \
  EACH_OF_ROWS(BEGIN_ROW)                                               \
  if (by->slope) {                                                      \
    bs_floats slope, offset;                                            \
    memcpy(&slope, by->slope + k, sizeof slope);                        \
    memcpy(&offset, by->offset + k, sizeof offset);                     \
    EACH_OF_ROWS(LINE_ROW)                                              \
  } else                                                                \
    for (int32_t j = 0; j < by->count; j++) {                           \
      memcpy(&least, by->threshold + (int64_t)j * width + k, sizeof least); \
      EACH_OF_ROWS(PASS_ROW)                                            \
    }

#define STORE_LEVELS(p) \
  if (rows > p) memcpy(to + (int64_t)p * width, &level##p, sizeof level##p);

static inline __attribute__((always_inline)) void levels_of_some(const int rows, const int32_t *a, int32_t k,
                                                                 const struct bs_thresholds *by, int32_t width,
                                                                 int32_t *to) {
  LEVELS_OF(rows, by->lo)
  EACH_OF_ROWS(STORE_LEVELS)
}

/* `to` may be `a`. */
static void levels_of_rows(const int32_t *a, int32_t count, const struct bs_thresholds *by, int32_t width, int32_t *to) {
  int32_t i = 0;
  for (; i + ROWS_AT_ONCE <= count; i += ROWS_AT_ONCE, a += ROWS_AT_ONCE * width, to += ROWS_AT_ONCE * width)
    for (int32_t k = 0; k < width; k += LANES) levels_of_some(ROWS_AT_ONCE, a + k, k, by, width, to + k);
  for (; i < count; i++, a += width, to += width)
    for (int32_t k = 0; k < width; k += LANES) levels_of_some(1, a + k, k, by, width, to + k);
}

#define STORE_CODES(p)                                                  \
  if (rows > p) {                                                       \
    const bs_bytes codes = __builtin_convertvector(level##p, bs_bytes); \
    memcpy(to + (int64_t)p * channels, &codes, (size_t)some);           \
  }

/* `some` codes of each row, at most a vector. */
static inline __attribute__((always_inline)) void codes_of_some(const int rows, const int some, const int32_t *a,
                                                                int32_t k, const struct bs_thresholds *by,
                                                                int32_t width, int32_t channels, uint8_t lo,
                                                                uint8_t *to) {
  LEVELS_OF(rows, lo)
  EACH_OF_ROWS(STORE_CODES)
}

/* Codes of rows of `channels`, which follow each other. */
static void codes_of_rows(const int32_t *a, int32_t count, const struct bs_thresholds *by, int32_t width,
                          int32_t channels, uint8_t lo, uint8_t *to) {
  const int32_t whole = channels / LANES * LANES;
  int32_t i = 0;
  for (; i + ROWS_AT_ONCE <= count; i += ROWS_AT_ONCE, a += ROWS_AT_ONCE * width, to += ROWS_AT_ONCE * channels) {
    for (int32_t k = 0; k < whole; k += LANES)
      codes_of_some(ROWS_AT_ONCE, LANES, a + k, k, by, width, channels, lo, to + k);
    if (whole < channels)
      codes_of_some(ROWS_AT_ONCE, channels - whole, a + whole, whole, by, width, channels, lo, to + whole);
  }
  for (; i < count; i++, a += width, to += channels) {
    for (int32_t k = 0; k < whole; k += LANES) codes_of_some(1, LANES, a + k, k, by, width, channels, lo, to + k);
    if (whole < channels) codes_of_some(1, channels - whole, a + whole, whole, by, width, channels, lo, to + whole);
  }
}

#undef STORE_CODES
#undef STORE_LEVELS
#undef LEVELS_OF
#undef LINE_ROW
#undef PASS_ROW
#undef BEGIN_ROW

#endif
