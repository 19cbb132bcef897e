/* A neuron's step, element by element, and the two passes made of it; included once for each instruction set by a file
 * that says NEURONS(name). Every float operation stands for itself (no contraction, no reassociation), so all sets give
 * the same floats. What a step is made of are constants where its loop is compiled (ROW), so that the loop is plain and
 * the compiler vectorizes it: a block is loaded, computed and stored in one go, as memory is what takes the time. */
#include "neurons.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "no-math-errno") /* nobody reads these, and they keep loops from vectors */
#endif

typedef const float *restrict in;
typedef float *restrict out;

#define EACH for (int i = 0; i < m; i++)
#define INLINE static inline __attribute__((always_inline))

/* a + factor b; with a factor of 1, or one of a power of two, both are the same. */
INLINE float scale_add(int once, float factor, float a, float b) { return once ? fmaf(b, factor, a) : a + factor * b; }

INLINE float charged(int charge, int once, float factor, float rest, float v, float x) {
  switch (charge) {
    case BS_ADD: return scale_add(once, factor, v, x);
    case BS_KEEP: return scale_add(once, factor, x, v);
    case BS_LEAK: return v - (v - rest) / factor + x;
    case BS_LEAK_DECAYS: return v + (x - (v - rest)) / factor;
    case BS_RATE: return v - (v - rest) * factor + x;
    default: return v + (x - (v - rest)) * factor; /* BS_RATE_DECAYS */
  }
}

INLINE float level_of(int fire, const struct bs_neuron *n, float u) {
  if (fire == BS_BINARY) return u >= n->threshold ? 1.0f : 0.0f;
  const float whole = floorf((fire == BS_GRADED ? u * n->per_threshold : u / n->threshold) + n->shift);
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
  const float factor = n->factor, rest = n->v_rest, scale = n->scale;
  const struct bs_neuron own = *n;
  EACH {
    const float potential = charged(charge, once, factor, rest, v[i], x[i]), level = level_of(fire, &own, potential);
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
  }
}

/* Asks for the lines of a block that the next step reads, while this one computes. */
static void soon(const float *from, int m) {
  for (int i = 0; i < m; i += 16) __builtin_prefetch(from + i);
}

void NEURONS(forward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *v = k->scratch;
  EACH v[i] = n->v_init;
  for (int t = 0; t < n->steps; t++) {
    const float *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    if (!n->held && t + 1 < n->steps) soon(x + k->count, m);
    any_row(n, 0, v, x, k->spikes + t * k->count + k->at, m);
  }
}

/* exp of a number below 88, by a polynomial on [-ln 2/2, ln 2/2]; below -87 as at -87. */
INLINE float exponential(float z) {
  const float bounded = z < -87.0f ? -87.0f : z, magic = 12582912.0f; /* 1.5 * 2^23 rounds to a whole number */
  const float shifted = bounded * 1.44269504f + magic, whole = shifted - magic;
  const float r = (bounded - whole * 0.693359375f) - whole * -2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u; /* the low bits of `shifted` are the exponent */
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

/* alpha s (1 - s), s = sigmoid(alpha x), as alpha e/(1 + e)^2 of e = exp(-|alpha x|), which does not cancel. */
INLINE float bump(float alpha, float x) {
  const float e = exponential(-fabsf(alpha * x)), sum = 1 + e;
  return alpha * (e / (sum * sum));
}

static float largest(in of, int m) { /* and at least 0 */
  float lanes[16] = {0}, most = 0;
  int i = 0;
  for (; i + 16 <= m; i += 16) {
    for (int lane = 0; lane < 16; lane++) lanes[lane] = of[i + lane] > lanes[lane] ? of[i + lane] : lanes[lane];
  }
  for (; i < m; i++) most = of[i] > most ? of[i] : most;
  for (int lane = 0; lane < 16; lane++) most = lanes[lane] > most ? lanes[lane] : most;
  return most;
}

static void micro_steps(const struct bs_neuron *n, in u, out slope, out level, out left, int m) {
  const float alpha = n->a, threshold = n->threshold;
  const int summed = n->surrogate == BS_MICRO_STEPS_SUMMED;
  switch (n->fire) {
    case BS_BINARY: EACH level[i] = level_of(BS_BINARY, n, u[i]); break;
    case BS_GRADED: EACH level[i] = level_of(BS_GRADED, n, u[i]); break;
    default: EACH level[i] = level_of(BS_GRADED_BY_DIVISION, n, u[i]);
  }
  const float highest = largest(level, m);
  EACH left[i] = summed ? 0.0f : 1.0f;
  for (int t = 0; t < (int)n->hi; t++) {
    if ((float)t <= highest) { /* beyond it, micro-steps see what the last one left */
      EACH {
        const float taken = level[i] < (float)t ? level[i] : (float)t;
        slope[i] = bump(alpha, u[i] - threshold * (taken + 1));
      }
    }
    if (summed) {
      EACH left[i] += slope[i];
    } else {
      EACH left[i] *= 1 - threshold * slope[i];
    }
  }
  if (summed) {
    memcpy(slope, left, sizeof(float) * (size_t)m);
  } else {
    EACH slope[i] = (1 - left[i]) * n->c;
  }
}

static void distance(const struct bs_neuron *n, in u, out x, int m) { /* from the nearest step, where a bump stands */
  const float lowest = n->lo + 1, hi = n->hi, by = n->threshold, shift = n->shift;
  if (n->hi - n->lo == 1) {
    EACH x[i] = u[i] - n->nearest;
    return;
  }
  EACH {
    const float whole = floorf(u[i] / by + n->nearest_shift), above = whole < lowest ? lowest : whole;
    x[i] = u[i] - ((above > hi ? hi : above) - shift) * by;
  }
}

static void smooth(const struct bs_neuron *n, out x, int m) { /* the bump at a distance, in its place */
  const float a = n->a, b = n->b;
  switch (n->surrogate) {
    case BS_ATAN:
      if (n->contracts) {
        EACH x[i] = 1 / fmaf(b * x[i], x[i], a);
      } else {
        EACH x[i] = 1 / (a + b * x[i] * x[i]);
      }
      break;
    case BS_SIGMOID: EACH x[i] = bump(a, x[i]); break;
    case BS_TRIANGLE:
      EACH {
        const float height = a - fabsf(x[i]);
        x[i] = (height < 0 ? 0.0f : height) * b;
      }
      break;
    default: EACH x[i] = fabsf(x[i]) < a ? b : 0.0f; /* BS_RECTANGLE */
  }
}

/* What a surrogate multiplies the gradient of a spike by, but for `after`, one number for all. */
static void slopes(const struct bs_neuron *n, in u, out slope, float *spare, int m) {
  const float a = n->a, b = n->b;
  switch (n->surrogate) {
    case BS_STRAIGHT_THROUGH: EACH slope[i] = u[i] >= a && u[i] <= b ? 1.0f : 0.0f; break;
    case BS_PASS_THROUGH: EACH slope[i] = 1; break;
    case BS_MICRO_STEPS:
    case BS_MICRO_STEPS_SUMMED: micro_steps(n, u, slope, spare, spare + m, m); break;
    default: distance(n, u, slope, m), smooth(n, slope, m);
  }
}

/* One step back: of the gradients of spikes and of what is left, those of the current and of what was carried; and of
 * the potentials, where there is a `gu`. `reset` is BS_FIRES for the soft one, else how the neuron fires; of the hard ones
 * only that of a spike of one bit is learned through. */
INLINE void row_back(int charge, int reset, int learns, const struct bs_neuron *n, in u, in slope, in grad, out gv,
                     out gu, out gx, int m) {
  const struct bs_neuron own = *n;
  const float factor = n->factor, v_reset = n->v_reset, per_scale = 1 / n->scale, per_spike = n->per_spike;
  const float after = n->surrogate == BS_STRAIGHT_THROUGH || n->surrogate == BS_PASS_THROUGH ? n->c : n->scale;
  EACH {
    float sent = grad[i], stays = gv[i];
    if (reset == BS_FIRES) {
      if (learns) sent += -gv[i] * per_spike;
    } else {
      if (learns) sent = (sent + gv[i] * v_reset * per_scale) - gv[i] * u[i] * per_scale;
      stays = gv[i] * (1 - fired_of(reset, level_of(reset, &own, u[i])));
    }
    const float reached = slope[i] * sent * after + stays;
    const float taken = charge == BS_LEAK || charge == BS_LEAK_DECAYS ? reached / factor : reached * factor;
    if (gu) gu[i] = reached;
    gx[i] = charge == BS_KEEP || charge == BS_KEEP_DETACHED || charge == BS_LEAK || charge == BS_RATE ? reached : taken;
    gv[i] = charge == BS_ADD             ? reached
            : charge == BS_KEEP          ? taken
            : charge == BS_KEEP_DETACHED ? 0
                                         : reached - taken;
  }
}

#define BACK(charge, reset, learns) \
  case ((charge) * (BS_FIRES + 1) + (reset)) * 2 + (learns): \
    row_back(charge, reset, learns, n, u, slope, grad, gv, gu, gx, m); \
    return;
#define BACKS(charge) \
  BACK(charge, BS_FIRES, 0) BACK(charge, BS_FIRES, 1) BACK(charge, BS_BINARY, 0) BACK(charge, BS_BINARY, 1) \
  BACK(charge, BS_GRADED, 0) BACK(charge, BS_GRADED_BY_DIVISION, 0)

static void any_row_back(const struct bs_neuron *n, in u, in slope, in grad, out gv, out gu, out gx, int m) {
  const int reset = n->reset == BS_SOFT ? BS_FIRES : n->fire;
  const int learns = !n->detach_reset && (reset == BS_FIRES || reset == BS_BINARY);
  switch ((n->charge * (BS_FIRES + 1) + reset) * 2 + learns) {
    BACKS(BS_ADD) BACKS(BS_KEEP) BACKS(BS_KEEP_DETACHED) BACKS(BS_LEAK) BACKS(BS_LEAK_DECAYS) BACKS(BS_RATE)
    BACKS(BS_RATE_DECAYS)
  }
}

INLINE double learned(int decays, float rest, float gu, float v, float x) {
  const float over = v - rest;
  return (double)gu * (double)(decays ? x - over : -over);
}

/* The sum over a block in double, lane by lane of sixteen and these in order: the same at every instruction set. */
static double rate_gradient(const struct bs_block *k, in gu, in v, in x) {
  const float rest = k->neuron->v_rest;
  const int decays = k->neuron->charge == BS_RATE_DECAYS, m = k->size;
  double lanes[16] = {0}, sum = 0;
  int i = 0;
  for (; i + 16 <= m; i += 16) {
    for (int lane = 0; lane < 16; lane++) {
      lanes[lane] += learned(decays, rest, gu[i + lane], v[i + lane], x[i + lane]);
    }
  }
  for (; i < m; i++) sum += learned(decays, rest, gu[i], v[i], x[i]);
  for (int lane = 0; lane < 16; lane++) sum += lanes[lane];
  return sum;
}

/* Potentials of all steps, [steps][size], and those carried into each, where the rate is learned. */
static void potentials(const struct bs_block *k, out u, float *carried, out v) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  EACH v[i] = n->v_init;
  for (int t = 0; t < n->steps; t++) {
    const float *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    if (!n->held && t + 1 < n->steps) soon(x + k->count, m);
    if (n->learns_rate) memcpy(carried + t * m, v, sizeof(float) * (size_t)m);
    any_row(n, 1, v, x, u + t * m, m);
  }
}

void NEURONS(backward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *gv = k->scratch, *gu = gv + m, *gx = gu + m, *slope = gx + m, *spare = slope + m;
  float *all = k->scratch + BS_NEURON_VECTORS * m, *carried = all + n->steps * m;
  potentials(k, all, carried, gv);
  EACH gv[i] = 0;
  for (int t = n->steps - 1; t >= 0; t--) {
    const float *u = all + t * m, *grad = k->grad_spikes + t * k->count + k->at;
    const float *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    float *gradient = k->grad_current + (n->held ? 0 : t * k->count) + k->at;
    if (t > 0) soon(grad - k->count, m);
    slopes(n, u, slope, spare, m);
    any_row_back(n, u, slope, grad, gv, n->learns_rate ? gu : NULL, n->held ? gx : gradient, m);
    if (n->held && t + 1 == n->steps) memcpy(gradient, gx, sizeof(float) * (size_t)m);
    if (n->held && t + 1 < n->steps) EACH gradient[i] += gx[i];
    if (n->learns_rate) *k->grad_rate += rate_gradient(k, gu, carried + t * m, x);
  }
}
