/* What the processor can do, as it says itself. */
#include "bitspike.h"

#include <stddef.h>

#ifndef BS_SOURCES
#define BS_SOURCES ""
#endif

const char *bs_sources(void) { return BS_SOURCES; }

#if defined(__x86_64__)
#include <cpuid.h>
#include <pthread.h>

#include "tiles.h"

static uint64_t saved_by_system(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int has(uint32_t word, int bit) { return (int)(word >> bit) & 1; }

/* Whether the system keeps tiles for a thread, and they are of the only size that kernels are written for. */
static int has_tiles(uint32_t leaf_7, uint64_t saved) {
#if defined(BS_TILES)
  (void)leaf_7, (void)saved;
  return 1;
#else
  uint32_t a, b, c, d;
  if (!has(leaf_7, 24) || !has(leaf_7, 25) || (saved & 0x60000) != 0x60000) return 0; /* tiles, int8 */
  if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return 0;
  const int tiles = b >> 16 == 8 && (b & 0xffff) == TILE_BYTES && (c & 0xffff) == TILE_ROWS;
  if (!__get_cpuid_count(0x1e, 0, &a, &b, &c, &d)) return 0;
  return tiles && (b & 0xff) >= TILE_ROWS && (b >> 8 & 0xffff) >= TILE_BYTES; /* fours and bytes that a product takes */
#endif
}

static int highest_by_itself(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27) || !has(c, 12)) return BS_SCALAR; /* OSXSAVE, FMA */
  const uint64_t saved = saved_by_system();
  if ((saved & 0x6) != 0x6) return BS_SCALAR;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, 5)) return BS_SCALAR;
  const int wide = has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31); /* AVX-512 F, DQ, BW, VL */
  const int counts = has(c, 1) && has(c, 11) && has(c, 12) && has(c, 14);  /* VBMI, VNNI, BITALG, VPOPCNTDQ */
  if (!wide || !counts || (saved & 0xe6) != 0xe6) return BS_AVX2;
  return has_tiles(d, saved) ? BS_AMX : BS_AVX512;
}

static pthread_once_t looked = PTHREAD_ONCE_INIT;
static int highest;
static const char *refused;

static void look(void) {
  highest = highest_by_itself();
  if (highest == BS_AMX && (refused = bs_tiles_refused())) highest = BS_AVX512;
}

int bs_detect(void) {
  pthread_once(&looked, look);
  return highest;
}

const char *bs_refused(void) {
  pthread_once(&looked, look);
  return refused;
}
#elif defined(__aarch64__)
int bs_detect(void) { return BS_NEON; }
const char *bs_refused(void) { return NULL; }
#else
int bs_detect(void) { return BS_SCALAR; }
const char *bs_refused(void) { return NULL; }
#endif
