/* What every exported network computes with: C99, integers alone. Each macro is used where the network needs it. */

/* floor(x / 2^n): C leaves >> of a negative number to the compiler. */
#define BITSPIKE_SHIFT_RIGHT(x, n) ((x) < 0 ? ~(~(x) >> (n)) : (x) >> (n))

#define BITSPIKE_CLIP(x, lo, hi) ((x) < (lo) ? (lo) : (x) > (hi) ? (hi) : (x))

/* Weight i out of BITS bit planes of `stride` bytes: two's complement, or the sign of +-1 where BITS is 1. */
#define BITSPIKE_CODE(NET, BITS)                                                                   \
    static inline int32_t NET##_code##BITS(const uint8_t *planes, uint32_t stride, uint32_t i)     \
    {                                                                                              \
        const uint8_t *const at = planes + (i >> 3);                                               \
        int32_t code = -(int32_t)((at[(BITS - 1) * stride] >> (i & 7U)) & 1U);                     \
        for (int b = BITS - 2; b >= 0; b--)                                                        \
            code = 2 * code + (int32_t)((at[(uint32_t)b * stride] >> (i & 7U)) & 1U);              \
        return BITS == 1 ? 2 * code + 1 : code;                                                    \
    }

/* `count` weights from number `first` on, one to an element: the row of one output channel. */
#define BITSPIKE_UNPACK(NET, BITS, ROW)                                                            \
    static void NET##_unpack##BITS(const uint8_t *planes, uint32_t stride, uint32_t first,         \
                                   ROW *row, uint32_t count)                                       \
    {                                                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            row[i] = (ROW)NET##_code##BITS(planes, stride, first + i);                             \
    }

/* sum_i w[i] * x[i], in an accumulator that is proven wide enough. */
#define BITSPIKE_DOT(NAME, ROW, X, SUM)                                                            \
    static inline SUM NAME(const ROW *w, const X *x, int32_t count)                                \
    {                                                                                              \
        SUM sum = 0;                                                                               \
        for (int32_t i = 0; i < count; i++)                                                        \
            sum += (SUM)w[i] * (SUM)x[i];                                                          \
        return sum;                                                                                \
    }

/* The same, of weights that are still packed. */
#define BITSPIKE_DOT_PACKED(NET, NAME, BITS, X, SUM)                                               \
    static inline SUM NAME(const uint8_t *planes, uint32_t stride, uint32_t first, const X *x,     \
                           uint32_t count)                                                         \
    {                                                                                              \
        SUM sum = 0;                                                                               \
        for (uint32_t i = 0; i < count; i++)                                                       \
            sum += (SUM)NET##_code##BITS(planes, stride, first + i) * (SUM)x[i];                   \
        return sum;                                                                                \
    }
