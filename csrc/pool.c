/* Threads that wait for work: briefly awake, then asleep. A process that was forked starts new ones. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "plan.h"

enum { TURNS = 4000 }; /* looks at the door before a thread sleeps: some ten microseconds */

struct bs_pool {
  int32_t threads;
  pid_t owner;
  pthread_t *others;
  pthread_mutex_t lock;
  pthread_cond_t begun;
  atomic_int round, busy, started, sleeping;
  int leaving;
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

/* Waits until the round is another one than `seen`. */
static void wait_for_round(struct bs_pool *pool, int seen) {
  for (int turn = 0; turn < TURNS; turn++) {
    if (atomic_load(&pool->round) != seen) return;
    pause_briefly();
  }
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleeping, 1);
  while (atomic_load(&pool->round) == seen) pthread_cond_wait(&pool->begun, &pool->lock);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument) {
  struct bs_pool *pool = argument;
  const int32_t number = 1 + atomic_fetch_add(&pool->started, 1);
  for (int seen = 0;; seen++) {
    wait_for_round(pool, seen);
    if (pool->leaving) return NULL;
    pool->task(pool->context, number);
    atomic_fetch_sub(&pool->busy, 1);
  }
}

static void begin_round(struct bs_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->round, 1);
  if (atomic_load(&pool->sleeping)) pthread_cond_broadcast(&pool->begun);
  pthread_mutex_unlock(&pool->lock);
}

/* Starts the threads of this process. Those that the system refuses are not missed: fewer do the work. */
static void start(struct bs_pool *pool, int32_t threads) {
  pool->owner = getpid();
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->begun, NULL);
  atomic_store(&pool->round, 0);
  atomic_store(&pool->started, 0);
  atomic_store(&pool->sleeping, 0);
  pool->threads = 1;
  while (pool->threads < threads && !pthread_create(&pool->others[pool->threads - 1], NULL, work, pool))
    pool->threads++;
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
    pool->leaving = 1;
    begin_round(pool);
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
  atomic_store(&pool->busy, pool->threads - 1);
  if (pool->threads > 1) begin_round(pool);
  task(context, 0);
  for (int turn = 0; atomic_load(&pool->busy); turn++) {
    if (turn < TURNS) pause_briefly();
    else usleep(20);
  }
}
