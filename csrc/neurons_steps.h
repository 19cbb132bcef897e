/* The primitives of a neuron's step over a block, and the two passes made of them; included once for each instruction set
 * by a file that says NEURONS(name). Every float operation stands for itself (no contraction, no reassociation), so all
 * sets give the same floats. Loops are plain: the compiler vectorizes them. */
#include "neurons.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "no-math-errno") /* nobody reads these, and they keep loops from vectors */
#endif

typedef const float *restrict in;
typedef float *restrict out;

#define EACH for (int i = 0; i < m; i++)

/* A division by a power of two is a product, to the last bit. */
static int divides_exactly(float by) {
  int exponent;
  return frexpf(by, &exponent) == 0.5f && exponent > -100 && exponent < 100;
}

static void scale_add(int contracts, float factor, in a, in b, out sum, int m) { /* a + factor b */
  if (factor == 1.0f) {
    EACH sum[i] = a[i] + b[i];
  } else if (contracts) {
    EACH sum[i] = fmaf(b[i], factor, a[i]);
  } else {
    EACH sum[i] = a[i] + factor * b[i];
  }
}

static void leak(int decays, float rest, float rate, in v, in x, out u, int m) {
  if (decays) {
    EACH u[i] = v[i] + (x[i] - (v[i] - rest)) * rate;
  } else {
    EACH u[i] = v[i] - (v[i] - rest) * rate + x[i];
  }
}

static void leak_by_division(int decays, float rest, float tau, in v, in x, out u, int m) {
  if (decays) {
    EACH u[i] = v[i] + (x[i] - (v[i] - rest)) / tau;
  } else {
    EACH u[i] = v[i] - (v[i] - rest) / tau + x[i];
  }
}

static void charge(const struct bs_block *k, in v, in x, out u) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size, decays = n->charge == BS_LEAK_DECAYS || n->charge == BS_RATE_DECAYS;
  switch (n->charge) {
    case BS_ADD: scale_add(n->contracts, n->factor, v, x, u, m); break;
    case BS_KEEP:
    case BS_KEEP_DETACHED: scale_add(n->contracts, n->factor, x, v, u, m); break;
    case BS_RATE:
    case BS_RATE_DECAYS: leak(decays, n->v_rest, k->rate, v, x, u, m); break;
    default:
      if (divides_exactly(n->factor)) {
        leak(decays, n->v_rest, 1 / n->factor, v, x, u, m);
      } else {
        leak_by_division(decays, n->v_rest, n->factor, v, x, u, m);
      }
  }
}

static void levels(const struct bs_neuron *n, in u, out level, int m) {
  const float lo = n->lo, hi = n->hi, by = n->threshold;
  if (lo == 0 && hi == 1 && n->shift == 0) {
    EACH level[i] = u[i] >= by ? 1.0f : 0.0f;
    return;
  }
  if (divides_exactly(by)) {
    const float times = 1 / by;
    EACH level[i] = u[i] * times;
  } else {
    EACH level[i] = u[i] / by;
  }
  if (n->shift != 0) EACH level[i] += n->shift;
  EACH {
    const float whole = floorf(level[i]), above = whole < lo ? lo : whole;
    level[i] = above > hi ? hi : above;
  }
}

static void fire(const struct bs_neuron *n, in u, out spikes, int m) {
  levels(n, u, spikes, m);
  if (n->scale != 1) EACH spikes[i] *= n->scale;
}

static void fired_of(const struct bs_neuron *n, in spikes, out fired, int m) {
  if (n->reset == BS_HARD_GRADED) {
    EACH fired[i] = spikes[i] > 0 ? 1.0f : spikes[i] < 0 ? 1.0f : 0.0f;
  } else if (n->scale != 1) {
    EACH fired[i] = spikes[i] / n->scale;
  } else {
    memcpy(fired, spikes, sizeof(float) * (size_t)m);
  }
}

static void reset(const struct bs_neuron *n, in u, in spikes, out v, int m) {
  if (n->reset == BS_SOFT) {
    scale_add(n->contracts, -n->per_spike, u, spikes, v, m);
    return;
  }
  if (n->reset == BS_HARD && n->scale == 1 && n->v_reset == 0) {
    EACH v[i] = u[i] * (1 - spikes[i]);
    return;
  }
  fired_of(n, spikes, v, m);
  if (n->v_reset == 0) {
    EACH v[i] = u[i] * (1 - v[i]);
  } else {
    EACH v[i] = u[i] * (1 - v[i]) + v[i] * n->v_reset;
  }
}

/* Asks for the lines of a block that the next step reads, or writes, while this one computes. */
static void soon(const float *from, int writes, int m) {
  if (writes) {
    for (int i = 0; i < m; i += 16) __builtin_prefetch(from + i, 1);
  } else {
    for (int i = 0; i < m; i += 16) __builtin_prefetch(from + i, 0);
  }
}

void NEURONS(forward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *v = k->scratch, *u = v + m;
  EACH v[i] = n->v_init;
  for (int t = 0; t < n->steps; t++) {
    float *spikes = k->spikes + t * k->count + k->at;
    const float *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    if (t + 1 < n->steps) soon(spikes + k->count, 1, m), soon(x + (n->held ? 0 : k->count), 0, m);
    charge(k, v, x, u);
    fire(n, u, spikes, m);
    if (t + 1 < n->steps) reset(n, u, spikes, v, m);
  }
}

/* exp of a number below 88, by a polynomial on [-ln 2/2, ln 2/2]; below -87 as at -87. Within two units in the last place. */
static inline float exponential(float z) {
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
static inline float bump(float alpha, float x) {
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
  levels(n, u, level, m);
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

/* The gradient of the potentials before the reset, of that of the spikes. */
static void surrogate(const struct bs_neuron *n, in u, in grad, out gu, float *spare, int m) {
  const float a = n->a, b = n->b, c = n->c;
  switch (n->surrogate) {
    case BS_STRAIGHT_THROUGH:
      EACH gu[i] = (u[i] >= a && u[i] <= b ? 1.0f : 0.0f) * grad[i] * c;
      return;
    case BS_PASS_THROUGH: EACH gu[i] = grad[i] * c; return;
    case BS_MICRO_STEPS:
    case BS_MICRO_STEPS_SUMMED: micro_steps(n, u, gu, spare, spare + m, m); break;
    default: distance(n, u, gu, m), smooth(n, gu, m);
  }
  EACH gu[i] = gu[i] * grad[i];
  if (n->scale != 1) EACH gu[i] *= n->scale;
}

/* Through the reset: `grad` of the spikes grows by what reaches them there, `gu` is what reaches the potentials. */
static void reset_backward(const struct bs_neuron *n, in u, in gv, out grad, out gu, float *spare, int m) {
  float *fired = spare, *spikes = spare + m;
  const float scale = n->scale, v_reset = n->v_reset;
  const int learns = !n->detach_reset;
  if (n->reset == BS_SOFT) {
    if (learns) EACH grad[i] += -gv[i] * n->per_spike;
    memcpy(gu, gv, sizeof(float) * (size_t)m);
    return;
  }
  fire(n, u, spikes, m);
  fired_of(n, spikes, fired, m);
  EACH gu[i] = gv[i] * (1 - fired[i]);
  if (!learns || n->reset == BS_HARD_GRADED) return;
  if (scale != 1) {
    EACH grad[i] += (gv[i] * v_reset - gv[i] * u[i]) / scale;
  } else {
    EACH grad[i] = (grad[i] + gv[i] * v_reset) - gv[i] * u[i];
  }
}

static inline double learned(int decays, float rest, float gu, float v, float x) {
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

static void leak_backward(int decays, float rate, in gu, out gx, out gv, int m) {
  EACH {
    const float taken = gu[i] * rate;
    gx[i] = decays ? taken : gu[i];
    gv[i] = gu[i] - taken;
  }
}

static void leak_backward_by_division(int decays, float tau, in gu, out gx, out gv, int m) {
  EACH {
    const float taken = gu[i] / tau;
    gx[i] = decays ? taken : gu[i];
    gv[i] = gu[i] - taken;
  }
}

static void charge_backward(const struct bs_block *k, in gu, out gx, out gv) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size, decays = n->charge == BS_LEAK_DECAYS || n->charge == BS_RATE_DECAYS;
  const float factor = n->factor;
  switch (n->charge) {
    case BS_ADD: EACH gx[i] = gu[i] * factor, gv[i] = gu[i]; break;
    case BS_KEEP: EACH gx[i] = gu[i], gv[i] = gu[i] * factor; break;
    case BS_KEEP_DETACHED: EACH gx[i] = gu[i], gv[i] = 0; break;
    case BS_RATE:
    case BS_RATE_DECAYS: leak_backward(decays, k->rate, gu, gx, gv, m); break;
    default:
      if (divides_exactly(factor)) {
        leak_backward(decays, 1 / factor, gu, gx, gv, m);
      } else {
        leak_backward_by_division(decays, factor, gu, gx, gv, m);
      }
  }
}

static float *potentials(const struct bs_block *k, float *v, float *spikes) { /* of all steps, [steps][size] */
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *u = k->scratch + BS_NEURON_VECTORS * m;
  EACH v[i] = n->v_init;
  for (int t = 0; t < n->steps; t++) {
    const float *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    if (!n->held && t + 1 < n->steps) soon(x + k->count, 0, m);
    charge(k, v, x, u + t * m);
    if (t + 1 == n->steps) break;
    fire(n, u + t * m, spikes, m);
    reset(n, u + t * m, spikes, v, m);
  }
  return u;
}

void NEURONS(backward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size, learns_rate = n->charge == BS_RATE || n->charge == BS_RATE_DECAYS;
  float *v = k->scratch, *gv = v + m, *gs = gv + m, *gr = gs + m, *gu = gr + m, *gx = gu + m, *spare = gx + m;
  const float *all = potentials(k, v, spare);
  for (int t = n->steps - 1; t >= 0; t--) {
    const float *u = all + t * m, *x = k->current + (n->held ? 0 : t * k->count) + k->at;
    float *gradient = k->grad_current + (n->held ? 0 : t * k->count) + k->at;
    const int last = t + 1 == n->steps;
    if (t > 0) soon(k->grad_spikes + (t - 1) * k->count + k->at, 0, m);
    if (t > 0 && !n->held) soon(gradient - k->count, 1, m);
    memcpy(gs, k->grad_spikes + t * k->count + k->at, sizeof(float) * (size_t)m);
    if (!last) reset_backward(n, u, gv, gs, gr, spare, m);
    surrogate(n, u, gs, gu, spare, m);
    if (!last) EACH gu[i] += gr[i];
    charge_backward(k, gu, n->held ? gx : gradient, gv);
    if (n->held && last) memcpy(gradient, gx, sizeof(float) * (size_t)m);
    if (n->held && !last) EACH gradient[i] += gx[i];
    if (!learns_rate) continue;
    EACH v[i] = n->v_init;
    if (t > 0) fire(n, u - m, spare, m), reset(n, u - m, spare, v, m);
    *k->grad_rate += rate_gradient(k, gu, v, x);
  }
}
