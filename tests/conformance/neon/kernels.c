/* Every kernel of the library on random layers beside the one that any processor runs. Prints the kernels and how many
 * layers each took; ends with 1 where a sum differs. -DPLANTED changes a weight for all but that one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { LAYERS = 400, MOST = 40 };

static uint64_t state = 1;

static int32_t draw(int32_t lo, int32_t hi) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return lo + (int32_t)((state >> 33) % (uint64_t)((int64_t)hi - lo + 1));
}

static void *room(size_t bytes) {
  void *made = aligned_alloc(64, (bytes + BS_SLACK + 127) / 64 * 64);
  if (!made) exit(2);
  memset(made, 255, (bytes + BS_SLACK + 127) / 64 * 64);
  return made;
}

static void sums(const bs_kernel *kernel, const bs_layer *layer, const int8_t *weights, const int32_t *initial,
                 const uint8_t *codes, int64_t cells, const int32_t *bases, int32_t count, int32_t *acc) {
  void *packed = room(kernel->packed_size(layer)), *prepared = NULL;
  kernel->pack(layer, weights, initial, packed);
  if (kernel->prepare) {
    prepared = room((size_t)cells * kernel->prepared_cell(layer));
    kernel->prepare(layer, codes, cells, prepared);
  }
  kernel->positions(layer, packed, prepared ? prepared : (const void *)codes, bases, count, acc);
  free(packed);
  free(prepared);
}

static int differ(const int32_t *a, const int32_t *b, int32_t count, const bs_layer *layer) {
  const size_t padded = (size_t)bs_padded(layer->out_channels);
  for (int32_t p = 0; p < count; p++)
    if (memcmp(a + p * padded, b + p * padded, 4 * (size_t)layer->out_channels)) return 1;
  return 0;
}

int main(void) {
  static const int32_t ranges[][2] = {{-1, 1}, {0, 1}, {-3, 3}, {-8, 7}, {0, 0}, {-127, 127}, {-128, 127}, {-128, -128}};
  static const int32_t tops[] = {0, 1, 3, 7, 15, 127, 128, 255};
  int taken[32] = {0}, wrong = 0;
  bs_detect(); /* which asks the system for what some kernels need */
  for (int i = 0; i < LAYERS; i++) {
    int32_t offsets[9];
    const int32_t *range = ranges[draw(0, 7)];
    bs_layer layer = {.channels = i % 50 ? draw(1, 140) : 2100, .out_channels = draw(1, 70), .window = draw(1, 9),
                      .weight_lo = range[0], .weight_hi = range[1], .code_hi = tops[draw(0, 7)], .offsets = offsets};
    layer.cell = layer.channels + draw(0, 1) * draw(0, 9);
    for (int e = 0; e < layer.window; e++) offsets[e] = draw(0, MOST);
    const int32_t count = draw(1, 30), cells = 2 * MOST + 1;
    const size_t each = (size_t)layer.window * layer.channels, all = each * layer.out_channels;
    int8_t *weights = room(all);
    uint8_t *codes = room((size_t)cells * layer.cell);
    int32_t *bases = room(4 * (size_t)count), *initial = room(4 * (size_t)layer.out_channels);
    int32_t *wanted = room(4 * (size_t)count * bs_padded(layer.out_channels));
    int32_t *found = room(4 * (size_t)count * bs_padded(layer.out_channels));
    const int signs = draw(0, 1) && range[0] < 0 && range[1] > 0;
    for (size_t k = 0; k < all; k++) weights[k] = (int8_t)(signs ? 2 * draw(0, 1) - 1 : draw(range[0], range[1]));
    for (int32_t cell = 0; cell < cells; cell++)
      for (int32_t c = 0; c < layer.channels; c++)
        codes[(size_t)cell * layer.cell + c] = (uint8_t)(draw(0, 3) ? draw(0, layer.code_hi) : layer.code_hi);
    const int32_t across = draw(0, 1) * draw(7, 20); /* of an image with two cells between its rows; 0: they lie anyhow */
    for (int p = 0; p < count; p++) bases[p] = across ? p / across * (across + 2) + p % across : draw(0, MOST);
    for (int o = 0; o < layer.out_channels; o++) initial[o] = draw(-(1 << 30), (1 << 30) - 1);
    sums(bs_kernel_at(0), &layer, weights, initial, codes, cells, bases, count, wanted);
#if defined(PLANTED)
    weights[all - 1] = (int8_t)(weights[all - 1] == range[0] ? range[1] : range[0]);
#endif
    for (int32_t k = 1; bs_kernel_at(k); k++) {
      const bs_kernel *kernel = bs_kernel_at(k);
      if (!kernel->can(&layer)) continue;
      taken[k]++;
      sums(kernel, &layer, weights, initial, codes, cells, bases, count, found);
      if (differ(wanted, found, count, &layer)) wrong++, printf("layer %d: %s\n", i, kernel->name);
    }
    free(weights), free(codes), free(bases), free(initial), free(wanted), free(found);
  }
  for (int32_t k = 1; bs_kernel_at(k); k++) printf("%s %d\n", bs_kernel_at(k)->name, taken[k]);
  return wrong != 0;
}
