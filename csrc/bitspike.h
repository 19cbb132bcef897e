/* bitspike's C library: integers of frozen networks, and neurons that learn. Plain C ABI, called through ctypes. */
#ifndef BITSPIKE_H
#define BITSPIKE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define BS_API __declspec(dllexport)
#else
#define BS_API __attribute__((visibility("default")))
#endif

/* Instruction sets, each with those below it of the same processor family. */
enum bs_level { BS_SCALAR = 0, BS_AVX2 = 1, BS_AVX512 = 2, BS_AMX = 3, BS_NEON = 4 };

/* The highest level that this processor and its operating system have. That of tiles is tried before it is one. */
BS_API int bs_detect(void);

/* Why the processor's highest level is not used; NULL where it is. */
BS_API const char *bs_refused(void);

/* A digest of the sources that the library was built of: a checkout whose sources are others builds it anew. */
BS_API const char *bs_sources(void);

#ifdef __cplusplus
}
#endif

#endif
