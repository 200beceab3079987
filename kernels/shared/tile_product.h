/* tile_product: products of bf16 matrices on tiles, or on pairs in vectors, summed in fp32, on the calling thread; what the tiers for bf16 use.
 *
 * C[M,N] = op(A) op(B). B is packed beforehand, in strips of 32 columns, so that a weight is packed once for all rows; rows of A are read in place
 * where they are whole, else packed into a panel. What is missing at the borders is zero in the packed copies. C comes in blocks of 32x32, handed to
 * a function (bias, GELU, rounding, adding up) while they are in the first cache. Every number of C is one sum in one order, whatever the blocks. */
#ifndef BAI_TILE_PRODUCT_H
#define BAI_TILE_PRODUCT_H

#include "kernel.h"
#include "tile.h"

enum { BAI_SIDE = 32 }; /* rows of a panel, columns of a strip, steps of the sum that are taken at once */
/* Sums of a multiple of so many terms are read in place from A: tiles have 32 in a row, vectors of pairs two. */
#if BAI_PAIRS
enum { BAI_WHOLE = 2 };
#else
enum { BAI_WHOLE = BAI_SIDE };
#endif

/* A block of C: rows x cols numbers from row m and column n on, row stride ldc; what lies outside of them may never have been written. */
typedef void (*bai_block_fn)(void *ctx, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *c, int64_t ldc);
enum { BAI_SOON = 2 };
typedef struct bai_soon { const void *at; int64_t bytes; } bai_soon;
/* Where C goes when nothing else becomes of it: what bai_tile_put, a bai_block_fn, takes as its ctx. `to` is row `first` of C; add: to what
 * it holds; over: what lies behind the last row and column, up to whole blocks, may be written. soon: runs of memory that are
 * read next, which vectors fetch while they multiply. */
typedef struct bai_place { float *to; int64_t ld, first; int add, over; bai_soon soon[BAI_SOON]; } bai_place;

static inline int64_t bai_side(int64_t n) { return (n + BAI_SIDE - 1) / BAI_SIDE * BAI_SIDE; }
/* Bytes of n strips of B, or of a panel of A (n = 1), K long. */
static inline int64_t bai_strips_bytes(int64_t n, int64_t K) { return n * BAI_SIDE * bai_side(K) * 2; }

/* A matrix of bf16: [rows, cols] with its row stride, taken as its transpose on request. */
typedef struct bai_half { const uint16_t *data; int64_t ld; int transposed; } bai_half;

/* Where C goes as bf16: bai_tile_halve's ctx. Row m is multiplied by `by` of m % BAI_SIDE, if that is not NULL. */
typedef struct bai_half_place { uint16_t *to; int64_t ld; const float *by; } bai_half_place;

#define bai_pack_strips BAI_TIERED(bai_pack_strips)
#define bai_tile_put BAI_TIERED(bai_tile_put)
#define bai_tile_halve BAI_TIERED(bai_tile_halve)
#define bai_tile_product BAI_TIERED(bai_tile_product)
void bai_tile_put(void *place, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *c, int64_t ldc);
void bai_tile_halve(void *half_place, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *c, int64_t ldc);
/* Strips first..last-1 of B [K,N] to `to`. */
void bai_pack_strips(bai_half b, int64_t K, int64_t N, int64_t first, int64_t last, uint16_t *to);
/* Rows m0..m1-1 of C (m0 a multiple of BAI_SIDE) in the columns of strips first..last-1, which begin at `strips`. panel: bai_strips_bytes(1, K). */
void bai_tile_product(bai_half a, int64_t m0, int64_t m1, const uint16_t *strips, int64_t first, int64_t last, int64_t N, int64_t K, uint16_t *panel,
                      bai_block_fn done, void *ctx);

#endif
