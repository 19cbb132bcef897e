/* Bit-serial sums on any processor, and the packing that all the bit-serial kernels share. */
#include "bits_parts.h"

static int32_t all_signs(const bs_layer *layer, const int8_t *weights) {
  const size_t all = (size_t)layer->out_channels * layer->window * layer->channels;
  for (size_t i = 0; i < all; i++)
    if (weights[i] != 1 && weights[i] != -1) return 0;
  return 1;
}

/* The planes of one weight into its lane; returns its part of what `neg` counts too much, over one code plane. */
static int32_t put(char *lane, size_t plane, size_t side, int32_t sides, int32_t weight, int32_t bit) {
  const int32_t size = weight < 0 ? -weight : weight;
  char *byte = lane + (weight < 0 ? (sides - 1) * side : 0) + bit / 8;
  if (weight > 0 && sides == 1) return 0;
  for (int32_t i = 0; size >> i; i++)
    if (size >> i & 1) byte[i * plane] = (char)(byte[i * plane] | 1 << bit % 8);
  return weight < 0 ? size : 0;
}

void bs_bits_pack(const bs_layer *layer, const bs_form *form, const int8_t *weights, const int32_t *initial,
                  void *packed) {
  const int32_t sides = all_signs(layer, weights) ? 1 : 2, words = bs_words(layer, form), bits = 8 * form->word;
  const int32_t all = bs_vectors(layer, form), codes = (1 << bs_code_planes(layer)) - 1;
  const size_t side = (size_t)form->lanes * form->word;
  memset(packed, 0, bs_bits_size(layer, form));
  bs_pack_head(layer, initial, bs_planes_size(layer, form), packed);
  *bs_sides(layer, packed) = sides;
  for (int32_t k = 0; k < bs_steps(layer, form); k++)
    bs_places(layer, packed)[k] = ((const int64_t *)packed)[k / words] + k % words * (int64_t)form->word;
  for (int32_t o = 0; o < layer->out_channels; o++) {
    const int32_t vector = o / form->lanes, first = vector / form->block * form->block;
    const int32_t wide = all - first < form->block ? all - first : form->block;
    const size_t plane = bs_vectors_size(layer, form, wide, sides) / bs_weight_planes(layer);
    char *block = bs_planes(layer, form, packed) + bs_vectors_size(layer, form, first, sides);
    uint32_t against = 0;
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++, weights++) {
        const size_t word = ((size_t)e * words + c / bits) * wide + vector - first;
        char *lane = block + word * sides * side + (size_t)(o % form->lanes) * form->word;
        against += (uint32_t)put(lane, plane, side, sides, *weights, c % bits);
      }
    bs_initial(layer, packed)[o] = (int32_t)((uint32_t)bs_initial(layer, packed)[o] - against * (uint32_t)codes);
  }
}

/* A vector of one word of one out channel. */
static const bs_form form = {8, 1, 1};

static size_t packed_size(const bs_layer *layer) { return bs_bits_size(layer, &form); }

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  bs_bits_pack(layer, &form, weights, initial, packed);
}

static size_t prepared_cell(const bs_layer *layer) { return bs_planes_size(layer, &form); }

static void prepare(const bs_layer *layer, const uint8_t *codes, int64_t cells, void *prepared) {
  bs_bits_prepare(layer, &form, codes, cells, prepared);
}

static uint32_t ones(uint64_t word) {
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  return (uint32_t)(((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

/* Products of one plane of weights and one of codes. */
static uint32_t product(const bs_layer *layer, const int64_t *places, const uint64_t *weights, int32_t sides,
                        const char *codes) {
  const int32_t steps = bs_steps(layer, &form);
  uint32_t sum = 0;
  for (int32_t k = 0; k < steps; k++, weights += sides) {
    uint64_t x;
    memcpy(&x, codes + places[k], 8);
    sum += ones(sides == 1 ? x ^ weights[0] : (x & weights[0]) | (~x & weights[1]));
  }
  return sum;
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const int32_t sides = *bs_sides(layer, packed), m = bs_weight_planes(layer), n = bs_code_planes(layer);
  const size_t row = bs_vectors_size(layer, &form, 1, sides), padded = bs_padded(layer->out_channels);
  const size_t cell = bs_planes_size(layer, &form), plane = bs_plane_size(layer, &form);
  for (int32_t p = 0; p < count; p++) {
    const char *codes = (const char *)x + bases[p] * (int64_t)cell, *weights = bs_planes(layer, &form, packed);
    for (int32_t o = 0; o < layer->out_channels; o++, weights += row) {
      uint32_t sum = (uint32_t)bs_initial(layer, packed)[o];
      for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < n; j++)
          sum += product(layer, bs_places(layer, packed), (const uint64_t *)(weights + i * (row / m)), sides,
                         codes + j * plane)
                 << (i + j);
      acc[p * padded + o] = (int32_t)sum;
    }
  }
}

const bs_kernel bs_bits_scalar = {
    "bits_scalar", BS_SCALAR, bs_bits_can, packed_size, pack, prepared_cell, prepare, positions,
};
