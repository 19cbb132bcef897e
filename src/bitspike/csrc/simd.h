/* Vectors for "network", by the compiler's own names: AVX2, AVX-VNNI, AVX-512 (VNNI, VPOPCNTDQ), NEON, and Helium and
 * the DSP instructions of a Cortex-M. The same integers as the C of network.c, which includes this where the compiler
 * may use them, but not with -DNETWORK_PORTABLE.
 */
#ifndef NETWORK_SIMD_H
#define NETWORK_SIMD_H

#define BITSPIKE_ROW int8_t /* of what DOT_4_OF_BYTES reads */

/* Before a loop over an array of vectors: gcc must unroll it early, so that they are in registers. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define BITSPIKE_UNROLLED _Pragma("GCC unroll 4")
#else
#define BITSPIKE_UNROLLED
#endif

#if defined(__AVX2__)
#include <immintrin.h>

/* The sum of each of four vectors of 32-bit integers. */
static inline __m128i network_sums_of(const __m256i *four)
{
    const __m256i low = _mm256_hadd_epi32(four[0], four[1]), high = _mm256_hadd_epi32(four[2], four[3]);
    const __m256i pairs = _mm256_hadd_epi32(low, high);
    return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

static inline __m256i network_32_bytes(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* Eight bytes as eight 16-bit integers. */
static inline __m128i network_8_bytes(const void *from, int negative)
{
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)from);
    return negative ? _mm_cvtepi8_epi16(bytes) : _mm_cvtepu8_epi16(bytes);
}

/* 32 levels at a time: the bit that counts is moved to the top of its byte, and the tops are read. */
#define BITSPIKE_PACK(NAME, EIGHT, X, LO, PLANES)                                                                     \
    static void NAME(const X *x, int32_t count, uint32_t *planes)                                                     \
    {                                                                                                                 \
        const int32_t words = (count + 31) / 32;                                                                      \
        for (int32_t k = 0; k < words; k++) {                                                                         \
            __m256i codes;                                                                                            \
            if (32 * k + 32 <= count) {                                                                               \
                codes = _mm256_sub_epi8(network_32_bytes(x + 32 * k), _mm256_set1_epi8(LO));                          \
            } else {                                                                                                  \
                uint64_t rest[4] = {0};                                                                               \
                for (int32_t i = 32 * k; i < count; i += 8)                                                           \
                    rest[i % 32 / 8] = EIGHT(x + i, count - i < 8 ? count - i : 8);                                   \
                codes = network_32_bytes(rest);                                                                       \
            }                                                                                                         \
            for (int b = 0; b < PLANES; b++)                                                                          \
                planes[b * words + k] = (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(codes, 7 - b));              \
        }                                                                                                             \
    }

#if defined(__AVX512F__) && defined(__AVX512VPOPCNTDQ__)
#define BITSPIKE_COUNT_16(NAME, WIDTH)                                                                                \
    static void NAME(const uint32_t *weights, const uint32_t *plane, int32_t words, uint32_t *ones)                   \
    {                                                                                                                 \
        __m512i total = _mm512_setzero_si512();                                                                       \
        for (int32_t k = 0; k < words; k++, weights += 16 * WIDTH) {                                                  \
            const __m512i x = _mm512_set1_epi32((int32_t)plane[k]);                                                   \
            const __m512i there = WIDTH == 1 ? x : _mm512_and_si512(x, _mm512_loadu_si512(weights));                  \
            const __m512i below = _mm512_loadu_si512(weights + 16 * (WIDTH - 1));                                     \
            total = _mm512_add_epi32(total, _mm512_popcnt_epi32(_mm512_xor_si512(there, below)));                     \
        }                                                                                                             \
        _mm512_storeu_si512(ones, total);                                                                             \
    }
#else
/* Ones of each half of a byte by a table. */
static inline __m256i network_ones(__m256i bytes)
{
    const __m256i table = _mm256_broadcastsi128_si256(_mm_set_epi8(4, 3, 3, 2, 3, 2, 2, 1, 3, 2, 2, 1, 2, 1, 1, 0));
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, half));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
    return _mm256_add_epi8(low, _mm256_shuffle_epi8(table, high));
}

/* Four bytes added up to 32 bits, and to what is there. */
static inline void network_add_bytes(__m256i bytes, uint32_t *ones)
{
    const __m256i twos = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
    const __m256i fours = _mm256_madd_epi16(twos, _mm256_set1_epi16(1));
    _mm256_storeu_si256((__m256i *)(void *)ones, _mm256_add_epi32(network_32_bytes(ones), fours));
}

#define BITSPIKE_COUNT_16(NAME, WIDTH)                                                                                \
    static void NAME(const uint32_t *weights, const uint32_t *plane, int32_t words, uint32_t *ones)                   \
    {                                                                                                                 \
        for (int l = 0; l < 16; l++)                                                                                  \
            ones[l] = 0;                                                                                              \
        for (int32_t k = 0; k < words;) {                                                                             \
            const int32_t end = words - k < 31 ? words : k + 31; /* 31 bytes of 8 are below 256 */                    \
            __m256i bytes0 = _mm256_setzero_si256(), bytes1 = bytes0;                                                 \
            for (; k < end; k++, weights += 16 * WIDTH) {                                                             \
                const uint32_t *const below = weights + 16 * (WIDTH - 1);                                             \
                const __m256i x = _mm256_set1_epi32((int32_t)plane[k]);                                               \
                const __m256i there0 = WIDTH == 1 ? x : _mm256_and_si256(x, network_32_bytes(weights));               \
                const __m256i there1 = WIDTH == 1 ? x : _mm256_and_si256(x, network_32_bytes(weights + 8));           \
                const __m256i m0 = _mm256_xor_si256(there0, network_32_bytes(below));                                 \
                const __m256i m1 = _mm256_xor_si256(there1, network_32_bytes(below + 8));                             \
                bytes0 = _mm256_add_epi8(bytes0, network_ones(m0));                                                   \
                bytes1 = _mm256_add_epi8(bytes1, network_ones(m1));                                                   \
            }                                                                                                         \
            network_add_bytes(bytes0, ones);                                                                          \
            network_add_bytes(bytes1, ones + 8);                                                                      \
        }                                                                                                             \
    }
#endif

static inline __m256i network_add_8(__m256i sum, __m128i levels, const int8_t *row)
{
    const __m128i products = _mm_madd_epi16(levels, network_8_bytes(row, 1));
    return _mm256_add_epi32(sum, _mm256_zextsi128_si256(products));
}

#if defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define BITSPIKE_DPBUSD _mm256_dpbusd_epi32
#elif defined(__AVXVNNI__)
#define BITSPIKE_DPBUSD _mm256_dpbusd_avx_epi32
#endif

#ifdef BITSPIKE_DPBUSD
/* A vector of each row and window, multiplied and added to sums. Levels that may be below 0 are raised by 128, and 128
 * times the weights is taken off in the end.
 */
#define BITSPIKE_DPBUSD_OF(NEGATIVE, W, VECTOR, LOAD, DPBUSD, XOR, SUMS)                                              \
    BITSPIKE_UNROLLED                                                                                                 \
    for (int r = 0; r < 4; r++) {                                                                                     \
        const VECTOR row = LOAD(rows + r * count + i);                                                                \
        if (NEGATIVE)                                                                                                 \
            raised[r] = DPBUSD(raised[r], top, row);                                                                  \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++) {                                                                                 \
            const VECTOR bytes = LOAD(x + w * apart + i);                                                             \
            SUMS[w][r] = DPBUSD(SUMS[w][r], NEGATIVE ? XOR(bytes, top) : bytes, row);                                 \
        }                                                                                                             \
    }

#define BITSPIKE_BY_32(NEGATIVE, FIT, LONG, W)                                                                        \
        BITSPIKE_BY_64(NEGATIVE, LONG, W)                                                                             \
        const __m256i top = _mm256_set1_epi8(-128);                                                                   \
        __m256i raised[4];                                                                                            \
        BITSPIKE_UNROLLED                                                                                             \
        for (int r = 0; r < 4; r++)                                                                                   \
            raised[r] = _mm256_setzero_si256();                                                                       \
        for (; LONG && i + 32 <= count; i += 32)                                                                      \
            BITSPIKE_DPBUSD_OF(NEGATIVE, W, __m256i, network_32_bytes, BITSPIKE_DPBUSD, _mm256_xor_si256, sum)        \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++)                                                                                   \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++)                                                                               \
                sum[w][r] = _mm256_sub_epi32(sum[w][r], raised[r]);

#if defined(__AVX512BW__) && defined(__AVX512VNNI__)
static inline __m512i network_64_bytes(const void *from)
{
    return _mm512_loadu_si512(from);
}

static inline __m256i network_halves(__m512i x)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
}

/* Where all rows begin as far from what was unpacked just before: else a load waits for the stores that it spans. */
#define BITSPIKE_BY_64(NEGATIVE, LONG, W)                                                                             \
        if (LONG && count % 64 == 0) {                                                                                \
            const __m512i top = _mm512_set1_epi8(-128);                                                               \
            __m512i wide[W][4], raised[4];                                                                            \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++) {                                                                             \
                raised[r] = _mm512_setzero_si512();                                                                   \
                BITSPIKE_UNROLLED                                                                                     \
                for (int w = 0; w < W; w++)                                                                           \
                    wide[w][r] = _mm512_setzero_si512();                                                              \
            }                                                                                                         \
            for (; i < count; i += 64)                                                                                \
                BITSPIKE_DPBUSD_OF(NEGATIVE, W, __m512i, network_64_bytes, _mm512_dpbusd_epi32,                           \
                                   _mm512_xor_si512, wide)                                                            \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++)                                                                               \
                BITSPIKE_UNROLLED                                                                                     \
                for (int r = 0; r < 4; r++)                                                                           \
                    sum[w][r] = network_halves(_mm512_sub_epi32(wide[w][r], raised[r]));                              \
        }
#else
#define BITSPIKE_BY_64(NEGATIVE, LONG, W)
#endif

#else
/* Sums of two products are added up in 16 bits as long as they fit; where they do not, all products have 16 bits. */
#define BITSPIKE_BY_32(NEGATIVE, FIT, LONG, W)                                                                        \
        while (LONG && FIT && i + 32 <= count) {                                                                      \
            const int32_t end = (count - i) / 32 < FIT ? count / 32 * 32 : i + 32 * FIT;                              \
            __m256i twos[W][4];                                                                                       \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++)                                                                               \
                BITSPIKE_UNROLLED                                                                                     \
                for (int r = 0; r < 4; r++)                                                                           \
                    twos[w][r] = _mm256_setzero_si256();                                                              \
            for (; i < end; i += 32)                                                                                  \
                BITSPIKE_UNROLLED                                                                                     \
                for (int r = 0; r < 4; r++) {                                                                         \
                    const __m256i row = network_32_bytes(rows + r * count + i);                                       \
                    BITSPIKE_UNROLLED                                                                                 \
                    for (int w = 0; w < W; w++) {                                                                     \
                        const __m256i products = _mm256_maddubs_epi16(network_32_bytes(x + w * apart + i), row);      \
                        twos[w][r] = _mm256_add_epi16(twos[w][r], products);                                          \
                    }                                                                                                 \
                }                                                                                                     \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++)                                                                               \
                BITSPIKE_UNROLLED                                                                                     \
                for (int r = 0; r < 4; r++)                                                                           \
                    sum[w][r] = _mm256_add_epi32(sum[w][r], _mm256_madd_epi16(twos[w][r], _mm256_set1_epi16(1)));     \
        }
#endif

#define BITSPIKE_DOT_4_BLOCK(NAME, X, NEGATIVE, FIT, LONG, W)                                                         \
    static inline void NAME(const int8_t *rows, const X *x, int32_t count, int32_t apart, int32_t *sums)              \
    {                                                                                                                 \
        __m256i sum[W][4];                                                                                            \
        int32_t i = 0;                                                                                                \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++)                                                                                   \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++)                                                                               \
                sum[w][r] = _mm256_setzero_si256();                                                                   \
        BITSPIKE_BY_32(NEGATIVE, FIT, LONG, W)                                                                        \
        for (; i + 8 <= count; i += 8)                                                                                \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++) {                                                                             \
                const __m128i levels = network_8_bytes(x + w * apart + i, NEGATIVE);                                  \
                BITSPIKE_UNROLLED                                                                                     \
                for (int r = 0; r < 4; r++)                                                                           \
                    sum[w][r] = network_add_8(sum[w][r], levels, rows + r * count + i);                               \
            }                                                                                                         \
        __m128i four[W];                                                                                              \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++)                                                                                   \
            four[w] = network_sums_of(sum[w]);                                                                        \
        for (; i < count; i++) {                                                                                      \
            const int8_t *const row2 = rows + 2 * count;                                                              \
            const __m128i row = _mm_setr_epi32(rows[i], rows[count + i], row2[i], row2[count + i]);                   \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++)                                                                               \
                four[w] = _mm_add_epi32(four[w], _mm_mullo_epi32(row, _mm_set1_epi32(x[w * apart + i])));             \
        }                                                                                                             \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++) {                                                                                 \
            __m128i *const into = (__m128i *)(void *)(sums + 16 * w);                                                 \
            _mm_storeu_si128(into, _mm_add_epi32(_mm_loadu_si128(into), four[w]));                                    \
        }                                                                                                             \
    }

#elif defined(__ARM_NEON)
#include <arm_neon.h>

#define BITSPIKE_COUNT_16(NAME, WIDTH)                                                                                \
    static void NAME(const uint32_t *weights, const uint32_t *plane, int32_t words, uint32_t *ones)                   \
    {                                                                                                                 \
        for (int l = 0; l < 16; l++)                                                                                  \
            ones[l] = 0;                                                                                              \
        for (int32_t k = 0; k < words;) {                                                                             \
            const int32_t end = words - k < 31 ? words : k + 31; /* 31 bytes of 8 are below 256 */                    \
            uint8x16_t bytes[4];                                                                                      \
            for (int v = 0; v < 4; v++)                                                                               \
                bytes[v] = vdupq_n_u8(0);                                                                             \
            for (; k < end; k++, weights += 16 * WIDTH) {                                                             \
                const uint32x4_t x = vdupq_n_u32(plane[k]);                                                           \
                for (int v = 0; v < 4; v++) {                                                                         \
                    const uint32x4_t there = WIDTH == 1 ? x : vandq_u32(x, vld1q_u32(weights + 4 * v));               \
                    const uint32x4_t m = veorq_u32(there, vld1q_u32(weights + 16 * (WIDTH - 1) + 4 * v));             \
                    bytes[v] = vaddq_u8(bytes[v], vcntq_u8(vreinterpretq_u8_u32(m)));                                 \
                }                                                                                                     \
            }                                                                                                         \
            for (int v = 0; v < 4; v++)                                                                               \
                vst1q_u32(ones + 4 * v, vpadalq_u16(vld1q_u32(ones + 4 * v), vpaddlq_u8(bytes[v])));                  \
        }                                                                                                             \
    }

static inline int32_t network_add_up(int32x4_t x)
{
    const int64x2_t pairs = vpaddlq_s32(x);
    return (int32_t)(vgetq_lane_s64(pairs, 0) + vgetq_lane_s64(pairs, 1));
}

#define BITSPIKE_DOT_4_BLOCK(NAME, X, NEGATIVE, FIT, LONG, W)                                                         \
    static inline void NAME(const int8_t *rows, const X *x, int32_t count, int32_t apart, int32_t *sums)              \
    {                                                                                                                 \
        int32x4_t sum[W][4];                                                                                          \
        int32_t i = 0;                                                                                                \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++)                                                                                   \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++)                                                                               \
                sum[w][r] = vdupq_n_s32(0);                                                                           \
        for (; i + 8 <= count; i += 8) {                                                                              \
            int16x8_t levels[W];                                                                                      \
            BITSPIKE_UNROLLED                                                                                         \
            for (int w = 0; w < W; w++) {                                                                             \
                const uint8x8_t bytes = vld1_u8((const uint8_t *)(const void *)(x + w * apart + i));                  \
                const int16x8_t positive = vreinterpretq_s16_u16(vmovl_u8(bytes));                                    \
                levels[w] = NEGATIVE ? vmovl_s8(vreinterpret_s8_u8(bytes)) : positive;                                \
            }                                                                                                         \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++) {                                                                             \
                const int16x8_t row = vmovl_s8(vld1_s8(rows + r * count + i));                                        \
                BITSPIKE_UNROLLED                                                                                     \
                for (int w = 0; w < W; w++) {                                                                         \
                    sum[w][r] = vmlal_s16(sum[w][r], vget_low_s16(levels[w]), vget_low_s16(row));                     \
                    sum[w][r] = vmlal_s16(sum[w][r], vget_high_s16(levels[w]), vget_high_s16(row));                   \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
        BITSPIKE_UNROLLED                                                                                             \
        for (int w = 0; w < W; w++, x += apart, sums += 16)                                                           \
            BITSPIKE_UNROLLED                                                                                         \
            for (int r = 0; r < 4; r++) {                                                                             \
                sums[r] += network_add_up(sum[w][r]);                                                                 \
                for (int32_t j = i; j < count; j++)                                                                   \
                    sums[r] += (int32_t)rows[r * count + j] * (int32_t)x[j];                                          \
            }                                                                                                         \
    }

#elif defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* Levels of 8 bits without a sign lose 128, and 128 times the weights is added. */
#define BITSPIKE_DOT_4_OF_BYTES(NAME, X, NEGATIVE, FIT, LONG)                                                         \
    static void NAME(const int8_t *rows, const X *x, int32_t count, int32_t apart, int32_t windows, int32_t *sums)    \
    {                                                                                                                 \
        const int lowered = (X)-1 > 0;                                                                                \
        for (; windows > 0; windows--, x += apart, sums += 16)                                                        \
            for (int r = 0; r < 4; r++) {                                                                             \
                int32_t sum = sums[r], weights = 0;                                                                   \
                for (int32_t i = 0; i < count; i += 16) {                                                             \
                    const mve_pred16_t there = vctp8q((uint32_t)(count - i));                                         \
                    const int8x16_t row = vldrbq_z_s8(rows + r * count + i, there);                                   \
                    const int8x16_t bytes = vldrbq_z_s8((const int8_t *)(const void *)(x + i), there);                \
                    sum = vmladavaq_s8(sum, row, lowered ? veorq_s8(bytes, vdupq_n_s8(-128)) : bytes);                \
                    weights = lowered ? vaddvaq_s8(weights, row) : 0;                                                 \
                }                                                                                                     \
                sums[r] = sum + 128 * weights;                                                                        \
            }                                                                                                         \
    }

#elif defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#include <string.h>

static inline uint32_t network_word(const void *from)
{
    uint32_t word;
    memcpy(&word, from, 4);
    return word;
}

#define BITSPIKE_FOUR(from) ((int8x4_t)network_word(from))

/* Of a word of bytes those that lie first and third, by themselves, and those between. */
#define BITSPIKE_EVEN(word) __sxtb16((int8x4_t)(word))
#define BITSPIKE_ODD(word) __sxtb16((int8x4_t)((word) >> 8))

static inline int32_t network_add_four(int32_t sum, int16x2_t even, int16x2_t odd, const int8_t *row)
{
    const uint32_t weights = network_word(row);
    return __smlad(BITSPIKE_ODD(weights), odd, __smlad(BITSPIKE_EVEN(weights), even, sum));
}

#define BITSPIKE_DOT_4_OF_BYTES(NAME, X, NEGATIVE, FIT, LONG)                                                         \
    static void NAME(const int8_t *rows, const X *x, int32_t count, int32_t apart, int32_t windows, int32_t *sums)    \
    {                                                                                                                 \
        const int8_t *const row1 = rows + count, *const row2 = row1 + count, *const row3 = row2 + count;              \
        for (; windows > 0; windows--, x += apart, sums += 16) {                                                      \
            int32_t sum0 = sums[0], sum1 = sums[1], sum2 = sums[2], sum3 = sums[3], i = 0;                            \
            for (; i + 4 <= count; i += 4) {                                                                          \
                const uint32_t four = network_word(x + i), low = 0x00FF00FFU;                                         \
                const int16x2_t even = NEGATIVE ? BITSPIKE_EVEN(four) : (int16x2_t)(four & low);                      \
                const int16x2_t odd = NEGATIVE ? BITSPIKE_ODD(four) : (int16x2_t)(four >> 8 & low);                   \
                sum0 = network_add_four(sum0, even, odd, rows + i);                                                   \
                sum1 = network_add_four(sum1, even, odd, row1 + i);                                                   \
                sum2 = network_add_four(sum2, even, odd, row2 + i);                                                   \
                sum3 = network_add_four(sum3, even, odd, row3 + i);                                                   \
            }                                                                                                         \
            for (; i < count; i++) {                                                                                  \
                sum0 += (int32_t)rows[i] * (int32_t)x[i];                                                             \
                sum1 += (int32_t)row1[i] * (int32_t)x[i];                                                             \
                sum2 += (int32_t)row2[i] * (int32_t)x[i];                                                             \
                sum3 += (int32_t)row3[i] * (int32_t)x[i];                                                             \
            }                                                                                                         \
            sums[0] = sum0;                                                                                           \
            sums[1] = sum1;                                                                                           \
            sums[2] = sum2;                                                                                           \
            sums[3] = sum3;                                                                                           \
        }                                                                                                             \
    }

/* Four weights at a time, as BITSPIKE_PART has one. */
#define BITSPIKE_PART_BY_FOUR(BITS, PART)                                                                             \
    if ((BITS) & (PART)) {                                                                                            \
        const int32_t bytes = count * (PART) / 8;                                                                     \
        const int worth = (BITS) == 1 ? 2 : 1 << ((BITS) & ((PART)-1)), mask = (1 << (PART)) - 1;                     \
        for (int at = 0; at < 8; at += (PART), codes += bytes) {                                                      \
            int32_t i = 0;                                                                                            \
            for (; i + 4 <= bytes; i += 4) {                                                                          \
                const uint32_t fields = (network_word(packed + i) >> at & ones * (uint32_t)mask) * (uint32_t)worth;   \
                const int8x4_t part = (int8x4_t)fields, low = (int8x4_t)(ones * first);                               \
                const int8x4_t four =                                                                                 \
                    2 * (PART) > (BITS) ? __ssub8(part, low) : __sadd8(part, BITSPIKE_FOUR(codes + i));               \
                memcpy(codes + i, &four, 4);                                                                          \
            }                                                                                                         \
            for (; i < bytes; i++)                                                                                    \
                codes[i] = (int8_t)(((packed[i] >> at) & mask) * worth                                                \
                                    + (2 * (PART) > (BITS) ? -(int)first : codes[i]));                                \
        }                                                                                                             \
        packed += bytes;                                                                                              \
        codes -= count;                                                                                               \
    }

#define BITSPIKE_UNPACK_ROWS(NAME, BITS)                                                                              \
    static void NAME(const uint8_t *packed, int32_t count, int8_t *codes)                                             \
    {                                                                                                                 \
        const uint32_t ones = 0x01010101U, first = BITS == 1 ? 1 : 1U << (BITS - 1);                                  \
        BITSPIKE_PART_BY_FOUR(BITS, 8)                                                                                \
        BITSPIKE_PART_BY_FOUR(BITS, 4)                                                                                \
        BITSPIKE_PART_BY_FOUR(BITS, 2)                                                                                \
        BITSPIKE_PART_BY_FOUR(BITS, 1)                                                                                \
    }
#endif

/* Two windows at a time, so that weights are loaded for both. */
#ifdef BITSPIKE_DOT_4_BLOCK
#define BITSPIKE_DOT_4_OF_BYTES(NAME, X, NEGATIVE, FIT, LONG)                                                         \
    BITSPIKE_DOT_4_BLOCK(NAME##_of_1, X, NEGATIVE, FIT, LONG, 1)                                                      \
    BITSPIKE_DOT_4_BLOCK(NAME##_of_2, X, NEGATIVE, FIT, LONG, 2)                                                      \
    static void NAME(const int8_t *rows, const X *x, int32_t count, int32_t apart, int32_t windows, int32_t *sums)    \
    {                                                                                                                 \
        for (; windows >= 2; windows -= 2, x += 2 * apart, sums += 32)                                                \
            NAME##_of_2(rows, x, count, apart, sums);                                                                 \
        if (windows)                                                                                                  \
            NAME##_of_1(rows, x, count, apart, sums);                                                                 \
    }
#endif

#endif
