/* The neurons' passes for any processor, and the two calls that run them: over blocks of neurons, on threads that end
 * with the call. A block does not depend on threads or instruction set, so neither does any float. */
#define NEURONS(name) bs_neurons_##name##_scalar
#include "neurons_steps.h"

#include "parallel.h"

#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { NEAR = 20 << 10 }; /* bytes of a block: it stays in the first cache, while currents and gradients come by */

struct work {
  struct bs_block shared;
  bs_neuron_pass *pass;
  double *sums; /* of all blocks */
  int32_t *most; /* a block each */
  int64_t first, last;
  int width;
};

/* Memory that is about to be written for the first time comes in pages of two megabytes, where the system has them: by
 * pages of four kilobytes it would take longer than all that is computed. */
static void in_huge_pages(void *start, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & ~(page - 1);
  const uintptr_t end = ((uintptr_t)start + (uintptr_t)bytes) & ~(page - 1);
  if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE); /* advice: refused, nothing is lost */
#else
  (void)start, (void)bytes;
#endif
}

/* A division by a power of two is a product, to the last bit. */
static int divides_exactly(float by) {
  int exponent;
  return frexpf(by, &exponent) == 0.5f && exponent > -100 && exponent < 100;
}

/* The neuron with all that its rows ask for. */
static struct bs_neuron prepared(const struct bs_neuron *given, const float *rate) {
  struct bs_neuron n = *given;
  const int leaks = n.charge == BS_LEAK || n.charge == BS_LEAK_DECAYS;
  n.learns_rate = rate != NULL;
  if (rate) n.factor = *rate;
  if (leaks && divides_exactly(n.factor)) {
    n.charge = n.charge == BS_LEAK ? BS_RATE : BS_RATE_DECAYS;
    n.factor = 1 / n.factor;
  }
  n.per_threshold = 1 / n.threshold;
  n.fire = n.lo == 0 && n.hi == 1 && n.shift == 0 ? BS_BINARY
           : divides_exactly(n.threshold)         ? BS_GRADED
                                                  : BS_GRADED_BY_DIVISION;
  if (n.learns) n.fire = n.rounds ? BS_NEAREST : BS_GRADED_BY_DIVISION;
  return n;
}

/* Sums of a block that backward gives. */
static int sums_of(const struct bs_neuron *neuron) {
  return neuron->learns ? BS_LEARNED * neuron->steps : neuron->learns_rate;
}

static int64_t vectors(const struct bs_neuron *neuron) {
  return (int64_t)neuron->steps * (1 + neuron->learns_rate + neuron->store) + BS_NEURON_VECTORS;
}

static int block_width(const struct bs_neuron *neuron) {
  int width = 512;
  while (width > 64 && width * vectors(neuron) * (int64_t)sizeof(float) > NEAR) width /= 2;
  return width;
}

static void *run_part(void *given) { /* of a thread */
  const struct work *w = given;
  struct bs_block block = w->shared;
  for (int64_t index = w->first; index < w->last; index++) {
    block.at = index * w->width;
    block.size = block.count - block.at < w->width ? (int)(block.count - block.at) : w->width;
    block.sums = w->sums + index * sums_of(block.neuron);
    block.most = w->most + index;
    w->pass(&block);
  }
  return NULL;
}

/* Memory that a call has besides its tensors. */
struct memory {
  float *scratch, *carried;
  int32_t *most;
  double *sums;
};

/* All steps of all blocks at once, or one step after the other where something is found of a whole layer. */
static void run_steps(struct work *parts, int count, int64_t blocks, const struct memory *memory) {
  const struct bs_block *shared = &parts[0].shared;
  const int steps = shared->neuron->steps;
  if (!shared->carried) {
    bs_in_parts(run_part, parts, sizeof *parts, count);
    return;
  }
  for (int t = 0; t < steps; t++) {
    for (int i = 0; i < count; i++) parts[i].shared.from = t, parts[i].shared.until = t + 1;
    bs_in_parts(run_part, parts, sizeof *parts, count);
    int32_t most = 0;
    for (int64_t i = 0; i < blocks; i++) most = memory->most[i] > most ? memory->most[i] : most;
    if (t + 1 < steps) memcpy(shared->tensors.peaks + t, &most, sizeof most);
  }
}

static int run(bs_neuron_pass *pass, int threads, struct bs_block shared, double *sums) {
  const struct bs_neuron *neuron = shared.neuron;
  const int width = block_width(neuron), each = sums_of(neuron), finds = shared.spikes && neuron->finds;
  const int64_t blocks = (shared.count + width - 1) / width;
  const size_t scratch = (size_t)width * (size_t)vectors(neuron), all = (size_t)blocks + 1;
  struct work parts[BS_MOST_THREADS];
  const int count = bs_threads_for(threads, shared.count * neuron->steps, blocks);
  const struct memory memory = {
      .scratch = aligned_alloc(64, (size_t)count * scratch * sizeof(float)), /* width is a multiple of 64 */
      .carried = finds ? aligned_alloc(64, all * (size_t)width * sizeof(float)) : NULL,
      .most = calloc(all, sizeof(int32_t)),
      .sums = calloc(all * (size_t)(each + 1), sizeof(double)),
  };
  const int done = memory.scratch && memory.most && memory.sums && (memory.carried || !finds);
  if (done) {
    shared.carried = memory.carried, shared.from = 0, shared.until = neuron->steps;
    for (int i = 0; i < count; i++) {
      const int64_t first = blocks * i / count, last = blocks * (i + 1) / count;
      parts[i] = (struct work){shared, pass, memory.sums, memory.most, first, last, width};
      parts[i].shared.scratch = memory.scratch + (size_t)i * scratch;
    }
    run_steps(parts, count, blocks, &memory);
    for (int k = 0; sums && k < each; k++) {
      sums[k] = 0;
      for (int64_t i = 0; i < blocks; i++) sums[k] += memory.sums[i * each + k];
    }
  }
  free(memory.scratch);
  free(memory.carried);
  free(memory.most);
  free(memory.sums);
  return done ? 0 : -1;
}

int bs_neurons_forward(int level, int threads, const struct bs_neuron *neuron, const struct bs_tensors *tensors,
                       const void *current, void *spikes, int64_t count) {
  struct bs_neuron ready = prepared(neuron, tensors->rate);
  const struct bs_block shared = {
      .neuron = &ready, .tensors = *tensors, .current = current, .spikes = spikes, .count = count};
  in_huge_pages(spikes, count * neuron->steps * (neuron->bf16 ? 2 : 4));
  return run(BS_AT_LEVEL(level, bs_neurons_forward), threads, shared, NULL);
}

int bs_neurons_backward(int level, int threads, const struct bs_neuron *neuron, const struct bs_tensors *tensors,
                        const void *current, const void *grad_spikes, void *grad_current, double *sums,
                        int64_t count) {
  const struct bs_neuron ready = prepared(neuron, tensors->rate);
  const struct bs_block shared = {.neuron = &ready, .tensors = *tensors, .current = current, .grad_spikes = grad_spikes,
                                  .grad_current = grad_current, .count = count};
  in_huge_pages(grad_current, count * (neuron->held ? 1 : neuron->steps) * (neuron->bf16 ? 2 : 4));
  return run(BS_AT_LEVEL(level, bs_neurons_backward), threads, shared, sums);
}
