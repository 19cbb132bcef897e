/* A neuron's step, element by element, and the two passes made of it; included once for each instruction set by a file
 * that says NEURONS(name). Every float operation stands for itself (no contraction, no reassociation), so all sets give
 * the same floats. What a step is made of are constants where its loop is compiled (ROW), so that the loop is plain and
 * the compiler vectorizes it: a block is loaded, computed and stored in one go, as memory is what takes the time. */
#include "neurons.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "no-math-errno") /* nobody reads these, and they keep loops from vectors */
#endif

#include "loops.h"

/* a + factor b; with a factor of 1, or one of a power of two, both are the same. */
INLINE float scale_add(int once, float factor, float a, float b) { return once ? fmaf(b, factor, a) : a + factor * b; }

/* What rounding has moved off a tie of the levels is put back on it. */
INLINE float tied(const struct bs_neuron *n, float u) {
  const float levels = u / n->threshold + n->shift, nearest = rintf(levels);
  const float exact = (nearest - n->shift) * n->threshold;
  const int low = n->threshold != 1 && exact / n->threshold + n->shift < nearest; /* rounded to less than fires */
  const float tie = low ? exact + fabsf(exact) * FLT_EPSILON : exact;
  return u + (fabsf(levels - nearest) <= n->margin ? tie - u : 0.0f);
}

INLINE float charged(int charge, int once, const struct bs_neuron *n, float v, float x) {
  const float factor = n->factor, rest = n->v_rest;
  switch (charge) {
    case BS_ADD: return scale_add(once, factor, v, x);
    case BS_ADD_TIED: return tied(n, scale_add(once, factor, v, x));
    case BS_KEEP: return scale_add(once, factor, x, v);
    case BS_LEAK: return v - (v - rest) / factor + x;
    case BS_LEAK_DECAYS: return v + (x - (v - rest)) / factor;
    case BS_RATE: return v - (v - rest) * factor + x;
    default: return v + (x - (v - rest)) * factor; /* BS_RATE_DECAYS */
  }
}

INLINE float level_of(int fire, const struct bs_neuron *n, float u) {
  if (fire == BS_BINARY) return u >= n->threshold ? 1.0f : 0.0f;
  const float by = fire == BS_GRADED ? u * n->per_threshold : u / n->threshold;
  const float below = floorf(fire == BS_NEAREST ? by : by + n->shift);
  const float whole = fire == BS_NEAREST && by - below >= 0.5f ? below + 1 : below;
  const float above = whole < n->lo ? n->lo : whole;
  return above > n->hi ? n->hi : above;
}

INLINE float fired_of(int fire, float level) {
  return fire == BS_BINARY ? level : level > 0 || level < 0 ? 1.0f : 0.0f;
}

INLINE float left_of(int soft, int once, int fire, const struct bs_neuron *n, float u, float level, float spike) {
  if (soft) return scale_add(once, -n->per_spike, u, spike);
  const float fired = fired_of(fire, level);
  return u * (1 - fired) + fired * n->v_reset;
}

/* A row is one step of a block: of the potentials carried and the current, what is left, and the spikes, or the
 * potentials before the reset where backward asks for `all`. */
INLINE void row(int charge, int fire, int soft, int once, int all, const struct bs_neuron *n, out v, in x, out kept,
                int m) {
  const float scale = n->scale;
  const struct bs_neuron own = *n;
  EACH {
    const float potential = charged(charge, once, &own, v[i], x[i]), level = level_of(fire, &own, potential);
    const float spike = level * scale;
    kept[i] = all ? potential : spike;
    v[i] = left_of(soft, once, fire, &own, potential, level, spike);
  }
}

#define ROW(charge, fire, soft, once) \
  case (((charge) * BS_FIRES + (fire)) * 2 + (soft)) * 2 + (once): \
    row(charge, fire, soft, once, all, n, v, x, kept, m); \
    return;
#define ROWS_OF(charge, fire) \
  ROW(charge, fire, 0, 0) ROW(charge, fire, 0, 1) ROW(charge, fire, 1, 0) ROW(charge, fire, 1, 1)
#define ROWS(charge) ROWS_OF(charge, BS_BINARY) ROWS_OF(charge, BS_GRADED) ROWS_OF(charge, BS_GRADED_BY_DIVISION)

static void any_row(const struct bs_neuron *n, int all, out v, in x, out kept, int m) {
  const int charge = n->charge == BS_KEEP_DETACHED ? BS_KEEP : n->charge;
  switch (((charge * BS_FIRES + n->fire) * 2 + (n->reset == BS_SOFT)) * 2 + (n->contracts != 0)) {
    ROWS(BS_ADD) ROWS(BS_KEEP) ROWS(BS_LEAK) ROWS(BS_LEAK_DECAYS) ROWS(BS_RATE) ROWS(BS_RATE_DECAYS)
    ROWS(BS_ADD_TIED)
    ROW(BS_KEEP, BS_NEAREST, 1, 0) ROW(BS_KEEP, BS_NEAREST, 1, 1) /* what learns its alphabet has no other */
  }
}

/* The neuron of step `t`: where alphabets are learned, in `room`, with its own. A copy takes as long as a row, so that no
 * other is made. */
static const struct bs_neuron *at_step(const struct bs_block *k, int t, struct bs_neuron *room) {
  if (!k->neuron->learns) return k->neuron;
  const float *learned = k->tensors.learned + BS_LEARNED * t;
  const int bits = (int)learned[1] - k->neuron->both_signs;
  *room = *k->neuron;
  room->threshold = room->scale = learned[0];
  room->hi = bits > 0 ? (float)((1 << bits) - 1) : 1;
  room->lo = room->both_signs ? -room->hi : 0;
  return room;
}

/* What the largest potential of a step counts as: not 0, so that there are levels. */
static float peak_after(const struct bs_block *k, int t) {
  const float found = k->tensors.peaks[t], most = found > k->neuron->limit ? k->neuron->limit : found;
  return most < FLT_MIN * 65536 ? FLT_MIN * 65536 : most;
}

/* Potentials as they are stored. */
static void stored(float peak, float top, out v, int m) {
  const float whole = peak / top, step = whole < FLT_MIN ? FLT_MIN : whole;
  EACH {
    const float by = v[i] / step, below = floorf(by), nearest = by - below >= 0.5f ? below + 1 : below;
    const float above = nearest < -top ? -top : nearest;
    v[i] = (above > top ? top : above) * step;
  }
}

/* The largest size of a float, as its bits: they are in the order of sizes, and a NaN is above them all. */
static int32_t largest_size(in of, int m) {
  int32_t most = 0;
  EACH {
    int32_t bits;
    memcpy(&bits, of + i, sizeof bits);
    bits &= INT32_MAX;
    most = bits > most ? bits : most;
  }
  return most;
}

/* Asks for the lines of a block that the next step reads or writes, while this one computes. */
static void soon(const struct bs_neuron *n, const void *tensor, int64_t at, int m) {
  const int64_t each = n->bf16 ? 2 : 4;
  const char *from = (const char *)tensor + at * each;
  for (int64_t i = 0; i < m * each; i += 64) __builtin_prefetch(from + i);
}

/* A block of a tensor as floats: in its place, or widened into `room`. */
static const float *floats_of(const struct bs_neuron *n, const void *tensor, int64_t at, float *room, int m) {
  if (!n->bf16) return (const float *)tensor + at;
  widened((const uint16_t *)tensor + at, room, m);
  return room;
}

void NEURONS(forward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *v = k->carried ? k->carried + k->at : k->scratch;
  if (k->from == 0) EACH v[i] = n->v_init;
  struct bs_neuron room;
  for (int t = k->from; t < k->until; t++) {
    const struct bs_neuron *own = at_step(k, t, &room);
    const int64_t at = t * k->count + k->at, from = n->held ? k->at : at;
    const float *x = floats_of(n, k->current, from, k->scratch + m, m);
    float *spikes = n->bf16 ? k->scratch + 2 * m : (float *)k->spikes + at;
    if (!n->held && t + 1 < k->until) soon(n, k->current, from + k->count, m);
    if (t + 1 < k->until) soon(n, k->spikes, at + k->count, m);
    if (n->store && t > 0) stored(peak_after(k, t - 1), n->top, v, m);
    any_row(own, 0, v, x, spikes, m);
    if (n->bf16) narrowed(spikes, (uint16_t *)k->spikes + at, m);
  }
  if (k->carried) *k->most = largest_size(v, m);
}

#include "neurons_back.h"
