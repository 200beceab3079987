/* wild: plugins that are accepted and do harm while they are used: one file, compiled once a kind (-DWILD: 1 mask, 2 data). `how` says what. */
#include <locale.h>
#include <fenv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bauta/data.h>
#include <bauta/plugin.h>

typedef struct wild_params { int64_t how, at; } wild_params;

static const char *const ways[] = { "segv", "abort", "divide", "overflow", "hang", "exit", "locale", "rounding", "folder", "handler", "closes", "tame", NULL };
enum { SEGV, ABORT, DIVIDE, OVERFLOW, HANG, EXIT, LOCALE, ROUNDING, FOLDER, HANDLER, CLOSES };

static volatile int zero;
static int deeper(volatile char *p) { volatile char room[4096]; room[0] = *p; return deeper(room) + room[0]; }

static void go_wild(int64_t how)
{
    switch (how) {
    case SEGV: *(volatile int *)(uintptr_t)zero = 1; break;
    case ABORT: abort();
    case DIVIDE: zero = 7 / zero; break;
    case OVERFLOW: { char c = 0; zero = deeper(&c); break; }
    case HANG: while (!zero) usleep(10000); break;
    case EXIT: exit(0);
    case LOCALE: setlocale(LC_ALL, "C.UTF-8"); break;
    case ROUNDING: fesetround(FE_UPWARD); break;
    case FOLDER: if (chdir("/")) abort(); break;
    case HANDLER: signal(SIGTERM, SIG_IGN); break;
    case CLOSES: close(1); break;
    default: break;
    }
}

#if WILD == 1
static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const wild_params *p = params;
    (void)h, (void)b, (void)e;
    go_wild(p->how);
    *out = NULL;
    return BA_OK;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };
#define NAME "wild-mask"
#define BA_KIND_KIND BA_KIND_MASK
#else
static int open_split(const ba_host *h, const void *params, const char *split, void **self, ba_data_facts *facts, ba_err *e)
{
    const wild_params *p = params;
    wild_params *own = *self = malloc(sizeof *own);
    if (!own)
        return BA_FAIL(h, e, BA_EMACHINE, "no memory");
    *own = (wild_params){ p->how, strcmp(split, "train") ? -1 : p->at };
    facts->count = 64;
    facts->classes = 10;
    return BA_OK;
}

static int read_sample(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e)
{
    const wild_params *own = self;
    if (i == own->at)
        go_wild(own->how);
    if (h->data->reserve(out, 16, 16, e))
        return e->code;
    memset(out->pixels, (int)(i * 3), 16 * 16 * 3);
    out->label = (int32_t)(i % 10);
    return BA_OK;
}

static void close_split(const ba_host *h, void *self)
{
    (void)h;
    free(self);
}

static const ba_data_ops ops = { .size = sizeof ops, .open = open_split, .read = read_sample, .close = close_split };
#define NAME "wild-data"
#define BA_KIND_KIND BA_KIND_DATA
#endif

const ba_plugin_desc ba_plugin = {
    BA_HEAD(KIND), .name = NAME, .version = "1", .doc = "does harm",
    BA_PARAMS(wild_params, BA_CHOICE(wild_params, how, 11, ways, "what is done"), BA_INT(wild_params, at, 5, -1, 1000, NULL, "the sample at which")),
    .ops = &ops,
};
