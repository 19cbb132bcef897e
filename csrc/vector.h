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

/* Elements that lie beside each other in the edge, from position `at` of the block on. */
static int32_t NAMED(together)(const struct bs_here *here, const struct bs_edge *edge, int32_t at, int64_t *element,
                               int32_t step) {
  const int64_t p = here->first + at, n = p / edge->positions, q = p % edge->positions;
  const int64_t column = q % edge->columns;
  *element = step * edge->step + n * edge->image + edge->first + q / edge->columns * edge->row +
             column * edge->channels;
  const int64_t inner = (int64_t)edge->positions * edge->channels;
  const int64_t run = edge->image == inner && edge->columns == edge->positions ? here->count : edge->columns - column;
  return run < here->count - at ? (int32_t)run : here->count - at;
}

#define FOR_RUNS(edge_of, body)                                                              \
  const struct bs_edge *edge = here->plan->edge + op->edge;                                   \
  uint8_t *start = here->arena + edge->place;                                                 \
  const int32_t width = here->stage->width, channels = edge->channels;                        \
  const int32_t step = edge->steps == 1 ? 0 : here->t;                                        \
  NUMBER *restrict x = NAMED(reg)(here, edge_of);                                             \
  for (int32_t at = 0, run; at < here->count; at += run) {                                    \
    int64_t element;                                                                          \
    run = NAMED(together)(here, edge, at, &element, step);                                    \
    const int32_t rows = width == channels ? 1 : run, n = width == channels ? run * channels : channels; \
    for (int32_t i = 0; i < rows; i++) {                                                      \
      NUMBER *restrict v = x + ((int64_t)at + i) * width;                                     \
      const int64_t e = element + (int64_t)i * channels;                                      \
      body                                                                                    \
    }                                                                                         \
  }

static void NAMED(load)(const struct bs_here *here, const struct bs_op *op) {
  FOR_RUNS(op->to, {
    if (edge->type == BS_U8) {
      const uint8_t *restrict from = start + e;
      const NUMBER lo = (NUMBER)edge->lo;
      for (int32_t k = 0; k < n; k++) v[k] = (NUMBER)from[k] + lo;
    } else if (edge->type == BS_I32) {
      const int32_t *restrict from = (const int32_t *)start + e;
      for (int32_t k = 0; k < n; k++) v[k] = (NUMBER)from[k];
    } else {
      const int64_t *restrict from = (const int64_t *)start + e;
      for (int32_t k = 0; k < n; k++) v[k] = (NUMBER)from[k];
    }
  })
}

static void NAMED(store)(const struct bs_here *here, const struct bs_op *op) {
  FOR_RUNS(op->a, {
    if (edge->type == BS_U8) {
      uint8_t *restrict to = start + e;
      const NUMBER lo = (NUMBER)edge->lo;
      for (int32_t k = 0; k < n; k++) to[k] = (uint8_t)(v[k] - lo);
    } else if (edge->type == BS_I32) {
      int32_t *restrict to = (int32_t *)start + e;
      for (int32_t k = 0; k < n; k++) to[k] = (int32_t)v[k];
    } else {
      int64_t *restrict to = (int64_t *)start + e;
      for (int32_t k = 0; k < n; k++) to[k] = (int64_t)v[k];
    }
  })
}

static void NAMED(pixels)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_stage *stage = here->stage;
  NUMBER *x = NAMED(reg)(here, op->to);
  const int64_t step = op->n ? here->t * (int64_t)stage->positions * stage->channels : 0; /* a train has them in turn */
  const uint8_t *image = here->images + here->first / stage->positions * here->plan->image + step;
  for (int32_t i = 0, q = (int32_t)(here->first % stage->positions); i < here->count; i++) {
    for (int32_t c = 0; c < stage->channels; c++)
      x[(int64_t)i * stage->width + c] = (NUMBER)image[q + (int64_t)c * stage->positions] + (NUMBER)op->x;
    if (++q == stage->positions) {
      q = 0;
      image += here->plan->image;
    }
  }
}

/* Sums of 32 bits stay where they are made. */
static void NAMED(sums)(struct bs_here *here, const struct bs_op *op) {
  const int32_t n = here->count * here->stage->width;
  here->moved = -1;
  NUMBER *restrict x = NAMED(reg)(here, op->to);
  int32_t *from = sums_of_products(here, op, sizeof(NUMBER) == 4 ? (int32_t *)x : here->sums);
  if (sizeof(NUMBER) == 4) here->moved = op->to, here->moved_to = from;
  else
    for (int32_t k = 0; k < n; k++) x[k] = (NUMBER)from[k];
}

static void NAMED(wide)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_wide *wide = op->data;
  NUMBER *x = NAMED(reg)(here, op->to);
  for (int32_t i = 0; i < here->count; i++)
    for (int32_t o = 0; o < wide->out; o++) x[(int64_t)i * here->stage->width + o] = (NUMBER)wide_sum(here, op, i, o);
}

static void NAMED(gather)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_stage *stage = here->stage;
  const uint8_t *start = here->arena + edge->place;
  const int32_t *from = op->data;
  NUMBER *x = NAMED(reg)(here, op->to);
  for (int32_t i = 0; i < here->count; i++) {
    const int64_t n = (here->first + i) / stage->positions, q = (here->first + i) % stage->positions;
    const int64_t image = (edge->steps == 1 ? 0 : here->t) * edge->step + n * edge->image;
    const int32_t *restrict place = from + q * stage->channels;
    NUMBER *restrict to = x + (int64_t)i * stage->width;
    if (edge->type == BS_U8)
      for (int32_t c = 0; c < stage->channels; c++) to[c] = (NUMBER)start[image + place[c]] + (NUMBER)edge->lo;
    else
      for (int32_t c = 0; c < stage->channels; c++) to[c] = (NUMBER)level_at(edge, start, image + place[c]);
  }
}

static void NAMED(runs)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_stage *stage = here->stage;
  const struct bs_runs *by = op->data;
  const uint8_t *start = here->arena + edge->place;
  const int64_t step = (edge->steps == 1 ? 0 : here->t) * edge->step;
  NUMBER *restrict to = NAMED(reg)(here, op->to) + by->first;
  int64_t n = here->first / stage->positions, q = here->first % stage->positions;
  for (int32_t i = 0; i < here->count; i++, to += stage->width) {
    const int64_t e = step + n * edge->image + by->place[q];
    if (edge->type == BS_U8)
      for (int32_t c = 0; c < by->count; c++) to[c] = (NUMBER)start[e + c] + (NUMBER)edge->lo;
    else
      for (int32_t c = 0; c < by->count; c++) to[c] = (NUMBER)level_at(edge, start, e + c);
    if (++q == stage->positions) q = 0, n++;
  }
}

static void NAMED(matmul)(const struct bs_here *here, const struct bs_op *op) {
  const struct bs_matmul *by = op->data;
  const int32_t n = here->count * here->stage->width;
  NUMBER *x = NAMED(reg)(here, op->to);
  if (by->form == BS_LONGS || sizeof(NUMBER) == 4) {
    products(here, op, (char *)x);
    return;
  }
  products(here, op, (char *)here->sums);
  const int32_t *restrict from = here->sums;
  for (int32_t k = 0; k < n; k++) x[k] = (NUMBER)from[k];
}

/* One element of a window at all channels, added or compared. */
static void NAMED(pool_tap)(NUMBER *restrict v, const struct bs_edge *edge, const uint8_t *start, int64_t e, int largest) {
  const int32_t n = edge->channels;
#define TAP(from, lo)                                                   \
  if (largest)                                                          \
    for (int32_t k = 0; k < n; k++) {                                   \
      const NUMBER y = (NUMBER)(from)[k] + (NUMBER)(lo);                \
      v[k] = y > v[k] ? y : v[k];                                       \
    }                                                                   \
  else                                                                  \
    for (int32_t k = 0; k < n; k++) v[k] += (NUMBER)(from)[k] + (NUMBER)(lo);
  if (edge->type == BS_U8) {
    const uint8_t *restrict from = start + e;
    TAP(from, edge->lo)
  } else if (edge->type == BS_I32) {
    const int32_t *restrict from = (const int32_t *)start + e;
    TAP(from, 0)
  } else {
    const int64_t *restrict from = (const int64_t *)start + e;
    TAP(from, 0)
  }
#undef TAP
}

static void NAMED(pool)(const struct bs_here *here, const struct bs_op *op, int largest) {
  const struct bs_edge *edge = here->plan->edge + op->edge;
  const struct bs_window *w = op->data;
  const struct bs_stage *stage = here->stage;
  const uint8_t *start = here->arena + edge->place;
  for (int32_t i = 0; i < here->count; i++) {
    const int64_t n = (here->first + i) / stage->positions, q = (here->first + i) % stage->positions;
    const int64_t image = (edge->steps == 1 ? 0 : here->t) * edge->step + n * edge->image + edge->first;
    const int32_t top = (int32_t)(q / w->columns_out) * w->down - w->top;
    const int32_t left = (int32_t)(q % w->columns_out) * w->right - w->left;
    NUMBER *v = NAMED(reg)(here, op->to) + (int64_t)i * stage->width;
    for (int32_t c = 0; c < edge->channels; c++) v[c] = largest ? (NUMBER)op->x : 0;
    for (int32_t r = top < 0 ? 0 : top; r < top + w->high && r < w->rows; r++)
      for (int32_t k = left < 0 ? 0 : left; k < left + w->wide && k < w->columns; k++)
        NAMED(pool_tap)(v, edge, start, image + tap_of(edge, w, r, k), largest);
  }
}

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
#undef FOR_RUNS
#undef NAMED
#undef OF_TYPE
#undef JOINED
#undef NUMBER
