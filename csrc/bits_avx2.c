/* Bit-serial sums with AVX2: bits are counted by looking up half bytes (VPSHUFB); 2 positions by 16 out channels.
 *
 * A lane is a word of 64 channels of one out channel. Counts add up in bytes, of 31 words at most, then in 64 bits. */
#include <immintrin.h>

#include "bits_parts.h"

enum { ROWS = 2, WIDE = 16, FIT = 31 };

static const bs_form form = {8, 4, 4};

static size_t packed_size(const bs_layer *layer) { return bs_bits_size(layer, &form); }

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  bs_bits_pack(layer, &form, weights, initial, packed);
}

static size_t prepared_cell(const bs_layer *layer) { return bs_planes_size(layer, &form); }

static void prepare(const bs_layer *layer, const uint8_t *codes, int64_t cells, void *prepared) {
  bs_bits_prepare(layer, &form, codes, cells, prepared);
}

static inline __attribute__((always_inline)) __m256i counts(__m256i bits) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i half = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, half));
  return _mm256_add_epi8(low, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), half)));
}

#define EACH(DO) DO(0, 0) DO(0, 1) DO(0, 2) DO(0, 3) DO(1, 0) DO(1, 1) DO(1, 2) DO(1, 3)
#define BEGIN(p, v) __m256i a##p##v = zero;
#define SIDE(v, s) _mm256_load_si256((const __m256i *)w + sides * v + s)
#define ADD(p, v)                                                                                            \
  if (rows > p) {                                                                                            \
    const __m256i both = sides == 1 ? _mm256_xor_si256(code##p, SIDE(v, 0))                                  \
                                    : _mm256_or_si256(_mm256_and_si256(code##p, SIDE(v, 0)),                 \
                                                      _mm256_andnot_si256(code##p, SIDE(v, sides - 1)));     \
    a##p##v = _mm256_add_epi8(a##p##v, counts(both));                                                        \
  }
#define PUT(p, v)                                                                                      \
  if (rows > p) {                                                                                      \
    const __m256i more = _mm256_sll_epi64(_mm256_sad_epu8(a##p##v, zero), _mm_cvtsi32_si128(shift));   \
    total[p][v] = _mm256_add_epi64(total[p][v], more);                                                 \
    a##p##v = zero;                                                                                    \
  }

/* One plane of weights with one of codes, `2^shift` times, added to `total`; `rows` and `sides` are constants. */
static inline __attribute__((always_inline)) void product(const int rows, const int sides, const bs_layer *layer,
                                                          const int64_t *places, const char *w, const char *x0,
                                                          const char *x1, int32_t shift, __m256i total[ROWS][4]) {
  const int32_t steps = bs_steps(layer, &form);
  const __m256i zero = _mm256_setzero_si256();
  int32_t left = FIT;
  EACH(BEGIN)
  for (int32_t k = 0; k < steps; k++, w += 128 * sides) {
    int64_t word0, word1;
    memcpy(&word0, x0 + places[k], 8);
    memcpy(&word1, x1 + places[k], 8);
    const __m256i code0 = _mm256_set1_epi64x(word0), code1 = _mm256_set1_epi64x(word1);
    EACH(ADD)
    (void)code1;
    if (--left == 0) {
      EACH(PUT)
      left = FIT;
    }
  }
  EACH(PUT)
}

static inline __attribute__((always_inline)) void tile(const int rows, const int sides, const bs_layer *layer,
                                                       const void *packed, int32_t o, const char *x,
                                                       const int32_t *bases, int32_t *acc) {
  const int32_t m = bs_weight_planes(layer), n = bs_code_planes(layer), padded = bs_padded(layer->out_channels);
  const int64_t plane = (int64_t)bs_plane_size(layer, &form), cell = n * plane;
  const size_t weight_plane = bs_vectors_size(layer, &form, form.block, sides) / m;
  const char *weights = bs_planes(layer, &form, packed) + bs_vectors_size(layer, &form, o / form.lanes, sides);
  const int64_t *places = bs_places(layer, packed);
  const char *x0 = x + bases[0] * cell, *x1 = x + bases[rows - 1] * cell;
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  __m256i total[ROWS][4] = {{_mm256_setzero_si256()}};
  for (int32_t i = 0; i < m; i++)
    for (int32_t j = 0; j < n; j++)
      product(rows, sides, layer, places, weights + i * weight_plane, x0 + j * plane, x1 + j * plane, i + j, total);
  for (int p = 0; p < rows; p++)
    for (int v = 0; v < 4; v++) {
      const __m128i sum = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(total[p][v], even));
      const __m128i begin = _mm_load_si128((const __m128i *)(bs_initial(layer, packed) + o + 4 * v));
      _mm_store_si128((__m128i *)(acc + (size_t)p * padded + o + 4 * v), _mm_add_epi32(begin, sum));
    }
}

static inline __attribute__((always_inline)) void all(const int sides, const bs_layer *layer, const void *packed,
                                                      const char *x, const int32_t *bases, int32_t count,
                                                      int32_t *acc) {
  const size_t padded = bs_padded(layer->out_channels);
  for (int32_t o = 0; o < (int32_t)padded; o += WIDE) {
    int32_t p = 0;
    for (; p + ROWS <= count; p += ROWS) tile(ROWS, sides, layer, packed, o, x, bases + p, acc + p * padded);
    for (; p < count; p++) tile(1, sides, layer, packed, o, x, bases + p, acc + p * padded);
  }
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  if (*bs_sides(layer, packed) == 1)
    all(1, layer, packed, x, bases, count, acc);
  else
    all(2, layer, packed, x, bases, count, acc);
}

const bs_kernel bs_bits_avx2 = {
    "bits_avx2", BS_AVX2, bs_bits_can, packed_size, pack, prepared_cell, prepare, positions,
};
