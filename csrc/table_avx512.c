/* Sums looked up (VPERMB): for weights of two values, and codes of more bits than bit-serial sums can bear.
 *
 * Six channels of weights of two values are one of 64 patterns. For each group of six channels of a cell, a table holds
 * what the codes of each pattern's higher weights add up to; 64 out channels look theirs up at once. With all codes' sum
 * beside the tables, the sum of a layer is `lo * all + (hi - lo) * looked up`. Codes over 4 bits have tables of their
 * low and of their high four bits, so that an entry is at most 90: two of them fit a byte, and 728 fit 16 bits.
 *
 * A prepared cell is [four bits][group][64 entries], then the sum of its codes. Weights are [block of 64 out channels]
 * [step][64 patterns]; a step is a group of an element. Out channels 0 to 31 of a block stand in even bytes, the others
 * in odd ones, as the two halves of 16-bit sums give them back. */
#include <immintrin.h>

#include "kernels_parts.h"

enum { GROUP = 6, WIDE = 64, ROWS = 4, FIT = 728 };

static int32_t can(const bs_layer *layer) {
  return layer->two_values && layer->code_hi > 0 && layer->channels <= layer->cell;
}

static int32_t groups(const bs_layer *layer) { return (layer->channels + GROUP - 1) / GROUP; }

static int32_t planes(const bs_layer *layer) { return layer->code_hi > 15 ? 2 : 1; }

/* Steps, one that adds nothing among them where they would be odd. */
static int32_t steps(const bs_layer *layer) { return (layer->window * groups(layer) + 1) / 2 * 2; }

static int32_t blocks(const bs_layer *layer) { return (layer->out_channels + WIDE - 1) / WIDE; }

static size_t prepared_cell(const bs_layer *layer) { return 64 * ((size_t)planes(layer) * groups(layer) + 1); }

/* Where the table of each step lies, in bytes: stands after the head. */
static int64_t *places(const bs_layer *layer, const void *packed) {
  return (int64_t *)((char *)packed + bs_head_size(layer));
}

static uint8_t *patterns(const bs_layer *layer, const void *packed) {
  return (uint8_t *)packed + bs_head_size(layer) + bs_whole(8 * (size_t)steps(layer), 64);
}

static size_t packed_size(const bs_layer *layer) {
  return bs_head_size(layer) + bs_whole(8 * (size_t)steps(layer), 64) +
         (size_t)WIDE * steps(layer) * blocks(layer);
}

static void pack(const bs_layer *layer, const int8_t *weights, const int32_t *initial, void *packed) {
  memset(packed, 0, packed_size(layer));
  bs_pack_head(layer, initial, prepared_cell(layer), packed);
  for (int32_t s = 0; s < layer->window * groups(layer); s++)
    places(layer, packed)[s] = ((const int64_t *)packed)[s / groups(layer)] + s % groups(layer) * 64;
  for (int32_t o = 0; o < layer->out_channels; o++) {
    uint8_t *block = patterns(layer, packed) + (size_t)WIDE * steps(layer) * (o / WIDE);
    const int32_t byte = o % WIDE < 32 ? o % WIDE * 2 : (o % WIDE - 32) * 2 + 1;
    for (int32_t e = 0; e < layer->window; e++)
      for (int32_t c = 0; c < layer->channels; c++) {
        const int32_t higher = *weights++ > layer->weight_lo;
        block[(size_t)(e * groups(layer) + c / GROUP) * WIDE + byte] |= (uint8_t)(higher << c % GROUP);
      }
  }
}

/* What each pattern of six codes of at most four bits adds up to: three tables of four entries, looked up. */
static __m512i table(__m128i six, __m512i first, __m512i second, __m512i third) {
  const __m128i pairs = _mm_add_epi8(six, _mm_srli_si128(six, 1));
  const __m128i order = _mm_setr_epi8(0, 0, 1, 16, 0, 2, 3, 18, 0, 4, 5, 20, 0, 0, 0, 0);
  const __m512i parts = _mm512_broadcast_i32x4(_mm_maskz_permutex2var_epi8(0xeee, six, order, pairs));
  return _mm512_add_epi8(_mm512_add_epi8(_mm512_shuffle_epi8(parts, first), _mm512_shuffle_epi8(parts, second)),
                         _mm512_shuffle_epi8(parts, third));
}

static void prepare(const bs_layer *layer, const uint8_t *codes, int64_t cells, void *prepared) {
  uint8_t low[64], middle[64], high[64];
  for (int i = 0; i < 64; i++) low[i] = i & 3, middle[i] = (uint8_t)(4 + (i >> 2 & 3)), high[i] = (uint8_t)(8 + (i >> 4));
  const __m512i first = _mm512_loadu_si512(low), second = _mm512_loadu_si512(middle), third = _mm512_loadu_si512(high);
  const __m128i four = _mm_set1_epi8(15);
  char *to = prepared;
  for (int64_t i = 0; i < cells; i++, codes += layer->cell) {
    const int64_t plane = 64 * (int64_t)groups(layer);
    __m128i all = _mm_setzero_si128();
    for (int32_t c = 0; c < layer->channels; c += GROUP, to += 64) {
      const int32_t left = layer->channels - c;
      const __m128i six = _mm_maskz_loadu_epi8(left < GROUP ? (1u << left) - 1 : (1u << GROUP) - 1, codes + c);
      all = _mm_add_epi64(all, _mm_sad_epu8(six, _mm_setzero_si128()));
      _mm512_store_si512(to, table(_mm_and_si128(six, four), first, second, third));
      if (planes(layer) == 2) {
        const __m128i above = _mm_and_si128(_mm_srli_epi16(six, 4), four);
        _mm512_store_si512(to + plane, table(above, first, second, third));
      }
    }
    to += plane * (planes(layer) - 1);
    _mm512_store_si512(to, _mm512_castsi128_si512(all));
    to += 64;
  }
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3)
#define BEGIN(p) \
  __m512i even##p##0 = zero, odd##p##0 = zero, even##p##1 = zero, odd##p##1 = zero;
#define ADD(p, v)                                                                                        \
  if (rows > p && vectors > v) {                                                                         \
    const __m512i two = _mm512_add_epi8(_mm512_permutexvar_epi8(one##v, table1##p),                      \
                                        _mm512_permutexvar_epi8(other##v, table2##p));                   \
    even##p##v = _mm512_add_epi16(even##p##v, _mm512_and_si512(two, low));                               \
    odd##p##v = _mm512_add_epi16(odd##p##v, _mm512_srli_epi16(two, 8));                                  \
  }
#define STEP(p)                                                                                          \
  const __m512i table1##p = rows > p ? _mm512_load_si512(x##p + place[0]) : zero;                        \
  const __m512i table2##p = rows > p ? _mm512_load_si512(x##p + place[1]) : zero;                        \
  ADD(p, 0)                                                                                              \
  ADD(p, 1)                                                                                              \
  (void)table1##p, (void)table2##p;
#define END(p)                                                                                           \
  if (rows > p) add(acc + p * padded, left, even##p##0, odd##p##0, scale);                               \
  if (rows > p && vectors > 1) add(acc + p * padded + WIDE, left - WIDE, even##p##1, odd##p##1, scale);

/* Adds `scale` times the sums of one block of out channels, of which `left` are there. */
static inline __attribute__((always_inline)) void add(int32_t *to, int32_t left, __m512i even, __m512i odd,
                                                      __m512i scale) {
  const __m512i parts[4] = {
      _mm512_cvtepu16_epi32(_mm512_castsi512_si256(even)),
      _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(even, 1)),
      _mm512_cvtepu16_epi32(_mm512_castsi512_si256(odd)),
      _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(odd, 1)),
  };
  for (int q = 0; q < 4 && 16 * q < left; q++) {
    const __m512i more = _mm512_mullo_epi32(parts[q], scale);
    _mm512_store_si512(to + 16 * q, _mm512_add_epi32(_mm512_load_si512(to + 16 * q), more));
  }
}

/* At most FIT steps of `rows` positions by `64 * vectors` out channels; both are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vectors, const int64_t *place,
                                                       const int64_t *end, const uint8_t *w, size_t block,
                                                       const char *const *x, int32_t *acc, size_t padded, int32_t left,
                                                       __m512i scale) {
  const __m512i zero = _mm512_setzero_si512(), low = _mm512_set1_epi16(255);
  const char *x0 = x[0], *x1 = x[rows > 1 ? 1 : 0], *x2 = x[rows > 2 ? 2 : 0], *x3 = x[rows > 3 ? 3 : 0];
  EACH_ROW(BEGIN)
  for (; place < end; place += 2, w += 2 * WIDE) {
    const __m512i one0 = _mm512_load_si512(w), other0 = _mm512_load_si512(w + WIDE);
    const __m512i one1 = vectors > 1 ? _mm512_load_si512(w + block) : zero;
    const __m512i other1 = vectors > 1 ? _mm512_load_si512(w + block + WIDE) : zero;
    EACH_ROW(STEP)
    (void)one1, (void)other1;
  }
  EACH_ROW(END)
  (void)x1, (void)x2, (void)x3;
}

/* Where the sums of one position begin: the initial values and `lo` times all its codes. */
static void begin(const bs_layer *layer, const void *packed, const char *x, int32_t *acc) {
  const int64_t *offsets = packed, sum = 64 * (int64_t)planes(layer) * groups(layer);
  const int32_t *initial = bs_initial(layer, packed), padded = bs_padded(layer->out_channels);
  uint32_t all = 0;
  for (int32_t e = 0; e < layer->window; e++) {
    uint32_t parts[4];
    memcpy(parts, x + offsets[e] + sum, sizeof parts);
    all += parts[0] + parts[2];
  }
  all *= (uint32_t)layer->weight_lo;
  for (int32_t o = 0; o < padded; o++) acc[o] = (int32_t)((uint32_t)initial[o] + all);
}

static inline __attribute__((always_inline)) void rows_of(const int rows, const bs_layer *layer, const void *packed,
                                                          const char *const *x, int32_t *acc) {
  const int32_t all = steps(layer), padded = bs_padded(layer->out_channels);
  const size_t block = (size_t)WIDE * all;
  for (int p = 0; p < rows; p++) begin(layer, packed, x[p], acc + (size_t)p * padded);
  for (int32_t plane = 0; plane < planes(layer); plane++) {
    const char *here[ROWS];
    for (int p = 0; p < rows; p++) here[p] = x[p] + plane * 64 * (int64_t)groups(layer);
    const __m512i scale = _mm512_set1_epi32((layer->weight_hi - layer->weight_lo) * (1 << 4 * plane));
    for (int32_t s = 0; s < all; s += FIT) {
      const int64_t *from = places(layer, packed) + s, *end = places(layer, packed) + (all - s < FIT ? all : s + FIT);
      for (int32_t o = 0; o < padded; o += 2 * WIDE) {
        const uint8_t *w = patterns(layer, packed) + block * (o / WIDE) + (size_t)WIDE * s;
        if (padded - o > WIDE)
          tile(rows, 2, from, end, w, block, here, acc + o, padded, padded - o, scale);
        else
          tile(rows, 1, from, end, w, block, here, acc + o, padded, padded - o, scale);
      }
    }
  }
}

static void positions(const bs_layer *layer, const void *packed, const void *x, const int32_t *bases, int32_t count,
                      int32_t *acc) {
  const size_t cell = prepared_cell(layer), padded = bs_padded(layer->out_channels);
  int32_t p = 0;
  for (; p < count; p += p + ROWS <= count ? ROWS : 1) {
    const char *at[ROWS];
    const int many = p + ROWS <= count ? ROWS : 1;
    for (int i = 0; i < many; i++) at[i] = (const char *)x + bases[p + i] * (int64_t)cell;
    if (many == ROWS)
      rows_of(ROWS, layer, packed, at, acc + p * padded);
    else
      rows_of(1, layer, packed, at, acc + p * padded);
  }
}

const bs_kernel bs_table_avx512 = {
    "table_avx512", BS_AVX512, can, packed_size, pack, prepared_cell, prepare, positions,
};
