/* Peaks of AVX-512: twelve sums that do not wait for each other. */
#include <immintrin.h>

#include "peaks.h"

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define BEGIN(i) __m512i a##i = _mm512_set1_epi32(i);
#define HIDE __asm__ volatile("" : "+v"(x)); /* the compiler must not know that x is what it was */
#define DOT(i) HIDE a##i = _mm512_dpbusd_epi32(a##i, x, w);
#define COUNT(i, both) HIDE a##i = _mm512_add_epi32(a##i, _mm512_popcnt_epi32(both));
#define SIGNS(i) COUNT(i, _mm512_xor_si512(x, w))
#define DIGITS(i) COUNT(i, _mm512_ternarylogic_epi32(x, w, v, 0xca))
#define LOOK_UP(i)                                                                                   \
  {                                                                                                   \
    HIDE const __m512i two = _mm512_add_epi8(_mm512_permutexvar_epi8(w, x), _mm512_permutexvar_epi8(v, x)); \
    a##i = _mm512_add_epi16(a##i, _mm512_and_si512(two, low));                                        \
    a##i = _mm512_add_epi16(a##i, _mm512_srli_epi16(two, 8));                                         \
  }
#define END(i) x = _mm512_xor_si512(x, a##i);
#define LOOP(DO) \
  for (int64_t i = 0; i < rounds; i++) { EACH(DO) }

int64_t bs_peak_avx512(int32_t peak, int64_t rounds) {
  __m512i x = _mm512_set1_epi32(85), w = _mm512_set1_epi32(51), v = _mm512_set1_epi32(15);
  const __m512i low = _mm512_set1_epi16(255);
  EACH(BEGIN)
  __asm__ volatile("" : "+v"(w), "+v"(v));
  if (peak == BS_DOT) LOOP(DOT)
  if (peak == BS_SIGNS) LOOP(SIGNS)
  if (peak == BS_DIGITS) LOOP(DIGITS)
  if (peak == BS_TABLE) LOOP(LOOK_UP)
  EACH(END)
  HIDE
  return rounds * 12 * (peak == BS_DOT ? 64 : peak == BS_TABLE ? 768 : 512);
}
