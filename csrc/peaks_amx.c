/* The peak of AMX: four tiles of sums that do not wait for each other, of two tiles of codes and two of weights. */
#include "peaks.h"
#include "tiles.h"

int64_t bs_peak_amx(int64_t rounds) {
#if defined(BS_TILE_UNIT)
  _Alignas(64) int8_t bytes[TILE_ROWS * TILE_BYTES];
  for (int i = 0; i < TILE_ROWS * TILE_BYTES; i++) bytes[i] = (int8_t)(i * 37);
  struct bs_tile_config config = {.palette = 1};
  for (int i = 0; i < 8; i++) config.rows[i] = TILE_ROWS, config.bytes[i] = TILE_BYTES;
  TILES_CONFIGURE(&config);
  TILE_LOAD(4, bytes, TILE_BYTES);
  TILE_LOAD(5, bytes, TILE_BYTES);
  TILE_LOAD(6, bytes, TILE_BYTES);
  TILE_LOAD(7, bytes, TILE_BYTES);
  for (int64_t i = 0; i < rounds; i++) {
    TILE_DOT(0, 4, 6);
    TILE_DOT(1, 4, 7);
    TILE_DOT(2, 5, 6);
    TILE_DOT(3, 5, 7);
  }
  TILES_RELEASE();
  return rounds * 4 * TILE_ROWS * TILE_ROWS * TILE_BYTES;
#else
  (void)rounds;
  return 0;
#endif
}
