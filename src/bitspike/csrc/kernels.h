/* What every exported network computes with: C99, integers alone. Each macro is used where the network needs it. */

#ifdef __cplusplus
#define BITSPIKE_RESTRICT
#else
#define BITSPIKE_RESTRICT restrict
#endif

/* At -O2 gcc makes vectors of loops alone whose turns it knows. Here the others are what takes the time. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#if !defined(__SANITIZE_ADDRESS__)
#pragma GCC optimize("O3")
#endif
#endif

/* Before a loop over output channels: gcc must not unroll it before it has seen that its turns fit vectors. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define BITSPIKE_LOOP _Pragma("GCC unroll 1")
#else
#define BITSPIKE_LOOP
#endif

/* The function of a layer. gcc 12 takes two of them for the same where only the places of their edges in memory differ,
 * as in two equal blocks, and keeps one: at -O2 the other's result would be missing. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define BITSPIKE_LAYER __attribute__((no_icf)) static void
#else
#define BITSPIKE_LAYER static void
#endif

/* floor(x / 2^n): C leaves >> of a negative number to the compiler. */
#define BITSPIKE_SHIFT_RIGHT(x, n) ((x) < 0 ? ~(~(x) >> (n)) : (x) >> (n))

#define BITSPIKE_CLIP(x, lo, hi) ((x) < (lo) ? (lo) : (x) > (hi) ? (hi) : (x))

/* Ones in the four bytes of a word, each in its byte, and the sum of four bytes; or both by an instruction. */
#if defined(__GNUC__) && (defined(__AVX512VPOPCNTDQ__) || defined(__riscv_zbb))
#define BITSPIKE_ONES(m) ((uint32_t)__builtin_popcount(m))
#define BITSPIKE_BYTES(n) (n)
#else
#define BITSPIKE_ONES_2(m) ((m) - (((m) >> 1) & 0x55555555U))
#define BITSPIKE_ONES_4(m) (((m) & 0x33333333U) + (((m) >> 2) & 0x33333333U))
#define BITSPIKE_ONES_8(m) (((m) + ((m) >> 4)) & 0x0F0F0F0FU)
#define BITSPIKE_ONES(m) BITSPIKE_ONES_8(BITSPIKE_ONES_4(BITSPIKE_ONES_2(m)))
#define BITSPIKE_BYTES_2(n) (((n) & 0x00FF00FFU) + (((n) >> 8) & 0x00FF00FFU))
#define BITSPIKE_BYTES(n) ((BITSPIKE_BYTES_2(n) + (BITSPIKE_BYTES_2(n) >> 16)) & 0xFFFFU)
#endif

/* The window of the output place whose first tap is (y, x), as [groups][kh][kw][C / groups]; 0 outside of the plane.
 * Taps that are neighbours inside of the plane are copied together.
 */
#define BITSPIKE_WINDOW(NAME, X)                                                                   \
    static void NAME(const X *BITSPIKE_RESTRICT plane, int32_t rows, int32_t columns,              \
                     int32_t channels, int32_t y, int32_t x, int32_t taps_y, int32_t taps_x,       \
                     int32_t step_y, int32_t step_x, int32_t groups, X *BITSPIKE_RESTRICT window)  \
    {                                                                                              \
        const int32_t each = channels / groups;                                                    \
        const int whole = groups == 1 && step_x == 1 && x >= 0 && x + taps_x <= columns;           \
        const int32_t turns = whole ? 1 : taps_x, run = whole ? taps_x * channels : each;          \
        for (int32_t g = 0; g < groups; g++, plane += each)                                        \
            for (int32_t ky = 0, row = y; ky < taps_y; ky++, row += step_y)                        \
                for (int32_t kx = 0, column = x; kx < turns; kx++, column += step_x) {             \
                    const int inside = row >= 0 && row < rows && column >= 0 && column < columns;  \
                    const X *const from = plane + (inside ? (row * columns + column) * channels : 0); \
                    if (inside)                                                                    \
                        for (int32_t i = 0; i < run; i++)                                          \
                            window[i] = from[i];                                                   \
                    else                                                                           \
                        for (int32_t i = 0; i < run; i++)                                          \
                            window[i] = 0;                                                         \
                    window += run;                                                                 \
                }                                                                                  \
    }

/* `count` levels from LO on, at most 8, a byte to each. */
#define BITSPIKE_EIGHT(NAME, X, LO)                                                                \
    static inline uint64_t NAME(const X *x, int32_t count)                                         \
    {                                                                                              \
        uint64_t codes = 0;                                                                        \
        for (int32_t j = 0; j < count; j++)                                                        \
            codes |= (uint64_t)(uint8_t)(x[j] - (LO)) << (8 * j);                                  \
        return codes;                                                                              \
    }

/* Levels as bit planes, 32 to a word, plane after plane; what is behind the last one is 0. */
#ifndef BITSPIKE_PACK
#define BITSPIKE_PACK(NAME, EIGHT, X, LO, PLANES)                                                  \
    static void NAME(const X *BITSPIKE_RESTRICT x, int32_t count,                                  \
                     uint32_t *BITSPIKE_RESTRICT planes)                                           \
    {                                                                                              \
        const int32_t words = (count + 31) / 32;                                                   \
        for (int32_t k = 0; k < words; k++)                                                        \
            for (int b = 0; b < PLANES; b++)                                                       \
                planes[b * words + k] = 0;                                                         \
        for (int32_t i = 0; i < count; i += 8) {                                                   \
            const uint64_t codes = i + 8 <= count ? EIGHT(x + i, 8) : EIGHT(x + i, count - i);     \
            for (int b = 0; b < PLANES; b++) {                                                     \
                const uint64_t ones = (codes >> b) & UINT64_C(0x0101010101010101);                 \
                const uint64_t eight = (ones * UINT64_C(0x0102040810204080)) >> 56;                \
                planes[b * words + i / 32] |= (uint32_t)eight << (i % 32);                         \
            }                                                                                      \
        }                                                                                          \
    }
#endif

/* For each channel the ones in what is left of a plane: its words where a weight is not 0, turned where it is below.
 * A word has WIDTH planes for its LANES channels: where weights are not 0 (of two bits), and where they are below.
 */
#define BITSPIKE_COUNT(NAME, WIDTH, LANES)                                                         \
    static void NAME(const uint32_t *BITSPIKE_RESTRICT weights,                                    \
                     const uint32_t *BITSPIKE_RESTRICT plane, int32_t words,                       \
                     uint32_t *BITSPIKE_RESTRICT ones)                                             \
    {                                                                                              \
        for (int l = 0; l < LANES; l++)                                                            \
            ones[l] = 0;                                                                           \
        for (int32_t k = 0; k < words;) {                                                          \
            const int32_t end = words - k < 31 ? words : k + 31; /* 31 bytes of 8 are below 256 */ \
            uint32_t bytes[LANES] = {0};                                                           \
            for (; k < end; k++, weights += LANES * WIDTH) {                                       \
                const uint32_t x = plane[k];                                                       \
                BITSPIKE_LOOP                                                                      \
                for (int l = 0; l < LANES; l++) {                                                  \
                    const uint32_t there = WIDTH == 1 ? x : x & weights[l];                        \
                    const uint32_t m = there ^ weights[LANES * (WIDTH - 1) + l];                   \
                    bytes[l] += BITSPIKE_ONES(m);                                                  \
                }                                                                                  \
            }                                                                                      \
            for (int l = 0; l < LANES; l++)                                                        \
                ones[l] += BITSPIKE_BYTES(bytes[l]);                                               \
        }                                                                                          \
    }

#ifndef BITSPIKE_COUNT_16
#define BITSPIKE_COUNT_16(NAME, WIDTH) BITSPIKE_COUNT(NAME, WIDTH, 16)
#endif

/* Of `windows` of bit planes, for each the sums of LANES channels, but for what is the same in all windows. */
#define BITSPIKE_SUMS_OF_BITS(NAME, COUNT, LANES, PLANES)                                          \
    static void NAME(const uint32_t *weights, const uint32_t *planes, int32_t words,               \
                     int32_t windows, int32_t *sums)                                               \
    {                                                                                              \
        for (int32_t i = 0; i < windows; i++, sums += 16)                                          \
            for (int b = 0; b < PLANES; b++, planes += words) {                                    \
                uint32_t ones[LANES];                                                              \
                COUNT(weights, planes, words, ones);                                               \
                for (int l = 0; l < LANES; l++)                                                    \
                    sums[l] = (b == 0 ? 0 : sums[l]) + (int32_t)(ones[l] << b);                    \
            }                                                                                      \
    }

/* Weights of BITS bits, each with 2^(BITS - 1) added, or as 0 and 1 for -1 and 1. They lie in parts of 8, 4, 2 and 1
 * bits, the lowest last. A part has its first bytes' lowest fields first, then the next fields of all bytes. Widths are
 * constants in each: only then are the loops over bytes a compiler's vectors of bytes.
 */
#define BITSPIKE_PART(ROW, BITS, PART)                                                             \
    if ((BITS) & (PART)) {                                                                         \
        const int32_t bytes = count * (PART) / 8;                                                  \
        const int worth = (BITS) == 1 ? 2 : 1 << ((BITS) & ((PART) - 1)), mask = (1 << (PART)) - 1;\
        for (int at = 0; at < 8; at += (PART), codes += bytes)                                     \
            for (int32_t i = 0; i < bytes; i++)                                                    \
                codes[i] = (ROW)(((packed[i] >> at) & mask) * worth                                \
                                 + (2 * (PART) > (BITS) ? -first : codes[i]));                     \
        packed += bytes;                                                                           \
        codes -= count;                                                                            \
    }

#define BITSPIKE_UNPACK(NAME, BITS, ROW)                                                           \
    static void NAME(const uint8_t *BITSPIKE_RESTRICT packed, int32_t count,                       \
                     ROW *BITSPIKE_RESTRICT codes)                                                 \
    {                                                                                              \
        const int first = BITS == 1 ? 1 : 1 << (BITS - 1);                                         \
        BITSPIKE_PART(ROW, BITS, 8)                                                                \
        BITSPIKE_PART(ROW, BITS, 4)                                                                \
        BITSPIKE_PART(ROW, BITS, 2)                                                                \
        BITSPIKE_PART(ROW, BITS, 1)                                                                \
    }

/* Of `windows` of `apart` elements: adds sum_i rows[r][i] * x[i] to four of the 16 sums of each, in accumulators that
 * are proven wide enough.
 */
#define BITSPIKE_DOT_4(NAME, ROW, X, SUM)                                                          \
    static void NAME(const ROW *BITSPIKE_RESTRICT rows, const X *BITSPIKE_RESTRICT x,              \
                     int32_t count, int32_t apart, int32_t windows, SUM *BITSPIKE_RESTRICT sums)   \
    {                                                                                              \
        const ROW *const row1 = rows + count, *const row2 = row1 + count, *const row3 = row2 + count; \
        for (int32_t w = 0; w < windows; w++, x += apart, sums += 16) {                            \
            SUM sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;                                            \
            for (int32_t i = 0; i < count; i++) {                                                  \
                sum0 += (SUM)rows[i] * (SUM)x[i];                                                  \
                sum1 += (SUM)row1[i] * (SUM)x[i];                                                  \
                sum2 += (SUM)row2[i] * (SUM)x[i];                                                  \
                sum3 += (SUM)row3[i] * (SUM)x[i];                                                  \
            }                                                                                      \
            sums[0] += sum0;                                                                       \
            sums[1] += sum1;                                                                       \
            sums[2] += sum2;                                                                       \
            sums[3] += sum3;                                                                       \
        }                                                                                          \
    }

/* The same, of levels and weights of at most 8 bits: whether levels may be NEGATIVE; where they are not, how many times
 * two products FIT into 16 bits; and whether rows are LONG, of 32 taps and more.
 */
#ifndef BITSPIKE_DOT_4_OF_BYTES
#define BITSPIKE_ROW int16_t
#define BITSPIKE_DOT_4_OF_BYTES(NAME, X, NEGATIVE, FIT, LONG) BITSPIKE_DOT_4(NAME, int16_t, X, int32_t)
#endif

#ifndef BITSPIKE_UNPACK_ROWS
#define BITSPIKE_UNPACK_ROWS(NAME, BITS) BITSPIKE_UNPACK(NAME, BITS, BITSPIKE_ROW)
#endif

/* Adds one such sum. */
#define BITSPIKE_DOT_1(NAME, ROW, X, SUM)                                                          \
    static void NAME(const ROW *BITSPIKE_RESTRICT row, const X *BITSPIKE_RESTRICT x,               \
                     int32_t count, int32_t apart, int32_t windows, SUM *BITSPIKE_RESTRICT sums)   \
    {                                                                                              \
        for (int32_t w = 0; w < windows; w++, x += apart, sums += 16) {                            \
            SUM sum = 0;                                                                           \
            for (int32_t i = 0; i < count; i++)                                                    \
                sum += (SUM)row[i] * (SUM)x[i];                                                    \
            *sums += sum;                                                                          \
        }                                                                                          \
    }

/* Of `windows` of `apart` elements, for each the sums of `lanes` channels from number `first` on, `each` to a group.
 * CHUNK taps of ROWS channels are unpacked at once, for all windows; a piece fills whole bytes.
 */
#define BITSPIKE_SUMS(NAME, UNPACK, DOT_ROWS, DOT_1, BITS, ROWS, CHUNK, ROW, X, SUM)               \
    static void NAME(const uint8_t *packed, ROW *rows, const X *x, int32_t count, int32_t apart,   \
                     int32_t windows, int32_t first, int32_t lanes, int32_t each, SUM *sums)       \
    {                                                                                              \
        const int32_t fields = BITS & 1 ? 8 : BITS & 2 ? 4 : BITS & 4 ? 2 : 1;                     \
        for (int32_t i = 0; i < 16 * windows; i++)                                                 \
            sums[i] = 0;                                                                           \
        for (int32_t k = 0; k < count; k += CHUNK)                                                 \
            for (int32_t l = 0; l < lanes; l += ROWS) {                                            \
                const int32_t taps = count - k < CHUNK ? count - k : CHUNK;                        \
                const int32_t many = lanes - l < ROWS ? lanes - l : ROWS;                          \
                const int32_t codes = (many * taps + fields - 1) / fields * fields;                \
                UNPACK(packed, codes, rows);                                                       \
                packed += codes / 8 * BITS + codes % 8 * BITS / 8;                                 \
                const X *const from = x + (first + l) / each * count + k;                          \
                if (many == ROWS)                                                                  \
                    DOT_ROWS(rows, from, taps, apart, windows, sums + l);                          \
                else                                                                               \
                    for (int32_t r = 0; r < many; r++)                                             \
                        DOT_1(rows + r * taps, from, taps, apart, windows, sums + l + r);          \
            }                                                                                      \
    }
