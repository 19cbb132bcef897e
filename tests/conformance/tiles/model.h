/* A model of the tile unit in C, written from Intel's published description of its instructions: what they compute, and
 * what makes them fault. csrc/tiles.h includes it in place of the unit, where -DBS_TILES names it.
 *
 * A fault is told and ends the process, unless `model_fault` does something else. The environment variable TILE_MODEL
 * says `denies` for a system that gives no tiles, or the number of an error that the unit then has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_SHARED __attribute__((weak, visibility("hidden")))

enum { MODEL_TILES = 8 };

/* Of each thread: what it was told, and what its tiles hold. */
struct model_unit {
  struct bs_tile_config config;
  uint8_t tile[MODEL_TILES][TILE_ROWS][TILE_BYTES];
};

MODEL_SHARED _Thread_local struct model_unit model_unit;
MODEL_SHARED int model_given, model_error;
MODEL_SHARED void (*model_fault)(const char *why);

static inline void model_faults(int wrong, const char *why) {
  if (!wrong) return;
  if (model_fault) model_fault(why);
  fprintf(stderr, "tile unit: %s\n", why);
  abort();
}

static inline int bs_tiles_request(void) {
  const char *said = getenv("TILE_MODEL");
  model_error = said ? atoi(said) : 0;
  return model_given = !said || strcmp(said, "denies") != 0;
}

/* LDTILECFG */
static inline void model_configure(const struct bs_tile_config *config) {
  model_faults(!model_given, "the system was not asked for tiles");
  model_faults(config->palette > 1, "no such palette");
  model_faults(config->start_row != 0, "a row to restart at, where nothing was interrupted"); /* Intel's would do it */
  for (int i = 0; i < 14; i++) model_faults(config->reserved[i] != 0, "reserved bytes are not 0");
  for (int i = 0; config->palette == 1 && i < 16; i++) {
    const int rows = config->rows[i], bytes = config->bytes[i];
    model_faults(i >= MODEL_TILES && (rows || bytes), "no such tile in the palette");
    model_faults(rows > TILE_ROWS, "too many rows");
    model_faults(bytes > TILE_BYTES, "too many bytes in a row");
    model_faults(!rows != !bytes, "rows without bytes, or bytes without rows");
  }
  memset(&model_unit, 0, sizeof model_unit);
  if (config->palette == 1) model_unit.config = *config;
}

/* TILERELEASE */
static inline void model_release(void) { memset(&model_unit, 0, sizeof model_unit); }

static inline void model_use(int tile) {
  model_faults(model_unit.config.palette == 0, "tiles are not configured");
  model_faults(tile < 0 || tile >= MODEL_TILES, "no such tile");
  model_faults(model_unit.config.rows[tile] == 0, "a tile without rows");
}

/* TILELOADD: what is past the rows and bytes of a tile becomes 0. */
static inline void model_load(int tile, const void *from, int64_t apart) {
  model_use(tile);
  memset(model_unit.tile[tile], 0, sizeof model_unit.tile[tile]);
  for (int r = 0; r < model_unit.config.rows[tile]; r++)
    memcpy(model_unit.tile[tile][r], (const char *)from + r * apart, model_unit.config.bytes[tile]);
}

/* TILESTORED */
static inline void model_store(int tile, void *to, int64_t apart) {
  model_use(tile);
  for (int r = 0; r < model_unit.config.rows[tile]; r++)
    memcpy((char *)to + r * apart, model_unit.tile[tile][r], model_unit.config.bytes[tile]);
}

/* TDPBUSD: to each sum of 32 bits of row m and column n, of every k, the products of four bytes without a sign and four with
 * one; nothing saturates. */
static inline void model_dot(int sums, int a, int b) {
  const struct bs_tile_config *config = &model_unit.config;
  model_use(sums), model_use(a), model_use(b);
  model_faults(sums == a || sums == b || a == b, "the same tile twice");
  model_faults(config->bytes[sums] % 4 || config->bytes[a] % 4 || config->bytes[b] % 4, "bytes are no whole fours");
  model_faults(config->rows[sums] != config->rows[a], "other rows of sums than of the first factor");
  model_faults(config->bytes[a] / 4 != config->rows[b], "other fours of the first factor than rows of the second");
  model_faults(config->bytes[sums] != config->bytes[b], "other bytes of sums than of the second factor");
  const int error = model_error;
  for (int m = 0; m < config->rows[sums]; m++)
    for (int n = 0; n < config->bytes[sums] / 4; n++) {
      uint32_t sum;
      memcpy(&sum, model_unit.tile[sums][m] + 4 * n, 4);
      for (int k = 0; k < config->bytes[a] / 4; k++)
        for (int i = 0; i < 4; i++) {
          const int32_t x = model_unit.tile[a][m][4 * k + i], w = (int8_t)model_unit.tile[b][k][4 * n + i];
          sum += (uint32_t)(error == 1 ? (int8_t)x * w : error == 2 ? x * (uint8_t)w : x * w);
          if (error == 3 && k == 15 && i == 3) sum -= (uint32_t)(x * w);
        }
      if (error == 4 && (int32_t)sum > 1 << 30) sum = 1 << 30;
      if (error == 5 && sums == 3 && m == 15 && n == 15) sum++;
      memcpy(model_unit.tile[sums][m] + 4 * n, &sum, 4);
    }
  /* What is past the rows and bytes of a tile of sums becomes 0: it is so already, for it was loaded. */
}

#define TILES_CONFIGURE(config) model_configure(config)
#define TILES_RELEASE() model_release()
#define TILE_LOAD(tile, from, apart) model_load(tile, from, apart)
#define TILE_STORE(tile, to, apart) model_store(tile, to, apart)
#define TILE_DOT(sums, codes, weights) model_dot(sums, codes, weights)
