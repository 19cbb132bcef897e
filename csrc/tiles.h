/* The tile unit of x86-64 (AMX), as far as kernels use it: eight tiles of 16 rows of 64 bytes, and products of their bytes.
 *
 * -DBS_TILES=FILE puts another unit in its place: a model in C, for tests. A compiler that does not know the unit
 * builds a library without it (BS_TILE_UNIT is not defined). */
#ifndef BITSPIKE_TILES_H
#define BITSPIKE_TILES_H

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64 };

/* Why kernels may not use the unit of a processor that has it; NULL where they may. */
const char *bs_tiles_refused(void);

/* What the unit is told before its first use by a thread. A tile has so many rows of so many bytes. */
struct bs_tile_config {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
};

#if defined(BS_TILES)
#define BS_TILE_UNIT
#include BS_TILES
#elif (defined(__AMX_TILE__) && defined(__AMX_INT8__)) || \
    (defined(__AMXTILE__) && defined(__AMXINT8__)) /* as older clang spells them */
#define BS_TILE_UNIT
#include <immintrin.h>

/* Not all compilers know what these read: what was stored before must be in memory. */
#define TILES_AFTER_STORES(from) __asm__ volatile("" ::"r"(from) : "memory")
#define TILES_CONFIGURE(config)      \
  do {                               \
    const void *at_ = (config);      \
    TILES_AFTER_STORES(at_);         \
    _tile_loadconfig(at_);           \
  } while (0)
#define TILES_RELEASE() _tile_release()
#define TILE_LOAD(tile, from, apart) \
  do {                               \
    const void *at_ = (from);        \
    TILES_AFTER_STORES(at_);         \
    _tile_loadd(tile, at_, apart);   \
  } while (0)
#define TILE_STORE(tile, to, apart) _tile_stored(tile, to, apart)
/* Adds to each sum of 32 bits the products of a row of codes, unsigned, and a column of weights, signed, by fours. */
#define TILE_DOT(sums, codes, weights) _tile_dpbusd(sums, codes, weights)
#endif

#if !defined(BS_TILES)
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>

/* Asks the system for the tiles' 8 KB of each thread, for the whole process; whether it gives them. */
static inline int bs_tiles_request(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
static inline int bs_tiles_request(void) { return 0; } /* no other system is known to us */
#endif
#endif

#endif
