/* Blocks of a stage, compiled for AVX-512. */
#define BLOCK bs_block_avx512
#define PACK bs_pack_avx512
#include "block.h"
