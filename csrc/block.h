/* What one block of a stage is computed by, for one instruction set: BLOCK and PACK are the functions that it makes. */
#include <string.h>

#include "plan.h"
#include "fire.h"
#include "levels.h"
#include "product.h"

/* A result may lie where an operand did: no turn of the loop depends on another. */
#if defined(__clang__)
#define IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
#else
#define IN_PLACE _Pragma("GCC ivdep")
#endif

static int64_t level_at(const struct bs_edge *edge, const uint8_t *start, int64_t element) {
  if (edge->type == BS_U8) return edge->lo + start[element];
  return edge->type == BS_I32 ? ((const int32_t *)start)[element] : ((const int64_t *)start)[element];
}

/* Where the windows of the block's positions begin, in cells from the first image, step after step of one call. */
static void find_windows(const struct bs_here *here, const struct bs_edge *edge, const struct bs_sums *by) {
  const int32_t positions = here->stage->positions, cell = by->layer->cell, all = here->stage->ahead * here->count;
  for (int32_t i = 0, q = (int32_t)(here->first % positions), image = 0; i < here->count; i++) {
    here->offsets[i] = image + by->bases[q];
    if (++q == positions) {
      q = 0;
      image += (int32_t)(edge->image / cell);
    }
  }
  const int32_t step = (int32_t)bs_cells_of_step(edge, by);
  for (int32_t i = here->count; i < all; i++) here->offsets[i] = here->offsets[i - here->count] + step;
}

/* Accumulators [count][width] of the block's positions at this step, by the kernel that was chosen. They go to `to`, or
 * stay where those of several steps are made. */
static int32_t *sums_of_products(const struct bs_here *here, const struct bs_op *op, int32_t *to) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_sums *by = op->data;
  const struct bs_stage *stage = here->stage;
  const int32_t cell = by->layer->cell, turn = here->t % stage->ahead;
  const int64_t first = here->first / stage->positions;
  if (here->t == 0) find_windows(here, edge, by);
  if (stage->ahead > 1) to = here->sums;
  if (turn == 0) {
    const int64_t from = (edge->steps == 1 ? 0 : here->t) * bs_cells_of_step(edge, by) + first * edge->image / cell;
    const uint8_t *x = by->cell ? here->arena + by->prepared + from * by->cell : here->arena + edge->place + from * cell;
    const int32_t left = stage->steps - here->t, steps = left < stage->ahead ? left : stage->ahead;
    by->kernel->positions(by->layer, by->packed, x, here->offsets, steps * here->count, to);
  }
  return to + (int64_t)turn * here->count * stage->width;
}

#define TAPS(from)                                                                               \
  for (int32_t i = 0; i < wide->high; i++)                                                       \
    for (int32_t j = 0; j < wide->wide; j++, w += wide->in) {                                    \
      const int64_t tap = e + (int64_t)i * wide->down + (int64_t)j * wide->across;               \
      for (int32_t c = 0; c < wide->in; c++) sum += (int64_t)(from)[tap + c] * w[c];             \
    }

/* One sum of products, whatever the types and the shape. */
static int64_t wide_sum(const struct bs_here *here, const struct bs_op *op, int32_t at, int32_t o) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_wide *wide = op->data;
  const uint8_t *start = here->arena + edge->place;
  const int32_t positions = here->stage->positions;
  const int64_t n = (here->first + at) / positions, q = (here->first + at) % positions;
  const int64_t e = (edge->steps == 1 ? 0 : here->t) * edge->step + n * edge->image + wide->window[q] +
                    (int64_t)(o / (wide->out / wide->groups)) * wide->in;
  const int16_t *w = wide->weight + (int64_t)o * wide->high * wide->wide * wide->in;
  int64_t sum = wide->start[o];
  if (edge->type == BS_U8) { TAPS(start) }
  else if (edge->type == BS_I32) { TAPS((const int32_t *)start) }
  else { TAPS((const int64_t *)start) }
  return sum;
}
#undef TAPS

/* Elements from an image's first position to that of a row and a column of an image that is so many columns wide. An
 * edge that has more lies without a border, all positions behind each other. */
static int64_t element_of(const struct bs_edge *edge, int32_t columns, int32_t row, int32_t column) {
  const int64_t apart = edge->columns == columns ? edge->row : (int64_t)columns * edge->channels;
  return row * apart + (int64_t)column * edge->channels;
}

static int64_t tap_of(const struct bs_edge *edge, const struct bs_window *w, int32_t row, int32_t column) {
  return element_of(edge, w->columns, row, column);
}

enum { AT_ONCE = 16 }; /* bytes: as few as the channels of small networks */

static inline uint8_t larger(uint8_t a, uint8_t b) { return a > b ? a : b; }

/* The largest of four, which is the commonest window, whole vectors of them as far as there are. */
static void max_of_four(const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c,
                        const uint8_t *restrict d, int32_t n, uint8_t plus, uint8_t *restrict to) {
  int32_t k = 0;
  for (; k + AT_ONCE <= n; k += AT_ONCE)
    for (int32_t i = k; i < k + AT_ONCE; i++) to[i] = (uint8_t)(larger(larger(a[i], b[i]), larger(c[i], d[i])) + plus);
  for (; k < n; k++) to[k] = (uint8_t)(larger(larger(a[k], b[k]), larger(c[k], d[k])) + plus);
}

/* The largest bytes of each window, stored as bytes at once. */
static void max_codes(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *from = here->plan->edge + op->edge, *into = here->plan->edge + op->n;
  const struct bs_window *w = op->data;
  const int32_t positions = here->stage->positions, channels = from->channels, t = from->steps == 1 ? 0 : here->t;
  int64_t n = here->first / positions;
  int32_t q = (int32_t)(here->first % positions), row = q / w->columns_out, column = q % w->columns_out;
  for (int32_t i = 0; i < here->count; i++) {
    const int32_t top = row * w->down - w->top, left = column * w->right - w->left;
    const uint8_t *image = here->arena + from->place + t * from->step + n * from->image + from->first;
    uint8_t *restrict to = here->arena + into->place + t * into->step + n * into->image + into->first +
                           element_of(into, w->columns_out, row, column);
    const int inside = top >= 0 && left >= 0 && top + w->high <= w->rows && left + w->wide <= w->columns;
    if (inside && w->high == 2 && w->wide == 2) {
      const uint8_t *first = image + tap_of(from, w, top, left), *second = image + tap_of(from, w, top, left + 1);
      const int64_t down = tap_of(from, w, top + 1, left) - tap_of(from, w, top, left);
      max_of_four(first, second, first + down, second + down, channels, (uint8_t)op->x, to);
    } else {
      memset(to, 0, (size_t)channels);
      for (int32_t r = top < 0 ? 0 : top; r < top + w->high && r < w->rows; r++)
        for (int32_t c = left < 0 ? 0 : left; c < left + w->wide && c < w->columns; c++) {
          const uint8_t *restrict x = image + tap_of(from, w, r, c);
          for (int32_t k = 0; k < channels; k++) to[k] = larger(x[k], to[k]);
        }
      for (int32_t k = 0; op->x && k < channels; k++) to[k] = (uint8_t)(to[k] + op->x);
    }
    if (++column == w->columns_out) column = 0, row++;
    if (++q == positions) q = row = column = 0, n++;
  }
}

/* Pixels, one plane of an image after the other, as bytes that lie channel by channel. */
static void pixel_codes(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *into = here->plan->edge + op->edge;
  const int32_t positions = here->stage->positions, channels = into->channels;
  const uint8_t plus = (uint8_t)op->x;
  for (int32_t at = 0, run; at < here->count; at += run) {
    const int64_t n = (here->first + at) / positions, q = (here->first + at) % positions, column = q % into->columns;
    const int64_t left = into->columns - column;
    run = left < here->count - at ? (int32_t)left : here->count - at;
    const uint8_t *image = here->images + n * here->plan->image + q;
    uint8_t *restrict to = here->arena + into->place + n * into->image + into->first + q / into->columns * into->row +
                           column * channels;
    for (int32_t c = 0; c < channels; c++, image += positions) {
      if (channels == 1)
        for (int32_t i = 0; i < run; i++) to[i] = (uint8_t)(image[i] + plus);
      else
        for (int32_t i = 0; i < run; i++) to[i * channels + c] = (uint8_t)(image[i] + plus);
    }
  }
}

#define NUMBER int32_t
#include "vector.h"
#define NUMBER int64_t
#include "vector.h"

void BLOCK(struct bs_here *here) {
  if (here->stage->type == BS_I32) run_block_int32_t(here);
  else run_block_int64_t(here);
}
