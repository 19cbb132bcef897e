/* Dot products of bytes on tiles (AMX): 32 positions by 32 out channels, 64 codes of each position at a step.
 *
 * `dot_amx` reads codes where they lie: the rows of a tile are cells evenly apart. Where the rows of an image fill tiles badly,
 * the codes of sixteen positions are copied next to each other first. `joined_amx` always copies, and joins the elements of a
 * window of few channels, so that a step holds several of them. `dot4_amx` reads weights of four bits, which take half as
 * long to come from afar, and unpacks them on their way.
 *
 * Weights are packed as [block of 16 out channels][step][four codes][out channel][4], as the unit multiplies them. Steps
 * are 64 channels of one element, or 64 of the joined window; what is past the last has weights of 0. Of four bits, a
 * byte holds a weight of the step's first half and one of its second, each plus 8. */
#include "kernels_parts.h"
#include "tiles.h"

#if defined(BS_TILE_UNIT)

enum { STEP = TILE_BYTES, TILE = TILE_ROWS * TILE_BYTES, LANES = 16 };
enum { MOST_STRIPS = 4, RUN = 72, PITCH = STEP * RUN + 64, JOINED = 16 * STEP };
enum { NEAR = 1 << 20 }; /* bytes of weights that lie in a cache near to the processor */
enum form { BYTES, JOINED_BYTES, FOUR_BITS };
enum { HALF = TILE / 2, ZEROS = 0x88, RING = 4, AHEAD = 2 }; /* of four bits: two weights of 0; steps that are unpacked, and how early */

static int32_t chunks(const bs_layer *layer) { return (layer->channels + STEP - 1) / STEP; }

static int32_t steps_of(enum form form, const bs_layer *layer) {
  if (form == JOINED_BYTES) return (layer->window * layer->channels + STEP - 1) / STEP;
  return layer->window * chunks(layer);
}

/* Bytes of the weights of a step, of one block. */
static size_t step_size(enum form form) { return form == FOUR_BITS ? HALF : TILE; }

/* Where the codes of each step lie from the window's first cell, in bytes: after the head, if elements are not joined. */
static int64_t *places(const bs_layer *layer, const void *packed) {
  return (int64_t *)((char *)packed + bs_head_size(layer));
}

static size_t weights_from(enum form form, const bs_layer *layer) {
  return bs_head_size(layer) + (form == JOINED_BYTES ? 0 : bs_whole(8 * (size_t)steps_of(form, layer), 64));
}

static size_t block_size(enum form form, const bs_layer *layer) { return (size_t)steps_of(form, layer) * step_size(form); }

static size_t size_of(enum form form, const bs_layer *layer) {
  return weights_from(form, layer) + block_size(form, layer) * (bs_padded(layer->out_channels) / LANES);
}

static void pack_as(enum form form, const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  const size_t from = weights_from(form, layer);
  memset(packed, 0, from);
  memset((char *)packed + from, form == FOUR_BITS ? ZEROS : 0, size_of(form, layer) - from);
  bs_pack_head(layer, initial, layer->cell, packed);
  for (int32_t s = 0; form != JOINED_BYTES && s < steps_of(form, layer); s++)
    places(layer, packed)[s] = ((const int64_t *)packed)[s / chunks(layer)] + s % chunks(layer) * STEP;
  for (int32_t o = 0; o < layer->out_channels; o++) {
    uint8_t *block = (uint8_t *)packed + from + o / LANES * block_size(form, layer);
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++, weights++) {
        const size_t k = form == JOINED_BYTES ? (size_t)e * layer->channels + c : (size_t)e * chunks(layer) * STEP + c;
        const size_t at = k / 4 * (4 * LANES) + o % LANES * 4 + k % 4;
        if (form == FOUR_BITS) {
          uint8_t *both = block + at / TILE * HALF + at % HALF;
          const int shift = at % TILE < HALF ? 0 : 4;
          *both = (uint8_t)((*both & ~(15 << shift)) | (*weights + 8) << shift);
        } else block[at] = (uint8_t)*weights;
      }
  }
}

typedef uint8_t bs_line __attribute__((vector_size(64)));

/* The weights of one step, of one block. */
static inline void unpack(const uint8_t *from, uint8_t *to) {
  for (int i = 0; i < HALF; i += (int)sizeof(bs_line)) {
    bs_line both, first, second;
    memcpy(&both, from + i, sizeof both);
    first = (both & 15) - 8;
    second = (both >> 4) - 8;
    memcpy(to + i, &first, sizeof first);
    memcpy(to + HALF + i, &second, sizeof second);
  }
}

/* Sixteen positions: their codes, what their sums begin with, and where these go. Distances in bytes. */
struct strip {
  const uint8_t *x;
  const int32_t *from;
  int32_t *to;
  int64_t apart, from_apart, to_apart;
};

/* One or two strips by 16 or 32 out channels; these and the form are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile(const enum form form, const int strips, const int blocks,
                                                       const struct strip *a, const struct strip *b, const int64_t *at,
                                                       int32_t steps, const uint8_t *weights, size_t block) {
  _Alignas(64) uint8_t unpacked[RING][2][TILE]; /* of four bits */
  const uint8_t *x = a->x, *y = b->x;
  const int64_t x_apart = a->apart, y_apart = b->apart;
  TILE_LOAD(0, a->from, a->from_apart);
  if (blocks > 1) TILE_LOAD(1, a->from + LANES, a->from_apart);
  if (strips > 1) TILE_LOAD(2, b->from, b->from_apart);
  if (strips > 1 && blocks > 1) TILE_LOAD(3, b->from + LANES, b->from_apart);
  for (int32_t s = form == FOUR_BITS ? -AHEAD : 0; s < steps; s++) {
    const uint8_t *first = weights + s * TILE, *second = first + block;
    if (form == FOUR_BITS) {
      const int32_t next = s + AHEAD;
      if (next < steps) {
        unpack(weights + next * HALF, unpacked[next % RING][0]);
        if (blocks > 1) unpack(weights + block + next * HALF, unpacked[next % RING][1]);
      }
      if (s < 0) continue;
      first = unpacked[s % RING][0], second = unpacked[s % RING][1];
    }
    TILE_LOAD(6, first, STEP); /* loads first: products then wait for none of their own */
    TILE_LOAD(4, x + at[s], x_apart);
    if (blocks > 1) TILE_LOAD(7, second, STEP);
    if (strips > 1) TILE_LOAD(5, y + at[s], y_apart);
    TILE_DOT(0, 4, 6);
    if (blocks > 1) TILE_DOT(1, 4, 7);
    if (strips > 1) TILE_DOT(2, 5, 6);
    if (strips > 1 && blocks > 1) TILE_DOT(3, 5, 7);
  }
  TILE_STORE(0, a->to, a->to_apart);
  if (blocks > 1) TILE_STORE(1, a->to + LANES, a->to_apart);
  if (strips > 1) TILE_STORE(2, b->to, b->to_apart);
  if (strips > 1 && blocks > 1) TILE_STORE(3, b->to + LANES, b->to_apart);
}

/* One strip or two, as many as are left, by 16 or 32 out channels. */
static inline __attribute__((always_inline)) void strips_of(const enum form form, int32_t strips, int32_t blocks,
                                                            const struct strip *a, const int64_t *at, int32_t steps,
                                                            const uint8_t *weights, size_t block) {
  if (strips > 1 && blocks > 1) tile(form, 2, 2, a, a + 1, at, steps, weights, block);
  else if (strips > 1) tile(form, 2, 1, a, a + 1, at, steps, weights, block);
  else if (blocks > 1) tile(form, 1, 2, a, a, at, steps, weights, block);
  else tile(form, 1, 1, a, a, at, steps, weights, block);
}

static void sum_strips(enum form form, int32_t strips, int32_t blocks, const struct strip *a, const int64_t *at,
                       int32_t steps, const uint8_t *weights, size_t block) {
  if (form == FOUR_BITS) strips_of(FOUR_BITS, strips, blocks, a, at, steps, weights, block);
  else strips_of(BYTES, strips, blocks, a, at, steps, weights, block);
}

/* What a call is of. Tiles have `rows` rows: 16, or fewer where that is all that there is. */
struct call {
  enum form form;
  const bs_layer *layer;
  const void *packed;
  const uint8_t *x;
  const int32_t *bases;
  int32_t *acc;
  int32_t count, rows, padded, steps;
  int32_t strips; /* at once */
};

/* How many positions from `p` on lie evenly apart: a row of an image. */
static int32_t run_at(const struct call *call, int32_t p) {
  const int32_t *bases = call->bases + p, left = call->count - p;
  if (left < 3) return left;
  int32_t run = 2;
  while (run < left && bases[run] - bases[run - 1] == bases[1] - bases[0]) run++;
  return run;
}

/* Rows of tiles over positions in place, by which all runs are covered; 0 where copies are faster. Copying a strip takes
 * as long as five thirds of its products by 32 out channels (measured). */
static int32_t rows_in_place(const struct call *call) {
  int32_t shortest = call->count, strips = 0;
  for (int32_t p = 0, run; p < call->count; p += run)
    if ((run = run_at(call, p)) < shortest) shortest = run;
  const int32_t parts = (shortest + TILE_ROWS - 1) / TILE_ROWS, rows = (shortest + parts - 1) / parts;
  for (int32_t p = 0, run; p < call->count; p += run) strips += ((run = run_at(call, p)) + rows - 1) / rows;
  const int32_t copies = (call->count + TILE_ROWS - 1) / TILE_ROWS, blocks = (call->padded + 2 * LANES - 1) / (2 * LANES);
  return 3 * strips * blocks <= copies * (3 * blocks + 5) ? rows : 0;
}

/* The sums of some strips, whose codes are read in place. */
static void sums_in_place(const struct call *call, int32_t strips, const int32_t *first) {
  const size_t block = block_size(call->form, call->layer);
  const uint8_t *weights = (const uint8_t *)call->packed + weights_from(call->form, call->layer);
  struct strip strip[MOST_STRIPS];
  for (int32_t i = 0; i < strips; i++) {
    const int32_t *bases = call->bases + first[i];
    strip[i] = (struct strip){.x = call->x + (int64_t)bases[0] * call->layer->cell,
                              .apart = call->rows > 1 ? (int64_t)(bases[1] - bases[0]) * call->layer->cell : 0,
                              .from = bs_initial(call->layer, call->packed), .from_apart = 0,
                              .to = call->acc + (size_t)first[i] * call->padded, .to_apart = 4 * (int64_t)call->padded};
  }
  for (int32_t o = 0; o < call->padded; o += 2 * LANES, weights += 2 * block) {
    for (int32_t i = 0; i < strips; i += 2)
      sum_strips(call->form, strips - i, call->padded - o > LANES ? 2 : 1, strip + i, places(call->layer, call->packed),
                 call->steps, weights, block);
    for (int32_t i = 0; i < strips; i++) strip[i].from += 2 * LANES, strip[i].to += 2 * LANES;
  }
}

/* Strips overlap at the end of a run: both write the same sums. */
static void all_in_place(const struct call *call) {
  int32_t first[MOST_STRIPS], strips = 0;
  for (int32_t p = 0, run; p < call->count; p += run) {
    run = run_at(call, p);
    for (int32_t at = 0; at < run; at += call->rows) {
      first[strips++] = p + (at + call->rows <= run ? at : run - call->rows);
      if (strips < call->strips) continue;
      sums_in_place(call, strips, first);
      strips = 0;
    }
  }
  if (strips) sums_in_place(call, strips, first);
}

/* The codes of one position, of all elements one after the other. A copy may reach past its end: what comes after is
 * copied later, and nothing that is past the last has weights. */
static void join(const struct call *call, const uint8_t *base, uint8_t *to) {
  const int64_t *offsets = call->packed;
  for (int32_t e = 0; e < call->layer->window; e++, to += call->layer->channels)
    for (int32_t c = 0; c < call->layer->channels; c += STEP) memcpy(to + c, base + offsets[e] + c, STEP);
}

/* Copies of the codes of one strip, from step `s` on. A row's begin an odd number of cache lines after the row's before. */
static void copy(const struct call *call, int32_t first, int32_t s, int32_t run, uint8_t *to) {
  const int64_t *place = places(call->layer, call->packed);
  const int joined = call->form == JOINED_BYTES;
  for (int32_t r = 0; r < call->rows; r++, to += PITCH) {
    const uint8_t *base = call->x + (int64_t)call->bases[first + r] * call->layer->cell;
    _Alignas(64) uint8_t window[JOINED + STEP];
    if (joined) join(call, base, window);
    for (int32_t k = 0; k < run; k++) memcpy(to + k * STEP, joined ? window + k * STEP : base + place[s + k], STEP);
  }
}

/* The sums of some strips that begin at these positions, of copies. */
static void sums_of_copies(const struct call *call, int32_t strips, const int32_t *first) {
  _Alignas(64) uint8_t copies[MOST_STRIPS][TILE_ROWS * PITCH];
  int64_t along[RUN];
  const int64_t apart = 4 * (int64_t)call->padded;
  const size_t block = block_size(call->form, call->layer);
  for (int32_t k = 0; k < RUN && k < call->steps; k++) along[k] = k * STEP;
  for (int32_t s = 0; s < call->steps; s += RUN) {
    const int32_t run = call->steps - s < RUN ? call->steps - s : RUN;
    for (int32_t i = 0; i < strips; i++) copy(call, first[i], s, run, copies[i]);
    const uint8_t *weights =
        (const uint8_t *)call->packed + weights_from(call->form, call->layer) + s * step_size(call->form);
    for (int32_t o = 0; o < call->padded; o += 2 * LANES, weights += 2 * block) {
      struct strip strip[MOST_STRIPS];
      for (int32_t i = 0; i < strips; i++) {
        int32_t *acc = call->acc + (size_t)first[i] * call->padded + o;
        strip[i] = (struct strip){.x = copies[i], .apart = PITCH, .to = acc, .to_apart = apart,
                                  .from = s ? acc : bs_initial(call->layer, call->packed) + o, .from_apart = s ? apart : 0};
      }
      for (int32_t i = 0; i < strips; i += 2)
        sum_strips(call->form, strips - i, call->padded - o > LANES ? 2 : 1, strip + i, along, run, weights, block);
    }
  }
}

/* Strips of copies overlap at the end: both write the same sums. */
static void all_of_copies(const struct call *call) {
  const int32_t last = call->count - call->rows;
  int32_t first[MOST_STRIPS], strips = 0;
  for (int32_t p = 0; p < call->count; p += call->rows) {
    first[strips++] = p < last ? p : last;
    if (strips < call->strips && p + call->rows < call->count) continue;
    sums_of_copies(call, strips, first);
    strips = 0;
  }
}

/* A thread that comes here finds the unit as whoever used it last left it, and leaves it free: the system then saves
 * nothing of it when it turns to another. */
static void positions_as(enum form form, const bs_layer *layer, const void *packed, const void *x, const int32_t *bases,
                         int32_t count, int32_t *acc) {
  if (count == 0) return;
  struct call call = {.form = form, .layer = layer, .packed = packed, .x = x, .bases = bases, .acc = acc, .count = count,
                      .rows = count < TILE_ROWS ? count : TILE_ROWS, .padded = bs_padded(layer->out_channels),
                      .steps = steps_of(form, layer), .strips = 2};
  /* Of more steps than are copied at once, sums go on from those that are stored: strips that share positions must be in
   * one product, which loads both before it stores either. */
  if (size_of(form, layer) > NEAR && call.steps <= RUN) call.strips = MOST_STRIPS;
  const int32_t in_place = form == JOINED_BYTES ? 0 : rows_in_place(&call);
  if (in_place) call.rows = in_place;
  struct bs_tile_config config = {.palette = 1};
  for (int32_t i = 0; i < 8; i++) {
    config.rows[i] = (uint8_t)(i < 6 ? call.rows : TILE_ROWS);
    config.bytes[i] = TILE_BYTES;
  }
  TILES_CONFIGURE(&config);
  if (in_place) all_in_place(&call);
  else all_of_copies(&call);
  TILES_RELEASE();
}

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 1;
}

/* A row of copies holds a whole window, in fewer steps than its elements one by one. */
static int32_t can_join(const bs_layer *layer) {
  return (int64_t)layer->window * layer->channels <= JOINED && steps_of(JOINED_BYTES, layer) < steps_of(BYTES, layer);
}

static int32_t can_half(const bs_layer *layer) { return layer->weight_lo >= -8 && layer->weight_hi <= 7; }

#define KERNEL(kernel, name, can, form)                                                                          \
  static size_t size_##form(const bs_layer *layer) { return size_of(form, layer); }                              \
  static void pack_##form(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {  \
    pack_as(form, layer, weights, initial, packed);                                                              \
  }                                                                                                              \
  static void positions_##form(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases,   \
                               int32_t count, int32_t *acc) {                                                    \
    positions_as(form, layer, packed, x, bases, count, acc);                                                     \
  }                                                                                                              \
  const bs_kernel kernel = {name, BS_AMX, can, size_##form, pack_##form, bs_reads_codes, NULL, positions_##form};
#else

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 0;
}

#define can_join can
#define can_half can
#define KERNEL(kernel, name, can, form) \
  const bs_kernel kernel = {name, BS_AMX, can, NULL, NULL, bs_reads_codes, NULL, NULL};
#endif

KERNEL(bs_dot_amx, "dot_amx", can, BYTES)
KERNEL(bs_joined_amx, "joined_amx", can_join, JOINED_BYTES)
KERNEL(bs_dot4_amx, "dot4_amx", can_half, FOUR_BITS)
