/* Dot products for 64-bit ARM with SDOT, which most have since 2018: the system says which. */
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

static inline int32x4_t dot(int32x4_t sum, int8x16_t weights, int8x16_t codes) { return vdotq_s32(sum, weights, codes); }

#include "dot_arm.h"

static int32_t can(const bs_layer *layer) {
  (void)layer;
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & 1ul << 20) != 0; /* HWCAP_ASIMDDP */
#else
  return 1; /* what runs another system on 64-bit ARM has it */
#endif
}

const bs_kernel bs_dot_dotprod = {
    "dot_dotprod", BS_NEON, can, packed_size, pack, bs_reads_codes, NULL, positions,
};
