/* registry: the table of operations, from the list in kernels/meson.build. */
#include <stdio.h>
#include <string.h>

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

static const ba_op *const table[][BAI_TIERS] = {
#if BA_X86
#define BA_LISTED(name) { &ba_op_##name##_plain, &ba_op_##name##_avx2, &ba_op_##name##_avx512 },
#else
#define BA_LISTED(name) { &ba_op_##name##_plain, NULL, NULL },
#endif
#include "ops.inc"
};

enum { COUNT = sizeof table / sizeof *table };

int bai_op_count(void) { return COUNT; }
const ba_op *bai_op_at(int i) { return i >= 0 && i < COUNT ? table[i][0] : NULL; }

const ba_op *bai_op_find(const char *name)
{
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(table[i][0]->name, name))
            return table[i][0];
    return NULL;
}

const ba_op *bai_op_tier(const ba_op *op, int tier)
{
    for (int i = 0; tier >= 0 && tier < BAI_TIERS && i < COUNT; i++)
        if (table[i][0] == op)
            return table[i][tier];
    return NULL;
}

int bai_tier_best(void)
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

const char *bai_tier_name(int tier)
{
    static const char *const names[] = { "plain", "avx2", "avx512" };
    return tier >= 0 && tier < BAI_TIERS ? names[tier] : "?";
}

const char *bai_gemm_library(int tier)
{
    if (tier < BA_LIBRARY_FROM)
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
