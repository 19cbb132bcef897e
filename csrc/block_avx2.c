/* Blocks of a stage, compiled for AVX2. */
#define BLOCK bs_block_avx2
#include "block.h"
