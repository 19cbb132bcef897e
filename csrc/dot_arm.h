/* Dot products on ARM: 4 positions by 16 out channels, of signed bytes. Codes that need eight bits are taken less 128,
 * which flips their highest bit; what that takes from a sum, 128 times the weights, is in its initial value.
 *
 * Weights are packed as [block of 16 out channels][element][four channels][out channel][4] bytes. A file includes this,
 * says how four of them are multiplied and added up for four out channels (`dot`), and names its kernel. */
#include <arm_neon.h>

#include "kernels_parts.h"

enum { ROWS = 4, WIDE = 16 };

static int32_t fours(const bs_layer *layer) { return (layer->channels + 3) / 4; }

static size_t block_size(const bs_layer *layer) { return (size_t)4 * WIDE * layer->window * fours(layer); }

static size_t packed_size(const bs_layer *layer) {
  return bs_head_size(layer) + block_size(layer) * (bs_padded(layer->out_channels) / WIDE);
}

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  memset(packed, 0, packed_size(layer));
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t o = 0; o < layer->out_channels; o++) {
    int8_t *block = (int8_t *)packed + bs_head_size(layer) + o / WIDE * block_size(layer);
    uint32_t sum = 0;
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++, weights++) {
        const size_t step = (size_t)e * fours(layer) + c / 4;
        block[(step * WIDE + o % WIDE) * 4 + c % 4] = *weights;
        sum += (uint32_t)*weights;
      }
    if (layer->code_hi > 127) bs_initial(layer, packed)[o] = (int32_t)((uint32_t)bs_initial(layer, packed)[o] + 128 * sum);
  }
}

#define EACH(DO) DO(0) DO(1) DO(2) DO(3)
#define BEGIN(p)                                                                    \
  const uint8_t *x##p = x + (int64_t)bases[rows > p ? p : 0] * layer->cell;         \
  int32x4_t a##p##0 = vld1q_s32(initial), a##p##1 = vld1q_s32(initial + 4);         \
  int32x4_t a##p##2 = vld1q_s32(initial + 8), a##p##3 = vld1q_s32(initial + 12);
#define STEP(p)                                                                     \
  if (rows > p) {                                                                   \
    uint32_t four;                                                                  \
    memcpy(&four, x##p + at, 4);                                                    \
    const int8x16_t codes = vreinterpretq_s8_u32(vdupq_n_u32(four ^ flip));         \
    a##p##0 = dot(a##p##0, w0, codes);                                              \
    a##p##1 = dot(a##p##1, w1, codes);                                              \
    a##p##2 = dot(a##p##2, w2, codes);                                              \
    a##p##3 = dot(a##p##3, w3, codes);                                              \
  }
#define END(p)                                                                      \
  if (rows > p) {                                                                   \
    int32_t *to = acc + (size_t)p * padded;                                         \
    vst1q_s32(to, a##p##0);                                                         \
    vst1q_s32(to + 4, a##p##1);                                                     \
    vst1q_s32(to + 8, a##p##2);                                                     \
    vst1q_s32(to + 12, a##p##3);                                                    \
  }

/* `rows` positions, a constant wherever it is inlined, by one block. */
static inline __attribute__((always_inline)) void tile(const int rows, const bs_layer *layer, const void *packed,
                                                       int32_t o, const uint8_t *x, const int32_t *bases,
                                                       int32_t *acc) {
  const int64_t *offsets = packed;
  const int32_t *initial = bs_initial(layer, packed) + o, padded = bs_padded(layer->out_channels);
  const int8_t *weights = (const int8_t *)packed + bs_head_size(layer) + o / WIDE * block_size(layer);
  const uint32_t flip = layer->code_hi > 127 ? 0x80808080u : 0;
  EACH(BEGIN)
  for (int32_t e = 0; e < layer->window; e++)
    for (int64_t at = offsets[e], end = at + 4 * (int64_t)fours(layer); at < end; at += 4, weights += 4 * WIDE) {
      const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + 16);
      const int8x16_t w2 = vld1q_s8(weights + 32), w3 = vld1q_s8(weights + 48);
      EACH(STEP)
    }
  EACH(END)
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const size_t padded = (size_t)bs_padded(layer->out_channels);
  for (int32_t o = 0; o < (int32_t)padded; o += WIDE) {
    int32_t p = 0;
    for (; p + ROWS <= count; p += ROWS) tile(ROWS, layer, packed, o, x, bases + p, acc + (size_t)p * padded + o);
    for (; p < count; p++) tile(1, layer, packed, o, x, bases + p, acc + (size_t)p * padded + o);
  }
}
