/* tile: AMX's tiles, eight registers of 16 rows of 64 bytes, in the few operations that products of bf16 need.
 *
 * In the tier `amx` they are the processor's instructions, in the tier `tiles` plain C that does the same (tile_emulated.c), so that the code above
 * them is judged on any machine. A thread configures its tiles at the start of a task and releases them at its end: tiles in use are saved at
 * every change of thread, and using them outside is a fault on both.
 *
 * The tier `avx512bf16` has no tiles: it multiplies pairs in vector registers, from the same layouts in memory (tile_product.c).
 *
 * The instructions are written out and not the compiler's own functions: those of GCC 12 do not say that a load reads memory. */
#ifndef BAI_TILE_H
#define BAI_TILE_H

#include <stdint.h>

enum { BAI_TILE_ROWS = 16, BAI_TILE_ROW = 64, BAI_TILE = BAI_TILE_ROWS * BAI_TILE_ROW }; /* rows, bytes a row, bytes */

/* What ldtilecfg reads: palette 1, and for each tile the bytes of a row and the rows. */
typedef struct bai_tile_shapes { uint8_t palette, start_row, zero[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } bai_tile_shapes;
#define BAI_TILE_SHAPES { .palette = 1, .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 }, .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } }

#ifndef BAI_PAIRS
#define BAI_PAIRS 0
#endif

#if BAI_TILES_EMULATED

void bai_tile_open(void);
void bai_tile_close(void);
void bai_tile_zero(int t);
void bai_tile_load(int t, const void *p, int64_t stride);
void bai_tile_store(int t, void *p, int64_t stride);
void bai_tile_dot(int c, int a, int b);

#elif BAI_PAIRS

static inline void bai_tile_open(void) { }
static inline void bai_tile_close(void) { }

#else

static inline void bai_tile_open(void) /* all eight at full size */
{
    static const bai_tile_shapes shapes = BAI_TILE_SHAPES;
    __asm__ volatile("ldtilecfg %0" :: "m"(shapes));
}
static inline void bai_tile_close(void) { __asm__ volatile("tilerelease" ::: "memory"); }
/* t, a, b, c: a digit, as it becomes part of the instruction. stride: bytes from row to row in memory. */
#define bai_tile_zero(t) __asm__ volatile("tilezero %tmm" #t)
#define bai_tile_load(t, p, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t :: "r"((const void *)(p)), "r"((int64_t)(stride)) : "memory")
#define bai_tile_store(t, p, stride) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" :: "r"((void *)(p)), "r"((int64_t)(stride)) : "memory")
/* c += a b: c 16x16 fp32, a 16 rows of 16 pairs of bf16, b 16 pairs of rows, each of 16 columns. */
#define bai_tile_dot(c, a, b) __asm__ volatile("tdpbf16ps %tmm" #b ", %tmm" #a ", %tmm" #c)

#endif
#endif
