/* Instructions that move between edges and registers: part of vector.h, which includes it for each NUMBER. */

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

#undef FOR_RUNS
