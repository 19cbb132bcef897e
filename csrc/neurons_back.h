/* The way back through the steps of neurons_steps.h, which includes it: surrogates, and the gradients of a step. */
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
    case BS_INSIDE: EACH slope[i] = u[i] / n->threshold >= n->lo && u[i] / n->threshold <= n->hi ? 1.0f : 0.0f; break;
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
  const float after = n->surrogate == BS_STRAIGHT_THROUGH || n->surrogate == BS_PASS_THROUGH ? n->c
                      : n->surrogate == BS_INSIDE                                            ? 1
                                                                                             : n->scale;
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
  BACK(charge, BS_GRADED, 0) BACK(charge, BS_GRADED, 1) BACK(charge, BS_GRADED_BY_DIVISION, 0) \
  BACK(charge, BS_GRADED_BY_DIVISION, 1)

static void any_row_back(const struct bs_neuron *n, in u, in slope, in grad, out gv, out gu, out gx, int m) {
  const int reset = n->reset == BS_SOFT ? BS_FIRES : n->fire;
  const int learns = !n->detach_reset && n->reset != BS_HARD_GRADED;
  const int charge = n->charge == BS_ADD_TIED ? BS_ADD : n->charge;
  switch ((charge * (BS_FIRES + 1) + reset) * 2 + learns) {
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

/* Of one step, by the alphabet: the sums of what multiplies its threshold, of what lies beyond it, and of what it sent. */
static void alphabet_gradient(const struct bs_neuron *n, in u, in slope, in grad, out level, out by, double *sums, int m) {
  const struct bs_neuron own = *n;
  const int nearest = n->fire == BS_NEAREST;
  const int fire = nearest ? BS_NEAREST : BS_GRADED_BY_DIVISION;
  struct bs_lanes by_threshold = {0}, beyond = {0}, sent = {0};
  EACH level[i] = level_of(fire, &own, u[i]);
  EACH by[i] = u[i] / own.threshold;
  int first = 0;
  for (; first + 16 <= m; first += 16) {
    for (int half = 0; half < 2; half++) {
      const int i = first + 8 * half;
      const bs_floats8 given = FLOATS8(grad + i), inside = FLOATS8(slope + i);
      const bs_doubles8 at = DOUBLES8(given) * DOUBLES8(FLOATS8(level + i));
      by_threshold.half[half] += at - DOUBLES8(given * inside) * DOUBLES8(FLOATS8(by + i));
      beyond.half[half] += at * DOUBLES8(1 - inside); /* a slope is 0 or 1 */
      sent.half[half] += at;
    }
  }
  for (int i = first; i < m; i++) {
    const double at = (double)grad[i] * (double)level[i];
    by_threshold.half[0][0] += at - (double)(grad[i] * slope[i]) * (double)by[i];
    beyond.half[0][0] += at * (double)(1 - slope[i]);
    sent.half[0][0] += at;
  }
  sums[0] += sum_of(&by_threshold), sums[1] += sum_of(&beyond), sums[2] += sum_of(&sent);
}

/* Potentials of all steps, [steps][size]; those carried into each, where the rate is learned; and those left after each,
 * where they are stored in a few bits. */
static void potentials(const struct bs_block *k, out u, float *carried, float *left, out v, out room) {
  const struct bs_neuron *n = k->neuron;
  const size_t row = sizeof(float) * (size_t)k->size;
  const int m = k->size;
  struct bs_neuron own;
  EACH v[i] = n->v_init;
  for (int t = 0; t < n->steps; t++) {
    const int64_t from = (n->held ? 0 : t * k->count) + k->at;
    const float *x = floats_of(n, k->current, from, room, m);
    if (!n->held && t + 1 < n->steps) soon(n, k->current, from + k->count, m);
    if (n->learns_rate) memcpy(carried + t * m, v, row);
    any_row(at_step(k, t, &own), 1, v, x, u + t * m, m);
    if (n->store && t + 1 < n->steps) {
      memcpy(left + t * m, v, row);
      stored(peak_after(k, t), n->top, v, m);
    }
  }
}

void NEURONS(backward)(const struct bs_block *k) {
  const struct bs_neuron *n = k->neuron;
  const int m = k->size;
  float *gv = k->scratch, *gu = gv + m, *gx = gu + m, *slope = gx + m, *spare = slope + m;
  float *sent = spare + 2 * m, *came = sent + m, *sum = came + m; /* of spikes, of currents, and of all steps' currents */
  float *all = k->scratch + BS_NEURON_VECTORS * m, *carried = all + n->steps * m;
  float *left = carried + (n->learns_rate ? n->steps * m : 0);
  potentials(k, all, carried, left, gv, came);
  struct bs_neuron room;
  EACH gv[i] = 0;
  for (int t = n->steps - 1; t >= 0; t--) {
    const struct bs_neuron *own = at_step(k, t, &room);
    const int64_t at = t * k->count + k->at, from = n->repeats ? k->at : at;
    const float *u = all + t * m, *grad = floats_of(n, k->grad_spikes, from, sent, m);
    float *gradient = n->bf16 ? n->held ? sum : gx : (float *)k->grad_current + (n->held ? k->at : at);
    if (t > 0 && !n->repeats) soon(n, k->grad_spikes, from - k->count, m);
    if (t > 0 && !n->held) soon(n, k->grad_current, at - k->count, m);
    slopes(own, u, slope, spare, m);
    if (n->store && t + 1 < n->steps) {
      const float peak = peak_after(k, t);
      EACH gv[i] = fabsf(left[t * m + i]) <= peak ? gv[i] : 0.0f;
    }
    any_row_back(own, u, slope, grad, gv, n->learns_rate ? gu : NULL, n->held ? gx : gradient, m);
    if (n->held && t + 1 == n->steps) memcpy(gradient, gx, sizeof(float) * (size_t)m);
    if (n->held && t + 1 < n->steps) EACH gradient[i] += gx[i];
    if (n->bf16 && !n->held) narrowed(gradient, (uint16_t *)k->grad_current + at, m);
    if (n->learns_rate) {
      const float *x = floats_of(n, k->current, n->held ? k->at : at, came, m);
      *k->sums += rate_gradient(k, gu, carried + t * m, x);
    }
    if (n->learns) alphabet_gradient(own, u, slope, grad, spare, spare + m, k->sums + BS_LEARNED * t, m);
  }
  if (n->bf16 && n->held) narrowed(sum, (uint16_t *)k->grad_current + k->at, m);
}
