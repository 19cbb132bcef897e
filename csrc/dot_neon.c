/* Dot products for any 64-bit ARM: products in 16 bits, which hold each, added up in pairs. */
#include <arm_neon.h>

static inline int32x4_t dot(int32x4_t sum, int8x16_t weights, int8x16_t codes) {
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(weights), vget_low_s8(codes)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(weights, codes));
  return vaddq_s32(sum, vpaddq_s32(low, high));
}

#include "dot_arm.h"

static int32_t can(const bs_layer *layer) {
  (void)layer;
  return 1;
}

const bs_kernel bs_dot_neon = {
    "dot_neon", BS_NEON, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
