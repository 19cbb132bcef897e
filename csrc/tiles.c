/* Whether tiles may be used. The kernels on them were written without a processor that has them: before the first of their
 * sums is used, they are compared with those of the plain kernel, on layers of all kinds of ends. */
#if defined(__x86_64__)
#include "tiles.h"

#include <stdlib.h>
#include <string.h>

#include "kernels_parts.h"

/* Channels, out channels, window, positions, and the row of an image: its positions, then cells of padding; 0 positions:
 * they lie anyhow. */
static const struct { int32_t channels, out, window, count, across, between; } LAYERS[] = {
    {64, 32, 1, 32, 32, 0}, {130, 17, 1, 1, 1, 0}, {3, 16, 9, 15, 5, 2},  {20, 33, 2, 28, 14, 2},
    {63, 18, 1, 17, 17, 0}, {65, 15, 1, 33, 0, 0}, {16, 17, 4, 35, 6, 1}, {100, 20, 1, 16, 4, 0},
    {1040, 2, 1, 17, 2, 6}, {27, 1, 1, 50, 25, 2}, {9, 18, 3, 31, 0, 0},
};
enum { KINDS = sizeof LAYERS / sizeof *LAYERS, POSITIONS = 50, SUMS = 48, BYTES = 1 << 17, TURN = 4099 }; /* TURN: random codes */

/* Room for one layer. */
struct room {
  _Alignas(64) uint8_t codes[BYTES], packed[BYTES];
  _Alignas(64) int32_t wanted[POSITIONS * SUMS], found[POSITIONS * SUMS];
  int8_t weights[BYTES];
  int32_t initial[SUMS], offsets[9], bases[POSITIONS];
};

static uint32_t next(uint32_t *state) { return (*state = *state * 1664525u + 1013904223u) >> 8; }

static void fill(struct room *room, const bs_layer *layer, int32_t kind, uint32_t *state) {
  const int32_t weights = layer->out_channels * layer->window * layer->channels, across = LAYERS[kind].across;
  for (int32_t k = 0; k < weights; k++) {
    const int8_t weight = (int8_t)(next(state) & 7 ? next(state) : 128);
    room->weights[k] = layer->weight_lo < -8 ? weight : (int8_t)((weight & 15) - 8);
  }
  for (int32_t k = 0; k < layer->out_channels; k++) room->initial[k] = (int32_t)(next(state) << 9);
  for (int32_t e = 0; e < layer->window; e++) room->offsets[e] = e / 3 * (across + 2) + e % 3;
  for (int32_t p = 0; p < LAYERS[kind].count; p++)
    room->bases[p] = across ? p / across * (across + LAYERS[kind].between) + p % across : (int32_t)next(state) % 80;
}

static void sum(const bs_kernel *kernel, const bs_layer *layer, struct room *room, int32_t count, int32_t *to) {
  kernel->pack(layer, room->weights, room->initial, room->packed);
  kernel->positions(layer, room->packed, room->codes, room->bases, count, to);
}

static int equal(const bs_layer *layer, const struct room *room, int32_t count) {
  const size_t padded = (size_t)bs_padded(layer->out_channels);
  for (int32_t p = 0; p < count; p++)
    if (memcmp(room->wanted + p * padded, room->found + p * padded, 4 * (size_t)layer->out_channels)) return 0;
  return 1;
}

static int agree(struct room *room) {
  static const bs_kernel *const kernels[] = {&bs_dot_amx, &bs_joined_amx, &bs_dot4_amx};
  uint32_t state = 1;
  for (int32_t k = 0; k < TURN; k++) room->codes[k] = (uint8_t)(next(&state) & 7 ? next(&state) : 255);
  for (int32_t k = TURN; k < BYTES; k += TURN)
    memcpy(room->codes + k, room->codes, BYTES - k < TURN ? (size_t)(BYTES - k) : TURN);
  for (int32_t kind = 0; kind < KINDS; kind++) {
    const bs_layer layer = {.channels = LAYERS[kind].channels, .out_channels = LAYERS[kind].out,
                            .window = LAYERS[kind].window, .cell = LAYERS[kind].channels,
                            .weight_lo = kind % 2 ? -8 : -128, .weight_hi = kind % 2 ? 7 : 127, .code_hi = 255,
                            .offsets = room->offsets};
    fill(room, &layer, kind, &state);
    sum(bs_kernel_at(0), &layer, room, LAYERS[kind].count, room->wanted);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
      if (!kernels[k]->can(&layer)) continue;
      memset(room->found, 0, sizeof room->found);
      sum(kernels[k], &layer, room, LAYERS[kind].count, room->found);
      if (!equal(&layer, room, LAYERS[kind].count)) return 0;
    }
  }
  return 1;
}

const char *bs_tiles_refused(void) {
  const bs_layer any = {.channels = 1, .out_channels = 1, .window = 1, .cell = 1};
  if (!bs_dot_amx.can(&any)) return "the compiler of the library knew no tiles";
  if (!bs_tiles_request()) return "the system does not give tiles to this process";
  struct room *room = aligned_alloc(64, sizeof *room);
  if (!room) return "no memory to try the tiles";
  const int right = agree(room);
  free(room);
  return right ? NULL : "sums by tiles are not those of plain C";
}
#endif
