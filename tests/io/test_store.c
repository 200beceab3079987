/* test_store: the real stores of a CPU device through weights files and checkpoints: to the bit, initialisers included. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "bauta/op.h"
#include "bauta/run.h"
#include "bauta/weights.h"

static ba_store *model(ba_device *d, uint64_t seed)
{
    ba_err e = { 0 };
    int64_t patch[] = { 24, 3, 4, 4 }, token[] = { 1, 1, 24 }, bias[] = { 24 };
    ba_store *s = ba_store_new(d, seed, &e);
    CHECK(s && ba_store_add(s, "patch_embed.proj.weight", 4, patch, BA_INIT_UNIFORM, 0.1, 0, &e) == 0
       && ba_store_add(s, "cls_token", 3, token, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, &e) == 1
       && ba_store_add(s, "patch_embed.proj.bias", 1, bias, BA_INIT_ZERO, 0, 0, &e) == 2, "%s", e.msg);
    return s;
}

static int same(const ba_store *a, const ba_store *b)
{
    float x[2000], y[2000];
    ba_type t;
    for (int64_t i = 0; i < ba_store_count(a); i++) {
        if (ba_store_type(a, i, &t, NULL) || ba_store_read(a, i, x, ba_type_count(&t), NULL) || ba_store_read(b, i, y,
            ba_type_count(&t), NULL)
            || memcmp(x, y, (size_t)ba_type_count(&t) * 4))
            return 0;
    }
    return 1;
}

int main(void)
{
    char folder[] = "/tmp/bauta-test-XXXXXX", path[100], command[100];
    ba_err e = { 0 };
    ba_device *d = ba_device_open("cpu", 1, "auto", &e);
    if (!mkdtemp(folder) || !d) {
        printf("%s\n", e.msg);
        return 1;
    }
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    ba_store *a = model(d, 1), *b = model(d, 2), *c = model(d, 3);
    CHECK(!same(a, b), "seeds");
    CHECK(!ba_weights_save(a, path, 0, NULL, &e) && !ba_weights_load(b, path, "", NULL, NULL, 0, &e) && same(a, b), "%s", e.msg);
    ba_run *r = ba_run_open(folder, "run", BA_RUN_NEW, 0, &e);
    ba_part parts[] = { { "student", a }, { "average", c } };
    CHECK(r && !ba_run_checkpoint(r, 1, 10, 1, 2, parts, 0, NULL, &e), "%s", e.msg);
    ba_run_free(r);
    r = ba_run_open(folder, "run", BA_RUN_RESUME, 0, &e);
    CHECK(r, "%s", e.msg);
    ba_store *back = model(d, 4), *average = model(d, 5);
    CHECK(!ba_checkpoint_load(ba_run_resumed(r), "student", back, &e) && same(a, back), "%s", e.msg);
    CHECK(!ba_checkpoint_load(ba_run_resumed(r), "average", average, &e) && same(c, average) && !same(back, average), "%s",
        e.msg);
    ba_run_free(r);
    ba_store *all[] = { a, b, c, back, average };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ba_store_free(all[i]);
    ba_device_free(d);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(!system(command), "%s", command);
    check_group("real stores");
    return check_done();
}
