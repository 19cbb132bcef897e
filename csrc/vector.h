/* The instructions of a stage on registers of one integer type, NUMBER: int32_t or int64_t. Included once for each.
 *
 * A register holds `count` positions of `width` elements. Sums and products wrap around: the proven ranges say that no
 * element does, and those beyond the last channel mean nothing. */

#define JOINED(a, b) a##b
#define OF_TYPE(name, type) JOINED(name##_, type)
#define NAMED(name) OF_TYPE(name, NUMBER)

static NUMBER *NAMED(reg)(const struct bs_here *here, int32_t index) {
  if (index == here->moved) return here->moved_to;
  return (NUMBER *)here->registers + (int64_t)index * here->stage->block * here->stage->width;
}

#include "vector_edges.h"

#define AFFINE_ROWS(expression)                                                \
  for (int32_t i = 0; i < here->count; i++, x += width, y += width) {         \
    IN_PLACE                                                                   \
    for (int32_t k = 0; k < width; k++) y[k] = (NUMBER)(expression) + (b[k] & there); \
  }

static void NAMED(affine)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_affine *by = op->data;
  const int32_t width = here->stage->width, shift = by->shift;
  const NUMBER there = here->t < by->steps ? -1 : 0, half = (NUMBER)by->half;
  const NUMBER *m = by->multiplier, *whole = by->whole, *b = by->offset, *x = NAMED(reg)(here, op->a);
  NUMBER *y = NAMED(reg)(here, op->to);
  if (op->kind == BS_PRODUCT) { AFFINE_ROWS(((int64_t)m[k] * x[k] + by->half) >> shift) }
  else if (shift && whole) { AFFINE_ROWS(whole[k] * x[k] + ((m[k] * x[k] + half) >> shift)) }
  else if (shift) { AFFINE_ROWS((m[k] * x[k] + half) >> shift) }
  else { AFFINE_ROWS(m[k] * x[k]) }
}

#define BESIDE_ROWS(expression)                                                                              \
  for (int32_t i = 0; i < run; i++, from += channels, a += width, to += width) {                             \
    IN_PLACE                                                                                                 \
    for (int32_t k = 0; k < channels; k++) {                                                                 \
      const NUMBER x = (NUMBER)from[k] + lo;                                                                 \
      to[k] = a[k] + (NUMBER)(expression) + (b[k] & there);                                                  \
    }                                                                                                        \
  }

static void NAMED(beside)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_affine *by = op->data;
  const int32_t width = here->stage->width, channels = edge->channels, step = edge->steps == 1 ? 0 : here->t;
  const int32_t shift = by->shift;
  const NUMBER there = here->t < by->steps ? -1 : 0, half = (NUMBER)by->half, lo = (NUMBER)edge->lo;
  const NUMBER *restrict m = by->multiplier, *restrict whole = by->whole, *restrict b = by->offset;
  const NUMBER *a = NAMED(reg)(here, op->a);
  NUMBER *to = NAMED(reg)(here, op->to);
  for (int32_t at = 0, run; at < here->count; at += run) {
    int64_t element;
    run = NAMED(together)(here, edge, at, &element, step);
    const uint8_t *restrict from = here->arena + edge->place + element;
    if (shift && whole) { BESIDE_ROWS(whole[k] * x + ((m[k] * x + half) >> shift)) }
    else if (shift) { BESIDE_ROWS((m[k] * x + half) >> shift) }
    else { BESIDE_ROWS(m[k] * x) }
  }
}
#undef BESIDE_ROWS

#define EACH(expression)                                                \
  IN_PLACE                                                              \
  for (int64_t k = 0; k < n; k++) to[k] = (NUMBER)(expression);         \
  break;

/* Instructions on whole registers. */
static void NAMED(plain)(const struct bs_here *here, const struct bs_op *op) {
  const int64_t n = (int64_t)here->count * here->stage->width;
  NUMBER *to = NAMED(reg)(here, op->to);
  const NUMBER *a = NAMED(reg)(here, op->a), *b = NAMED(reg)(here, op->b), *c = NAMED(reg)(here, op->c);
  const NUMBER x = (NUMBER)op->x, y = (NUMBER)op->y;
  const int32_t shift = (int32_t)op->n;
  switch (op->kind) {
    case BS_ADD: EACH(a[k] + b[k])
    case BS_SUB: EACH(a[k] - b[k])
    case BS_MUL: EACH(a[k] * b[k])
    case BS_SELECT: EACH(a[k] != 0 ? b[k] : c[k])
    case BS_FILL: EACH(x)
    case BS_COPY: EACH(a[k])
    case BS_PLUS: EACH(a[k] + x)
    case BS_FROM: EACH(x - a[k])
    case BS_TIMES: EACH(a[k] * x)
    case BS_SHIFT: EACH(a[k] >> shift)
    case BS_SCALE: EACH(((int64_t)a[k] * op->x + op->y) >> shift)
    case BS_CLIP: EACH(a[k] < x ? x : a[k] > y ? y : a[k])
    case BS_PICK_X: EACH(a[k] != 0 ? x : c[k])
    case BS_PICK_Y: EACH(a[k] != 0 ? b[k] : y)
    case BS_PICK_XY: EACH(a[k] != 0 ? x : y)
    case BS_KEEP: EACH(here->t < op->n ? a[k] : 0)
  }
}

/* The levels of one position, and their codes. */
static void NAMED(level_row)(const NUMBER *restrict a, const struct bs_thresholds *by, int32_t width,
                             NUMBER *restrict to) {
  const int32_t *restrict turned = by->turned;
  for (int32_t k = 0; k < width; k++) to[k] = (NUMBER)by->lo;
  for (int32_t j = 0; j < by->count; j++) {
    const int32_t *restrict next = by->threshold + (int64_t)j * width;
    for (int32_t k = 0; k < width; k++) to[k] += (a[k] ^ turned[k]) >= next[k];
  }
}

static void NAMED(code_row)(const NUMBER *restrict a, const struct bs_thresholds *by, int32_t width, int32_t channels,
                            uint8_t lo, uint8_t *restrict to) {
  const int32_t *restrict turned = by->turned;
  memset(to, lo, (size_t)channels);
  for (int32_t j = 0; j < by->count; j++) {
    const int32_t *restrict next = by->threshold + (int64_t)j * width;
    for (int32_t k = 0; k < channels; k++) to[k] = (uint8_t)(to[k] + ((a[k] ^ turned[k]) >= next[k]));
  }
}

static void NAMED(thresholds)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_thresholds *by = op->data;
  const int32_t width = here->stage->width;
  const NUMBER *a = NAMED(reg)(here, op->a);
  NUMBER *to = NAMED(reg)(here, op->to);
  if (sizeof(NUMBER) == 4 && width % LANES == 0) {
    levels_of_rows((const int32_t *)a, here->count, by, width, (int32_t *)to);
    return;
  }
  for (int32_t i = 0; i < here->count; i++, a += width, to += width) NAMED(level_row)(a, by, width, to);
}

/* The same, stored as codes at once. */
static void NAMED(codes)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_thresholds *by = op->data;
  const int32_t width = here->stage->width, channels = edge->channels;
  const int32_t step = edge->steps == 1 ? 0 : here->t;
  const uint8_t lo = (uint8_t)(by->lo - edge->lo);
  const NUMBER *a = NAMED(reg)(here, op->a);
  for (int32_t at = 0, run; at < here->count; at += run, a += (int64_t)run * width) {
    int64_t element;
    run = NAMED(together)(here, edge, at, &element, step);
    uint8_t *to = here->arena + edge->place + element;
    if (sizeof(NUMBER) == 4 && width % LANES == 0) codes_of_rows((const int32_t *)a, run, by, width, channels, lo, to);
    else
      for (int32_t i = 0; i < run; i++) NAMED(code_row)(a + (int64_t)i * width, by, width, channels, lo, to + (int64_t)i * channels);
  }
}

#define FIRE(leaked, next)                                                         \
  IN_PLACE                                                                         \
  for (int64_t k = 0; k < n; k++) {                                                \
    const NUMBER u = (NUMBER)(leaked) + x[k], level = (u + half) >> shift;         \
    const NUMBER sent = level < lo ? lo : level > hi ? hi : level;                 \
    v[k] = (next);                                                                 \
    to[k] = sent;                                                                  \
  }

/* A whole step at once: what the instructions of the commonest neurons say one by one. */
static void NAMED(fire)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_fire *by = op->data;
  const int64_t n = (int64_t)here->count * here->stage->width;
  const NUMBER factor = (NUMBER)by->factor, half = (NUMBER)by->half, lo = (NUMBER)by->lo, hi = (NUMBER)by->hi;
  const NUMBER reset = (NUMBER)by->reset;
  const int32_t shift = by->shift, leak = by->leak;
  const NUMBER *x = NAMED(reg)(here, op->a);
  NUMBER *v = NAMED(reg)(here, op->b), *to = NAMED(reg)(here, op->to);
  if (by->hard && factor == 1) { FIRE(v[k] >> leak, sent != 0 ? reset : u) }
  else if (by->hard) { FIRE(factor * v[k] >> leak, sent != 0 ? reset : u) }
  else if (factor == 1) { FIRE(v[k] >> leak, u - sent * ((NUMBER)1 << shift)) }
  else { FIRE(factor * v[k] >> leak, u - sent * ((NUMBER)1 << shift)) }
}
#undef FIRE

/* The same, stored as codes at once, in stages of sums, whose rows are whole vectors of 32 bits. */
static void NAMED(fire_codes)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct fire_step step = fire_step_of(op->data, here->t, edge->lo);
  const int32_t width = here->stage->width, channels = edge->channels;
  const int32_t *x = (const int32_t *)NAMED(reg)(here, op->a);
  int32_t *v = (int32_t *)NAMED(reg)(here, op->b);
  for (int32_t at = 0, run; at < here->count; at += run) {
    int64_t element;
    run = NAMED(together)(here, edge, at, &element, here->t);
    fire_rows(&step, x + at * width, v + at * width, run, width, channels, here->arena + edge->place + element);
  }
}

static void NAMED(run_op)(struct bs_here *here, const struct bs_op *op) {
  switch (op->kind) {
    case BS_LOAD: NAMED(load)(here, op); return;
    case BS_STORE: NAMED(store)(here, op); return;
    case BS_PIXELS: NAMED(pixels)(here, op); return;
    case BS_SUMS: NAMED(sums)(here, op); return;
    case BS_WIDE: NAMED(wide)(here, op); return;
    case BS_SUM_POOL: NAMED(pool)(here, op, 0); return;
    case BS_MAX_POOL: NAMED(pool)(here, op, 1); return;
    case BS_GATHER: NAMED(gather)(here, op); return;
    case BS_RUNS: NAMED(runs)(here, op); return;
    case BS_MATMUL: NAMED(matmul)(here, op); return;
    case BS_AFFINE:
    case BS_PRODUCT: NAMED(affine)(here, op); return;
    case BS_THRESHOLDS: NAMED(thresholds)(here, op); return;
    case BS_CODES: NAMED(codes)(here, op); return;
    case BS_FIRE: NAMED(fire)(here, op); return;
    case BS_FIRE_CODES: NAMED(fire_codes)(here, op); return;
    case BS_BESIDE: NAMED(beside)(here, op); return;
    case BS_MAX_CODES: max_codes(here, op); return;
    case BS_PIXEL_CODES: pixel_codes(here, op); return;
    default: NAMED(plain)(here, op);
  }
}

static void NAMED(run_block)(struct bs_here *here) {
  const struct bs_stage *stage = here->stage;
  const struct bs_op *before = stage->op, *each = before + stage->before, *after = each + stage->each;
  here->t = 0, here->moved = -1;
  for (int32_t i = 0; i < stage->before; i++) NAMED(run_op)(here, before + i);
  for (here->t = 0; here->t < stage->steps; here->t++)
    for (int32_t i = 0; i < stage->each; i++) NAMED(run_op)(here, each + i);
  here->t = 0;
  for (int32_t i = 0; i < stage->after; i++) NAMED(run_op)(here, after + i);
}

#undef EACH
#undef AFFINE_ROWS
#undef NAMED
#undef OF_TYPE
#undef JOINED
#undef NUMBER
