/* registry: the table of operations, from the list in kernels/meson.build. */
#include <stdio.h>
#include <string.h>
#if BA_AMX
#include <cpuid.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "../core/graph/ops.h"

#if BA_HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>
#elif BA_HAVE_OPENBLAS
#include <cblas.h>
#endif
#if BA_HAVE_OPENMP
#include <omp.h>
#endif

#define BA_LISTED(name) extern const ba_op ba_op_##name##_plain;
#include "ops.inc"
#undef BA_LISTED
#if BA_X86
#define BA_LISTED(name) extern const ba_op ba_op_##name##_avx2, ba_op_##name##_avx512;
#include "ops.inc"
#undef BA_LISTED
#endif

static const ba_op *const table[][BAI_TIER_AVX512 + 1] = {
#if BA_X86
#define BA_LISTED(name) { &ba_op_##name##_plain, &ba_op_##name##_avx2, &ba_op_##name##_avx512 },
#else
#define BA_LISTED(name) { &ba_op_##name##_plain, NULL, NULL },
#endif
#include "ops.inc"
#undef BA_LISTED
};

/* The operations that multiply bf16 or write most of it: [0] on pairs in vectors, [1] on the processor's tiles, [2] on emulated ones. */
#if BA_PAIRS
#define BA_LISTED(name) extern const ba_op ba_op_##name##_avx512bf16;
#include "tile_ops.inc"
#include "rounding_ops.inc"
#undef BA_LISTED
#define ON_PAIRS(name) &ba_op_##name##_avx512bf16
#else
#define ON_PAIRS(name) NULL
#endif
#if BA_AMX
#define BA_LISTED(name) extern const ba_op ba_op_##name##_amx;
#include "tile_ops.inc"
#include "rounding_ops.inc"
#undef BA_LISTED
#define ON_TILES(name) &ba_op_##name##_amx
#else
#define ON_TILES(name) NULL
#endif
#define BA_LISTED(name) extern const ba_op ba_op_##name##_tiles;
#include "tile_ops.inc"
#undef BA_LISTED

static const struct { const char *name; const ba_op *by[3]; } tiled[] = {
#define BA_LISTED(name) { #name, { ON_PAIRS(name), ON_TILES(name), &ba_op_##name##_tiles } },
#include "tile_ops.inc"
#undef BA_LISTED
#define BA_LISTED(name) { #name, { ON_PAIRS(name), ON_TILES(name), NULL } },
#include "rounding_ops.inc"
};

enum { COUNT = sizeof table / sizeof *table, TILED = sizeof tiled / sizeof *tiled };

int bai_op_count(void) { return COUNT; }
const ba_op *bai_op_at(int i) { return i >= 0 && i < COUNT ? table[i][0] : NULL; }

const ba_op *bai_op_find(const char *name)
{
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(table[i][0]->name, name))
            return table[i][0];
    return NULL;
}

static int best_vectors(void)
{
#if BA_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return BAI_TIER_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return BAI_TIER_AVX2;
#endif
    return BAI_TIER_PLAIN;
}

/* Whether the processor multiplies tiles of bf16, the kernel saves them, and, asked once for the process, lets us use them. */
#if BA_AMX
static int ask_for_tiles(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, OSXSAVE = 1 << 27, SAVED = 3 << 17 };
    unsigned a, b, c, d, low, high;
    if (best_vectors() != BAI_TIER_AVX512 || !__builtin_cpu_supports("avx512bf16") || !__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & SAVED) == SAVED && !syscall(SYS_arch_prctl, REQUEST, TILE_DATA);
}

static int granted;
static void ask_once(void) { granted = ask_for_tiles(); }
static int tiles_granted(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_once);
    return granted;
}
#else
static int tiles_granted(void) { return 0; }
#endif

static const ba_op *on_tiles(const char *name, int tier)
{
    for (int i = 0; i < TILED; i++)
        if (!strcmp(tiled[i].name, name))
            return tiled[i].by[tier - BAI_TIER_AVX512BF16];
    return NULL;
}

const ba_op *bai_op_tier(const ba_op *op, int tier)
{
    for (int i = 0; tier >= 0 && tier < BAI_TIERS && i < COUNT; i++)
        if (table[i][0] == op)
            return tier < BAI_TIER_AVX512BF16 ? table[i][tier] : on_tiles(op->name, tier) ? on_tiles(op->name, tier) : table[i][best_vectors()];
    return NULL;
}

/* Whether the processor has AVX-512's instruction for pairs of bf16; fast: and whether it does more multiply-adds by it than by that for fp32. AMD's do
 * twice as many (Zen 4: one instruction of either kind a cycle; docs/benchmarks.md, "bf16 on AVX-512"), Intel's half as many (measured on Sapphire Rapids). */
static int has_pairs(int fast)
{
#if BA_PAIRS
    return best_vectors() == BAI_TIER_AVX512 && __builtin_cpu_supports("avx512bf16") && (!fast || __builtin_cpu_is("amd"));
#else
    (void)fast;
    return 0;
#endif
}

int bai_tier_best(void) { return tiles_granted() ? BAI_TIER_AMX : has_pairs(1) ? BAI_TIER_AVX512BF16 : best_vectors(); }

int bai_tier_has(int tier)
{
    switch (tier) {
    case BAI_TIER_TILES: return 1;
    case BAI_TIER_AMX: return tiles_granted();
    case BAI_TIER_AVX512BF16: return has_pairs(0);
    default: return tier >= 0 && tier <= best_vectors();
    }
}

const char *bai_tier_name(int tier)
{
    static const char *const names[] = { "plain", "avx2", "avx512", "avx512bf16", "amx", "tiles" };
    return tier >= 0 && tier < BAI_TIERS ? names[tier] : "?";
}

const char *bai_gemm_library(int tier)
{
    if (tier < BA_LIBRARY_FROM || tier == BAI_TIER_TILES)
        return "own products";
#if BA_HAVE_DNNL
    static char text[48];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
#elif BA_HAVE_OPENBLAS
    return openblas_get_config();
#else
    return "own products";
#endif
}

void bai_gemm_thread(void)
{
#if BA_HAVE_OPENMP
    omp_set_num_threads(1); /* per thread: the library must not spread a block that our pool has cut already */
#endif
#if !BA_HAVE_DNNL && BA_HAVE_OPENBLAS
    openblas_set_num_threads(1);
#endif
}
