/* Dot products with AVX2: 4 positions by 16 out channels, in one of two ways that no sum of which saturates.
 *
 * Narrow, where the products are small: VPMADDUBSW multiplies four codes and weights into two sums of 16 bits, and as
 * many of these add up as fit. Wide, for all others: VPMADDWD, of codes and weights in 16 bits.
 *
 * Weights are packed as [block of 16 out channels][element][four channels][out channel][4] bytes, or, wide, as [block]
 * [element][four channels][eight out channels][channels 0 and 2, then 1 and 3][out channel][2] of 16 bits. */
#include <immintrin.h>

#include "kernels_parts.h"

enum { ROWS = 4, WIDE = 16 };

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 1;
}

/* Steps whose sums of two products fit 16 bits. */
static int32_t fit(const bs_layer *layer) {
  const int32_t most = 2 * layer->code_hi * bs_weight_size(layer);
  return most ? INT16_MAX / most : INT16_MAX;
}

static int32_t is_narrow(const bs_layer *layer) { return fit(layer) >= 8; }

static int32_t fours(const bs_layer *layer) { return (layer->channels + 3) / 4; }

/* Bytes of one step of one block. */
static size_t step_size(const bs_layer *layer) { return is_narrow(layer) ? 4 * WIDE : 8 * WIDE; }

static size_t block_size(const bs_layer *layer) { return step_size(layer) * layer->window * fours(layer); }

static size_t packed_size(const bs_layer *layer) {
  return bs_head_size(layer) + block_size(layer) * (bs_padded(layer->out_channels) / WIDE);
}

/* Writes the weight of code `i` of a step for out channel `o` of a block. */
static void put(const bs_layer *layer, char *step, int32_t o, int32_t i, int8_t weight) {
  const int16_t wide = weight;
  if (is_narrow(layer))
    step[4 * o + i] = (char)weight;
  else
    memcpy(step + 64 * (o / 8) + 32 * (i % 2) + 4 * (o % 8) + 2 * (i / 2), &wide, 2);
}

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  memset(packed, 0, packed_size(layer));
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t o = 0; o < layer->out_channels; o++) {
    char *block = (char *)packed + bs_head_size(layer) + block_size(layer) * (o / WIDE);
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++)
        put(layer, block + step_size(layer) * (e * fours(layer) + c / 4), o % WIDE, c % 4, *weights++);
  }
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3)
#define BEGIN(p)                                                    \
  const uint8_t *x##p = x + (int64_t)bases[rows > p ? p : 0] * cell; \
  __m256i a##p##0 = zero, a##p##1 = zero;
#define CODES(p)                          \
  int32_t four;                           \
  memcpy(&four, x##p + at, 4);            \
  const __m256i codes = _mm256_set1_epi32(four);
#define ADD_NARROW(p, v) a##p##v = _mm256_add_epi16(a##p##v, _mm256_maddubs_epi16(codes, w##v));
#define STEP_NARROW(p) \
  if (rows > p) {      \
    CODES(p)           \
    ADD_NARROW(p, 0)   \
    ADD_NARROW(p, 1)   \
  }
#define ADD_WIDE(p, v)                                                       \
  a##p##v = _mm256_add_epi32(a##p##v, _mm256_madd_epi16(even, even##v));     \
  a##p##v = _mm256_add_epi32(a##p##v, _mm256_madd_epi16(odd, odd##v));
#define STEP_WIDE(p)                                          \
  if (rows > p) {                                             \
    CODES(p)                                                  \
    const __m256i even = _mm256_and_si256(codes, low);        \
    const __m256i odd = _mm256_srli_epi16(codes, 8);          \
    ADD_WIDE(p, 0)                                            \
    ADD_WIDE(p, 1)                                            \
  }
#define PUT(p, v, more)                                                              \
  {                                                                                  \
    __m256i *to = (__m256i *)(acc + p * padded + 8 * v);                             \
    _mm256_store_si256(to, _mm256_add_epi32(_mm256_load_si256(to), more));           \
    a##p##v = zero;                                                                  \
  }
#define PUT_NARROW(p)                                    \
  if (rows > p) {                                        \
    PUT(p, 0, _mm256_madd_epi16(a##p##0, one))           \
    PUT(p, 1, _mm256_madd_epi16(a##p##1, one))           \
  }
#define PUT_WIDE(p) \
  if (rows > p) {   \
    PUT(p, 0, a##p##0) \
    PUT(p, 1, a##p##1) \
  }
#define LOAD(v) _mm256_load_si256((const __m256i *)weights + v)

/* `rows` positions, a constant wherever it is inlined, by 16 out channels, added to `acc`. */
static inline __attribute__((always_inline)) void narrow(const int rows, const bs_layer *layer, const int64_t *offsets,
                                                         const char *weights, const uint8_t *x, const int32_t *bases,
                                                         int32_t *acc, size_t padded) {
  const int64_t cell = layer->cell, last = 4 * (int64_t)fours(layer);
  const __m256i one = _mm256_set1_epi16(1), zero = _mm256_setzero_si256();
  const int32_t most = fit(layer);
  int32_t left = most;
  EACH_ROW(BEGIN)
  for (int32_t e = 0; e < layer->window; e++)
    for (int64_t at = offsets[e], end = at + last; at < end; at += 4, weights += 64) {
      const __m256i w0 = LOAD(0), w1 = LOAD(1);
      EACH_ROW(STEP_NARROW)
      if (--left == 0) {
        EACH_ROW(PUT_NARROW)
        left = most;
      }
    }
  EACH_ROW(PUT_NARROW)
}

static inline __attribute__((always_inline)) void wide(const int rows, const bs_layer *layer, const int64_t *offsets,
                                                       const char *weights, const uint8_t *x, const int32_t *bases,
                                                       int32_t *acc, size_t padded) {
  const int64_t cell = layer->cell, last = 4 * (int64_t)fours(layer);
  const __m256i low = _mm256_set1_epi16(255), zero = _mm256_setzero_si256();
  EACH_ROW(BEGIN)
  for (int32_t e = 0; e < layer->window; e++)
    for (int64_t at = offsets[e], end = at + last; at < end; at += 4, weights += 128) {
      const __m256i even0 = LOAD(0), odd0 = LOAD(1), even1 = LOAD(2), odd1 = LOAD(3);
      EACH_ROW(STEP_WIDE)
    }
  EACH_ROW(PUT_WIDE)
}

static inline __attribute__((always_inline)) void tile(const int rows, const bs_layer *layer, const void *packed,
                                                       int32_t o, const uint8_t *x, const int32_t *bases, int32_t *acc) {
  const size_t padded = bs_padded(layer->out_channels);
  const char *weights = (const char *)packed + bs_head_size(layer) + block_size(layer) * (o / WIDE);
  for (int p = 0; p < rows; p++) memcpy(acc + p * padded, bs_initial(layer, packed) + o, 4 * WIDE);
  if (is_narrow(layer))
    narrow(rows, layer, packed, weights, x, bases, acc, padded);
  else
    wide(rows, layer, packed, weights, x, bases, acc, padded);
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const int32_t padded = bs_padded(layer->out_channels);
  for (int32_t o = 0; o < padded; o += WIDE) {
    int32_t p = 0;
    for (; p + ROWS <= count; p += ROWS) tile(ROWS, layer, packed, o, x, bases + p, acc + (size_t)p * padded + o);
    for (; p < count; p++) tile(1, layer, packed, o, x, bases + p, acc + (size_t)p * padded + o);
  }
}

const bs_kernel bs_dot_avx2 = {
    "dot_avx2", BS_AVX2, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
