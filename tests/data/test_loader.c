/* loader: the same bytes for any number of threads and from any batch on; every sample once an epoch; errors arrive at their
 * batch; stopping at any moment. The data plugin is made here and answers what the test wants. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "help.h"

enum { COUNT = 203, SIDE = 12 };

typedef struct params { int64_t bad, lie, slow, run; } params; /* sample that fails; how the plugin misbehaves; microseconds a read; so many more fail */
static _Atomic int reads, opened, part_reads;
static ba_err e;

static int open_made(const ba_host *h, const void *given, const char *split, void **self, ba_data_facts *facts, ba_err *err)
{
    const params *p = given;
    if (p->lie == 1)
        return BA_FAIL(h, err, BA_EARG, "bad setting in %s", split);
    if (p->lie == 2)
        return BA_EDATA; /* and says nothing */
    if (p->lie == 7)
        return BA_FAIL(h, err, BA_EARG, "bad setting in %s", split), BA_EDATA; /* one code in the sentence, another one handed back */
    *self = malloc(sizeof *p);
    memcpy(*self, p, sizeof *p);
    facts->count = p->lie == 3 ? 0 : COUNT;
    facts->classes = 7;
    facts->has_boxes = 1;
    opened++;
    return BA_OK;
}

static int read_made(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *err)
{
    const params *p = self;
    reads++;
    if (p->slow)
        usleep((useconds_t)(p->slow * (1 + i % 3)));
    if (p->bad >= 0 && i >= p->bad && i <= p->bad + p->run)
        return BA_FAIL(h, err, BA_EDATA, "folder/%lld.jpg: premature end of JPEG", (long long)i);
    if (h->data->reserve(out, SIDE, SIDE, err) < 0)
        return BA_EMACHINE;
    for (int k = 0; k < SIDE * SIDE * 3; k++)
        out->pixels[k] = (uint8_t)(i * 31 + k * 7);
    out->label = p->lie == 4 ? 7 : (int32_t)(i % 7);
    out->box = (ba_box){ 1, 2, 5, p->lie == 5 ? 0.0f / 0.0f : 9 };
    if (p->lie == 6)
        out->rows = 100000;
    return BA_OK;
}

static void close_made(const ba_host *h, void *self)
{
    (void)h;
    free(self);
    opened--;
}

/* Asked by who would be content with a part of a picture. */
static int encoded_made(const ba_host *h, void *self, int64_t i, ba_encoded *out, ba_err *err)
{
    (void)h, (void)self, (void)i, (void)out, (void)err;
    part_reads++;
    return 0;
}

static const ba_data_ops ops = { .size = sizeof ops, .open = open_made, .read = read_made, .close = close_made, .encoded = encoded_made };
static const ba_plugin_desc made = { BA_HEAD(DATA), .name = "made", .doc = "", .version = "1", .ops = &ops,
    .params_size = sizeof(params) };

static ba_dataset *open_set(params p)
{
    e = (ba_err){ 0 };
    return ba_dataset_open(&made, &p, "train", &e);
}

static ba_loader_options options(int threads)
{
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.threads = threads;
    o.batch = 16;
    o.seed = 42;
    o.augment.policy = BA_AUGMENT_PAD;
    o.augment.image = SIDE;
    return o;
}

static uint32_t add_batch(uint32_t crc, const ba_batch *b)
{
    uint32_t parts[5] = { crc, crc_of(b->images, b->count * b->rows * b->columns * 3), crc_of(b->labels, b->count * 4),
                          crc_of(b->boxes, b->count * 16), crc_of(b->samples, b->count * 8) };
    return crc_of(parts, sizeof parts);
}

/* CRC of the batches from `first` on, or of batch `only` alone. */
static uint32_t epoch_crc(ba_loader *l, int64_t epoch, int64_t first, int64_t only)
{
    const ba_batch *b;
    uint32_t crc = 0;
    int64_t number = first;
    CHECK(ba_loader_start(l, epoch, first, &e) == BA_OK, "%s", e.msg);
    for (int got; (got = ba_loader_next(l, &b, &e)) != 0; number++) {
        CHECK(got == 1 && b->number == number && b->epoch == epoch, "%d: %s", got, e.msg);
        if (got != 1)
            break;
        if (only < 0 || number == only)
            crc = add_batch(crc, b);
    }
    CHECK(number == ba_loader_batches(l), "%lld of %lld", (long long)number, (long long)ba_loader_batches(l));
    return crc;
}

static void threads(void)
{
    static const int counts[] = { 1, 2, 4, 9 };
    uint32_t want[3] = { 0 };
    for (int k = 0; k < 4; k++)
        for (int64_t ahead = 1; ahead < 8; ahead += 6) {
            ba_dataset *d = open_set((params){ .bad = -1, .slow = k == 3 ? 30 : 0 });
            ba_loader_options o = options(counts[k]);
            o.ahead = ahead;
            o.augment.operations = 2;
            ba_loader *l = ba_loader_new(d, &o, &e);
            CHECK(d && l, "%s", e.msg);
            for (int epoch = 0; epoch < 3; epoch++) {
                uint32_t crc = epoch_crc(l, epoch, 0, -1);
                want[epoch] = want[epoch] ? want[epoch] : crc;
                CHECK(crc == want[epoch], "%d threads, epoch %d: %08x is not %08x", counts[k], epoch, crc, want[epoch]);
            }
            ba_loader_free(l);
            ba_dataset_free(d);
        }
    CHECK(want[0] != want[1] && want[1] != want[2], "epochs differ");
    check_group("1, 2, 4 and 9 threads");
}

static void restarts(void)
{
    ba_dataset *d = open_set((params){ .bad = -1 });
    ba_loader_options o = options(3);
    ba_loader *l = ba_loader_new(d, &o, &e), *m = ba_loader_new(d, &o, &e);
    const ba_batch *b;
    CHECK(ba_loader_batches(l) == COUNT / 16, "%lld", (long long)ba_loader_batches(l));
    for (int64_t n = 0; n < ba_loader_batches(l); n++) {
        uint32_t whole = epoch_crc(l, 5, 0, n);
        CHECK(ba_loader_start(m, 5, n, &e) == BA_OK && ba_loader_next(m, &b, &e) == 1 && add_batch(0, b) == whole, "batch %lld",
            (long long)n);
    }
    CHECK(ba_loader_start(m, 5, ba_loader_batches(l), &e) == BA_OK && ba_loader_next(m, &b, &e) == 0 && !b, "from the end");
    CHECK(ba_loader_next(m, &b, &e) == 0, "and again");
    ba_loader_free(l);
    ba_loader_free(m);
    ba_dataset_free(d);
    check_group("taken up at every batch");
}

static void every_sample_once(void)
{
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        int seen[COUNT] = { 0 }, in_order = 1, last = -1, sizes = 1;
        ba_dataset *d = open_set((params){ .bad = -1 });
        ba_loader_options o = options(2);
        o.shuffle = shuffle;
        o.drop_last = 0;
        ba_loader *l = ba_loader_new(d, &o, &e);
        const ba_batch *b;
        ba_loader_start(l, 0, 0, &e);
        while (ba_loader_next(l, &b, &e) == 1)
            for (int64_t i = 0; i < b->count; i++) {
                sizes &= b->count == (b->number == COUNT / 16 ? COUNT % 16 : 16);
                seen[b->samples[i]]++;
                in_order &= b->samples[i] == last + 1;
                last = (int)b->samples[i];
                CHECK(b->labels[i] == b->samples[i] % 7, "label %d of sample %lld", b->labels[i], (long long)b->samples[i]);
            }
        int once = 1;
        for (int i = 0; i < COUNT; i++)
            once &= seen[i] == 1;
        CHECK(once && sizes && in_order == !shuffle, "once %d, sizes %d, in order %d", once, sizes, in_order);
        ba_loader_free(l);
        ba_dataset_free(d);
    }
    check_group("every sample once, the last batch short");
}

/* Repeated augmentation: each sample so many times in a row, each copy another crop; the first copy is that of a loader without. */
static void repeats(void)
{
    ba_dataset *d = open_set((params){ .bad = -1 });
    ba_loader_options o = options(2);
    const ba_batch *b;
    o.repeats = 3;
    ba_loader *l = ba_loader_new(d, &o, &e);
    ba_loader_start(l, 0, 0, &e);
    int seen[COUNT] = { 0 }, rows = 1, copies = 0, pairs = 0;
    int64_t place = 0, last = -1;
    while (ba_loader_next(l, &b, &e) == 1)
        for (int64_t i = 0; i < b->count; i++, place++) {
            rows &= (b->samples[i] == last) == (place % 3 != 0);
            last = b->samples[i];
            seen[last]++;
            if (i > 0 && place % 3 != 0) {
                int64_t n = b->rows * b->columns * 3;
                pairs++;
                copies += !memcmp(b->images + i * n, b->images + (i - 1) * n, (size_t)n);
            }
        }
    int most = 0;
    for (int i = 0; i < COUNT; i++)
        most = seen[i] > most ? seen[i] : most;
    CHECK(place == COUNT / 16 * 16 && rows && most == 3, "%lld pictures, at most %d times one", (long long)place, most);
    CHECK(copies < pairs / 4, "%d of %d neighbours are equal", copies, pairs);
    uint32_t whole = epoch_crc(l, 1, 0, 7);
    CHECK(epoch_crc(l, 1, 7, 7) == whole, "taken up at a batch");
    ba_loader_free(l);
    ba_dataset_free(d);
    check_group("repeated augmentation");
}

/* The first place of the permutation is uniform: chi square over many seeds. */
static void permutations(void)
{
    int seen[COUNT] = { 0 };
    double chi = 0, expected = 4000.0 / COUNT;
    ba_dataset *d = open_set((params){ .bad = -1 });
    for (int k = 0; k < 4; k++) {
        ba_loader_options o = options(1);
        o.seed = k;
        o.ahead = 1;
        ba_loader *l = ba_loader_new(d, &o, &e);
        const ba_batch *b;
        for (int epoch = 0; epoch < 1000; epoch++)
            if (ba_loader_start(l, epoch, 5, &e) == BA_OK && ba_loader_next(l, &b, &e) == 1)
                seen[b->samples[3]]++;
        ba_loader_free(l);
    }
    for (int i = 0; i < COUNT; i++)
        chi += (seen[i] - expected) * (seen[i] - expected) / expected;
    CHECK(chi > 130 && chi < 290, "chi square %g with %d degrees", chi, COUNT - 1);
    ba_dataset_free(d);
    check_group("permutations are uniform");
}

/* Whether pictures are kept, and then decoded whole, is decided once, by 32 of them: it does not depend on who comes first. */
static void kept(void)
{
    static const int counts[] = { 1, 3, 9 };
    enum { PROBE = 32 };
    for (int k = 0; k < 9; k++) {
        ba_dataset *d = open_set((params){ .bad = -1, .slow = k == 8 ? 30 : 0 });
        int fits = k % 3 == 0, looks = k % 3 == 1 ? 0 : PROBE;
        CHECK(ba_dataset_keep(d, fits ? 1 << 20 : looks ? 20000 : 0, &e) == BA_OK, "%s", e.msg);
        ba_loader_options o = options(counts[k / 3]);
        o.drop_last = 0;
        ba_loader *l = ba_loader_new(d, &o, &e);
        reads = part_reads = 0;
        uint32_t first = epoch_crc(l, 1, 0, -1);
        int once = reads, parts = part_reads;
        reads = part_reads = 0;
        CHECK(epoch_crc(l, 1, 0, -1) == first, "the same from memory");
        CHECK(once == COUNT + looks && reads == (fits ? 0 : COUNT), "%d then %d reads", once, (int)reads);
        CHECK(parts == looks + (fits ? 0 : COUNT) && part_reads == (fits ? 0 : COUNT), "parts asked for: %d, then %d", parts, (int)part_reads);
        ba_loader_free(l);
        ba_dataset_free(d);
    }
    check_group("decoded once when the set fits, otherwise each time");
}

static void bad_sample(void)
{
    ba_dataset *d = open_set((params){ .bad = 50 });
    ba_loader_options o = options(4);
    o.shuffle = 0;
    ba_loader *l = ba_loader_new(d, &o, &e);
    const ba_batch *b;
    ba_loader_start(l, 0, 0, &e);
    for (int i = 0; i < 3; i++)
        CHECK(ba_loader_next(l, &b, &e) == 1, "%s", e.msg);
    for (int i = 0; i < 2; i++) {
        e = (ba_err){ 0 };
        CHECK(ba_loader_next(l, &b, &e) == BA_EDATA && !b && !strcmp(e.msg, "folder/50.jpg: premature end of JPEG"), "%s", e.msg);
    }
    CHECK(ba_loader_start(l, 0, 4, &e) == BA_OK && ba_loader_next(l, &b, &e) == 1 && b->number == 4, "%s", e.msg);
    CHECK(ba_loader_speed(l, 0.05, &e) == 0 && e.code == BA_EDATA, "%s", e.msg);
    ba_loader_free(l);
    o.augment.image = 99;
    l = ba_loader_new(d, &o, &e);
    ba_loader_start(l, 0, 0, &e);
    CHECK(ba_loader_next(l, &b, &e) == BA_EDATA && strstr(e.msg, "sample 0: a picture of 12x12 with"), "%s", e.msg);
    ba_loader_free(l);
    ba_dataset_free(d);
    check_group("a bad sample is the error of its batch");
}

/* Samples 50 to 54 fail, and others take their places: which ones is a function of seed, epoch and sample, all else is as it would be without them. */
static void replaced_samples(void)
{
    static const int counts[] = { 1, 3, 9 };
    int64_t instead[2][5] = { { 0 } };
    ba_dataset *d = open_set((params){ .bad = 50, .run = 4 }), *whole = open_set((params){ .bad = -1 });
    ba_loader_options o = options(2);
    const ba_batch *a, *b;
    o.drop_last = 0;
    ba_loader *good = ba_loader_new(whole, &o, &e);
    for (int k = 0; k < 3; k++)
        for (int epoch = 0; epoch < 2; epoch++) {
            o.threads = counts[k];
            o.bad = BA_BAD_REPLACE;
            ba_loader *l = ba_loader_new(d, &o, &e);
            int64_t n = 0, same = 1, labels = 1, size = SIDE * SIDE * 3;
            ba_loader_start(good, epoch, 0, &e);
            CHECK(l && ba_loader_start(l, epoch, 0, &e) == BA_OK, "%s", e.msg);
            while (ba_loader_next(l, &b, &e) == 1 && ba_loader_next(good, &a, &e) == 1) {
                int64_t here = 0;
                for (int64_t i = 0; i < b->count; i++) {
                    int64_t w = b->wanted[i], s = b->samples[i];
                    labels &= b->labels[i] == s % 7 && w == a->samples[i] && (s < 50 || s > 54);
                    here += s != w;
                    if (w < 50 || w > 54) {
                        same &= s == w && !memcmp(b->images + i * size, a->images + i * size, (size_t)size);
                        continue;
                    }
                    CHECK(k == 0 || instead[epoch][w - 50] == s, "%d threads: %lld instead of %lld, with one %lld", counts[k], (long long)s,
                        (long long)w, (long long)instead[epoch][w - 50]);
                    instead[epoch][w - 50] = s;
                }
                CHECK(here == b->replaced, "%lld replaced, said %lld", (long long)here, (long long)b->replaced);
                n += here;
            }
            CHECK(n == 5 && same && labels, "%lld replaced, others the same %d, labels %d", (long long)n, (int)same, (int)labels);
            uint32_t from_3 = epoch_crc(l, epoch, 0, 3);
            CHECK(epoch_crc(l, epoch, 3, 3) == from_3, "taken up at a batch");
            o.view = 2;
            ba_loader *view = ba_loader_new(d, &o, &e);
            CHECK(ba_loader_start(l, epoch, 3, &e) == BA_OK && ba_loader_start(view, epoch, 3, &e) == BA_OK && ba_loader_next(l, &a, &e) == 1
                && ba_loader_next(view, &b, &e) == 1 && !memcmp(a->samples, b->samples, 16 * sizeof *a->samples)
                && memcmp(a->images, b->images, (size_t)(16 * size)), "another view of the same samples");
            o.view = 0;
            ba_loader_free(view);
            ba_loader_free(l);
        }
    CHECK(memcmp(instead[0], instead[1], sizeof instead[0]), "another epoch, other samples");
    ba_loader_free(good);
    ba_dataset_free(whole);
    ba_dataset_free(d);
    check_group("samples that are replaced");
}

/* Whether a picture is bad must not depend on its crop: where it would be replaced all of it is decoded. */
static void decoded_whole(void)
{
    for (int k = 0; k < 2; k++) {
        ba_dataset *d = open_set((params){ .bad = -1 });
        ba_loader_options o = options(2);
        o.bad = k ? BA_BAD_REPLACE : BA_BAD_STOP;
        CHECK(ba_dataset_keep(d, 0, &e) == BA_OK, "%s", e.msg);
        ba_loader *l = ba_loader_new(d, &o, &e);
        part_reads = 0;
        epoch_crc(l, 0, 0, -1);
        CHECK(k ? part_reads == 0 : part_reads >= COUNT / 16 * 16, "%d parts", (int)part_reads);
        ba_loader_free(l);
        ba_dataset_free(d);
    }
    check_group("decoded whole where it may be replaced");
}

/* What has no other to take its place, and errors that are not the sample's. */
static void not_replaced(void)
{
    ba_loader_options o = options(3);
    const ba_batch *b;
    o.bad = BA_BAD_REPLACE;
    for (int k = 0; k < 2; k++) {
        ba_dataset *d = open_set(k ? (params){ .bad = -1, .lie = 4 } : (params){ .bad = 0, .run = COUNT });
        ba_loader *l = ba_loader_new(d, &o, &e);
        ba_loader_start(l, 0, 0, &e);
        CHECK(ba_loader_next(l, &b, &e) == (k ? BA_EPLUGIN : BA_EDATA) && strstr(e.msg, k ? "label 7; 0 to 6" : "neither it nor any of 16 others in its place can be read"),
            "%s", e.msg);
        ba_loader_free(l);
        ba_dataset_free(d);
    }
    check_group("what is not replaced");
}

/* The same samples found beforehand and left out: the others move up, and an epoch is shorter. */
static void left_out(void)
{
    ba_dataset *d = open_set((params){ .bad = 50, .run = 4 });
    uint8_t bad[COUNT];
    int64_t list[COUNT], n = 0, seen = 0, right = 1;
    CHECK(ba_dataset_judge(d, 0, COUNT, 3, bad, &e) == 5, "%s", e.msg);
    for (int i = 0; i < COUNT; i++)
        if (bad[i])
            list[n++] = i;
    CHECK(n == 5 && list[0] == 50 && list[4] == 54, "%lld, from %lld", (long long)n, (long long)list[0]);
    CHECK(ba_dataset_judge(d, 52, 10, 0, bad, &e) == 3 && bad[0] && bad[2] && !bad[3], "a part of them; %s", e.msg);
    CHECK(ba_dataset_judge(d, 0, COUNT + 1, 1, bad, &e) == BA_EARG && ba_dataset_judge(d, -1, 1, 1, bad, &e) == BA_EARG
        && ba_dataset_judge(d, 0, 1, 1, NULL, &e) == BA_EARG && ba_dataset_judge(NULL, 0, 1, 1, bad, &e) == BA_EARG, "calls without sense");
    CHECK(ba_dataset_leave_out(d, 2, (int64_t[]){ 7, 7 }, &e) == BA_EARG && strstr(e.msg, "sample 7 to leave out"), "%s", e.msg);
    CHECK(ba_dataset_leave_out(d, 1, (int64_t[]){ COUNT }, &e) == BA_EARG && ba_dataset_leave_out(d, COUNT, list, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_dataset_leave_out(d, n, list, &e) == BA_OK && ba_dataset_count(d) == COUNT - 5, "%s", e.msg);
    CHECK(ba_dataset_leave_out(d, n, list, &e) == BA_EARG, "twice");
    ba_loader_options o = options(2);
    o.drop_last = 0;
    ba_loader *l = ba_loader_new(d, &o, &e);
    const ba_batch *b;
    ba_loader_start(l, 0, 0, &e);
    while (ba_loader_next(l, &b, &e) == 1)
        for (int64_t i = 0; i < b->count; i++, seen++)
            right &= b->labels[i] == (b->samples[i] + (b->samples[i] < 50 ? 0 : 5)) % 7;
    CHECK(seen == COUNT - 5 && right, "%lld samples, labels %d; %s", (long long)seen, (int)right, e.msg);
    ba_loader_free(l);
    ba_dataset_free(d);
    d = open_set((params){ .bad = -1, .lie = 4 });
    CHECK(ba_dataset_judge(d, 0, COUNT, 2, bad, &e) == BA_EPLUGIN && strstr(e.msg, "label 7"), "%s", e.msg);
    ba_dataset_free(d);
    check_group("samples that are left out");
}

static void misbehaving_plugins(void)
{
    static const char *const words[] = { "", "plugin made: bad setting in train", "plugin made: failed without saying why",
        "plugin made: 0 samples",
        "plugin made: sample 0: label 7; 0 to 6 expected", "plugin made: sample 0: a box that is not finite",
            "plugin made: sample 0: a picture of 12x100000", "plugin made: bad setting in train" };
    for (int lie = 1; lie <= 7; lie++) {
        ba_dataset *d = open_set((params){ .bad = -1, .lie = lie });
        ba_sample s;
        CHECK((d != NULL) == (lie > 3 && lie < 7), "lie %d", lie);
        if (d)
            CHECK(ba_dataset_read(d, 0, &s, &e) < 0, "lie %d", lie);
        CHECK(strstr(e.msg, words[lie]) && e.code == (lie == 1 || lie == 7 ? BA_EARG : lie < 4 ? BA_EDATA : BA_EPLUGIN), "wanted '%s', got %d '%s'",
            words[lie], e.code, e.msg);
        ba_dataset_free(d);
    }
    e = (ba_err){ BA_EDATA, "left from another call" };
    CHECK(!ba_dataset_open(&made, &(params){ .bad = -1, .lie = 2 }, "train", &e) && strstr(e.msg, words[2]), "%s", e.msg);
    CHECK(opened == 0, "every opened one is closed: %d", opened);
    ba_plugin_desc other = made;
    params p = { .bad = -1 };
    other.kind = BA_KIND_LOSS;
    CHECK(!ba_dataset_open(&other, &p, "train", &e) && e.code == BA_EPLUGIN, "%s", e.msg);
    CHECK(!ba_dataset_open(NULL, &p, "train", &e) && !ba_dataset_open(&made, NULL, "train", &e), "%s", e.msg);
    CHECK(!ba_dataset_open(&made, &p, "val", &e) && strstr(e.msg, "split val; train or test expected"), "%s", e.msg);
    CHECK(!ba_dataset_open(&made, &p, NULL, &e), "%s", e.msg);
    check_group("plugins that misbehave");
}

static void refused(ba_dataset *d, ba_loader_options o, const char *words)
{
    CHECK(!ba_loader_new(d, &o, &e) && e.code == BA_EARG && strstr(e.msg, words), "wanted '%s', got '%s'", words, e.msg);
}

static void wrong_calls(void)
{
    ba_dataset *d = open_set((params){ .bad = -1 });
    ba_loader_options o = options(1);
    const ba_batch *b;
    ba_sample s;
    (o = options(1), o.size = 8, refused(d, o, "options of size 8"));
    (o = options(1), o.batch = 0, refused(d, o, "batch 0"));
    (o = options(1), o.batch = 300, refused(d, o, "the data set has 203 samples"));
    (o = options(1), o.ahead = 65, refused(d, o, "ahead 65"));
    (o = options(-1), refused(d, o, "threads -1"));
    (o = options(1), o.augment.image = -3, refused(d, o, "image -3"));
    (o = options(1), o.repeats = 0, refused(d, o, "repeats 0; 1 to 64"));
    (o = options(1), o.bad = 2, refused(d, o, "bad 2"));
    (o = options(1), o.augment.hue = 0.6, refused(d, o, "hue 0.6; 0 to 0.5"));
    (o = options(1), o.augment.jitter = -1, refused(d, o, "jitter -1; 0 to 1"));
    refused(NULL, options(1), "a data set and options expected");
    o = options(1);
    ba_loader *l = ba_loader_new(d, &o, &e);
    CHECK(ba_loader_next(l, &b, &e) == BA_EARG && strstr(e.msg, "next before start"), "%s", e.msg);
    CHECK(ba_loader_start(l, -1, 0, &e) == BA_EARG && ba_loader_start(l, (int64_t)1 << 40, 0, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_loader_start(l, 0, 13, &e) == BA_EARG && strstr(e.msg, "first batch 13; 0 to 12"), "%s", e.msg);
    CHECK(ba_loader_next(NULL, &b, &e) == BA_EARG && ba_loader_next(l, NULL, &e) == BA_EARG
        && ba_loader_start(NULL, 0, 0, &e) == BA_EARG, "NULL");
    CHECK(ba_loader_batches(NULL) == -1 && ba_dataset_count(NULL) == -1 && ba_dataset_classes(NULL) == -1
        && !ba_dataset_class(NULL, 0), "NULL");
    CHECK(ba_dataset_read(d, COUNT, &s, &e) == BA_EARG && strstr(e.msg, "sample 203; 0 to 202"), "%s", e.msg);
    CHECK(ba_dataset_read(d, -1, &s, &e) == BA_EARG && ba_dataset_read(NULL, 0, &s, &e) == BA_EARG
        && ba_dataset_read(d, 0, NULL, &e) == BA_EARG, "range");
    CHECK(ba_dataset_keep(d, -1, &e) == BA_EARG && ba_loader_speed(l, -1, &e) == 0 && ba_loader_speed(NULL, 1, &e) == 0, "range");
    CHECK(!ba_dataset_class(d, 0) && ba_dataset_has_boxes(d) && ba_dataset_classes(d) == 7, "facts");
    ba_loader_defaults(NULL);
    ba_loader_free(NULL);
    ba_loader_free(l);
    ba_dataset_free(d);
    ba_dataset_free(NULL);
    check_group("wrong calls");
}

/* Stopped and started at random moments, with readers of different speed; nothing hangs, nothing leaks. */
static void stopping(void)
{
    uint64_t seed = 3;
    for (int k = 0; k < 60; k++) {
        ba_dataset *d = open_set((params){ .bad = -1, .slow = k % 3 * 20 });
        ba_loader_options o = options(1 + k % 4);
        ba_loader *l = ba_loader_new(d, &o, &e);
        const ba_batch *b;
        for (int j = 0; j < k % 4; j++) {
            ba_loader_start(l, j, next_random(&seed) % 5, &e);
            for (uint32_t n = next_random(&seed) % 4; n > 0; n--)
                CHECK(ba_loader_next(l, &b, &e) == 1, "%s", e.msg);
        }
        ba_loader_free(l);
        ba_dataset_free(d);
    }
    check_group("stopped at any moment");
}

int main(void)
{
    threads();
    restarts();
    every_sample_once();
    repeats();
    permutations();
    kept();
    bad_sample();
    replaced_samples();
    decoded_whole();
    not_replaced();
    left_out();
    misbehaving_plugins();
    wrong_calls();
    stopping();
    return check_done();
}
