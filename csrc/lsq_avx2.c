/* Learned levels for processors with AVX2. */
#define LSQ(name) bs_lsq_##name##_avx2
#include "lsq_parts.h"
