/* What the bit-serial kernels share: the planes of weights and codes, and how they lie.
 *
 * A weight is a sum of signed binary digits: plane i holds, for every weight, whether 2^i counts for it or against it,
 * as two bits, `pos` and `neg`. A code's planes are its binary digits. With x a word of codes' bits, popcount(x ? pos :
 * neg) is popcount(x & pos) - popcount(x & neg) + popcount(neg), and the last term is the same at every position: it is
 * taken off the initial value. Where all weights are 1 or -1, pos is ~neg and x ^ neg says the same.
 *
 * Products of planes with the same i + j count alike. They are summed from the highest i + j down, and the sum is doubled
 * between one such class and the next.
 *
 * Weights lie as [block of `block` vectors][plane][element][word][vector][pos, then neg][out channel of the vector], a
 * prepared cell as [plane][word]. Bits past the last channel are 0 in all of them. */
#ifndef BITSPIKE_BITS_PARTS_H
#define BITSPIKE_BITS_PARTS_H

#include "kernels_parts.h"

/* How one instruction set holds them: bytes of a word, words of a vector, vectors of a block. */
typedef struct bs_form {
  int32_t word, lanes, block;
} bs_form;

static inline int32_t bs_bits_of(int32_t value) {
  int32_t bits = 0;
  for (; value; value >>= 1) bits++;
  return bits;
}

static inline int32_t bs_code_planes(const bs_layer *layer) { return bs_bits_of(layer->code_hi); }

static inline int32_t bs_weight_planes(const bs_layer *layer) { return bs_bits_of(bs_weight_size(layer)); }

/* At least one plane of each, no more products of planes than could win, and cells that hold all of an element. */
static inline int32_t bs_bits_can(const bs_layer *layer) {
  const int32_t products = bs_code_planes(layer) * bs_weight_planes(layer);
  return products > 0 && products <= 32 && layer->channels <= layer->cell;
}

static inline int32_t bs_words(const bs_layer *layer, const bs_form *form) {
  return (layer->channels + 8 * form->word - 1) / (8 * form->word);
}

static inline size_t bs_plane_size(const bs_layer *layer, const bs_form *form) {
  return (size_t)bs_words(layer, form) * form->word;
}

static inline size_t bs_planes_size(const bs_layer *layer, const bs_form *form) {
  return bs_plane_size(layer, form) * bs_code_planes(layer);
}

/* Bytes of the weights of `vectors` vectors, of which each word has `sides`: 2, or 1 where neg says all. */
static inline size_t bs_vectors_size(const bs_layer *layer, const bs_form *form, int32_t vectors, int32_t sides) {
  return (size_t)vectors * sides * form->lanes * form->word * bs_words(layer, form) * layer->window *
         bs_weight_planes(layer);
}

static inline int32_t bs_vectors(const bs_layer *layer, const bs_form *form) {
  return bs_padded(layer->out_channels) / form->lanes;
}

/* 1 where all weights are 1 or -1, else 2: stands after the head. */
static inline int32_t *bs_sides(const bs_layer *layer, const void *packed) {
  return (int32_t *)((char *)packed + bs_head_size(layer));
}

/* Words of one plane of a window. */
static inline int32_t bs_steps(const bs_layer *layer, const bs_form *form) {
  return layer->window * bs_words(layer, form);
}

/* Where each of these words lies from the first, in bytes: one loop runs over elements and words. */
static inline int64_t *bs_places(const bs_layer *layer, const void *packed) {
  return (int64_t *)((char *)packed + bs_head_size(layer) + 64);
}

static inline size_t bs_before_planes(const bs_layer *layer, const bs_form *form) {
  return bs_head_size(layer) + 64 + bs_whole(8 * (size_t)bs_steps(layer, form), 64);
}

static inline char *bs_planes(const bs_layer *layer, const bs_form *form, const void *packed) {
  return (char *)packed + bs_before_planes(layer, form);
}

static inline size_t bs_bits_size(const bs_layer *layer, const bs_form *form) {
  return bs_before_planes(layer, form) + bs_vectors_size(layer, form, bs_vectors(layer, form), 2);
}

/* Codes to planes, eight codes at a time: one multiplication brings bit j of each of them together. */
static inline void bs_bits_prepare(const bs_layer *layer, const bs_form *form, const uint8_t *codes, int64_t cells,
                                   void *prepared) {
  const int32_t planes = bs_code_planes(layer);
  const size_t plane = bs_plane_size(layer, form);
  uint8_t *to = prepared;
  memset(prepared, 0, (size_t)cells * planes * plane);
  for (int64_t i = 0; i < cells; i++, codes += layer->cell, to += planes * plane)
    for (int32_t c = 0; c < layer->channels; c += 8) {
      uint64_t eight = 0;
      for (int32_t k = 0; k < 8 && c + k < layer->channels; k++) eight |= (uint64_t)codes[c + k] << 8 * k;
      for (int32_t j = 0; j < planes; j++)
        to[j * plane + c / 8] = (uint8_t)((eight >> j & 0x0101010101010101u) * 0x0102040810204080u >> 56);
    }
}

void bs_bits_pack(const bs_layer *layer, const bs_form *form, const int8_t *weights, const int32_t *initial,
                  void *packed);

#endif
