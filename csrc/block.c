/* Blocks of a stage, compiled for any processor. */
#define BLOCK bs_block_scalar
#define PACK bs_pack_scalar
#include "block.h"
