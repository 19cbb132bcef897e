/* Peaks of AVX2: eight sums that do not wait for each other. */
#include <immintrin.h>

#include "peaks.h"

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define BEGIN(i) __m256i a##i = _mm256_set1_epi32(i);
#define HIDE __asm__ volatile("" : "+x"(x)); /* the compiler must not know that x is what it was */
#define DOT(i) HIDE a##i = _mm256_add_epi16(a##i, _mm256_maddubs_epi16(x, w));
#define COUNT(i, bits)                                                                        \
  {                                                                                           \
    HIDE const __m256i both = bits;                                                           \
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(both, half));             \
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);                  \
    a##i = _mm256_add_epi8(a##i, _mm256_add_epi8(low, _mm256_shuffle_epi8(table, high)));     \
  }
#define SIGNS(i) COUNT(i, _mm256_xor_si256(x, w))
#define DIGITS(i) COUNT(i, _mm256_or_si256(_mm256_and_si256(x, w), _mm256_andnot_si256(x, v)))
#define END(i) x = _mm256_xor_si256(x, a##i);
#define LOOP(DO) \
  for (int64_t i = 0; i < rounds; i++) { EACH(DO) }

int64_t bs_peak_avx2(int32_t peak, int64_t rounds) {
  __m256i x = _mm256_set1_epi32(85), w = _mm256_set1_epi32(51), v = _mm256_set1_epi32(15);
  __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i half = _mm256_set1_epi8(15);
  EACH(BEGIN)
  __asm__ volatile("" : "+x"(w), "+x"(v), "+x"(table));
  if (peak == BS_DOT) LOOP(DOT)
  if (peak == BS_SIGNS) LOOP(SIGNS)
  if (peak == BS_DIGITS) LOOP(DIGITS)
  EACH(END)
  HIDE
  return peak == BS_TABLE ? 0 : rounds * 8 * (peak == BS_DOT ? 32 : 256);
}
