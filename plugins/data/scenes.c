/* scenes: pictures drawn from a seed, without any file: one large object in front of a cluttered, textured background. The
 * class is the object's shape and nothing else: colours, textures, lighting, place, size and turn are drawn without
 * looking at it. The object's box is known. A picture is a function of (seed, split, number).
 *
 * How hard it is, with the defaults: logistic regression on the pixels of 20,000 pictures gets 37 % of the test pictures
 * right (tests/slow/pixels.lua), a transformer of width 96 and depth 4 on patches of 4 x 4 pixels 86 % after four epochs.
 *
 * Positions run from -1 to 1 over the picture, y downwards. Shapes are signed distances around the origin, negative
 * inside, about 1 in radius; edges are smoothed by four samples a pixel, each one weighed by its distance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/data.h"
#include "bauta/rng.h"

enum { MAX_SIZE = 256, LATTICE = 8 };

typedef struct params {
    int64_t size, train, test, seed;
    double clutter, turn;
} params;

typedef struct scenes {
    params p;
    uint32_t stream;
} scenes;

/* ---- random numbers ---- */

typedef struct dice {
    uint64_t seed, block;
    uint32_t stream;
    int used;
    ba_philox words;
} dice;

static float roll(dice *d) /* in [0, 1) */
{
    if (d->used == 4) {
        d->words = ba_philox4x32(d->seed, d->stream, 0, d->block++);
        d->used = 0;
    }
    return (float)(d->words.x[d->used++] >> 8) * 0x1p-24f;
}

static float between(dice *d, float lo, float hi)
{
    return lo + (hi - lo) * roll(d);
}

static int one_of(dice *d, int n)
{
    return (int)(roll(d) * (float)n);
}

/* ---- shapes ---- */

static float box(float x, float y, float cx, float cy, float hx, float hy)
{
    return fmaxf(fabsf(x - cx) - hx, fabsf(y - cy) - hy);
}

static float circle(float x, float y, float cx, float cy, float r)
{
    return sqrtf((x - cx) * (x - cx) + (y - cy) * (y - cy)) - r;
}

static float disk(float x, float y) { return circle(x, y, 0, 0, 0.82f); }
static float ring(float x, float y) { return fabsf(circle(x, y, 0, 0, 0.68f)) - 0.2f; }
static float square(float x, float y) { return box(x, y, 0, 0, 0.72f, 0.72f); }
static float triangle(float x, float y) { return fmaxf(fabsf(x) * 0.8660254f - y * 0.5f, y) - 0.5f; }
static float cross(float x, float y) { return fminf(box(x, y, 0, 0, 0.95f, 0.28f), box(x, y, 0, 0, 0.28f, 0.95f)); }
static float ell(float x, float y) { return fminf(box(x, y, -0.5f, 0, 0.25f, 0.9f), box(x, y, 0, 0.65f, 0.75f, 0.25f)); }
static float crescent(float x, float y) { return fmaxf(circle(x, y, -0.1f, 0, 0.9f), -circle(x, y, 0.38f, 0, 0.72f)); }

static float star(float x, float y) /* five points, folded into one half of a point */
{
    float a = atan2f(x, -y) * (5 / 6.2831853f), r = sqrtf(x * x + y * y);
    a = (a - floorf(a + 0.5f)) * (6.2831853f / 5);
    float u = r * fabsf(sinf(a)), v = r * cosf(a); /* edge from the tip (0, 1) to the notch */
    const float nx = 0.42f * 0.58778525f, ny = 0.42f * 0.80901699f, ex = nx, ey = ny - 1, length = sqrtf(ex * ex + ey * ey);
    return (-ey * u + ex * (v - 1)) / length;
}

static float heart(float x, float y) /* two circles and the corner of a square; the bar closes the gap between them */
{
    float tip = fmaxf((fabsf(x) + y) * 0.70710678f - 0.6f, fmaxf(-y - 0.1f, fabsf(x) - 0.85f));
    return fminf(fminf(tip, box(x, y, 0, -0.15f, 0.3f, 0.1f)), circle(fabsf(x), y, 0.44f, -0.3f, 0.45f));
}

static float arrow(float x, float y)
{
    float head = fmaxf(y + 0.05f, fabsf(x) * 0.78f - (y + 0.98f) * 0.62f);
    return fminf(head, box(x, y, 0, 0.4f, 0.24f, 0.55f));
}

typedef float (*shape)(float x, float y);
static const shape shapes[] = { disk, ring, square, triangle, star, cross, crescent, heart, arrow, ell };
static const char *const names[] = { "disk", "ring", "square", "triangle", "star", "cross", "crescent", "heart", "arrow", "ell" };
enum { CLASSES = sizeof shapes / sizeof *shapes };

/* ---- colours and textures ---- */

typedef struct colour { float v[3]; } colour;

typedef struct material {
    colour base, other;
    int pattern;             /* 0 plain, 1 stripes, 2 checks, 3 soft noise */
    float fx, fy, phase, amount;
    float noise[LATTICE + 1][LATTICE + 1];
} material;

typedef struct light { float x, y; } light;

typedef struct canvas {
    int n;
    float (*rgb)[3];         /* [n * n] */
} canvas;

static colour any_colour(dice *d)
{
    colour c;
    for (int i = 0; i < 3; i++)
        c.v[i] = roll(d);
    return c;
}

/* A colour whose mean over the channels lies between lo and hi. */
static colour colour_of(dice *d, float lo, float hi)
{
    float wanted = between(d, lo, hi);
    colour c = any_colour(d);
    float mean = (c.v[0] + c.v[1] + c.v[2]) / 3;
    for (int i = 0; i < 3; i++)
        c.v[i] = mean > wanted ? c.v[i] * (wanted / mean) : 1 - (1 - c.v[i]) * ((1 - wanted) / (1 - mean));
    return c;
}

static colour mix(colour a, colour b, float t)
{
    for (int i = 0; i < 3; i++)
        a.v[i] += (b.v[i] - a.v[i]) * t;
    return a;
}

static material make_material(dice *d, colour base, float amount, float coarsest)
{
    material m = { .base = base, .pattern = one_of(d, 4), .phase = between(d, 0, 6.28f) };
    float turn = between(d, 0, 6.28f), f = between(d, coarsest, coarsest * 2.5f);
    m.other = mix(base, any_colour(d), amount);
    m.fx = f * cosf(turn);
    m.fy = f * sinf(turn);
    for (int y = 0; y <= LATTICE; y++)
        for (int x = 0; x <= LATTICE; x++)
            m.noise[y][x] = roll(d);
    return m;
}

static float soft_noise(const material *m, float x, float y)
{
    float u = (x * 0.4999f + 0.5f) * LATTICE, v = (y * 0.4999f + 0.5f) * LATTICE;
    u = fminf(fmaxf(u, 0), LATTICE - 0.001f);
    v = fminf(fmaxf(v, 0), LATTICE - 0.001f);
    int i = (int)u, j = (int)v;
    float s = u - (float)i, t = v - (float)j;
    s = s * s * (3 - 2 * s);
    t = t * t * (3 - 2 * t);
    const float *a = m->noise[j], *b = m->noise[j + 1];
    return (a[i] + (a[i + 1] - a[i]) * s) * (1 - t) + (b[i] + (b[i + 1] - b[i]) * s) * t;
}

static colour material_at(const material *m, float x, float y)
{
    float t = 0, u = m->fx * x + m->fy * y + m->phase;
    if (m->pattern == 1)
        t = 0.5f + 0.5f * sinf(u);
    else if (m->pattern == 2)
        t = 0.5f + 0.5f * sinf(u) * sinf(m->fx * y - m->fy * x + m->phase);
    else if (m->pattern == 3)
        t = soft_noise(m, x, y);
    return mix(m->base, m->other, t);
}

/* ---- painting ---- */

typedef struct pose {
    float x, y, r;           /* centre and radius */
    float a, b, c, d;        /* from picture to shape, without the place: turn, size, stretch and slant */
    float cut;               /* a half plane beyond which nothing is; above 2: whole */
} pose;

static pose make_pose(dice *d, float x, float y, float r, float most, float stretch)
{
    float turn = between(d, -most, most), s = expf(between(d, -stretch, stretch)), slant = between(d, -stretch, stretch) * 0.6f;
    float co = cosf(turn) / r, si = sinf(turn) / r;
    return (pose){ .x = x, .y = y, .r = r, .a = (co + slant * si) * s, .b = (si - slant * co) * s, .c = -si / s, .d = co / s,
        .cut = 9 };
}

/* How much of a pixel around (x, y) the shape covers. */
static float coverage(const pose *p, shape of, float x, float y, float pixel)
{
    float sum = 0, sharp = p->r / pixel * 2;
    for (int i = 0; i < 4; i++) {
        float dx = x - p->x + ((i & 1) ? 0.25f : -0.25f) * pixel, dy = y - p->y + ((i & 2) ? 0.25f : -0.25f) * pixel;
        float u = p->a * dx + p->b * dy, v = p->c * dx + p->d * dy;
        float far = fmaxf(of(u, v), u - p->cut);
        sum += fminf(fmaxf(0.5f - far * sharp, 0), 1);
    }
    return sum * 0.25f;
}

static void blend(float *rgb, colour c, float bright, float t)
{
    for (int i = 0; i < 3; i++)
        rgb[i] += (c.v[i] * bright - rgb[i]) * t;
}

/* Paints a shape and returns the box of the pixels it covers by half or more. */
static ba_box paint(canvas *c, const pose *p, shape of, const material *m, light l)
{
    float pixel = 2.0f / (float)c->n, reach = p->r * 1.6f;
    int x0 = (int)fmaxf((p->x - reach + 1) / pixel, 0), x1 = (int)fminf((p->x + reach + 1) / pixel + 1, (float)c->n);
    int y0 = (int)fmaxf((p->y - reach + 1) / pixel, 0), y1 = (int)fminf((p->y + reach + 1) / pixel + 1, (float)c->n);
    ba_box b = { (float)c->n, (float)c->n, 0, 0 };
    for (int j = y0; j < y1; j++)
        for (int i = x0; i < x1; i++) {
            float x = ((float)i + 0.5f) * pixel - 1, y = ((float)j + 0.5f) * pixel - 1, t = coverage(p, of, x, y, pixel);
            if (t <= 0)
                continue;
            blend(c->rgb[j * c->n + i], material_at(m, x, y), 1 + (l.x * (x - p->x) + l.y * (y - p->y)) / p->r, t);
            if (t >= 0.5f) {
                b.x0 = fminf(b.x0, (float)i), b.x1 = fmaxf(b.x1, (float)i + 1);
                b.y0 = fminf(b.y0, (float)j), b.y1 = fmaxf(b.y1, (float)j + 1);
            }
        }
    return b;
}

static void paint_background(canvas *c, const material *m, light l)
{
    float pixel = 2.0f / (float)c->n;
    for (int j = 0; j < c->n; j++)
        for (int i = 0; i < c->n; i++) {
            float x = ((float)i + 0.5f) * pixel - 1, y = ((float)j + 0.5f) * pixel - 1;
            colour v = material_at(m, x, y);
            for (int k = 0; k < 3; k++)
                c->rgb[j * c->n + i][k] = v.v[k] * (1 + l.x * x + l.y * y);
        }
}

static float bar(float x, float y) { return box(x, y, 0, 0, 1.5f, 0.09f); }

/* A line, a small blob, or a part of a small shape. */
static void paint_distractor(canvas *c, dice *d, light l)
{
    int kind = one_of(d, 3);
    static const float sizes[3][2] = { { 0.3f, 0.6f }, { 0.06f, 0.14f }, { 0.14f, 0.24f } };
    float x = between(d, -1, 1), y = between(d, -1, 1), r = between(d, sizes[kind][0], sizes[kind][1]);
    pose p = make_pose(d, x, y, r, 3.1415927f, kind == 1 ? 0.4f : 0.15f);
    if (kind == 2)
        p.cut = between(d, -0.3f, 0.2f);
    material m = make_material(d, any_colour(d), 0.2f, 6);
    paint(c, &p, kind == 0 ? bar : kind == 1 ? disk : shapes[one_of(d, CLASSES)], &m, l);
}

static void grain(canvas *c, dice *d, float amount, uint8_t *out)
{
    for (int i = 0; i < c->n * c->n; i++) {
        float g = (roll(d) - 0.5f) * amount;
        for (int k = 0; k < 3; k++) {
            float v = (c->rgb[i][k] + g) * 255 + 0.5f;
            out[3 * i + k] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

static void draw_scene(const scenes *s, int64_t i, int label, canvas *c, ba_picture *out)
{
    dice d = { .seed = (uint64_t)s->p.seed, .stream = s->stream, .block = (uint64_t)i << 16, .used = 4 };
    float clutter = (float)s->p.clutter;
    light l = { between(&d, -0.15f, 0.15f), between(&d, -0.15f, 0.15f) };
    colour ground = colour_of(&d, 0.1f, 0.45f);
    material back = make_material(&d, ground, 0.15f + 0.35f * clutter, 4);
    paint_background(c, &back, l);
    int n = 1 + (int)(clutter * between(&d, 4, 10));
    for (int k = 0; k < n; k++)
        paint_distractor(c, &d, l);
    float r = between(&d, 0.5f, 0.75f), room = 0.9f * (1 - 0.9f * r);
    float x = between(&d, -room, room), y = between(&d, -room, room);
    pose p = make_pose(&d, x, y, r, (float)s->p.turn * 0.017453293f, 0.12f);
    material m = make_material(&d, colour_of(&d, 0.6f, 0.9f), 0.3f, 4);
    out->box = paint(c, &p, shapes[label], &m, (light){ l.x * 0.8f, l.y * 0.8f });
    grain(c, &d, 0.05f + 0.05f * clutter, out->pixels);
}

/* ---- the plugin ---- */

static int open_scenes(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    scenes *s = malloc(sizeof *s);
    if (!s)
        return BA_FAIL(h, e, BA_EMACHINE, "no memory");
    int train = !strcmp(split, "train");
    s->p = *(const params *)given;
    s->stream = ba_stream(train ? "scenes/train" : "scenes/test");
    *self = s;
    facts->count = train ? s->p.train : s->p.test;
    facts->classes = CLASSES;
    facts->class_names = names;
    facts->has_boxes = 1;
    return BA_OK;
}

static int read_scene(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const scenes *s = self;
    int status = h->data->reserve(out, s->p.size, s->p.size, e);
    if (status < 0)
        return status;
    canvas c = { .n = (int)s->p.size, .rgb = malloc((size_t)(s->p.size * s->p.size) * sizeof *c.rgb) };
    if (!c.rgb)
        return BA_FAIL(h, e, BA_EMACHINE, "no memory to draw a scene");
    out->label = (int32_t)(i % CLASSES);
    draw_scene(s, i, out->label, &c, out);
    free(c.rgb);
    return BA_OK;
}

static void close_scenes(const ba_host *h, void *self)
{
    (void)h;
    free(self);
}

static const ba_data_ops ops = { .size = sizeof ops, .open = open_scenes, .read = read_scene, .close = close_scenes };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(DATA), .name = "scenes", .version = "1.0", .ops = &ops,
    .doc = "drawn pictures of ten shapes on cluttered backgrounds, with boxes; no files needed",
    BA_PARAMS(params,
        BA_INT(params, size, 32, 16, MAX_SIZE, "pixels", "side of the pictures"),
        BA_INT(params, train, 20000, 1, 100000000, "images", "pictures of the train split"),
        BA_INT(params, test, 2000, 1, 100000000, "images", "pictures of the test split"),
        BA_INT(params, seed, 0, 0, 9007199254740991, NULL, "another seed, other pictures"),
        BA_FLOAT(params, turn, 20, 0, 180, "degrees", "objects are turned by at most so much, either way"),
        BA_FLOAT(params, clutter, 0.4, 0, 1, NULL, "0: a plain background; 1: much behind the object")),
};
