/* The peak of AVX-512 with VNNI: four products a lane and instruction, in as many chains as hide its latency. */
#include <immintrin.h>

#include "peak.h"

int64_t bs_peak_avx512(int64_t rounds) {
  enum { CHAINS = 16 };
  __m512i sums[CHAINS], codes = _mm512_set1_epi8(3), weights = _mm512_set1_epi8(-2);
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_setzero_si512();
  for (int64_t r = 0; r < rounds; r++)
    for (int k = 0; k < CHAINS; k++) {
      __asm__("" : "+v"(codes));
      sums[k] = _mm512_dpbusd_epi32(sums[k], codes, weights);
    }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm512_add_epi32(sums[0], sums[k]);
  __asm__ volatile("" : : "v"(sums[0])); /* as if somebody read it */
  return rounds * CHAINS * 64;
}
