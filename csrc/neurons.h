/* Neurons that learn: all steps of a layer forward and backward, in memory order. Currents, spikes and their gradients
 * are float32, or bfloat16 of which each block is widened as it is read and rounded as it is written: potentials are
 * float32 in any case.
 *
 * What a step computes is data, `struct bs_neuron`, which bitspike.neurons.fused makes of a composed neuron: a kind of
 * charge, fire, reset and surrogate each, in the order of float operations that torch has there. So spikes equal torch's
 * to the last bit, and gradients do up to the exponential of a sigmoid. Backward reads the current alone: it computes the
 * potentials of a block of neurons anew, in scratch that stays in the cache.
 *
 * Potentials that are stored in a few bits are quantized by the largest of their step, of the whole layer. Where that is
 * to be found, forward takes all neurons through a step before the next; backward is given what was found. */
#ifndef BITSPIKE_NEURONS_H
#define BITSPIKE_NEURONS_H

#include "bitspike.h"

/* u of v and x; `factor` is the gain, the retention, tau, or (RATE) 1/tau in a tensor. */
enum bs_charge {
  BS_ADD,              /* v + factor x */
  BS_KEEP,             /* x + factor v */
  BS_KEEP_DETACHED,    /* the same; nothing is learned through the past */
  BS_LEAK,             /* v - (v - v_rest)/factor + x */
  BS_LEAK_DECAYS,      /* v + (x - (v - v_rest))/factor */
  BS_RATE,             /* v - (v - v_rest) factor + x */
  BS_RATE_DECAYS,      /* v + (x - (v - v_rest)) factor */
  BS_ADD_TIED          /* BS_ADD, put on a tie of the levels where it is within `margin` levels of one */
};

/* How a level is made of u; which one is found when a call begins. */
enum bs_fire {
  BS_BINARY,             /* u >= threshold */
  BS_GRADED,             /* clip(floor(u per_threshold + shift), lo, hi), where that product is exact */
  BS_GRADED_BY_DIVISION, /* the same of u/threshold */
  BS_NEAREST,            /* clip(round(u/threshold), lo, hi), halves up, where floor(.. + 1/2) would round first */
  BS_FIRES
};

enum bs_reset {
  BS_SOFT,       /* u - per_spike s */
  BS_HARD,       /* u (1 - s/scale) + v_reset s/scale; its gradient counts */
  BS_HARD_GRADED /* the same with 1 for every spike but 0; without gradient */
};

enum bs_surrogate {
  BS_ATAN,             /* a, b: 1/(a + b x^2) */
  BS_SIGMOID,          /* a: alpha */
  BS_TRIANGLE,         /* a: gamma, b: 1/gamma^2 */
  BS_RECTANGLE,        /* a: width/2, b: 1/width */
  BS_STRAIGHT_THROUGH, /* a, b: bottom and top, c: slope */
  BS_PASS_THROUGH,     /* c: slope */
  BS_MICRO_STEPS,      /* a: alpha, c: 1/threshold */
  BS_MICRO_STEPS_SUMMED,
  BS_INSIDE            /* 1 where lo <= u/threshold <= hi; c: 1 */
};

struct bs_neuron {
  int32_t steps;
  int32_t held;    /* the current is one step, the same at all */
  int32_t repeats; /* the gradient of the spikes is one step, the same at all */
  int32_t bf16;    /* currents, spikes and their gradients are bfloat16 */
  int32_t charge, reset, surrogate;
  int32_t detach_reset;
  int32_t contracts; /* torch rounds a + factor b once on this processor */
  int32_t store;     /* what is carried is quantized to `top` levels on either side of 0 */
  int32_t finds;     /* by the largest of a step, which forward finds */
  int32_t learns;    /* each step has an alphabet that is learned (struct bs_tensors) */
  int32_t rounds, both_signs; /* of these alphabets */
  float factor, v_rest;
  float threshold, lo, hi, shift, scale;
  float per_spike, v_init, v_reset;
  float nearest_shift; /* shift + 1/2: the step nearest to a potential */
  float nearest;       /* of an alphabet of two levels, the threshold */
  float a, b, c;
  float margin;        /* in levels */
  float top, limit;    /* levels of what is stored, and the most that the largest counts as */
  int32_t fire, learns_rate; /* found when a call begins, from here on */
  float per_threshold;
};

/* What of a neuron is a tensor; NULL where it has none of it. */
struct bs_tensors {
  const float *rate;    /* the factor */
  const float *learned; /* [steps][3]: the threshold, which is the value of a level too; bits; the number of steps */
  float *peaks;         /* [steps - 1]: the largest potential that is stored after a step; written where it is found */
};

/* Columns of `learned`. */
enum { BS_LEARNED = 3 };

/* What one thread works on: `count` neurons in all, of which a block begins at `at` and has `size`. */
struct bs_block {
  const struct bs_neuron *neuron;
  struct bs_tensors tensors;
  const void *current, *grad_spikes;
  void *spikes, *grad_current;
  double *sums;       /* of this block: the gradient of the rate, or of what is learned */
  float *scratch;
  float *carried;     /* potentials of all neurons between two steps, where these are run one by one, else NULL */
  int32_t *most;      /* of this block: the largest size of a potential that is stored after a step, as its bits */
  int from, until;    /* steps */
  int64_t count, at;
  int size;
};

/* Vectors of a block that backward has in its scratch, beside the potentials of all steps. */
enum { BS_NEURON_VECTORS = 9 };

typedef void bs_neuron_pass(const struct bs_block *);

bs_neuron_pass bs_neurons_forward_scalar, bs_neurons_backward_scalar;
bs_neuron_pass bs_neurons_forward_avx2, bs_neurons_backward_avx2;
bs_neuron_pass bs_neurons_forward_avx512, bs_neurons_backward_avx512;

/* Spikes [steps][count] of a current [steps or 1][count]; 0, or -1 where there is no memory. */
BS_API int bs_neurons_forward(int level, int threads, const struct bs_neuron *neuron, const struct bs_tensors *tensors,
                              const void *current, void *spikes, int64_t count);

/* The gradient of the current, shaped like it; and, where it is a tensor, of the rate, or of `learned`, in `sums`. */
BS_API int bs_neurons_backward(int level, int threads, const struct bs_neuron *neuron, const struct bs_tensors *tensors,
                               const void *current, const void *grad_spikes, void *grad_current, double *sums,
                               int64_t count);

#endif
