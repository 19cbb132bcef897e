/* Parts of a call on threads that end with it, and which function runs them. */
#ifndef BITSPIKE_PARALLEL_H
#define BITSPIKE_PARALLEL_H

#include <pthread.h>
#include <stdint.h>

/* The function of that name for a level: `name` is compiled for each. */
#if defined(__x86_64__)
#define BS_AT_LEVEL(level, name) \
  ((level) == BS_AVX2 ? name##_avx2 : (level) == BS_AVX512 || (level) == BS_AMX ? name##_avx512 : name##_scalar)
#else
#define BS_AT_LEVEL(level, name) ((void)(level), name##_scalar)
#endif

enum { BS_MOST_THREADS = 256, BS_LEAST_WORK = 1 << 16 };

/* Runs `count` parts of `size` bytes each; one whose thread cannot be made is run by the caller. */
static inline void bs_in_parts(void *(*run)(void *), void *parts, size_t size, int count) {
  pthread_t threads[BS_MOST_THREADS];
  int started[BS_MOST_THREADS];
  char *part = parts;
  for (int i = 1; i < count; i++) started[i] = !pthread_create(&threads[i], NULL, run, part + (size_t)i * size);
  run(part);
  for (int i = 1; i < count; i++) {
    if (started[i]) {
      pthread_join(threads[i], NULL);
    } else {
      run(part + (size_t)i * size);
    }
  }
}

/* Threads that so many elements in so many blocks are worth. */
static inline int bs_threads_for(int threads, int64_t work, int64_t blocks) {
  const int64_t useful = work / BS_LEAST_WORK < blocks ? work / BS_LEAST_WORK : blocks;
  const int64_t most = useful < BS_MOST_THREADS ? useful : BS_MOST_THREADS;
  return threads < most ? (threads > 1 ? threads : 1) : (most > 1 ? (int)most : 1);
}

#endif
