/* Bit-serial sums (VPOPCNTD), for weights and codes of few planes: 4 or 6 positions by 64 out channels.
 *
 * A lane is a word of 32 channels of one out channel, so that nothing is summed across lanes. */
#include <immintrin.h>

#include "bits_parts.h"

enum { WIDE = 64 };

static const bs_form form = {4, 16, 4};

static size_t packed_size(const bs_layer *layer) { return bs_bits_size(layer, &form); }

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  bs_bits_pack(layer, &form, weights, initial, packed);
}

static size_t prepared_cell(const bs_layer *layer) { return bs_planes_size(layer, &form); }

/* The planes of 64 codes; `most` planes, a constant wherever it is inlined, or fewer. */
static inline __attribute__((always_inline)) void split(const int most, int32_t planes, __m512i codes, char *to,
                                                        size_t plane, size_t bytes) {
  for (int j = 0; j < most && j < planes; j++) {
    const uint64_t bits = _mm512_test_epi8_mask(codes, _mm512_set1_epi8((char)(1 << j)));
    memcpy(to + j * plane, &bits, bytes);
  }
}

static inline __attribute__((always_inline)) void split_all(const int most, const bs_layer *layer,
                                                            const uint8_t *codes, int64_t cells, char *to) {
  const int32_t planes = bs_code_planes(layer), whole = layer->channels / 64 * 64, left = layer->channels - whole;
  const size_t plane = bs_plane_size(layer, &form);
  for (int64_t i = 0; i < cells; i++, codes += layer->cell, to += planes * plane) {
    for (int32_t c = 0; c < whole; c += 64) split(most, planes, _mm512_loadu_si512(codes + c), to + c / 8, plane, 8);
    if (!left) continue;
    const __m512i part = _mm512_maskz_loadu_epi8((1ull << left) - 1, codes + whole);
    if (left > 32)
      split(most, planes, part, to + whole / 8, plane, 8);
    else
      split(most, planes, part, to + whole / 8, plane, 4);
  }
}

static void prepare(const bs_layer *layer, const uint8_t *codes, int64_t cells, void *prepared) {
  if (layer->code_hi == 1)
    split_all(1, layer, codes, cells, prepared);
  else if (layer->code_hi <= 3)
    split_all(2, layer, codes, cells, prepared);
  else
    split_all(8, layer, codes, cells, prepared);
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BEGIN(p)                                                    \
  const char *x##p = x + (int64_t)bases[rows > p ? p : 0] * cell;   \
  __m512i a##p##0 = zero, a##p##1 = zero, a##p##2 = zero, a##p##3 = zero;
#define ADD(p, v)                                                                              \
  if (rows > p && vectors > v) {                                                               \
    const __m512i both = sides == 1 ? _mm512_xor_si512(code, neg##v)                           \
                                    : _mm512_ternarylogic_epi32(code, pos##v, neg##v, 0xca);   \
    a##p##v = _mm512_add_epi32(a##p##v, _mm512_popcnt_epi32(both));                            \
  }
#define STEP(p)                                   \
  if (rows > p) {                                 \
    int32_t word;                                 \
    memcpy(&word, x##p + at, 4);                  \
    const __m512i code = _mm512_set1_epi32(word); \
    ADD(p, 0) ADD(p, 1) ADD(p, 2) ADD(p, 3)       \
  }
#define TWICE(p)                             \
  a##p##0 = _mm512_slli_epi32(a##p##0, 1);   \
  a##p##1 = _mm512_slli_epi32(a##p##1, 1);   \
  a##p##2 = _mm512_slli_epi32(a##p##2, 1);   \
  a##p##3 = _mm512_slli_epi32(a##p##3, 1);
#define STORE(p, v) \
  if (rows > p && vectors > v)                                                 \
    _mm512_store_si512(acc + (size_t)p * padded + 16 * v,                      \
                       _mm512_add_epi32(a##p##v, _mm512_load_si512(initial + 16 * v)));
#define END(p) STORE(p, 0) STORE(p, 1) STORE(p, 2) STORE(p, 3)
#define POS(v) (sides == 2 && vectors > v ? _mm512_load_si512(w + 128 * v) : zero)
#define NEG(v) (vectors > v ? _mm512_load_si512(w + 64 * (sides * v + sides - 1)) : zero)

/* `rows` positions by `16 * vectors` out channels; both, and `sides`, are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vectors, const int sides,
                                                       const bs_layer *layer, const void *packed, const char *weights,
                                                       const int32_t *initial, const char *x, const int32_t *bases,
                                                       int32_t *acc) {
  const int64_t *places = bs_places(layer, packed), *end = places + bs_steps(layer, &form);
  const int32_t padded = bs_padded(layer->out_channels), m = bs_weight_planes(layer), n = bs_code_planes(layer);
  const int64_t plane = (int64_t)bs_plane_size(layer, &form), cell = n * plane;
  const size_t weight_plane = bs_vectors_size(layer, &form, vectors, sides) / m;
  const __m512i zero = _mm512_setzero_si512();
  EACH_ROW(BEGIN)
  for (int32_t class = m + n - 2; class >= 0; class--) {
    EACH_ROW(TWICE)
    for (int32_t i = class < n ? 0 : class - n + 1; i < m && i <= class; i++) {
      const char *w = weights + i * weight_plane;
      for (const int64_t *place = places; place < end; place++, w += 64 * vectors * sides) {
        const int64_t at = *place + (class - i) * plane;
        const __m512i pos0 = POS(0), pos1 = POS(1), pos2 = POS(2), pos3 = POS(3);
        const __m512i neg0 = NEG(0), neg1 = NEG(1), neg2 = NEG(2), neg3 = NEG(3);
        EACH_ROW(STEP)
        (void)pos0, (void)pos1, (void)pos2, (void)pos3;
      }
    }
  }
  EACH_ROW(END)
}

/* All positions of one block. The last tile overlaps the one before it: it writes the same sums again. */
static inline __attribute__((always_inline)) void block(const int rows, const int vectors, const int sides,
                                                        const bs_layer *layer, const void *packed, const char *weights,
                                                        const int32_t *initial, const char *x, const int32_t *bases,
                                                        int32_t count, int32_t *acc) {
  const size_t padded = bs_padded(layer->out_channels);
  int32_t p = 0;
  if (count >= rows)
    for (; p < count; p += rows) {
      if (p > count - rows) p = count - rows;
      tile(rows, vectors, sides, layer, packed, weights, initial, x, bases + p, acc + p * padded);
    }
  for (; p < count; p++)
    tile(1, vectors, sides, layer, packed, weights, initial, x, bases + p, acc + p * padded);
}

#define BLOCK(rows, vectors, sides) \
  block(rows, vectors, sides, layer, packed, weights, initial, x, bases, count, acc)
#define OF_SIDES(sides, name)                                                                              \
  static void name(int32_t vectors, const bs_layer *layer, const void *packed, const char *weights,        \
                   const int32_t *initial, const void *x, const int32_t *bases, int32_t count, int32_t *acc) { \
    switch (vectors) {                                                                                     \
      case 1: BLOCK(6, 1, sides); break;                                                                   \
      case 2: BLOCK(6, 2, sides); break;                                                                   \
      case 3: BLOCK(sides == 1 ? 6 : 4, 3, sides); break;                                                  \
      default: BLOCK(sides == 1 ? 6 : 4, 4, sides);                                                        \
    }                                                                                                      \
  }
OF_SIDES(1, with_signs)
OF_SIDES(2, with_digits)

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const int32_t sides = *bs_sides(layer, packed), padded = bs_padded(layer->out_channels);
  const char *weights = bs_planes(layer, &form, packed);
  for (int32_t o = 0; o < padded; o += WIDE) {
    const int32_t *initial = bs_initial(layer, packed) + o;
    const int32_t vectors = padded - o < WIDE ? (padded - o) / 16 : 4;
    const char *mine = weights + bs_vectors_size(layer, &form, o / 16, sides);
    (sides == 1 ? with_signs : with_digits)(vectors, layer, packed, mine, initial, x, bases, count, acc + o);
  }
}

const bs_kernel bs_bits_avx512 = {
    "bits_avx512", BS_AVX512, bs_bits_can, packed_size, pack, prepared_cell, prepare, positions,
};
