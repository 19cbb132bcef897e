/* Levels of a step size that is learned (bitspike.quant.lsq), forward and backward, of elements in memory order.
 *
 * The float operations are torch's, one by one, so levels equal torch's to the last bit, and so does the gradient of what
 * is quantized. Those of steps and bits are sums: in double, over blocks that depend on neither threads nor instruction
 * set, in their order. */
#ifndef BITSPIKE_LSQ_H
#define BITSPIKE_LSQ_H

#include "bitspike.h"

enum bs_rounding {
  BS_TO_NEAREST, /* halves up */
  BS_TO_BELOW,
  BS_TO_SIGN     /* +-1, 0 goes down */
};

struct bs_lsq {
  int32_t rounding;
  int32_t bf16;         /* what is quantized, its levels and their gradients are bfloat16 */
  float lo, hi;         /* the codes */
  int64_t groups, size; /* so many groups, of so many elements and one step each */
};

/* What one thread works on: a block of a group. */
struct bs_lsq_block {
  const struct bs_lsq *how;
  const void *x, *grad;
  void *to;     /* levels, or the gradient of x */
  double *sums; /* of a block: what multiplies the step's gradient, and what lies beyond the codes */
  int64_t at;
  float step;
  int size;
};

enum { BS_LSQ_BLOCK = 512, BS_LSQ_SUMS = 2 };

typedef void bs_lsq_pass(const struct bs_lsq_block *);

bs_lsq_pass bs_lsq_forward_scalar, bs_lsq_backward_scalar;
bs_lsq_pass bs_lsq_forward_avx2, bs_lsq_backward_avx2;
bs_lsq_pass bs_lsq_forward_avx512, bs_lsq_backward_avx512;

/* Levels of x, by a step for each group; 0, or -1 where there is no memory. */
BS_API int bs_lsq_forward(int level, int threads, const struct bs_lsq *how, const float *steps, const void *x,
                          void *levels);

/* The gradient of x; and of each group the sums [groups][2] of which those of its step and bits are made. */
BS_API int bs_lsq_backward(int level, int threads, const struct bs_lsq *how, const float *steps, const void *x,
                           const void *grad, void *grad_x, double *sums);

#endif
