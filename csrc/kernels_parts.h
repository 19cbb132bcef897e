/* What the kernels share: the head of packed weights, and the names of those that the table lists.
 *
 * The head is the window's offsets in bytes (int64), then the initial values, each part rounded up to 64 bytes. Initial
 * values reach to a multiple of 64 out channels, so that a kernel loads whole blocks. */
#ifndef BITSPIKE_KERNELS_PARTS_H
#define BITSPIKE_KERNELS_PARTS_H

#include <string.h>

#include "kernels.h"

extern const bs_kernel bs_bits_scalar, bs_bits_avx2, bs_bits_avx512;
extern const bs_kernel bs_dot_avx2, bs_dot_avx512;
extern const bs_kernel bs_events_scalar, bs_events_avx2, bs_events_avx512;
extern const bs_kernel bs_table_avx512;
extern const bs_kernel bs_dot_amx, bs_joined_amx, bs_dot4_amx;
extern const bs_kernel bs_dot_neon, bs_dot_dotprod, bs_bits_neon;

static inline size_t bs_whole(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

static inline size_t bs_offsets_size(const bs_layer *layer) { return bs_whole(8 * (size_t)layer->window, 64); }

static inline size_t bs_head_size(const bs_layer *layer) {
  return bs_offsets_size(layer) + 4 * bs_whole((size_t)layer->out_channels, 64);
}

static inline int32_t *bs_initial(const bs_layer *layer, const void *packed) {
  return (int32_t *)((char *)packed + bs_offsets_size(layer));
}

/* Writes the head for cells of `cell` bytes. */
static inline void bs_pack_head(const bs_layer *layer, const int32_t *initial, size_t cell, void *packed) {
  memset(packed, 0, bs_head_size(layer));
  for (int32_t e = 0; e < layer->window; e++) ((int64_t *)packed)[e] = layer->offsets[e] * (int64_t)cell;
  if (initial) memcpy(bs_initial(layer, packed), initial, 4 * (size_t)layer->out_channels);
}

static inline size_t bs_reads_codes(const bs_layer *layer) {
  (void)layer;
  return 0;
}

/* The largest size of a weight. */
static inline int32_t bs_weight_size(const bs_layer *layer) {
  return -layer->weight_lo > layer->weight_hi ? -layer->weight_lo : layer->weight_hi;
}

#endif
