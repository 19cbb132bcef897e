/* Event-driven sums on any processor. */
#include <stdint.h>

static uint64_t nonzero(const uint8_t *codes) {
  uint64_t bits = 0;
  for (int i = 0; i < 64; i++) bits |= (uint64_t)(codes[i] != 0) << i;
  return bits;
}

#include "events_parts.h"

const bs_kernel bs_events_scalar = {
    "events_scalar", BS_SCALAR, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
