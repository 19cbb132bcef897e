/* The neurons' passes for any processor, and the two calls that run them: over blocks of neurons, on threads that end
 * with the call. A block does not depend on threads or instruction set, so neither does any float. */
#define NEURONS(name) bs_neurons_##name##_scalar
#include "neurons_steps.h"

#include <pthread.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { MOST_THREADS = 256, CACHE = 1 << 18, LEAST_WORK = 1 << 16 };

struct work {
  struct bs_block shared;
  bs_neuron_pass *pass;
  double *grad_rates; /* a block each */
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
  return n;
}

static int64_t vectors(const struct bs_neuron *neuron) {
  return (int64_t)neuron->steps * (neuron->learns_rate ? 2 : 1) + BS_NEURON_VECTORS;
}

static int block_width(const struct bs_neuron *neuron) {
  int width = 512;
  while (width > 64 && width * vectors(neuron) * (int64_t)sizeof(float) > CACHE) width /= 2;
  return width;
}

static void *run_part(void *given) {
  const struct work *w = given;
  struct bs_block block = w->shared;
  for (int64_t index = w->first; index < w->last; index++) {
    block.at = index * w->width;
    block.size = block.count - block.at < w->width ? (int)(block.count - block.at) : w->width;
    block.grad_rate = w->grad_rates + index;
    w->pass(&block);
  }
  return NULL;
}

/* A part whose thread cannot be made is run by the caller. */
static void run_parts(struct work *parts, int count) {
  pthread_t threads[MOST_THREADS];
  int started[MOST_THREADS];
  for (int i = 1; i < count; i++) started[i] = !pthread_create(&threads[i], NULL, run_part, &parts[i]);
  run_part(&parts[0]);
  for (int i = 1; i < count; i++) {
    if (started[i]) {
      pthread_join(threads[i], NULL);
    } else {
      run_part(&parts[i]);
    }
  }
}

static int threads_for(int threads, int64_t work, int64_t blocks) {
  const int64_t useful = work / LEAST_WORK < blocks ? work / LEAST_WORK : blocks;
  const int64_t most = useful < MOST_THREADS ? useful : MOST_THREADS;
  return threads < most ? (threads > 1 ? threads : 1) : (most > 1 ? (int)most : 1);
}

static int run(bs_neuron_pass *pass, int threads, struct bs_block shared, double *grad_rate) {
  const int width = block_width(shared.neuron), steps = shared.neuron->steps;
  const int64_t blocks = (shared.count + width - 1) / width;
  const size_t scratch = (size_t)width * (size_t)vectors(shared.neuron);
  struct work parts[MOST_THREADS];
  const int count = threads_for(threads, shared.count * steps, blocks);
  float *memory = aligned_alloc(64, (size_t)count * scratch * sizeof *memory); /* width is a multiple of 64 */
  double *grad_rates = calloc((size_t)blocks + 1, sizeof *grad_rates), sum = 0;
  if (memory && grad_rates) {
    for (int i = 0; i < count; i++) {
      parts[i] = (struct work){shared, pass, grad_rates, blocks * i / count, blocks * (i + 1) / count, width};
      parts[i].shared.scratch = memory + (size_t)i * scratch;
    }
    run_parts(parts, count);
    for (int64_t i = 0; i < blocks; i++) sum += grad_rates[i];
    *grad_rate = sum;
  }
  const int done = memory && grad_rates ? 0 : -1;
  free(memory);
  free(grad_rates);
  return done;
}

static bs_neuron_pass *at_level(int level, bs_neuron_pass *scalar, bs_neuron_pass *avx2, bs_neuron_pass *avx512) {
  return level == BS_AVX2 ? avx2 : level == BS_AVX512 || level == BS_AMX ? avx512 : scalar;
}

#if defined(__x86_64__)
#define AT_LEVEL(level, name) at_level(level, name##_scalar, name##_avx2, name##_avx512)
#else
#define AT_LEVEL(level, name) at_level(level, name##_scalar, name##_scalar, name##_scalar)
#endif

int bs_neurons_forward(int level, int threads, const struct bs_neuron *neuron, const float *rate, const float *current,
                       float *spikes, int64_t count) {
  double unused;
  const struct bs_neuron ready = prepared(neuron, rate);
  const struct bs_block shared = {.neuron = &ready, .current = current, .spikes = spikes, .count = count};
  in_huge_pages(spikes, count * neuron->steps * (int64_t)sizeof *spikes);
  return run(AT_LEVEL(level, bs_neurons_forward), threads, shared, &unused);
}

int bs_neurons_backward(int level, int threads, const struct bs_neuron *neuron, const float *rate, const float *current,
                        const float *grad_spikes, float *grad_current, double *grad_rate, int64_t count) {
  const struct bs_neuron ready = prepared(neuron, rate);
  const struct bs_block shared = {.neuron = &ready, .current = current, .grad_spikes = grad_spikes,
                                  .grad_current = grad_current, .count = count};
  in_huge_pages(grad_current, count * (neuron->held ? 1 : neuron->steps) * (int64_t)sizeof *grad_current);
  return run(AT_LEVEL(level, bs_neurons_backward), threads, shared, grad_rate);
}
