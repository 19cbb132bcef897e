/* The table of kernels of this build, and the one that any processor runs. */
#include "kernels.h"

#include <string.h>

#include "kernels_parts.h"

static int32_t any(const bs_layer *layer) {
  (void)layer;
  return 1;
}

/* Rows of weights as they come: [out][element][channel], one byte each. */
static size_t plain_size(const bs_layer *layer) {
  return bs_head_size(layer) + (size_t)layer->out_channels * layer->window * layer->channels;
}

static void plain_pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  bs_pack_head(layer, initial, layer->cell, packed);
  memcpy((char *)packed + bs_head_size(layer), weights,
         (size_t)layer->out_channels * layer->window * layer->channels);
}

static uint32_t dot(const uint8_t *codes, const int8_t *weights, int32_t channels) {
  uint32_t sum = 0;
  for (int32_t c = 0; c < channels; c++) sum += (uint32_t)(codes[c] * weights[c]);
  return sum;
}

static void plain_positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases,
                            int32_t count, int32_t *acc) {
  const int64_t *offsets = packed;
  const int32_t *initial = bs_initial(layer, packed);
  const size_t row = (size_t)layer->window * layer->channels;
  const int32_t padded = bs_padded(layer->out_channels);
  for (int32_t p = 0; p < count; p++) {
    const uint8_t *base = (const uint8_t *)x + (int64_t)bases[p] * layer->cell;
    const int8_t *weights = (const int8_t *)packed + bs_head_size(layer);
    for (int32_t o = 0; o < layer->out_channels; o++, weights += row) {
      uint32_t sum = (uint32_t)initial[o];
      for (int32_t e = 0; e < layer->window; e++)
        sum += dot(base + offsets[e], weights + (size_t)e * layer->channels, layer->channels);
      acc[(size_t)p * padded + o] = (int32_t)sum;
    }
  }
}

static const bs_kernel plain = {
    "plain", BS_SCALAR, any, plain_size, plain_pack, bs_reads_codes, NULL, plain_positions,
};

static const bs_kernel *const kernels[] = {
    &plain,
    &bs_bits_scalar,
    &bs_events_scalar,
#if defined(__x86_64__)
    &bs_dot_avx2,
    &bs_bits_avx2,
    &bs_events_avx2,
    &bs_dot_avx512,
    &bs_bits_avx512,
    &bs_events_avx512,
    &bs_table_avx512,
    &bs_dot_amx,
    &bs_joined_amx,
    &bs_dot4_amx,
#elif defined(__aarch64__)
    &bs_dot_neon,
    &bs_dot_dotprod,
    &bs_bits_neon,
#endif
};

const bs_kernel *bs_kernel_at(int32_t index) {
  const int32_t all = sizeof kernels / sizeof *kernels;
  return index >= 0 && index < all ? kernels[index] : NULL;
}

int32_t bs_kernels_version(void) { return BS_KERNELS_VERSION; }
