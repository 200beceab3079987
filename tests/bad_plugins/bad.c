/* bad: plugins that must be refused, one a compilation: BAD says what is wrong. Where a constructor is not itself the fault, one that would
 * kill the process proves that nothing of a refused plugin runs here: it does so only in the process named by BAUTA_TEST_PID. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bauta/plugin.h>

#define IS(x) (BAD == x)
enum { GOOD, MAGIC, MAJOR, MINOR, SIZE, KIND, NAME, NO_NAME, LONG_NAME, NO_DOC, NO_VERSION, NEED, OFFSET, FAR_OFFSET, ODD_OFFSET, TYPE, RANGE, NAN_RANGE, INF_RANGE, TWICE,
       SHARED, CHOICES, NO_CHOICES, CHOICE_TWICE, FLAG_DEFAULT, NO_PARAMS, MANY_PARAMS, PARAM_NAME, PARAM_DOC, NO_OPS, OPS_SIZE, NO_SCORE, WILD_POINTER,
       CRASH, LEAVE, HANG, ABORT, TALK, UNRESOLVED, NO_SYMBOL };

extern int not_there_anywhere(void);

__attribute__((constructor)) static void begin(void)
{
    const char *tested = getenv("BAUTA_TEST_PID");
    if (IS(CRASH))
        *(volatile int *)16 = 1;
    if (IS(LEAVE))
        exit(0);
    if (IS(ABORT))
        abort();
    if (IS(TALK)) {
        printf("nobody wants to read this\n");
        fflush(stdout);
    }
    while (IS(HANG))
        sleep(1);
    if (!IS(GOOD) && !IS(TALK) && tested && atoi(tested) == getpid())
        abort();
}

typedef struct bad_params { int64_t a, b; double f; } bad_params;
static const char *const choices[] = { "one", IS(CHOICE_TWICE) ? "one" : "two", NULL };
static const char *const none[] = { NULL };
static const char *const needs[] = { IS(NEED) ? "student" : "student.logits", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    (void)h, (void)b, (void)params, (void)out, (void)e;
#if BAD == 38
    return not_there_anywhere();
#else
    return BA_OK;
#endif
}

static const ba_mask_ops ops = { .size = IS(OPS_SIZE) ? 4 : sizeof ops, .score = IS(NO_SCORE) ? NULL : score };

static const ba_param params[] = {
    { .name = IS(PARAM_NAME) ? "a b" : "a", .doc = IS(PARAM_DOC) ? NULL : "first", .type = IS(TYPE) ? 9 : IS(CHOICES) || IS(NO_CHOICES) || IS(CHOICE_TWICE) ? BA_ENUM : IS(FLAG_DEFAULT) ? BA_BOOL : BA_I64,
      .offset = IS(OFFSET) ? sizeof(bad_params) - 4 : IS(FAR_OFFSET) ? 4294967288u : IS(ODD_OFFSET) ? 4 : 0, .def = { .i = IS(RANGE) || IS(FLAG_DEFAULT) || IS(CHOICES) ? 11 : 1 },
      .min = { .i = 0 }, .max = { .i = 10 }, .choices = IS(NO_CHOICES) ? none : choices },
    { .name = IS(TWICE) ? "a" : "b", .doc = "second", .type = BA_I64, .offset = IS(SHARED) ? 0 : 8, .max = { .i = 5 } },
    { .name = "f", .doc = "third", .type = BA_F64, .offset = 16, .def = { .f = IS(NAN_RANGE) ? __builtin_nan("") : 0 }, .max = { .f = IS(INF_RANGE) ? __builtin_inf() : 1 } },
};

#if BAD != 39
const ba_plugin_desc ba_plugin = {
    .magic = IS(MAGIC) ? 0x12345678 : BA_MAGIC, .abi_major = IS(MAJOR) ? 2 : BA_ABI_MAJOR, .abi_minor = IS(MINOR) ? BA_ABI_MINOR + 3 : 0,
    .size = IS(SIZE) ? 16 : sizeof ba_plugin, .kind = IS(KIND) ? 77 : BA_KIND_MASK,
    .name = IS(NAME) ? "../evil" : IS(NO_NAME) ? NULL : IS(LONG_NAME) ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : IS(WILD_POINTER) ? (const char *)16 : FILE_NAME,
    .doc = IS(NO_DOC) ? "" : "a plugin for the tests", .version = IS(NO_VERSION) ? NULL : "1.0", .needs = needs,
    .params_size = sizeof(bad_params), .nparams = IS(MANY_PARAMS) ? 1000000 : 3, .params = IS(NO_PARAMS) ? NULL : params,
    .ops = IS(NO_OPS) ? NULL : &ops,
};
#endif
