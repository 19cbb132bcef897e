/* Runs a plan: its stages in turn, each block of positions by whichever thread is free. */
#include "plan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bs_runtime {
  struct bs_pool *pool;
  pthread_mutex_t lock;
  _Atomic pid_t owner; /* the process whose threads may hold the lock; CHANGING: a new one is taking it */
  uint8_t *arena, *scratch;
  struct bs_edge *moved; /* the plan's edges, from a later image on */
  int32_t threads;
  int64_t scratch_each;
};

enum { CHANGING = -1 };
enum { SLACK = 4096 }; /* bytes behind the arena that a kernel may read past the last window */

static int64_t rounded(int64_t bytes) { return (bytes + 127) / 128 * 128; }

struct bs_runtime *bs_runtime_new(const struct bs_plan *plan, int32_t threads) {
  struct bs_runtime *runtime = calloc(1, sizeof *runtime);
  if (!runtime) return NULL;
  runtime->threads = threads;
  runtime->scratch_each = rounded(plan->scratch);
  runtime->arena = aligned_alloc(128, (size_t)(rounded(plan->arena) + SLACK));
  runtime->scratch = aligned_alloc(128, (size_t)(runtime->scratch_each * threads));
  runtime->moved = malloc(sizeof *runtime->moved * (size_t)plan->edges);
  runtime->pool = bs_pool_new(threads);
  pthread_mutex_init(&runtime->lock, NULL);
  atomic_store(&runtime->owner, getpid());
  if (!runtime->arena || !runtime->scratch || !runtime->moved || !runtime->pool) {
    bs_runtime_free(runtime);
    return NULL;
  }
  memset(runtime->arena, 0, (size_t)(rounded(plan->arena) + SLACK));
  memset(runtime->scratch, 0, (size_t)(runtime->scratch_each * threads));
  return runtime;
}

void bs_runtime_free(struct bs_runtime *runtime) {
  if (runtime->pool) bs_pool_free(runtime->pool);
  pthread_mutex_destroy(&runtime->lock);
  free(runtime->arena);
  free(runtime->scratch);
  free(runtime->moved);
  free(runtime);
}

/* One stage, for the images of one turn. */
struct work {
  struct bs_runtime *runtime;
  const struct bs_plan *plan;
  const struct bs_stage *stage;
  const uint8_t *images;
  int64_t positions, bordered; /* positions of all images; images and steps whose borders are to be filled */
  int64_t count;
  int64_t preparing; /* parts that are prepared: runs of cells, or factors, over all steps */
  int32_t block;     /* positions at once: fewer than the stage allows where threads would be left without any */
  atomic_llong next, next_border, next_preparing;
};

static int64_t size_of(const struct bs_edge *edge) { return edge->type == BS_U8 ? 1 : edge->type == BS_I32 ? 4 : 8; }

/* Fills what lies around one image at one step. */
static void fill_border(const struct bs_edge *edge, uint8_t *arena, int64_t t, int64_t n) {
  const int64_t size = size_of(edge), inner = (int64_t)edge->columns * edge->channels;
  uint8_t *start = arena + edge->place + (t * edge->step + n * edge->image) * size;
  const int64_t rows = edge->positions / edge->columns;
  int64_t at = 0;
  for (int64_t row = 0; row < rows; row++) {
    const int64_t begin = edge->first + row * edge->row;
    memset(start + at * size, edge->border, (size_t)((begin - at) * size));
    at = begin + inner;
  }
  memset(start + at * size, edge->border, (size_t)((edge->image - at) * size));
}

static void fill_borders(const struct work *work, int64_t turn) {
  for (int32_t i = 0; i < work->stage->written; i++) {
    const struct bs_edge *edge = work->plan->edge + work->stage->writes[i];
    if (turn < edge->steps * work->count)
      fill_border(edge, work->runtime->arena, turn / work->count, turn % work->count);
  }
}

/* What an instruction set has of its own. */
struct way {
  void (*block)(struct bs_here *here);
  void (*pack)(const struct bs_plan *plan, const struct bs_matmul *by, int32_t lane, int64_t t, int64_t n, uint8_t *arena);
};

static struct way way_of(int32_t level) {
#if defined(__x86_64__)
  if (level == BS_AVX2) return (struct way){bs_block_avx2, bs_pack_avx2};
  if (level == BS_AVX512 || level == BS_AMX) return (struct way){bs_block_avx512, bs_pack_avx512};
#endif
  (void)level;
  return (struct way){bs_block_scalar, bs_pack_scalar};
}

enum { CELLS = 512 }; /* that a thread prepares at once */

/* Prepares a run of cells of one step. */
static void prepare_cells(const struct work *work, int64_t turn) {
  const struct bs_op *op = work->stage->op + work->stage->prepares;
  const struct bs_sums *by = op->data;
  const struct bs_edge *edge = work->plan->edge + op->edge;
  const int64_t runs = work->preparing / edge->steps, all = work->count * edge->image / by->layer->cell;
  const int64_t first = turn % runs * CELLS, t = turn / runs, left = all - first;
  const uint8_t *codes = work->runtime->arena + edge->place + t * edge->step + first * by->layer->cell;
  uint8_t *to = work->runtime->arena + by->prepared + (t * bs_cells_of_step(edge, by) + first) * by->cell;
  by->kernel->prepare(by->layer, codes, left < CELLS ? left : CELLS, to);
}

static int64_t steps_of(const struct bs_plan *plan, const struct bs_factor *factor) { return plan->edge[factor->edge].steps; }

/* Packs a factor of products, of one image at one step: those of rows first. */
static void prepare_factor(const struct work *work, int64_t turn) {
  const struct bs_matmul *by = work->stage->op[work->stage->prepares].data;
  const int64_t of_rows = steps_of(work->plan, &by->row) * work->count, lane = turn >= of_rows;
  if (lane) turn -= of_rows;
  way_of(work->plan->level)
      .pack(work->plan, by, (int32_t)lane, turn / work->count, turn % work->count, work->runtime->arena);
}

static int multiplies(const struct bs_stage *stage) { return stage->op[stage->prepares].kind == BS_MATMUL; }

/* Into how many parts preparing is divided. */
static int64_t turns_to_prepare(const struct work *work) {
  const struct bs_op *op = work->stage->op + work->stage->prepares;
  if (multiplies(work->stage)) {
    const struct bs_matmul *by = op->data;
    return (steps_of(work->plan, &by->row) + steps_of(work->plan, &by->lane)) * work->count;
  }
  const struct bs_edge *edge = work->plan->edge + op->edge;
  const struct bs_sums *by = op->data;
  return (work->count * edge->image / by->layer->cell + CELLS - 1) / CELLS * edge->steps;
}

static void share_preparing(void *context, int32_t thread) {
  struct work *work = context;
  (void)thread;
  for (int64_t turn; (turn = atomic_fetch_add(&work->next_preparing, 1)) < work->preparing;)
    if (multiplies(work->stage)) prepare_factor(work, turn);
    else prepare_cells(work, turn);
}

/* What one thread does of a stage: borders, which nobody reads before the stage is over, then blocks. */
static void share(void *context, int32_t thread) {
  struct work *work = context;
  const struct bs_stage *stage = work->stage;
  uint8_t *scratch = work->runtime->scratch + work->runtime->scratch_each * thread;
  struct bs_here here = {.plan = work->plan, .stage = stage, .images = work->images, .arena = work->runtime->arena};
  here.sums = (int32_t *)scratch;
  here.offsets = here.sums + (int64_t)stage->ahead * stage->block * stage->width;
  here.registers = scratch + rounded((int64_t)stage->ahead * stage->block * (stage->width + 1) * 4);
  for (int64_t turn; (turn = atomic_fetch_add(&work->next_border, 1)) < work->bordered;) fill_borders(work, turn);
  const struct way way = way_of(work->plan->level);
  for (int64_t block; (block = atomic_fetch_add(&work->next, 1)) * work->block < work->positions;) {
    here.first = block * work->block;
    const int64_t left = work->positions - here.first;
    here.count = left < work->block ? (int32_t)left : work->block;
    way.block(&here);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* which other work does not lengthen */
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

enum { LEAST_SHARE = 8 }; /* positions that are worth a thread */

static int32_t block_of_share(const struct bs_stage *stage, int64_t positions, int32_t threads) {
  const int64_t each = (positions + threads - 1) / threads, rounded_up = (each + 3) / 4 * 4;
  if (rounded_up >= stage->block) return stage->block;
  return rounded_up > LEAST_SHARE ? (int32_t)rounded_up : LEAST_SHARE < stage->block ? LEAST_SHARE : stage->block;
}

/* The stages from `i` to `end`, for some images. */
static void run_stages(struct bs_runtime *runtime, const struct bs_plan *plan, int32_t i, int32_t end,
                       const uint8_t *images, int64_t count, double *seconds) {
  for (; i < end; i++) {
    const struct bs_stage *stage = plan->stage + i;
    struct work work = {.runtime = runtime, .plan = plan, .stage = stage, .images = images, .count = count};
    work.positions = count * stage->positions;
    for (int32_t e = 0; e < stage->written; e++) {
      const int64_t turns = plan->edge[stage->writes[e]].steps * count;
      if (turns > work.bordered) work.bordered = turns;
    }
    const double began = seconds ? now() : 0;
    const int divided = count > stage->alone;
    work.block = block_of_share(stage, work.positions, divided ? runtime->threads : 1);
    if (stage->prepares >= 0) {
      work.preparing = turns_to_prepare(&work);
      if (divided && work.preparing > 1) bs_pool_run(runtime->pool, share_preparing, &work);
      else share_preparing(&work, 0);
    }
    if (divided && work.positions > work.block) bs_pool_run(runtime->pool, share, &work);
    else share(&work, 0);
    if (seconds) seconds[i] += now() - began;
  }
}

/* The plan for images from `from` on, of edges that have room for all; the others' places are taken again. */
static struct bs_plan plan_from(struct bs_runtime *runtime, const struct bs_plan *plan, int64_t from) {
  for (int32_t e = 0; e < plan->edges; e++) {
    runtime->moved[e] = plan->edge[e];
    if (plan->edge[e].images >= plan->batch) runtime->moved[e].place += from * plan->edge[e].image * size_of(plan->edge + e);
  }
  struct bs_plan moved = *plan;
  moved.edge = runtime->moved;
  return moved;
}

/* All stages for up to `batch` images. */
static void run_some(struct bs_runtime *runtime, const struct bs_plan *plan, const uint8_t *images, int64_t count,
                     double *seconds) {
  for (int32_t i = 0, first = 0; i < plan->turns; first = plan->turn[i++].end) {
    const struct bs_turns *turn = plan->turn + i;
    for (int64_t from = 0; from < count; from += turn->images) {
      const int64_t left = count - from, some = left < turn->images ? left : turn->images;
      const struct bs_plan there = from ? plan_from(runtime, plan, from) : *plan;
      run_stages(runtime, &there, first, turn->end, images + from * plan->image, some, seconds);
    }
  }
}

/* In a process that was forked while a thread held the lock, nobody is left to release it: it is made anew, once. */
static void own_lock(struct bs_runtime *runtime) {
  const pid_t here = getpid();
  for (pid_t owner; (owner = atomic_load(&runtime->owner)) != here;) {
    if (owner == CHANGING || !atomic_compare_exchange_strong(&runtime->owner, &owner, CHANGING)) continue;
    pthread_mutex_init(&runtime->lock, NULL);
    atomic_store(&runtime->owner, here);
  }
}

/* An answer, channels first; its edge lies channels last. */
static void give(const struct bs_edge *edge, const uint8_t *arena, int64_t count, int64_t *to) {
  for (int64_t n = 0; n < count; n++)
    for (int64_t t = 0; t < edge->steps; t++) {
      const int64_t *from = (const int64_t *)(const void *)(arena + edge->place) + t * edge->step + n * edge->image;
      for (int64_t c = 0; c < edge->channels; c++)
        for (int64_t q = 0; q < edge->positions; q++) *to++ = from[q * edge->channels + c];
    }
}

int bs_run(struct bs_runtime *runtime, const struct bs_plan *plan, const uint8_t *images, int64_t count,
           int64_t *const *answers, double *seconds) {
  own_lock(runtime);
  pthread_mutex_lock(&runtime->lock);
  for (int64_t first = 0; first < count; first += plan->batch) {
    const int64_t some = count - first < plan->batch ? count - first : plan->batch;
    run_some(runtime, plan, images + first * plan->image, some, seconds);
    for (int32_t i = 0; i < plan->answers; i++) {
      const struct bs_edge *made = plan->edge + plan->answer[i];
      give(made, runtime->arena, some, answers[i] + first * made->steps * made->positions * made->channels);
    }
  }
  pthread_mutex_unlock(&runtime->lock);
  return 0;
}

static int64_t level_of(const struct bs_edge *edge, const uint8_t *start, int64_t element) {
  if (edge->type == BS_U8) return edge->lo + start[element];
  return edge->type == BS_I32 ? ((const int32_t *)start)[element] : ((const int64_t *)start)[element];
}

void bs_edge_copy(struct bs_runtime *runtime, const struct bs_plan *plan, int32_t index, int64_t count,
                  int64_t *levels) {
  const struct bs_edge *edge = plan->edge + index;
  const uint8_t *start = runtime->arena + edge->place;
  for (int64_t t = 0; t < edge->steps; t++)
    for (int64_t n = 0; n < count; n++)
      for (int64_t q = 0; q < edge->positions; q++) {
        const int64_t at = t * edge->step + n * edge->image + edge->first + q / edge->columns * edge->row +
                           q % edge->columns * edge->channels;
        for (int64_t c = 0; c < edge->channels; c++) *levels++ = level_of(edge, start, at + c);
      }
}
