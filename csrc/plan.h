/* A frozen network as the native backend runs it: stages in order, over edges that lie in one arena.
 *
 * The plan is made by bitspike.backends.native of a checked network, and never of bytes from outside: its numbers are
 * taken as they are. The structures are mirrored in backends/native/structs.py, field by field.
 */
#ifndef BITSPIKE_PLAN_H
#define BITSPIKE_PLAN_H

#include "kernels.h"

/* What an element is stored as: a byte holds the level minus the edge's lowest level. */
enum bs_type { BS_U8 = 0, BS_I32 = 1, BS_I64 = 2 };

/* A stored edge, [T][N][positions][channels] in the arena. Where it has a border, a row of an image is followed by the
 * border's elements; `columns` positions lie beside each other. Distances are in elements. */
struct bs_edge {
  int32_t type, steps, positions, channels, columns, border; /* border: the byte that fills it, -1: there is none */
  int64_t place;                                             /* of the edge in the arena, in bytes */
  int64_t first, row, image, step; /* to the first position of an image; from row, image and step to the next */
  int64_t lo;                      /* the level of code 0 */
  int64_t images;                  /* that there is room for: those of a turn, or all */
};

/* Windows over the rows and columns of an image, clipped at its sides. */
struct bs_window {
  int32_t rows, columns;                         /* of the image that is read */
  int32_t columns_out;                           /* places beside each other */
  int32_t high, wide, down, right, top, left;    /* kernel, stride and padding */
};

/* Runs of channels that are moved: of each position where its run begins, in elements from the image's start. They go to
 * the channels `first` and on of what is made. */
struct bs_runs {
  const int32_t *place;
  int32_t first, count;
};

/* Sums of products that are computed in plain C, for whatever no kernel takes: weights [out][row][column][in]. */
struct bs_wide {
  int32_t out, in, groups, high, wide; /* in: channels of one group */
  int32_t down, across;                /* elements from tap to tap */
  const int32_t *window;               /* of each position the first element of its window, from the image's start */
  const int16_t *weight;
  const int64_t *start;                /* of each output channel, what its sum begins with */
};

/* How the terms of a product lie in a unit of 32 bits: four bytes, of which the row's or the lane's are unsigned; two of
 * 16 bits; one. Or one of 64 bits. */
enum bs_form { BS_BYTES, BS_BYTES_TURNED, BS_SHORTS, BS_INTS, BS_LONGS };

/* A factor of products as it is read, in elements from its image's start, and as it is packed. */
struct bs_factor {
  int64_t place, packed, images;      /* of the packed factor in the arena; bytes of one image at one step; room for so many */
  int32_t edge, held;                 /* held: it has one step */
  int32_t first, apart, term, head;   /* from row to row, or lane to lane; from term to term; from head to head */
};

/* Products of two edges (product.h). */
struct bs_matmul {
  struct bs_factor row, lane;
  int64_t stride;                     /* lanes of a unit, with room behind them */
  int32_t form, inner, rows, columns; /* columns: lanes of one head */
  int32_t heads, width;               /* width: lanes of a row's unit */
};

/* Sums of products of bytes, by a kernel of the table (kernels.h). */
struct bs_sums {
  const bs_kernel *kernel;
  const bs_layer *layer;
  const void *packed;
  const int32_t *bases; /* of each position the cell where its window begins, from the image's start */
  int64_t prepared;     /* place of the prepared cells in the arena, in bytes */
  int64_t images;       /* that there is room for there */
  int64_t cell;         /* bytes of a prepared cell; 0: the kernel reads codes */
};

/* Cells from step to step of what the kernel reads. */
static inline int64_t bs_cells_of_step(const struct bs_edge *edge, const struct bs_sums *by) {
  return (by->cell ? by->images * edge->image : edge->step) / by->layer->cell;
}

/* One multiplication, shift and addition for each channel. What a multiplier has above `shift` needs no shift, so it may
 * stand in `whole`: the product with the rest, which is below 2^shift, takes few bits. */
struct bs_affine {
  const void *multiplier, *whole, *offset; /* of the stage's type, `width` each; no `whole`: it is 0 */
  int64_t half;
  int32_t shift, steps;            /* the offset is there for the steps below `steps` */
};

/* Levels by thresholds: `lo`, and 1 for each of `count` thresholds [count][width] that `x ^ turned` reaches; `turned` is
 * -1 in channels whose levels fall where x grows, else 0. Where there is a `slope`, `lo + clip(trunc(slope x + offset), 0,
 * count)` in floats, product and sum rounded each, is the same level for every x that there may be. */
struct bs_thresholds {
  const int32_t *turned, *threshold;
  const float *slope, *offset; /* [width] each, or NULL */
  int32_t count, lo;
};

/* One step of neurons with one state: u = (factor v >> leak) + x; level = clip((u + half) >> shift, lo, hi); then v is
 * `reset` where a level is sent and `hard` is set, else u - (level << shift). */
struct bs_fire {
  int64_t factor, half, lo, hi, reset;
  int32_t leak, shift, hard;
  const struct bs_affine *current; /* of a, where codes are stored at once; NULL: a is the current */
};

enum bs_kind {
  BS_LOAD, BS_STORE, BS_PIXELS, BS_SUMS, BS_WIDE, BS_SUM_POOL, BS_MAX_POOL, BS_GATHER, /* whole blocks, of edges */
  BS_AFFINE, BS_PRODUCT, BS_THRESHOLDS, BS_CODES, /* channel by channel; PRODUCT: through 64 bits; CODES: stored */
  BS_MAX_CODES,                                          /* a pool from bytes to bytes of the edge `n`, plus `x` */
  BS_PIXEL_CODES,                                        /* the images as bytes, plus `x` */
  BS_ADD, BS_SUB, BS_MUL, BS_SELECT,                     /* registers with registers */
  BS_FILL, BS_COPY, BS_PLUS, BS_FROM, BS_TIMES, BS_SHIFT, BS_SCALE, BS_CLIP, /* with constants; SCALE: through 64 bits */
  BS_PICK_X, BS_PICK_Y, BS_PICK_XY,                      /* selections between constants and registers */
  BS_FIRE,                                               /* a, and the state b, to levels and the next state */
  BS_KEEP,                                               /* a held value for the first steps, then 0 */
  BS_MATMUL,                                             /* sums of products of two edges */
  BS_RUNS,                                               /* channels beside each other, of an edge at other places */
  BS_BESIDE,                                             /* a, and the affine of an edge of bytes */
  BS_FIRE_CODES                                          /* FIRE, its levels stored as codes; of 32 bits behind SUMS */
};

/* One vector instruction: registers `to`, `a`, `b`, `c`; constants `x`, `y`, `n`. */
struct bs_op {
  int32_t kind, to, a, b, c, edge;
  int64_t x, y, n;
  const void *data;
};

/* What is computed between stored edges, block by block: ops before the first step, at each step, after the last. */
struct bs_stage {
  int32_t type;             /* BS_I32 or BS_I64: what its registers hold */
  int32_t steps, positions; /* positions of one image */
  int32_t channels, width;  /* elements of a position; those that it has room for in a register */
  int32_t block, registers; /* positions at once */
  int32_t before, each, after;
  const struct bs_op *op;
  const int32_t *writes;    /* edges that have a border to be filled */
  int32_t written;
  int32_t prepares;         /* the op whose input is prepared before the stage runs; -1: there is none */
  int32_t ahead;            /* steps whose sums one call of the kernel makes */
  int32_t alone;            /* images up to which one thread does it sooner than several */
};

/* The stages up to `end` take `images` at once: as many as a near cache holds between them. */
struct bs_turns {
  int32_t end, images;
};

struct bs_plan {
  int32_t level, batch, stages, answers;
  int64_t arena, scratch;   /* bytes: of all edges, and of one thread's registers */
  int64_t image;            /* bytes of one image, or of all steps of a train */
  const int32_t *answer;    /* edges, int64 */
  const struct bs_edge *edge;
  const struct bs_stage *stage;
  int32_t edges, turns;
  const struct bs_turns *turn; /* of all stages, in order */
};

/* Where a block stands: what the ops of one thread read beside the plan. */
struct bs_here {
  const struct bs_plan *plan;
  const struct bs_stage *stage;
  const uint8_t *images;
  uint8_t *arena;
  uint8_t *registers;
  int32_t *offsets;         /* of the block's windows, of all steps of one call */
  int32_t *sums;            /* accumulators on their way into wider registers, or of steps to come */
  void *moved_to;           /* where the register `moved` lies instead of its own place; -1: there is none */
  int32_t moved;
  int64_t first;            /* position of all images, image by image */
  int32_t count, t;
};

struct bs_runtime;

/* Memory and threads for one plan; NULL where there is no memory. */
BS_API struct bs_runtime *bs_runtime_new(const struct bs_plan *plan, int32_t threads);
BS_API void bs_runtime_free(struct bs_runtime *runtime);

/* Runs a plan: of each answer [count][steps][channels][positions], as its edge has them, of images [count][image].
 * `seconds`, where it is given, gets the processor time that each stage took of the calling thread, added up. Returns 0.
 * One run at a time for each runtime: another waits. */
BS_API int bs_run(struct bs_runtime *runtime, const struct bs_plan *plan, const uint8_t *images, int64_t count,
                  int64_t *const *answers, double *seconds);

/* Copies an edge of the last run, which had `count` images, as levels [T][N][positions][channels]. */
BS_API void bs_edge_copy(struct bs_runtime *runtime, const struct bs_plan *plan, int32_t edge, int64_t count,
                         int64_t *levels);

/* Runs all ops of a stage for one block; one for each instruction set. */
void bs_block_scalar(struct bs_here *here);
void bs_block_avx2(struct bs_here *here);
void bs_block_avx512(struct bs_here *here);

/* Packs the row factor of products, or the lane's, of image `n` at step `t`. */
void bs_pack_scalar(const struct bs_plan *plan, const struct bs_matmul *by, int32_t lane, int64_t t, int64_t n,
                    uint8_t *arena);
void bs_pack_avx2(const struct bs_plan *plan, const struct bs_matmul *by, int32_t lane, int64_t t, int64_t n,
                  uint8_t *arena);
void bs_pack_avx512(const struct bs_plan *plan, const struct bs_matmul *by, int32_t lane, int64_t t, int64_t n,
                    uint8_t *arena);

/* A pool of threads: `task` is called once by each of them, the caller included, with the thread's number. */
struct bs_pool *bs_pool_new(int32_t threads);
void bs_pool_free(struct bs_pool *pool);
void bs_pool_run(struct bs_pool *pool, void (*task)(void *context, int32_t thread), void *context);

#endif
