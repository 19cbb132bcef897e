/* A block of levels with a learned step, and its way back; included once for each instruction set by a file that says
 * LSQ(name). No contraction, no reassociation. */
#include "loops.h"
#include "lsq.h"

#include <math.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "no-math-errno")
#endif

INLINE float code_of(int rounding, float lo, float hi, float by) {
  if (rounding == BS_TO_SIGN) return by > 0 ? 1.0f : -1.0f;
  const float below = floorf(by);
  const float whole = rounding == BS_TO_NEAREST ? below + (by - below >= 0.5f ? 1.0f : 0.0f) : below;
  const float above = whole < lo ? lo : whole;
  return above > hi ? hi : above;
}

INLINE const float *floats_at(const struct bs_lsq_block *k, const void *tensor, float *room) {
  if (!k->how->bf16) return (const float *)tensor + k->at;
  widened((const uint16_t *)tensor + k->at, room, k->size);
  return room;
}

INLINE void levels(int rounding, const struct bs_lsq_block *k, in x, out to) {
  const float lo = k->how->lo, hi = k->how->hi, step = k->step;
  const int m = k->size;
  EACH to[i] = code_of(rounding, lo, hi, x[i] / step) * step;
}

INLINE void gradients(int rounding, const struct bs_lsq_block *k, in x, in grad, out to, out by, out code, out inside) {
  const float lo = k->how->lo, hi = k->how->hi, step = k->step;
  const int m = k->size;
  EACH {
    by[i] = x[i] / step;
    code[i] = code_of(rounding, lo, hi, by[i]);
    inside[i] = by[i] >= lo && by[i] <= hi ? 1.0f : 0.0f;
    to[i] = grad[i] * inside[i];
  }
}

void LSQ(forward)(const struct bs_lsq_block *k) {
  float room[BS_LSQ_BLOCK], made[BS_LSQ_BLOCK];
  const float *x = floats_at(k, k->x, room);
  float *to = k->how->bf16 ? made : (float *)k->to + k->at;
  switch (k->how->rounding) {
    case BS_TO_NEAREST: levels(BS_TO_NEAREST, k, x, to); break;
    case BS_TO_BELOW: levels(BS_TO_BELOW, k, x, to); break;
    default: levels(BS_TO_SIGN, k, x, to);
  }
  if (k->how->bf16) narrowed(made, (uint16_t *)k->to + k->at, k->size);
}

void LSQ(backward)(const struct bs_lsq_block *k) {
  float room[BS_LSQ_BLOCK], came[BS_LSQ_BLOCK], made[BS_LSQ_BLOCK];
  float by[BS_LSQ_BLOCK], code[BS_LSQ_BLOCK], inside[BS_LSQ_BLOCK];
  const float *x = floats_at(k, k->x, room), *grad = floats_at(k, k->grad, came);
  float *to = k->how->bf16 ? made : (float *)k->to + k->at;
  switch (k->how->rounding) {
    case BS_TO_NEAREST: gradients(BS_TO_NEAREST, k, x, grad, to, by, code, inside); break;
    case BS_TO_BELOW: gradients(BS_TO_BELOW, k, x, grad, to, by, code, inside); break;
    default: gradients(BS_TO_SIGN, k, x, grad, to, by, code, inside);
  }
  struct bs_lanes by_step = {0}, beyond = {0};
  int first = 0;
  for (; first + 16 <= k->size; first += 16) {
    for (int half = 0; half < 2; half++) {
      const int i = first + 8 * half;
      const bs_doubles8 at = DOUBLES8(FLOATS8(grad + i)) * DOUBLES8(FLOATS8(code + i));
      by_step.half[half] += at - DOUBLES8(FLOATS8(to + i)) * DOUBLES8(FLOATS8(by + i));
      beyond.half[half] += at * DOUBLES8(1 - FLOATS8(inside + i));
    }
  }
  for (int i = first; i < k->size; i++) {
    const double at = (double)grad[i] * (double)code[i];
    by_step.half[0][0] += at - (double)to[i] * (double)by[i];
    beyond.half[0][0] += at * (double)(1 - inside[i]);
  }
  k->sums[0] = sum_of(&by_step), k->sums[1] = sum_of(&beyond);
  if (k->how->bf16) narrowed(made, (uint16_t *)k->to + k->at, k->size);
}
