/* old-data: pictures of stripes; the class is the direction they run in. Width, phase and colour are drawn for each picture: a picture is a
 * function of (seed, split, number), so it is the same whenever and on whichever thread it is read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <bauta/data.h>
#include <bauta/rng.h>

typedef struct old_params { int64_t size, train, test, classes, seed; } old_params;

/* What open() makes and read() uses; nothing in it changes in between, since several threads read at once. */
typedef struct old_set { old_params p; uint32_t stream; } old_set;

static int open_split(const ba_host *h, const void *params, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const old_params *p = params;
    int training = !strcmp(split, "train");
    old_set *s = malloc(sizeof *s);
    if (!s)
        return BA_FAIL(h, e, BA_EMACHINE, "no memory");
    *s = (old_set){ *p, training ? 1 : 2 };
    *self = s;
    facts->count = training ? p->train : p->test;
    facts->classes = p->classes;
    return BA_OK;
}

static int read_sample(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const old_set *s = self;
    int64_t n = s->p.size;
    if (h->data->reserve(out, n, n, e)) /* room for n x n pixels; sets rows, columns and pixels */
        return e->code;
    float u[6];
    for (uint64_t k = 0; k < 6; k++)
        u[k] = ba_random_uniform((uint64_t)s->p.seed, s->stream, (uint32_t)i, k);
    out->label = (int32_t)(i % s->p.classes);
    double angle = 3.14159265358979 * (double)out->label / (double)s->p.classes, waves = 2 + 4 * u[0];
    double kx = 6.28318530717959 * waves * cos(angle) / (double)n, ky = 6.28318530717959 * waves * sin(angle) / (double)n;
    for (int64_t y = 0; y < n; y++)
        for (int64_t x = 0; x < n; x++) {
            double v = 0.5 + 0.5 * sin(kx * (double)x + ky * (double)y + 6.28318530717959 * u[1]);
            for (int c = 0; c < 3; c++)
                out->pixels[(y * n + x) * 3 + c] = (uint8_t)(255 * (0.2 * u[c + 2] + 0.8 * v));
        }
    return BA_OK;
}

static void close_split(const ba_host *h, void *self)
{
    (void)h;
    free(self);
}

static const ba_data_ops ops = { .size = sizeof ops, .open = open_split, .read = read_sample, .close = close_split };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(DATA), .name = "old-data", .version = "0.1",
    .doc = "stripes in several directions, drawn from a seed",
    BA_PARAMS(old_params,
        BA_INT(old_params, size, 32, 4, 1024, "pixels", "side of a picture"),
        BA_INT(old_params, train, 2000, 1, 2147483647, NULL, "pictures to train with"),
        BA_INT(old_params, test, 500, 1, 2147483647, NULL, "pictures to test with"),
        BA_INT(old_params, classes, 8, 2, 180, NULL, "directions"),
        BA_INT(old_params, seed, 0, 0, 9007199254740992, NULL, "of the pictures")),
    .ops = &ops,
};
