/* list: the operations there are, for `bauta ops` and for the methods of tensors in Lua. */
#include "bauta/op.h"
#include "ops.h"

int64_t ba_op_count(void) { return bai_op_count(); }

int ba_op_info_get(int64_t i, ba_op_info *out, ba_err *e)
{
    if (!out || i < 0 || i >= bai_op_count())
        return ba_fail(e, BA_EARG, "operation %lld; 0 to %d expected", (long long)i, bai_op_count() - 1);
    const ba_op *op = bai_op_at((int)i);
    *out = (ba_op_info){ op->name, op->doc, op->min_in, op->max_in, op->n_out, op->nparams, op->params };
    return BA_OK;
}

const char *ba_version(void) { return BAUTA_VERSION; }
