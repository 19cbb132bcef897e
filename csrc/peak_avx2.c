/* The peak of AVX2: bytes to pairs, pairs to sums, in as many chains as the registers hold. */
#include <immintrin.h>

#include "peak.h"

int64_t bs_peak_avx2(int64_t rounds) {
  enum { CHAINS = 8 };
  __m256i sums[CHAINS], codes = _mm256_set1_epi8(3), weights = _mm256_set1_epi8(-2);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm256_setzero_si256();
  for (int64_t r = 0; r < rounds; r++)
    for (int k = 0; k < CHAINS; k++) {
      __asm__("" : "+x"(codes));
      sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights), ones));
    }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm256_add_epi32(sums[0], sums[k]);
  __asm__ volatile("" : : "x"(sums[0])); /* as if somebody read it */
  return rounds * CHAINS * 32;
}
