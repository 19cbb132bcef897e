/* Bit-serial sums on ARM: CNT counts the bits of bytes; 1 position by 16 out channels.
 *
 * A lane is a word of 64 channels of one out channel. Counts add up in bytes, of 31 words at most, then in 64 bits. */
#include <arm_neon.h>

#include "bits_parts.h"

enum { WIDE = 16, FIT = 31, VECTORS = 8 };

static const bs_form form = {8, 2, VECTORS};

static size_t packed_size(const bs_layer *layer) { return bs_bits_size(layer, &form); }

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  bs_bits_pack(layer, &form, weights, initial, packed);
}

static size_t prepared_cell(const bs_layer *layer) { return bs_planes_size(layer, &form); }

static void prepare(const bs_layer *layer, const uint8_t *codes, int64_t cells, void *prepared) {
  bs_bits_prepare(layer, &form, codes, cells, prepared);
}

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define BEGIN(v) uint8x16_t a##v = vdupq_n_u8(0);
#define SIDE(v, s) vld1q_u8(w + 16 * (sides * v + s))
#define ADD(v)                                                                              \
  a##v = vaddq_u8(a##v, vcntq_u8(sides == 1 ? veorq_u8(code, SIDE(v, 0))                    \
                                            : vbslq_u8(code, SIDE(v, 0), SIDE(v, sides - 1))));
#define PUT(v)                                                                              \
  total[v] = vaddq_u64(total[v], vshlq_u64(vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(a##v))), by)); \
  a##v = vdupq_n_u8(0);

/* One plane of weights with one of codes, `2^shift` times, added to `total`; `sides` is a constant. */
static inline __attribute__((always_inline)) void product(const int sides, int32_t steps, const int64_t *places,
                                                          const uint8_t *w, const char *x, int32_t shift,
                                                          uint64x2_t total[VECTORS]) {
  const int64x2_t by = vdupq_n_s64(shift);
  int32_t left = FIT;
  EACH(BEGIN)
  for (int32_t k = 0; k < steps; k++, w += 16 * VECTORS * sides) {
    uint64_t word;
    memcpy(&word, x + places[k], 8);
    const uint8x16_t code = vreinterpretq_u8_u64(vdupq_n_u64(word));
    EACH(ADD)
    if (--left == 0) {
      EACH(PUT)
      left = FIT;
    }
  }
  EACH(PUT)
}

static inline __attribute__((always_inline)) void tile(const int sides, const bs_layer *layer, const void *packed,
                                                       int32_t o, const char *x, int32_t *acc) {
  const int32_t m = bs_weight_planes(layer), n = bs_code_planes(layer), steps = bs_steps(layer, &form);
  const size_t plane = bs_plane_size(layer, &form), weight_plane = bs_vectors_size(layer, &form, VECTORS, sides) / m;
  const char *weights = bs_planes(layer, &form, packed) + bs_vectors_size(layer, &form, o / form.lanes, sides);
  uint64x2_t total[VECTORS];
  for (int v = 0; v < VECTORS; v++) total[v] = vdupq_n_u64(0);
  for (int32_t i = 0; i < m; i++)
    for (int32_t j = 0; j < n; j++)
      product(sides, steps, bs_places(layer, packed), (const uint8_t *)weights + i * weight_plane, x + j * plane, i + j,
              total);
  for (int v = 0; v < VECTORS; v++) {
    const int32x2_t begin = vld1_s32(bs_initial(layer, packed) + o + 2 * v);
    vst1_s32(acc + o + 2 * v, vadd_s32(begin, vreinterpret_s32_u32(vmovn_u64(total[v]))));
  }
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const int32_t padded = bs_padded(layer->out_channels), sides = *bs_sides(layer, packed);
  const size_t cell = bs_planes_size(layer, &form);
  for (int32_t p = 0; p < count; p++, acc += padded) {
    const char *codes = (const char *)x + bases[p] * (int64_t)cell;
    for (int32_t o = 0; o < padded; o += WIDE)
      if (sides == 1) tile(1, layer, packed, o, codes, acc);
      else tile(2, layer, packed, o, codes, acc);
  }
}

const bs_kernel bs_bits_neon = {
    "bits_neon", BS_NEON, bs_bits_can, packed_size, pack, prepared_cell, prepare, positions,
};
