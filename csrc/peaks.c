/* Which loop of peaks a level has. */
#include "peaks.h"

int64_t bs_peak(int32_t level, int32_t peak, int64_t rounds) {
#if defined(__x86_64__)
  if (level == BS_AMX && peak == BS_DOT) return bs_peak_amx(rounds);
  if (level == BS_AVX2) return bs_peak_avx2(peak, rounds);
  if (level == BS_AVX512 || level == BS_AMX) return bs_peak_avx512(peak, rounds);
#endif
  (void)level, (void)peak, (void)rounds;
  return 0;
}
