/* Products of two edges, for one instruction set: both are packed once for each image and step, then summed up in tiles.
 *
 * A sum's element has a row and a lane, and heads repeat along the lanes: the row factor has a value for each row, term and
 * head, the lane factor one for each term and lane. Terms lie together in units of 32 bits, as one instruction multiplies
 * them: four bytes, two of 16 bits, or one; where sums are wider, a unit is one term of 64 bits. The lane factor lies as
 * [unit][lane], the row factor as [row][unit][lane], its heads repeated as far as a vector may begin at any of them; a
 * single head is there once. Terms past the last are 0. */
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline int32_t terms_of(int32_t form) { return form <= BS_BYTES_TURNED ? 4 : form == BS_SHORTS ? 2 : 1; }

static inline int32_t unit_size(int32_t form) { return form == BS_LONGS ? 8 : 4; }

/* Packing */

/* `count` units of four bytes of a factor, `apart` from each other, its terms `term`. */
static void pack_bytes(const uint8_t *from, int64_t term, int64_t apart, int32_t terms, int32_t count, uint8_t lo,
                       uint8_t *restrict to) {
  if (terms < 4)
    for (int32_t i = 0; i < count; i++)
      for (int32_t k = 0; k < 4; k++) to[4 * i + k] = k < terms ? (uint8_t)(from[i * apart + k * term] + lo) : 0;
  else if (apart == 1) {
    const uint8_t *b = from + term, *c = b + term, *d = c + term;
    int32_t i = 0;
#if defined(__SSE2__)
    for (const __m128i more = _mm_set1_epi8((char)lo); i + 8 <= count; i += 8) {
      const __m128i x = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(from + i)), _mm_loadl_epi64((const __m128i *)(b + i)));
      const __m128i y = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(c + i)), _mm_loadl_epi64((const __m128i *)(d + i)));
      _mm_storeu_si128((__m128i *)(to + 4 * i), _mm_add_epi8(_mm_unpacklo_epi16(x, y), more));
      _mm_storeu_si128((__m128i *)(to + 4 * i + 16), _mm_add_epi8(_mm_unpackhi_epi16(x, y), more));
    }
#endif
    for (; i < count; i++) {
      to[4 * i] = (uint8_t)(from[i] + lo);
      to[4 * i + 1] = (uint8_t)(b[i] + lo);
      to[4 * i + 2] = (uint8_t)(c[i] + lo);
      to[4 * i + 3] = (uint8_t)(d[i] + lo);
    }
  } else
    for (int32_t i = 0; i < count; i++, from += apart, to += 4)
      for (int32_t k = 0; k < 4; k++) to[k] = (uint8_t)(from[k * term] + lo);
}

#define UNITS(NAME, FROM, TO, TERMS)                                                                             \
  static void NAME(const FROM *from, int64_t term, int64_t apart, int32_t terms, int32_t count, int64_t lo,      \
                   TO *restrict to) {                                                                            \
    for (int32_t k = 0; k < TERMS; k++)                                                                          \
      if (k < terms)                                                                                             \
        for (int32_t i = 0; i < count; i++) to[i * TERMS + k] = (TO)(from[i * apart + k * term] + (TO)lo);       \
      else                                                                                                       \
        for (int32_t i = 0; i < count; i++) to[i * TERMS + k] = 0;                                               \
  }
#define UNITS_FROM(NAME, FROM)             \
  UNITS(shorts_##NAME, FROM, int16_t, 2)   \
  UNITS(ints_##NAME, FROM, int32_t, 1)     \
  UNITS(longs_##NAME, FROM, int64_t, 1)
UNITS_FROM(of_bytes, uint8_t)
UNITS_FROM(of_ints, int32_t)
UNITS_FROM(of_longs, int64_t)
#undef UNITS_FROM
#undef UNITS

#define FROM_ANY(KIND, TO)                                                                                             \
  if (edge->type == BS_U8) KIND##_of_bytes(start + at, term, apart, terms, count, edge->lo, (TO *)to);                 \
  else if (edge->type == BS_I32) KIND##_of_ints((const int32_t *)start + at, term, apart, terms, count, 0, (TO *)to);  \
  else KIND##_of_longs((const int64_t *)start + at, term, apart, terms, count, 0, (TO *)to);

/* `count` units that begin with element `at` of the edge. */
static void pack_units(int32_t form, const struct bs_edge *edge, const uint8_t *start, int64_t at, int64_t term,
                       int64_t apart, int32_t terms, int32_t count, uint8_t *to) {
  if (form <= BS_BYTES_TURNED) pack_bytes(start + at, term, apart, terms, count, (uint8_t)edge->lo, to);
  else if (form == BS_SHORTS) { FROM_ANY(shorts, int16_t) }
  else if (form == BS_INTS) { FROM_ANY(ints, int32_t) }
  else { FROM_ANY(longs, int64_t) }
}
#undef FROM_ANY

/* One factor of one image at one step. */
static void pack_factor(const struct bs_matmul *by, const struct bs_factor *factor, const struct bs_edge *edge,
                        const uint8_t *start, int64_t image, uint8_t *to) {
  const int32_t heads = by->heads, each = terms_of(by->form), size = unit_size(by->form);
  const int is_row = factor == &by->row;
  const int32_t alone = heads == 1 || factor->apart == (int64_t)heads * factor->head; /* lanes in one run */
  for (int32_t r = 0; r < (is_row ? by->rows : 1); r++)
    for (int32_t k = 0; k < by->inner; k += each) {
      const int32_t terms = by->inner - k < each ? by->inner - k : each;
      const int64_t at = image + factor->first + (int64_t)k * factor->term + (is_row ? (int64_t)r * factor->apart : 0);
      if (is_row) {
        pack_units(by->form, edge, start, at, factor->term, factor->head, terms, heads, to);
        for (int32_t done = heads, more; done < by->width; done += more) { /* whole turns of the heads */
          more = by->width - done < done ? by->width - done : done;
          memcpy(to + (int64_t)done * size, to, (size_t)more * size);
        }
        to += (int64_t)by->width * size;
      } else {
        const int64_t apart = heads == 1 ? factor->apart : factor->head;
        if (alone) pack_units(by->form, edge, start, at, factor->term, apart, terms, by->columns * heads, to);
        else
          for (int32_t n = 0; n < by->columns; n++)
            pack_units(by->form, edge, start, at + (int64_t)n * factor->apart, factor->term, apart, terms, heads,
                       to + (int64_t)n * heads * size);
        to += by->stride * size;
      }
    }
}

void PACK(const struct bs_plan *plan, const struct bs_matmul *by, int32_t lane, int64_t t, int64_t n, uint8_t *arena) {
  const struct bs_factor *factor = lane ? &by->lane : &by->row;
  const struct bs_edge *edge = plan->edge + factor->edge;
  uint8_t *to = arena + factor->place + (t * factor->images + n) * factor->packed;
  pack_factor(by, factor, edge, arena + edge->place, t * edge->step + n * edge->image, to);
}

/* Sums */

enum { ROWS_OF_TILE = 4 };
enum reading { ONE_HEAD, WHOLE_TURNS, ANY_HEAD }; /* how a vector of the row factor is read */

typedef int64_t bs_wides __attribute__((vector_size(4 * LANES)));

/* The products of a vector's units, added up: exact modulo 2^32. The first factor's bytes are unsigned. */
static inline __attribute__((always_inline)) bs_lanes plus_bytes(bs_lanes sum, bs_lanes x, bs_lanes y) {
#if defined(__AVX512F__)
  return (bs_lanes)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)y);
#elif defined(__AVX2__) /* such sums of two products fit 16 bits: the plan says so */
  return sum + (bs_lanes)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)x, (__m256i)y), _mm256_set1_epi16(1));
#else
  for (int shift = 0; shift < 32; shift += 8) sum += ((x >> shift) & 255) * (y << (24 - shift) >> 24);
  return sum;
#endif
}

static inline __attribute__((always_inline)) bs_lanes plus_shorts(bs_lanes sum, bs_lanes x, bs_lanes y) {
#if defined(__AVX512F__)
  return (bs_lanes)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)x, (__m512i)y);
#elif defined(__AVX2__)
  return sum + (bs_lanes)_mm256_madd_epi16((__m256i)x, (__m256i)y);
#elif defined(__SSE2__)
  return sum + (bs_lanes)_mm_madd_epi16((__m128i)x, (__m128i)y);
#else
  return sum + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

static inline __attribute__((always_inline)) bs_lanes plus(const int form, bs_lanes sum, bs_lanes row, bs_lanes lane) {
  switch (form) {
    case BS_BYTES: return plus_bytes(sum, row, lane);
    case BS_BYTES_TURNED: return plus_bytes(sum, lane, row);
    case BS_SHORTS: return plus_shorts(sum, row, lane);
    case BS_INTS: return sum + row * lane;
    default: return (bs_lanes)((bs_wides)sum + (bs_wides)row * (bs_wides)lane);
  }
}

static inline __attribute__((always_inline)) bs_lanes row_vector(const int form, const int reading, const char *at) {
  bs_lanes row;
  if (reading != ONE_HEAD) memcpy(&row, at, sizeof row);
  else if (form == BS_LONGS) {
    int64_t one;
    memcpy(&one, at, sizeof one);
    row = (bs_lanes)((bs_wides){0} + one);
  } else {
    int32_t one;
    memcpy(&one, at, sizeof one);
    row = (bs_lanes){0} + one;
  }
  return row;
}

/* Where the sums of some rows and lanes are made of, and where they go. */
struct tile {
  const char *row, *lane;  /* the first row, and the first of its lanes */
  int64_t row_apart, row_unit, lane_unit, to_apart; /* bytes */
  int32_t units, heads, size; /* size: bytes of a unit */
};

#define EACH_TILE_ROW(DO) DO(0) DO(1) DO(2) DO(3)
#define BEGIN_SUMS(p) bs_lanes a##p = {0}, b##p = {0};
#define ADD_PRODUCTS(p)                                                                              \
  if (rows > p) {                                                                                    \
    const bs_lanes row = row_vector(form, reading, at + p * tile->row_apart + first);                \
    a##p = plus(form, a##p, row, x);                                                                 \
    b##p = plus(form, b##p, reading == ANY_HEAD ? row_vector(form, reading, at + p * tile->row_apart + second) : row, y); \
  }
#define PUT_SUMS(p)                                                                  \
  if (rows > p) {                                                                    \
    const bs_lanes sums[2] = {a##p, b##p};                                           \
    if (some == sizeof sums) memcpy(to + p * tile->to_apart, sums, sizeof sums);     \
    else memcpy(to + p * tile->to_apart, sums, (size_t)some);                        \
  }

/* `rows` rows by two vectors, of which `some` bytes are meant; form, reading and rows are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void tile_of(const int form, const int reading, const int rows,
                                                          const struct tile *tile, const char *at, const char *lane,
                                                          int64_t first, int64_t second, int64_t some, char *to) {
  EACH_TILE_ROW(BEGIN_SUMS)
  for (int32_t u = 0; u < tile->units; u++, at += tile->row_unit, lane += tile->lane_unit) {
    bs_lanes x, y;
    memcpy(&x, lane, sizeof x);
    memcpy(&y, lane + sizeof x, sizeof y);
    EACH_TILE_ROW(ADD_PRODUCTS)
  }
  EACH_TILE_ROW(PUT_SUMS)
}
#undef PUT_SUMS
#undef ADD_PRODUCTS
#undef BEGIN_SUMS
#undef EACH_TILE_ROW

/* Some rows, each with the same lanes, `bytes` of them. */
static inline __attribute__((always_inline)) void rows_of(const int form, const int reading, const struct tile *tile,
                                                          int32_t rows, int64_t bytes, char *to) {
  const int32_t vector = (int32_t)sizeof(bs_lanes), lanes = vector / tile->size;
  for (int64_t at = 0, some; at < bytes; at += some) {
    const int64_t left = bytes - at, lane = at / tile->size;
    const int64_t first = reading == ANY_HEAD ? lane % tile->heads * tile->size : 0;
    const int64_t second = reading == ANY_HEAD ? (lane + lanes) % tile->heads * tile->size : 0;
    some = left < 2 * vector ? left : 2 * vector;
    int32_t r = 0;
#define ROWS(count)                                                                                           \
  for (; r + count <= rows; r += count)                                                                       \
    tile_of(form, reading, count, tile, tile->row + r * tile->row_apart, tile->lane + at, first, second, some, \
            to + r * tile->to_apart + at);
    ROWS(ROWS_OF_TILE)
    ROWS(1)
#undef ROWS
  }
}

static void rows_of_form(int32_t form, const struct tile *tile, int32_t rows, int64_t bytes, char *to) {
  const int turns = (int)sizeof(bs_lanes) / tile->size % tile->heads == 0;
#define OF_FORM(FORM)                                                           \
  case FORM:                                                                    \
    if (tile->heads == 1) rows_of(FORM, ONE_HEAD, tile, rows, bytes, to);       \
    else if (turns) rows_of(FORM, WHOLE_TURNS, tile, rows, bytes, to);          \
    else rows_of(FORM, ANY_HEAD, tile, rows, bytes, to);                        \
    return;
  switch (form) {
    OF_FORM(BS_BYTES)
    OF_FORM(BS_BYTES_TURNED)
    OF_FORM(BS_SHORTS)
    OF_FORM(BS_INTS)
    OF_FORM(BS_LONGS)
  }
#undef OF_FORM
}

/* A packed factor of image `n` at the step that is computed. */
static const char *packed_factor(const struct bs_here *here, const struct bs_factor *by, int64_t n) {
  return (const char *)here->arena + by->place + ((by->held ? 0 : here->t) * by->images + n) * by->packed;
}

/* Sums of the block's positions, which lie without gaps: rows that are whole in it go together. */
static void products(const struct bs_here *here, const struct bs_op *op, char *to) {
  const struct bs_matmul *by = op->data;
  const int32_t size = unit_size(by->form), positions = here->stage->positions, channels = here->stage->channels;
  const int32_t across = positions / by->rows; /* positions of a row */
  const int64_t row = (int64_t)across * channels * size;
  struct tile tile = {.row_unit = (int64_t)by->width * size, .lane_unit = by->stride * size, .to_apart = row,
                      .units = (by->inner + terms_of(by->form) - 1) / terms_of(by->form), .heads = by->heads, .size = size};
  tile.row_apart = tile.units * tile.row_unit;
  for (int32_t i = 0, some; i < here->count; i += some) {
    const int64_t n = (here->first + i) / positions;
    const int32_t q = (int32_t)((here->first + i) % positions), r = q / across, column = q % across;
    const int32_t left = positions - q < here->count - i ? positions - q : here->count - i;
    const int32_t rows = column == 0 && left >= across ? left / across : 1;
    some = rows > 1 || left > across - column ? rows * across - column : left;
    tile.row = packed_factor(here, &by->row, n) + r * tile.row_apart;
    tile.lane = packed_factor(here, &by->lane, n) + (int64_t)column * channels * size;
    rows_of_form(by->form, &tile, rows, rows > 1 ? row : (int64_t)some * channels * size,
                 to + (int64_t)i * channels * size);
  }
}
