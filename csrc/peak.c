/* The peak without vector instructions of its own, and the choice between the levels. */
#include "peak.h"

static int64_t peak_scalar(int64_t rounds) {
  enum { LANES = 64 };
  int16_t codes[LANES], weights[LANES];
  int32_t sums[LANES] = {0};
  for (int k = 0; k < LANES; k++) {
    codes[k] = (int16_t)(k & 7);
    weights[k] = (int16_t)((k & 3) - 1);
  }
  for (int64_t r = 0; r < rounds; r++) {
    for (int k = 0; k < LANES; k++) sums[k] += codes[k] * weights[k];
    __asm__ volatile("" : : "r"(codes), "r"(weights) : "memory"); /* as if they were others in every round */
  }
  int32_t sum = 0;
  for (int k = 0; k < LANES; k++) sum += sums[k];
  __asm__ volatile("" : : "r"(sum)); /* as if somebody read it */
  return rounds * LANES;
}

int64_t bs_peak(int32_t level, int64_t rounds) {
#if defined(__x86_64__)
  if (level == BS_AVX2) return bs_peak_avx2(rounds);
  if (level == BS_AVX512 || level == BS_AMX) return bs_peak_avx512(rounds);
#endif
  (void)level;
  return peak_scalar(rounds);
}
