/* Event-driven sums with AVX-512. */
#include <immintrin.h>
#include <stdint.h>

static uint64_t nonzero(const uint8_t *codes) {
  const __m512i all = _mm512_loadu_si512(codes);
  return _mm512_test_epi8_mask(all, all);
}

#include "events_parts.h"

const bs_kernel bs_events_avx512 = {
    "events_avx512", BS_AVX512, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
