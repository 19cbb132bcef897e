/* Dot products of four codes with four weights (VPDPBUSD), for any weights and codes: 6 positions by 64 out channels.
 *
 * Weights are packed as [block of 64 out channels][element][four channels][out channel][4], the last block as wide as it
 * must be. A tile keeps its sums in registers: they have names because the compiler leaves arrays in memory. */
#include <immintrin.h>

#include "kernels_parts.h"

enum { ROWS = 6, WIDE = 64 };

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 1;
}

static int32_t fours(const bs_layer *layer) { return (layer->channels + 3) / 4; }

static size_t block_size(const bs_layer *layer, int32_t wide) { return (size_t)4 * layer->window * fours(layer) * wide; }

static size_t packed_size(const bs_layer *layer) {
  return bs_head_size(layer) + block_size(layer, bs_padded(layer->out_channels));
}

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  const int32_t padded = bs_padded(layer->out_channels), steps = layer->window * fours(layer);
  int8_t *to = (int8_t *)packed + bs_head_size(layer);
  memset(packed, 0, packed_size(layer));
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t o = 0; o < layer->out_channels; o++) {
    const int32_t first = o / WIDE * WIDE, wide = padded - first < WIDE ? padded - first : WIDE;
    int8_t *block = to + block_size(layer, first);
    for (int32_t s = 0; s < steps; s++)
      for (int32_t i = 0; i < 4; i++) {
        const int32_t e = s / fours(layer), c = s % fours(layer) * 4 + i;
        if (c >= layer->channels) break;
        block[((size_t)s * wide + o - first) * 4 + i] =
            weights[((size_t)o * layer->window + e) * layer->channels + c];
      }
  }
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BEGIN(p)                                                    \
  const uint8_t *x##p = x + (int64_t)bases[rows > p ? p : 0] * cell; \
  __m512i a##p##0 = s0, a##p##1 = s1, a##p##2 = s2, a##p##3 = s3;
#define STEP(p)                                               \
  if (rows > p) {                                             \
    int32_t four;                                             \
    memcpy(&four, x##p + at, 4);                              \
    const __m512i code = _mm512_set1_epi32(four);             \
    a##p##0 = _mm512_dpbusd_epi32(a##p##0, code, w0);         \
    if (vectors > 1) a##p##1 = _mm512_dpbusd_epi32(a##p##1, code, w1); \
    if (vectors > 2) a##p##2 = _mm512_dpbusd_epi32(a##p##2, code, w2); \
    if (vectors > 3) a##p##3 = _mm512_dpbusd_epi32(a##p##3, code, w3); \
  }
#define END(p)                                                        \
  if (rows > p) {                                                     \
    int32_t *to = acc + (size_t)p * padded;                           \
    _mm512_store_si512(to, a##p##0);                                  \
    if (vectors > 1) _mm512_store_si512(to + 16, a##p##1);            \
    if (vectors > 2) _mm512_store_si512(to + 32, a##p##2);            \
    if (vectors > 3) _mm512_store_si512(to + 48, a##p##3);            \
  }
#define VECTOR(from, v) (vectors > v ? _mm512_load_si512((const char *)(from) + 64 * v) : _mm512_setzero_si512())

/* `rows` positions by `16 * vectors` out channels; both are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vectors, const bs_layer *layer,
                                                       const int64_t *offsets, const int32_t *initial,
                                                       const int8_t *weights, const uint8_t *x, const int32_t *bases,
                                                       int32_t *acc, int32_t padded) {
  const int64_t cell = layer->cell, last = 4 * (int64_t)fours(layer);
  const __m512i s0 = VECTOR(initial, 0), s1 = VECTOR(initial, 1), s2 = VECTOR(initial, 2), s3 = VECTOR(initial, 3);
  EACH_ROW(BEGIN)
  for (int32_t e = 0; e < layer->window; e++)
    for (int64_t at = offsets[e], end = at + last; at < end; at += 4, weights += 64 * vectors) {
      const __m512i w0 = VECTOR(weights, 0), w1 = VECTOR(weights, 1), w2 = VECTOR(weights, 2), w3 = VECTOR(weights, 3);
      EACH_ROW(STEP)
    }
  EACH_ROW(END)
}

/* All positions of one block. The last tile overlaps the one before it: it writes the same sums again. */
static inline __attribute__((always_inline)) void block(const int vectors, const bs_layer *layer,
                                                        const int64_t *offsets, const int32_t *initial,
                                                        const int8_t *weights, const uint8_t *x, const int32_t *bases,
                                                        int32_t count, int32_t *acc, int32_t padded) {
  int32_t p = 0;
  if (count >= ROWS)
    for (; p < count; p += ROWS) {
      if (p > count - ROWS) p = count - ROWS;
      tile(ROWS, vectors, layer, offsets, initial, weights, x, bases + p, acc + (size_t)p * padded, padded);
    }
  for (; p < count; p++)
    tile(1, vectors, layer, offsets, initial, weights, x, bases + p, acc + (size_t)p * padded, padded);
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const int32_t padded = bs_padded(layer->out_channels);
  const int8_t *weights = (const int8_t *)packed + bs_head_size(layer);
  for (int32_t o = 0; o < padded; o += WIDE) {
    const int32_t *initial = bs_initial(layer, packed) + o;
    const int8_t *mine = weights + block_size(layer, o);
    switch ((padded - o) / 16) {
      case 1: block(1, layer, packed, initial, mine, x, bases, count, acc + o, padded); break;
      case 2: block(2, layer, packed, initial, mine, x, bases, count, acc + o, padded); break;
      case 3: block(3, layer, packed, initial, mine, x, bases, count, acc + o, padded); break;
      default: block(4, layer, packed, initial, mine, x, bases, count, acc + o, padded);
    }
  }
}

const bs_kernel bs_dot_avx512 = {
    "dot_avx512", BS_AVX512, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
