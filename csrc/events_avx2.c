/* Event-driven sums with AVX2. */
#include <immintrin.h>
#include <stdint.h>

static uint64_t nonzero(const uint8_t *codes) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)codes), zero);
  const __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256((const void *)(codes + 32)), zero);
  return ~((uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low));
}

#include "events_parts.h"

const bs_kernel bs_events_avx2 = {
    "events_avx2", BS_AVX2, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
