/* Blocks of a stage, compiled for AVX2. */
#define BLOCK bs_block_avx2
#define PACK bs_pack_avx2
#include "block.h"
