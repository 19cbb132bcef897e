/* Event-driven sums: the codes of a position that are not zero, and the rows of weights that they add.
 *
 * A file of one instruction set says how it finds them (`nonzero`: a bit for each of 64 codes), includes this, and names
 * its kernel; the vectors below become those of its instruction set.
 *
 * Weights are packed as rows [element][channel][out channel] of int16, so that products add up in 16 bits: as many as
 * fit, then the sums go on in 32. */
#include "kernels_parts.h"

enum { LIST = 512, WIDE = 16 };

typedef int16_t halves __attribute__((vector_size(32)));
typedef uint32_t whole __attribute__((vector_size(64)));

/* A code that is not zero, and the row of weights that it multiplies. */
typedef struct event {
  const int16_t *row;
  int64_t code;
} event;

/* The largest size of a product of a code and a weight. */
static int32_t most(const bs_layer *layer) { return layer->code_hi * bs_weight_size(layer); }

/* Products so small that 16 of them fit 16 bits. */
static int32_t can(const bs_layer *layer) { return most(layer) <= INT16_MAX / 16; }

static size_t packed_size(const bs_layer *layer) {
  return bs_head_size(layer) + 2 * (size_t)bs_padded(layer->out_channels) * layer->window * layer->channels;
}

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  const size_t rows = (size_t)layer->window * layer->channels, row = bs_padded(layer->out_channels);
  int16_t *to = (int16_t *)((char *)packed + bs_head_size(layer));
  memset(packed, 0, packed_size(layer));
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t o = 0; o < layer->out_channels; o++)
    for (size_t r = 0; r < rows; r++) to[r * row + o] = *weights++;
}

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define BEGIN(v) halves a##v = {0};
#define ADD(v) \
  if (vectors > v) a##v += binary ? row[v] : row[v] * code;
#define END(v) \
  if (vectors > v) to[v] += __builtin_convertvector(a##v, whole);

/* The rows of `length` events, from out channel `o` on: `16 * vectors` of them; `vectors` and `binary` are constants
 * wherever it is inlined. */
static inline __attribute__((always_inline)) void add(const int vectors, const int binary, const event *list,
                                                      int32_t length, int32_t o, int32_t *acc) {
  whole *to = (whole *)__builtin_assume_aligned(acc + o, 64);
  EACH(BEGIN)
  for (int32_t i = 0; i < length; i++) {
    const halves *row = (const halves *)__builtin_assume_aligned(list[i].row + o, 32);
    const int16_t code = (int16_t)list[i].code;
    EACH(ADD)
    (void)code;
  }
  EACH(END)
}

static inline __attribute__((always_inline)) void add_all(const int binary, const event *list, int32_t length,
                                                          int32_t padded, int32_t *acc) {
  int32_t o = 0;
  for (; o + 8 * WIDE <= padded; o += 8 * WIDE) add(8, binary, list, length, o, acc);
  for (; o + 4 * WIDE <= padded; o += 4 * WIDE) add(4, binary, list, length, o, acc);
  for (; o < padded; o += WIDE) add(1, binary, list, length, o, acc);
}

/* Adds what is listed, and empties the list. */
static void flush(const bs_layer *layer, const event *list, int32_t *length, int32_t *acc) {
  const int32_t padded = bs_padded(layer->out_channels);
  if (layer->code_hi == 1)
    add_all(1, list, *length, padded, acc);
  else
    add_all(0, list, *length, padded, acc);
  *length = 0;
}

static void position(const bs_layer *layer, const int64_t *offsets, const int16_t *row, const uint8_t *x,
                     event *list, int32_t *acc) {
  const int32_t padded = bs_padded(layer->out_channels), fit = most(layer) ? INT16_MAX / most(layer) : LIST;
  const int32_t room = fit < LIST ? fit : LIST;
  int32_t length = 0;
  for (int32_t e = 0; e < layer->window; e++)
    for (int32_t c = 0; c < layer->channels; c += 64) {
      const int32_t left = layer->channels - c;
      uint64_t here = nonzero(x + offsets[e] + c);
      if (left < 64) here &= (1ull << left) - 1;
      for (; here; here &= here - 1) {
        const int32_t at = c + __builtin_ctzll(here);
        if (length == room) flush(layer, list, &length, acc);
        list[length++] = (event){row + ((size_t)e * layer->channels + at) * padded, x[offsets[e] + at]};
      }
    }
  flush(layer, list, &length, acc);
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const size_t padded = bs_padded(layer->out_channels);
  const int16_t *rows = (const int16_t *)((const char *)packed + bs_head_size(layer));
  event list[LIST];
  for (int32_t p = 0; p < count; p++, acc += padded) {
    memcpy(acc, bs_initial(layer, packed), 4 * padded);
    position(layer, packed, rows, (const uint8_t *)x + bases[p] * (int64_t)layer->cell, list, acc);
  }
}
