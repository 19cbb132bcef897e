/* Threads that wait for work: briefly awake, then asleep. A process that was forked starts new ones.
 *
 * Work is there for whoever comes: who calls does not wait for a thread that has not come when all is done, which on a
 * busy machine may be long. So `state` counts the threads within a round, and says whether one may still enter. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "plan.h"

enum { TURNS = 4000, OPEN = 1 << 15, WITHIN = OPEN - 1, ROUND = 16 }; /* looks before a thread sleeps; bits of `state` */

struct bs_pool {
  int32_t threads;
  pid_t owner;
  pthread_t *others;
  pthread_mutex_t lock;
  pthread_cond_t begun;
  atomic_uint_fast64_t state; /* the round's number, whether it is open, and how many are within */
  atomic_int started, sleeping;
  atomic_int leaving;
  void (*task)(void *, int32_t);
  void *context;
};

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint64_t round_of(struct bs_pool *pool) { return atomic_load(&pool->state) >> ROUND; }

static int has_news(struct bs_pool *pool, uint64_t seen) {
  return round_of(pool) != seen || atomic_load(&pool->leaving);
}

/* Waits until the round is another one than `seen`, or the last has been. */
static void wait_for_round(struct bs_pool *pool, uint64_t seen) {
  for (int turn = 0; turn < TURNS; turn++) {
    if (has_news(pool, seen)) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleeping, 1);
  while (!has_news(pool, seen)) pthread_cond_wait(&pool->begun, &pool->lock);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->lock);
}

/* Whether a thread is within the round, which it leaves by counting down. */
static int enter(struct bs_pool *pool) {
  uint_fast64_t state = atomic_load(&pool->state);
  while (state & OPEN)
    if (atomic_compare_exchange_weak(&pool->state, &state, state + 1)) return 1;
  return 0;
}

static void *work(void *argument) {
  struct bs_pool *pool = argument;
  const int32_t number = 1 + atomic_fetch_add(&pool->started, 1);
  for (uint64_t seen = 0;;) {
    wait_for_round(pool, seen);
    if (atomic_load(&pool->leaving)) return NULL;
    seen = round_of(pool);
    if (!enter(pool)) continue;
    seen = round_of(pool); /* none begins while somebody is within */
    pool->task(pool->context, number);
    atomic_fetch_sub(&pool->state, 1);
  }
}

/* Begins a round, which is OPEN or, where all are to leave, 0. */
static void begin_round(struct bs_pool *pool, uint64_t open) {
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->state, ((round_of(pool) + 1) << ROUND) | open);
  if (atomic_load(&pool->sleeping)) pthread_cond_broadcast(&pool->begun);
  pthread_mutex_unlock(&pool->lock);
}

enum { STACK = 2 << 20 }; /* bytes of a thread: kernels copy codes there, and some systems give a tenth of it */

/* Starts the threads of this process. Those that the system refuses are not missed: fewer do the work. */
static void start(struct bs_pool *pool, int32_t threads) {
  pool->owner = getpid();
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->begun, NULL);
  atomic_store(&pool->state, 0);
  atomic_store(&pool->started, 0);
  atomic_store(&pool->sleeping, 0);
  pool->threads = 1;
  pthread_attr_t how;
  pthread_attr_init(&how);
  pthread_attr_setstacksize(&how, STACK);
  while (pool->threads < threads && !pthread_create(&pool->others[pool->threads - 1], &how, work, pool)) pool->threads++;
  pthread_attr_destroy(&how);
}

struct bs_pool *bs_pool_new(int32_t threads) {
  struct bs_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->others = calloc((size_t)threads, sizeof *pool->others);
  if (!pool->others) {
    free(pool);
    return NULL;
  }
  start(pool, threads);
  return pool;
}

void bs_pool_free(struct bs_pool *pool) {
  if (pool->owner == getpid()) {
    atomic_store(&pool->leaving, 1);
    begin_round(pool, 0);
    for (int32_t i = 0; i + 1 < pool->threads; i++) pthread_join(pool->others[i], NULL);
    pthread_cond_destroy(&pool->begun);
    pthread_mutex_destroy(&pool->lock);
  }
  free(pool->others);
  free(pool);
}

void bs_pool_run(struct bs_pool *pool, void (*task)(void *context, int32_t thread), void *context) {
  if (pool->owner != getpid()) start(pool, pool->threads);
  pool->task = task;
  pool->context = context;
  if (pool->threads == 1) {
    task(context, 0);
    return;
  }
  begin_round(pool, OPEN);
  task(context, 0);
  atomic_fetch_and(&pool->state, ~(uint_fast64_t)OPEN);
  for (int turn = 0; atomic_load(&pool->state) & WITHIN; turn++) {
    if (turn < TURNS) pause_briefly();
    else usleep(20);
  }
}
