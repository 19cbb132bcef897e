/* Learned levels for any processor, and the two calls that run them: over blocks of a group, on threads that end with the
 * call. */
#define LSQ(name) bs_lsq_##name##_scalar
#include "lsq_parts.h"

#include "parallel.h"

#include <stdlib.h>

struct work {
  struct bs_lsq_block shared;
  bs_lsq_pass *pass;
  const float *steps;
  double *sums; /* of all blocks, where they are asked for */
  int64_t first, last, each; /* blocks, and of one group */
};

static void *run_part(void *given) {
  const struct work *w = given;
  struct bs_lsq_block block = w->shared;
  for (int64_t index = w->first; index < w->last; index++) {
    const int64_t group = index / w->each, first = index % w->each * BS_LSQ_BLOCK, rest = block.how->size - first;
    block.step = w->steps[group];
    block.at = group * block.how->size + first;
    block.size = rest < BS_LSQ_BLOCK ? (int)rest : BS_LSQ_BLOCK;
    block.sums = w->sums ? w->sums + BS_LSQ_SUMS * index : NULL;
    w->pass(&block);
  }
  return NULL;
}

static void run(bs_lsq_pass *pass, int threads, const struct bs_lsq_block *shared, const float *steps, double *sums) {
  const int64_t each = (shared->how->size + BS_LSQ_BLOCK - 1) / BS_LSQ_BLOCK, blocks = each * shared->how->groups;
  const int count = bs_threads_for(threads, shared->how->groups * shared->how->size, blocks);
  struct work parts[BS_MOST_THREADS];
  for (int i = 0; i < count; i++) {
    parts[i] = (struct work){*shared, pass, steps, sums, blocks * i / count, blocks * (i + 1) / count, each};
  }
  bs_in_parts(run_part, parts, sizeof *parts, count);
}

int bs_lsq_forward(int level, int threads, const struct bs_lsq *how, const float *steps, const void *x, void *levels) {
  const struct bs_lsq_block shared = {.how = how, .x = x, .to = levels};
  run(BS_AT_LEVEL(level, bs_lsq_forward), threads, &shared, steps, NULL);
  return 0;
}

int bs_lsq_backward(int level, int threads, const struct bs_lsq *how, const float *steps, const void *x,
                    const void *grad, void *grad_x, double *sums) {
  const struct bs_lsq_block shared = {.how = how, .x = x, .grad = grad, .to = grad_x};
  const int64_t each = (how->size + BS_LSQ_BLOCK - 1) / BS_LSQ_BLOCK;
  double *all = calloc((size_t)(how->groups * each + 1) * BS_LSQ_SUMS, sizeof *all);
  if (!all) return -1;
  run(BS_AT_LEVEL(level, bs_lsq_backward), threads, &shared, steps, all);
  for (int64_t group = 0; group < how->groups; group++) {
    for (int part = 0; part < BS_LSQ_SUMS; part++) {
      double sum = 0;
      for (int64_t i = 0; i < each; i++) sum += all[(group * each + i) * BS_LSQ_SUMS + part];
      sums[group * BS_LSQ_SUMS + part] = sum;
    }
  }
  free(all);
  return 0;
}
