/* What the processor can do, as it says itself. */
#include "bitspike.h"

#ifndef BS_SOURCES
#define BS_SOURCES ""
#endif

const char *bs_sources(void) { return BS_SOURCES; }

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t saved_by_system(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int has(uint32_t word, int bit) { return (int)(word >> bit) & 1; }

int bs_detect(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27) || !has(c, 12)) return BS_SCALAR; /* OSXSAVE, FMA */
  const uint64_t saved = saved_by_system();
  if ((saved & 0x6) != 0x6) return BS_SCALAR;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, 5)) return BS_SCALAR;
  const int wide = has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31); /* AVX-512 F, DQ, BW, VL */
  const int counts = has(c, 1) && has(c, 11) && has(c, 12) && has(c, 14);  /* VBMI, VNNI, BITALG, VPOPCNTDQ */
  if (!wide || !counts || (saved & 0xe6) != 0xe6) return BS_AVX2;
  return has(d, 24) && has(d, 25) && (saved & 0x60000) == 0x60000 ? BS_AMX : BS_AVX512; /* tiles, int8 */
}
#elif defined(__aarch64__)
int bs_detect(void) { return BS_NEON; }
#else
int bs_detect(void) { return BS_SCALAR; }
#endif
