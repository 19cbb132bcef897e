/* Kernels: the exact sums of convolution and linear layers, code times weight, several ways.
 *
 * A layer reads codes (level minus the lowest level, one byte each) that lie in cells: one pixel of one image at one
 * time step, its channels contiguous. `bases` names the cell where the window of an output position begins, `offsets`
 * where each window element lies from there, both in cells; a linear layer has one element, at offset 0. Borders are
 * cells of the code of level 0. What lies in a cell after its channels may hold anything.
 *
 * The sum is `initial[o] + sum over elements e, channels c of code[bases[p] + offsets[e]][c] * weight[o][e][c]`, modulo
 * 2^32: exact where the range of the true sum fits int32. The caller puts bias and `lowest level * sum of weights` into
 * `initial`.
 *
 * Where channels are few (a first layer's 1 or 3), fold each row of the window: `window` is its rows, `channels` is
 * columns * channels, which lie contiguous, and cells stay pixels, shorter than `channels`. Such a layer has no kernel
 * that prepares.
 *
 * Memory: codes and prepared cells are followed by BS_SLACK bytes that may be read, whatever they hold. `packed`,
 * `prepared` and `acc` are aligned to 64 bytes, and nothing else is. */
#ifndef BITSPIKE_KERNELS_H
#define BITSPIKE_KERNELS_H

#include "bitspike.h"

enum { BS_SLACK = 64, BS_KERNELS_VERSION = 5 };

typedef struct bs_layer {
  int32_t channels;               /* codes of one window element */
  int32_t out_channels;           /* sums of one position */
  int32_t window;                 /* elements */
  int32_t cell;                   /* bytes from one cell of codes to the next */
  int32_t weight_lo, weight_hi;   /* all weights lie between these, which lie in -128..127 */
  int32_t code_hi;                /* all codes lie in 0..code_hi, at most 255 */
  const int32_t *offsets;         /* [window], in cells */
  int32_t two_values;             /* 1 where every weight is weight_lo or weight_hi; 0 says nothing */
} bs_layer;

/* One way to the sums. `packed` holds all that `positions` needs of weights, initial values and offsets. */
typedef struct bs_kernel {
  const char *name;
  int32_t level;                                                     /* the bs_level that it needs */
  int32_t (*can)(const bs_layer *);                                  /* whether it takes the layer */
  size_t (*packed_size)(const bs_layer *);                           /* bytes */
  void (*pack)(const bs_layer *, const int8_t *weights,              /* [out_channels][window][channels] */
               const int32_t *initial,                               /* [out_channels], or NULL for zeros */
               void *packed);
  size_t (*prepared_cell)(const bs_layer *);                         /* bytes of a prepared cell; 0: it reads codes */
  void (*prepare)(const bs_layer *, const uint8_t *codes, int64_t cells, void *prepared); /* NULL where that is 0 */
  void (*positions)(const bs_layer *, const void *packed,
                    const void *x,                                   /* codes, or prepared cells: cell 0 of `bases` */
                    const int32_t *bases, int32_t count,
                    int32_t *acc);                                   /* [count][bs_padded(out_channels)], written */
} bs_kernel;

/* The sums of one position in `acc`: the out channels rounded up to 16; those past the last are of no meaning. */
static inline int32_t bs_padded(int32_t out_channels) { return (out_channels + 15) & ~15; }

/* The kernels of this build, in no order that means anything; NULL after the last. Run one only where
 * its level is at most the one in use and `can` says so. */
BS_API const bs_kernel *bs_kernel_at(int32_t index);
BS_API int32_t bs_kernels_version(void); /* another number where a remembered choice no longer holds */

#endif
