/* fp8: linear layers of frozen models in FP8, and the measuring of what enters them (bauta/fp8.h). */
#include <stdio.h>
#include <string.h>

#include "../plugin/build.h"
#include "bauta/fp8.h"
#include "bauta/op.h"
#include "bauta/recompute.h"
#include "blocks.h"

enum { LONGEST = 512 };

int ba_build_fp8(ba_build *b, int32_t mode, ba_store *scales, const char *name, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (mode < BA_FP8_OFF || mode > BA_FP8_ON)
        return ba_fail(e, BA_EARG, "fp8: mode %d; 0 (off), 1 (measure) or 2 (on) expected", mode);
    b->fp8 = (bai_fp8){ 0 };
    if (mode == BA_FP8_OFF)
        return BA_OK;
    if (!scales || !name || !*name || strlen(name) > 64)
        return ba_fail(e, BA_EARG, "fp8: a store for scales, and a name of 1 to 64 bytes expected");
    b->fp8 = (bai_fp8){ mode, scales, bai_arena_text(&b->arena, name), 0 };
    return b->fp8.name ? BA_OK : ba_fail(e, BA_EMACHINE, "no memory for a build");
}

int bai_nn_is_fp8(const ba_build *b)
{
    if (!b->fp8.mode || !b->call.who)
        return 0;
    int64_t block = ba_graph_block(b->g, 0, NULL);
    ba_graph_block(b->g, block, NULL);
    return block > 0;
}

static int judge(const ba_build *b, const char *prefix, const ba_type *x, int64_t out, ba_err *e)
{
    if (b->call.training)
        return ba_fail(e, BA_EARG, "%s: %s trains, and FP8 is for models that do not", prefix, b->call.who);
    const int64_t in = ba_type_last(x);
    return in % BA_FP8_STEP == 0 && out % BA_FP8_STEP == 0 ? BA_OK
        : ba_fail(e, BA_EARG, "%s: %lld inputs and %lld outputs; FP8 products need multiples of %d", prefix, (long long)in, (long long)out, BA_FP8_STEP);
}

int bai_nn_fp8_layer(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, ba_tensor **scale, ba_err *e)
{
    char name[LONGEST], fetched[LONGEST + 8];
    ba_type t;
    if (ba_tensor_type(x, &t, e) || judge(b, prefix, &t, out, e))
        return BA_EARG;
    snprintf(name, sizeof name, "%s.%s", b->fp8.name, prefix);
    if (ba_store_add(b->fp8.scales, name, 0, NULL, BA_INIT_ONE, 0, BA_FIXED, e) < 0)
        return BA_EARG;
    b->fp8.layers++;
    if (b->fp8.mode == BA_FP8_ON)
        return (*scale = ba_variable(b->g, b->fp8.scales, name, e)) ? BA_OK : BA_EARG;
    *scale = NULL;
    snprintf(fetched, sizeof fetched, "fp8/%s", name);
    ba_tensor *m = ba_op_apply(b->g, "abs", 1, &x, 0, NULL, e);
    m = m ? ba_op_apply(b->g, "max", 1, &m, BA_ATTRS(BA_I("axis", -100)), e) : NULL;
    m = m ? ba_op_apply(b->g, "cast", 1, &m, BA_ATTRS(BA_S("dtype", "f32")), e) : NULL;
    return m ? ba_fetch(b->g, fetched, m, e) : BA_EARG;
}

int bai_nn_fp8_judge(const ba_build *b, const char *arch, ba_err *e)
{
    if (!b->fp8.mode || b->fp8.layers)
        return BA_OK;
    return ba_fail(e, BA_EARG, "%s has no linear layers inside of blocks; FP8 would change nothing", arch);
}
