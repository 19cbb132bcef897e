/* What the model of the tile unit refuses, as Intel's unit faults: prints what each misuse is told. */
#include <setjmp.h>

#include "tiles.h"

static jmp_buf back;

static void told(const char *why) {
  puts(why);
  longjmp(back, 1);
}

static uint8_t bytes[TILE_ROWS * TILE_BYTES];

static struct bs_tile_config of(int rows, int columns) {
  struct bs_tile_config config = {.palette = 1};
  for (int i = 0; i < MODEL_TILES; i++) config.rows[i] = (uint8_t)rows, config.bytes[i] = (uint16_t)columns;
  return config;
}

#define MISUSE(...)             \
  if (!setjmp(back)) {          \
    __VA_ARGS__;                \
    puts("nothing was refused"); \
  }
#define CONFIGURED(changed, ...)                     \
  MISUSE({                                           \
    struct bs_tile_config config = of(TILE_ROWS, TILE_BYTES); \
    changed;                                         \
    TILES_CONFIGURE(&config);                        \
    __VA_ARGS__;                                     \
  })

int main(void) {
  model_fault = told;
  CONFIGURED((void)0, (void)0)
  bs_tiles_request();
  MISUSE(TILE_LOAD(0, bytes, TILE_BYTES))
  CONFIGURED(config.palette = 2, (void)0)
  CONFIGURED(config.start_row = 1, (void)0)
  CONFIGURED(config.reserved[13] = 1, (void)0)
  CONFIGURED(config.rows[8] = config.bytes[8] = 4, (void)0)
  CONFIGURED(config.rows[7] = 17, (void)0)
  CONFIGURED(config.bytes[7] = 65, (void)0)
  CONFIGURED(config.rows[3] = 0, (void)0)
  CONFIGURED(config.bytes[3] = 0, (void)0)
  CONFIGURED(config.rows[3] = config.bytes[3] = 0, TILE_STORE(3, bytes, TILE_BYTES))
  CONFIGURED(config.palette = 0, TILE_STORE(0, bytes, TILE_BYTES))
  CONFIGURED((void)0, TILE_LOAD(8, bytes, TILE_BYTES))
  CONFIGURED((void)0, TILES_RELEASE(), TILE_DOT(0, 1, 2))
  CONFIGURED((void)0, TILE_DOT(0, 1, 1))
  CONFIGURED(config.bytes[2] = config.bytes[0] = 6, TILE_DOT(0, 1, 2))
  CONFIGURED(config.rows[1] = 15, TILE_DOT(0, 1, 2))
  CONFIGURED(config.rows[2] = 15, TILE_DOT(0, 1, 2))
  CONFIGURED(config.bytes[2] = 60, TILE_DOT(0, 1, 2))
  CONFIGURED(config.rows[0] = config.rows[1] = 3, TILE_DOT(0, 1, 2))
  return 0;
}
