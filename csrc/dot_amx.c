/* Dot products of bytes on tiles (AMX): 32 positions by 32 out channels, 64 codes of each position at a step.
 *
 * `dot_amx` reads codes where they lie: sixteen cells evenly apart are one tile of codes. They go over the padding between
 * two rows of an image, and the sums of those cells are not kept. Where too few of the cells are positions, the codes of
 * sixteen positions are copied next to each other first, a run of steps at a time. `joined_amx` always copies, and joins
 * the elements of a window of few channels, so that a step holds several of them.
 *
 * Weights are packed as [block of 16 out channels][step][four codes][out channel][4], as the unit multiplies them. Steps
 * are 64 channels of one element, or 64 of the joined window; what is past the last has weights of 0. */
#include "kernels_parts.h"
#include "tiles.h"

#if defined(BS_TILE_UNIT)

enum { STEP = TILE_BYTES, TILE = TILE_ROWS * TILE_BYTES, LANES = 16, RUN = 16, PITCH = STEP * RUN + 64 };

static int32_t chunks(const bs_layer *layer) { return (layer->channels + STEP - 1) / STEP; }

static int32_t steps_of(const int joined, const bs_layer *layer) {
  return joined ? (layer->window * layer->channels + STEP - 1) / STEP : layer->window * chunks(layer);
}

/* Where the codes of each step lie from the window's first cell, in bytes: after the head, if elements are not joined. */
static int64_t *places(const bs_layer *layer, const void *packed) {
  return (int64_t *)((char *)packed + bs_head_size(layer));
}

static size_t weights_from(const int joined, const bs_layer *layer) {
  return bs_head_size(layer) + (joined ? 0 : bs_whole(8 * (size_t)steps_of(0, layer), 64));
}

static size_t size_of(const int joined, const bs_layer *layer) {
  return weights_from(joined, layer) + (size_t)steps_of(joined, layer) * TILE * (bs_padded(layer->out_channels) / LANES);
}

static void pack_as(const int joined, const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  const int32_t steps = steps_of(joined, layer);
  memset(packed, 0, size_of(joined, layer));
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t s = 0; !joined && s < steps; s++)
    places(layer, packed)[s] = ((const int64_t *)packed)[s / chunks(layer)] + s % chunks(layer) * STEP;
  for (int32_t o = 0; o < layer->out_channels; o++) {
    int8_t *block = (int8_t *)packed + weights_from(joined, layer) + (size_t)o / LANES * steps * TILE;
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++) {
        const size_t k = joined ? (size_t)e * layer->channels + c : (size_t)e * chunks(layer) * STEP + c;
        block[k / 4 * (4 * LANES) + o % LANES * 4 + k % 4] = *weights++;
      }
  }
}

/* Sixteen positions: their codes, what their sums begin with, and where these go. Distances in bytes. */
struct strip {
  const uint8_t *x;
  const int32_t *from;
  int32_t *to;
  int64_t apart, from_apart, to_apart;
};

/* One or two strips by 16 or 32 out channels; both are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile(const int strips, const int blocks, const struct strip *a,
                                                       const struct strip *b, const int64_t *at, int32_t steps,
                                                       const int8_t *weights, size_t block) {
  const uint8_t *x = a->x, *y = b->x;
  const int64_t x_apart = a->apart, y_apart = b->apart;
  TILE_LOAD(0, a->from, a->from_apart);
  if (blocks > 1) TILE_LOAD(1, a->from + LANES, a->from_apart);
  if (strips > 1) TILE_LOAD(2, b->from, b->from_apart);
  if (strips > 1 && blocks > 1) TILE_LOAD(3, b->from + LANES, b->from_apart);
  for (int32_t s = 0; s < steps; s++, weights += TILE) {
    TILE_LOAD(4, x + at[s], x_apart);
    TILE_LOAD(6, weights, STEP);
    TILE_DOT(0, 4, 6);
    if (blocks > 1) {
      TILE_LOAD(7, weights + block, STEP);
      TILE_DOT(1, 4, 7);
    }
    if (strips > 1) {
      TILE_LOAD(5, y + at[s], y_apart);
      TILE_DOT(2, 5, 6);
      if (blocks > 1) TILE_DOT(3, 5, 7);
    }
  }
  TILE_STORE(0, a->to, a->to_apart);
  if (blocks > 1) TILE_STORE(1, a->to + LANES, a->to_apart);
  if (strips > 1) TILE_STORE(2, b->to, b->to_apart);
  if (strips > 1 && blocks > 1) TILE_STORE(3, b->to + LANES, b->to_apart);
}

/* One strip or two, as many as there are, by 16 or 32 out channels. */
static void sum_strips(int32_t strips, int32_t blocks, const struct strip *a, const int64_t *at, int32_t steps,
                 const int8_t *weights, size_t block) {
  if (strips > 1 && blocks > 1) tile(2, 2, a, a + 1, at, steps, weights, block);
  else if (strips > 1) tile(2, 1, a, a + 1, at, steps, weights, block);
  else if (blocks > 1) tile(1, 2, a, a, at, steps, weights, block);
  else tile(1, 1, a, a, at, steps, weights, block);
}

/* What a call is of. Tiles have `rows` rows: 16, or as many as there are positions where they are fewer. */
struct call {
  const bs_layer *layer;
  const void *packed;
  const uint8_t *x;
  const int32_t *bases;
  int32_t *acc;
  int32_t count, rows, padded, steps;
};

/* Cells evenly apart, from `first` on, and which of them are positions. */
struct laid {
  int32_t covered, even;
  int64_t first, apart; /* in cells */
  uint8_t lane[TILE_ROWS];
};

/* Lays cells over position `p` and those after it; nothing is covered where that cannot be. No cell lies outside of the
 * first and the last position, between which all may be read. */
static struct laid lay(const struct call *call, int32_t p) {
  const int32_t *bases = call->bases + p, left = call->count - p;
  struct laid to = {.first = bases[0], .apart = left > 1 ? bases[1] - bases[0] : 1};
  if (left > 2 && bases[2] - bases[1] < to.apart) to.apart = bases[2] - bases[1]; /* between the others, a row may end */
  if (to.apart <= 0) return to;
  const int64_t beyond = to.first + (call->rows - 1) * to.apart - bases[left - 1];
  if (beyond > 0) to.first -= (beyond + to.apart - 1) / to.apart * to.apart;
  if (to.first < call->bases[0]) return to;
  int64_t at = to.first;
  for (int32_t lane = 0; lane < call->rows && to.covered < left; lane++, at += to.apart)
    if (at == bases[to.covered]) to.lane[to.covered++] = (uint8_t)lane;
  to.even = to.covered == call->rows;
  return to;
}

/* Whether strips in place are at most a sixth more than strips of copies, whose copying takes about as long. */
static int lies_well(const struct call *call) {
  const int32_t least = (call->count + call->rows - 1) / call->rows;
  int32_t strips = 0;
  for (int32_t p = 0, covered; p < call->count; p += covered)
    if ((covered = lay(call, p).covered) == 0 || 6 * ++strips > 7 * least) return 0;
  return 1;
}

/* The sums of one strip or two that are read in place. */
static void sums_in_place(const struct call *call, int32_t p, int32_t strips, const struct laid *laid) {
  const size_t block = (size_t)call->steps * TILE;
  const int8_t *weights = (const int8_t *)call->packed + weights_from(0, call->layer);
  _Alignas(64) int32_t kept[2][TILE_ROWS][2 * LANES];
  for (int32_t o = 0; o < call->padded; o += 2 * LANES, weights += 2 * block) {
    const int32_t many = call->padded - o > LANES ? 2 : 1;
    struct strip strip[2];
    int32_t *acc[2];
    for (int32_t i = 0, q = p; i < strips; q += laid[i++].covered) {
      acc[i] = call->acc + (size_t)q * call->padded + o;
      strip[i] = (struct strip){
          .x = call->x + laid[i].first * call->layer->cell, .apart = laid[i].apart * call->layer->cell,
          .from = bs_initial(call->layer, call->packed) + o, .from_apart = 0,
          .to = laid[i].even ? acc[i] : kept[i][0], .to_apart = laid[i].even ? 4 * call->padded : (int64_t)sizeof kept[i][0]};
    }
    sum_strips(strips, many, strip, places(call->layer, call->packed), call->steps, weights, block);
    for (int32_t i = 0; i < strips; i++)
      for (int32_t k = 0; !laid[i].even && k < laid[i].covered; k++)
        memcpy(acc[i] + (size_t)k * call->padded, kept[i][laid[i].lane[k]], 4 * LANES * (size_t)many);
  }
}

static void all_in_place(const struct call *call) {
  for (int32_t p = 0; p < call->count;) {
    struct laid laid[2] = {lay(call, p)};
    const int32_t next = p + laid[0].covered;
    if (next < call->count) laid[1] = lay(call, next);
    sums_in_place(call, p, next < call->count ? 2 : 1, laid);
    p = next + laid[1].covered;
  }
}

/* The codes of one position, of all elements one after the other. A copy may reach past its end: what comes after is
 * copied later, and nothing that is past the last has weights. */
static void join(const struct call *call, const uint8_t *base, uint8_t *to) {
  const int64_t *offsets = call->packed;
  for (int32_t e = 0; e < call->layer->window; e++, to += call->layer->channels)
    for (int32_t c = 0; c < call->layer->channels; c += STEP) memcpy(to + c, base + offsets[e] + c, STEP);
}

/* The sums of one strip or two that begin at these positions, of copies. */
static void sums_of_copies(const int joined, const struct call *call, int32_t strips, const int32_t *first) {
  _Alignas(64) static const int64_t along[RUN] = {0,        STEP,     2 * STEP,  3 * STEP,  4 * STEP,  5 * STEP,
                                                  6 * STEP, 7 * STEP, 8 * STEP,  9 * STEP,  10 * STEP, 11 * STEP,
                                                  12 * STEP, 13 * STEP, 14 * STEP, 15 * STEP};
  _Alignas(64) uint8_t copies[2][TILE_ROWS][PITCH];
  const int64_t *place = places(call->layer, call->packed), apart = 4 * (int64_t)call->padded;
  const size_t block = (size_t)call->steps * TILE;
  for (int32_t s = 0; s < call->steps; s += RUN) {
    const int32_t run = call->steps - s < RUN ? call->steps - s : RUN;
    for (int32_t i = 0; i < strips; i++)
      for (int32_t r = 0; r < call->rows; r++) {
        const uint8_t *base = call->x + (int64_t)call->bases[first[i] + r] * call->layer->cell;
        if (joined) join(call, base, copies[i][r]);
        else
          for (int32_t k = 0; k < run; k++) memcpy(copies[i][r] + k * STEP, base + place[s + k], STEP);
      }
    const int8_t *weights = (const int8_t *)call->packed + weights_from(joined, call->layer) + (size_t)s * TILE;
    for (int32_t o = 0; o < call->padded; o += 2 * LANES, weights += 2 * block) {
      struct strip strip[2];
      for (int32_t i = 0; i < strips; i++) {
        int32_t *acc = call->acc + (size_t)first[i] * call->padded + o;
        strip[i] = (struct strip){.x = copies[i][0], .apart = PITCH, .to = acc, .to_apart = apart,
                                  .from = s ? acc : bs_initial(call->layer, call->packed) + o, .from_apart = s ? apart : 0};
      }
      sum_strips(strips, call->padded - o > LANES ? 2 : 1, strip, along, run, weights, block);
    }
  }
}

/* Strips of copies overlap at the end: both write the same sums. */
static void all_of_copies(const int joined, const struct call *call) {
  const int32_t last = call->count - call->rows;
  for (int32_t p = 0; p < call->count; p += 2 * call->rows) {
    const int32_t q = p + call->rows, first[2] = {p < last ? p : last, q < last ? q : last};
    sums_of_copies(joined, call, q < call->count ? 2 : 1, first);
  }
}

/* A thread that comes here finds the unit as whoever used it last left it, and leaves it free: the system then saves
 * nothing of it when it turns to another. */
static void positions_as(const int joined, const bs_layer *layer, const void *packed, const void *x, const int32_t *bases,
                         int32_t count, int32_t *acc) {
  if (count == 0) return;
  const struct call call = {.layer = layer, .packed = packed, .x = x, .bases = bases, .acc = acc, .count = count,
                            .rows = count < TILE_ROWS ? count : TILE_ROWS, .padded = bs_padded(layer->out_channels),
                            .steps = steps_of(joined, layer)};
  struct bs_tile_config config = {.palette = 1};
  for (int32_t i = 0; i < 8; i++) {
    config.rows[i] = (uint8_t)(i < 6 ? call.rows : TILE_ROWS);
    config.bytes[i] = TILE_BYTES;
  }
  TILES_CONFIGURE(&config);
  if (!joined && lies_well(&call)) all_in_place(&call);
  else all_of_copies(joined, &call);
  TILES_RELEASE();
}

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 1;
}

/* A row of copies holds a whole window, in fewer steps than its elements one by one. */
static int32_t can_join(const bs_layer *layer) {
  return (int64_t)layer->window * layer->channels <= RUN * STEP && steps_of(1, layer) < steps_of(0, layer);
}

static size_t size_in_place(const bs_layer *layer) { return size_of(0, layer); }

static size_t size_joined(const bs_layer *layer) { return size_of(1, layer); }

static void pack_in_place(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  pack_as(0, layer, weights, initial, packed);
}

static void pack_joined(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  pack_as(1, layer, weights, initial, packed);
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  positions_as(0, layer, packed, x, bases, count, acc);
}

static void positions_joined(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases,
                             int32_t count, int32_t *acc) {
  positions_as(1, layer, packed, x, bases, count, acc);
}

const bs_kernel bs_dot_amx = {
    "dot_amx", BS_AMX, can, size_in_place, pack_in_place, bs_reads_codes, NULL, positions,
};
const bs_kernel bs_joined_amx = {
    "joined_amx", BS_AMX, can_join, size_joined, pack_joined, bs_reads_codes, NULL, positions_joined,
};

#else

static int32_t cannot(const bs_layer *layer) {
  (void)layer;
  return 0;
}

const bs_kernel bs_dot_amx = {"dot_amx", BS_AMX, cannot, NULL, NULL, bs_reads_codes, NULL, NULL};
const bs_kernel bs_joined_amx = {"joined_amx", BS_AMX, cannot, NULL, NULL, bs_reads_codes, NULL, NULL};

#endif
