/* The neurons' passes for any processor, and the two calls that run them: over blocks of neurons, on threads that end with
 * the call. A block does not depend on threads or instruction set, so neither does any float. */
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

/* Memory that is about to be written for the first time comes in pages of two megabytes, where the system has them: page
 * by page it would take longer than all that is computed. */
static void in_huge_pages(void *start, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & ~(page - 1);
  const uintptr_t end = ((uintptr_t)start + (uintptr_t)bytes) & ~(page - 1);
  if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE); /* advice: refused, nothing is lost */
#else
  (void)start, (void)bytes;
#endif
}

static int block_width(const struct bs_neuron *neuron) {
  int width = 1024;
  while (width > 64 && (int64_t)width * (neuron->steps + BS_NEURON_VECTORS) * 4 > CACHE) width /= 2;
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
  const size_t scratch = (size_t)width * (size_t)(steps + BS_NEURON_VECTORS);
  struct work parts[MOST_THREADS];
  const int count = threads_for(threads, shared.count * steps, blocks);
  float *memory = malloc((size_t)count * scratch * sizeof *memory);
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
  const struct bs_block shared = {.neuron = neuron, .rate = rate ? *rate : 0, .current = current, .spikes = spikes,
                                  .count = count};
  in_huge_pages(spikes, count * neuron->steps * (int64_t)sizeof *spikes);
  return run(AT_LEVEL(level, bs_neurons_forward), threads, shared, &unused);
}

int bs_neurons_backward(int level, int threads, const struct bs_neuron *neuron, const float *rate, const float *current,
                        const float *grad_spikes, float *grad_current, double *grad_rate, int64_t count) {
  const struct bs_block shared = {.neuron = neuron, .rate = rate ? *rate : 0, .current = current,
                                  .grad_spikes = grad_spikes, .grad_current = grad_current, .count = count};
  in_huge_pages(grad_current, count * (neuron->held ? 1 : neuron->steps) * (int64_t)sizeof *grad_current);
  return run(AT_LEVEL(level, bs_neurons_backward), threads, shared, grad_rate);
}
