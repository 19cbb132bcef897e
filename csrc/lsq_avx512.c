/* Learned levels for processors with AVX-512. */
#define LSQ(name) bs_lsq_##name##_avx512
#include "lsq_parts.h"
