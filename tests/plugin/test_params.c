/* Settings: every wrong way of giving one has its own sentence, compared whole; right ways give the right value; text and JSON. */
#include "../../core/base/params.h"
#include "../../core/plugin/plugin.h"
#include "../check.h"
#include "bauta/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct lab { int64_t count, order, on, big; double rate; const char *path, *note; } lab;
static const char *const orders[] = { "top", "bottom", "random", NULL };
static int score(const ba_host *h, ba_build *b, const void *p, ba_tensor **out, ba_err *e)
{
    (void)h, (void)b, (void)p, (void)out, (void)e;
    return BA_OK;
}
static const ba_mask_ops ops = { .size = sizeof ops, .score = score };
static const ba_plugin_desc desc = {
    BA_HEAD(MASK), .name = "lab", .version = "1", .doc = "for this test", .ops = &ops,
    BA_PARAMS(lab,
        BA_INT(lab, count, 2, -3, 7, "patches", "a whole number"),
        BA_CHOICE(lab, order, 1, orders, "a choice"),
        BA_FLAG(lab, on, 1, "a flag"),
        BA_FLOAT(lab, rate, 0.1, 0, 2.5, NULL, "a number"),
        BA_INT(lab, big, 0, INT64_MIN, INT64_MAX, NULL, "any whole number"),
        BA_STRING(lab, path, "here", "a text"),
        BA_STRING(lab, note, NULL, "a text without a default")),
};

static ba_params *give(int n, const ba_attr *a, char *report, int64_t size, ba_err *e)
{
    *e = (ba_err){ 0 };
    return ba_params_new(&desc, n, a, report, size, e);
}

/* One setting alone must fail with this sentence, and the report must hold the same. */
static void wrong(ba_attr a, const char *sentence)
{
    ba_err e;
    char report[2000] = "x";
    ba_params *p = give(1, &a, report, sizeof report, &e);
    CHECK(!p, "%s was taken", a.name ? a.name : "(null)");
    CHECK(e.code == BA_EARG && !strcmp(e.msg, sentence), "got '%s'\n   want '%s'", e.msg, sentence);
    CHECK(!strcmp(report, sentence), "report '%s'", report);
    ba_params_free(p);
}

static const lab *right(ba_attr a, ba_params **keep)
{
    ba_err e;
    *keep = give(1, &a, NULL, 0, &e);
    CHECK(*keep, "%s", e.msg);
    return ba_params_struct(*keep);
}

static void test_wrong_whole(void)
{
    static const char *const texts[] = { "", " ", "a", "1a", "1.5", "0x3", "1e", "--2", "1 ", " 1", "8", "-4", "9999999999999999999", "nan", "inf", "1,0", "+", "true", "1e30", "-1e30",
                                         "2.0000001", "-0", "-0.0", "\t1", "１" };
    static const double numbers[] = { 1.5, 7.0000001, 8, -4, 1e300, -1e300, 9007199254740993.0, 0.1, -0.5, 5e-324, -0.0 };
    static const int64_t wholes[] = { 8, -4, INT64_MAX, INT64_MIN, 1000 };
    char want[300];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(want, sizeof want, "mask lab: count = '%s'; a whole number from -3 to 7 expected", texts[i]);
        for (char *s = want; *s; s++)
            *s = *s == '\t' ? '?' : *s; /* messages are one line of plain characters */
        wrong((ba_attr)BA_S("count", texts[i]), want);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(want, sizeof want, "mask lab: count = %.10g; a whole number from -3 to 7 expected", numbers[i]);
        wrong((ba_attr)BA_F("count", numbers[i]), want);
    }
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        snprintf(want, sizeof want, "mask lab: count = %lld; a whole number from -3 to 7 expected", (long long)wholes[i]);
        wrong((ba_attr)BA_I("count", wholes[i]), want);
    }
    wrong((ba_attr)BA_F("count", NAN), "mask lab: count = nan; a whole number from -3 to 7 expected");
    wrong((ba_attr)BA_F("count", INFINITY), "mask lab: count = inf; a whole number from -3 to 7 expected");
    wrong((ba_attr)BA_S("count", NULL), "mask lab: count = ''; a whole number from -3 to 7 expected");
    wrong((ba_attr)BA_S("big", "9223372036854775808"), "mask lab: big = '9223372036854775808'; a whole number from -9223372036854775808 to 9223372036854775807 expected");
    wrong((ba_attr)BA_F("big", 1e18), "mask lab: big = 1e+18; a whole number from -9223372036854775808 to 9223372036854775807 expected");
    check_group("wrong whole numbers");
}

static void test_wrong_numbers(void)
{
    static const char *const texts[] = { "", "a", "1x", "nan", "inf", "-inf", "infinity", "NAN", "0x1p0", "1e", "e1", ".", "-", "2.51", "-0.001", "1e400", "1 2", "0,1", "1..2", "true", "-1e-300", "-0" };
    static const double numbers[] = { -0.0, -1e-300, 2.5000001, 1e308, -1, 3 };
    char want[300];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(want, sizeof want, "mask lab: rate = '%s'; a number from 0 to 2.5 expected", texts[i]);
        wrong((ba_attr)BA_S("rate", texts[i]), want);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(want, sizeof want, "mask lab: rate = %.10g; a number from 0 to 2.5 expected", numbers[i]);
        wrong((ba_attr)BA_F("rate", numbers[i]), want);
    }
    wrong((ba_attr)BA_F("rate", NAN), "mask lab: rate = nan; a number from 0 to 2.5 expected");
    wrong((ba_attr)BA_F("rate", -NAN), signbit(-NAN) ? "mask lab: rate = -nan; a number from 0 to 2.5 expected" : "mask lab: rate = nan; a number from 0 to 2.5 expected");
    wrong((ba_attr)BA_F("rate", INFINITY), "mask lab: rate = inf; a number from 0 to 2.5 expected");
    wrong((ba_attr)BA_F("rate", -INFINITY), "mask lab: rate = -inf; a number from 0 to 2.5 expected");
    wrong((ba_attr)BA_I("rate", 3), "mask lab: rate = 3; a number from 0 to 2.5 expected");
    wrong((ba_attr)BA_I("rate", INT64_MIN), "mask lab: rate = -9223372036854775808; a number from 0 to 2.5 expected");
    check_group("wrong numbers");
}

static void test_wrong_others(void)
{
    static const char *const flags[] = { "", "yes", "no", "True", "FALSE", "on", "2", "-1", "0.5", "truefalse", " true", "nan" };
    static const char *const choices[] = { "", "Top", "to", "topp", "top ", "0", "1", "bottom,top", "\"top\"", "nil" };
    char want[300];
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        snprintf(want, sizeof want, "mask lab: on = '%s'; true or false expected", flags[i]);
        wrong((ba_attr)BA_S("on", flags[i]), want);
    }
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        snprintf(want, sizeof want, "mask lab: order = '%s'; top, bottom or random expected", choices[i]);
        wrong((ba_attr)BA_S("order", choices[i]), want);
    }
    wrong((ba_attr)BA_I("on", 2), "mask lab: on = 2; true or false expected");
    wrong((ba_attr)BA_F("on", 0.5), "mask lab: on = 0.5; true or false expected");
    wrong((ba_attr)BA_F("on", NAN), "mask lab: on = nan; true or false expected");
    wrong((ba_attr)BA_I("order", 0), "mask lab: order = 0; top, bottom or random expected");
    wrong((ba_attr)BA_F("order", 1), "mask lab: order = 1; top, bottom or random expected");
    wrong((ba_attr)BA_I("path", 3), "mask lab: path = 3; a text expected");
    wrong((ba_attr)BA_F("path", 0.5), "mask lab: path = 0.5; a text expected");
    wrong((ba_attr)BA_S("path", NULL), "mask lab: path = ''; a text expected");
    check_group("wrong flags, choices, texts");
}

static void test_unknown(void)
{
    static const struct { const char *name, *near; } all[] = {
        { "cout", "count" }, { "counts", "count" }, { "Count", "count" }, { "ordr", "order" }, { "rat", "rate" }, { "bigg", "big" }, { "paht", "path" }, { "nte", "note" },
        { "zzzzzzzz", NULL }, { "", NULL }, { "count ", "count" }, { "rate\n", "rate" } };
    char want[400], shown[40];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(shown, sizeof shown, "%s", all[i].name);
        for (char *s = shown; *s; s++)
            *s = *s == '\n' ? '?' : *s;
        snprintf(want, sizeof want, "mask lab: no such setting '%s'%s%s%s (known: count, order, on, rate, big, path, note)", shown, all[i].near ? "; did you mean '" : "",
                 all[i].near ? all[i].near : "", all[i].near ? "'?" : "");
        wrong((ba_attr)BA_S(all[i].name, "1"), want);
    }
    wrong((ba_attr)BA_S(NULL, "1"), "mask lab: no such setting '' (known: count, order, on, rate, big, path, note)");
    ba_attr twice[] = { BA_I("count", 1), BA_I("rate", 1), BA_I("count", 1) };
    ba_err e;
    CHECK(!give(3, twice, NULL, 0, &e) && !strcmp(e.msg, "mask lab: count is given twice"), "%s", e.msg);
    check_group("unknown and doubled names");
}

static void test_all_errors(void)
{
    ba_attr few[] = { BA_I("count", 99), BA_F("rate", 0.5), BA_S("order", "up"), BA_S("zzz", "1"), BA_I("path", 1) };
    const char *want = "mask lab: count = 99; a whole number from -3 to 7 expected\n"
                       "mask lab: order = 'up'; top, bottom or random expected\n"
                       "mask lab: no such setting 'zzz' (known: count, order, on, rate, big, path, note)\n"
                       "mask lab: path = 1; a text expected";
    ba_attr many[30];
    char report[4000];
    ba_err e;
    CHECK(!give(5, few, report, sizeof report, &e) && !strcmp(report, want), "report:\n%s", report);
    CHECK(!strcmp(e.msg, "mask lab: count = 99; a whole number from -3 to 7 expected"), "first: %s", e.msg);
    for (int i = 0; i < 30; i++)
        many[i] = (ba_attr)BA_I("q", 1);
    CHECK(!give(30, many, report, sizeof report, &e), "taken");
    int lines = 1;
    for (const char *s = report; *s; s++)
        lines += *s == '\n';
    CHECK(lines == 21 && strstr(report, "\nand 10 more"), "%d lines:\n%s", lines, report);
    for (int64_t size = 0; size < 200; size++) { /* a report that is too small is cut, never overrun */
        char small[201];
        memset(small, 'z', sizeof small);
        CHECK(!give(30, many, small, size, &e), "taken");
        CHECK(small[size] == 'z' && (!size || memchr(small, 0, (size_t)size)), "report of %lld bytes overrun", (long long)size);
    }
    CHECK(!give(-1, few, NULL, 0, &e) && !strcmp(e.msg, "mask lab: -1 settings given"), "%s", e.msg);
    CHECK(!give(2, NULL, NULL, 0, &e) && !strcmp(e.msg, "mask lab: 2 settings given"), "%s", e.msg);
    check_group("all errors of a call");
}

static void test_right(void)
{
    ba_params *p;
    ba_err e;
    p = give(0, NULL, NULL, 0, &e);
    const lab *v = ba_params_struct(p);
    CHECK(p && v->count == 2 && v->order == 1 && v->on == 1 && v->rate == 0.1 && !v->big && !strcmp(v->path, "here") && !v->note, "defaults");
    ba_params_free(p);
    static const struct { ba_attr a; int64_t count; } wholes[] = {
        { BA_I("count", -3), -3 }, { BA_I("count", 7), 7 }, { BA_F("count", 5), 5 }, { BA_F("count", 0.0), 0 }, { BA_S("count", "4"), 4 }, { BA_S("count", "-2"), -2 },
        { BA_S("count", "+6"), 6 }, { BA_S("count", "007"), 7 }, { BA_S("count", "5.0"), 5 }, { BA_S("count", "1e0"), 1 } };
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        v = right(wholes[i].a, &p);
        CHECK(v && v->count == wholes[i].count, "case %zu: %lld", i, v ? (long long)v->count : 0);
        ba_params_free(p);
    }
    v = right((ba_attr)BA_S("big", "-9223372036854775808"), &p);
    CHECK(v && v->big == INT64_MIN, "big");
    ba_params_free(p);
    v = right((ba_attr)BA_S("big", "9007199254740993"), &p);
    CHECK(v && v->big == 9007199254740993, "2^53+1 is kept exactly");
    ba_params_free(p);
    static const struct { ba_attr a; double rate; } numbers[] = { { BA_I("rate", 2), 2 }, { BA_F("rate", 2.5), 2.5 }, { BA_F("rate", 0), 0 }, { BA_S("rate", "1e-3"), 1e-3 }, { BA_S("rate", ".5"), .5 } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        v = right(numbers[i].a, &p);
        CHECK(v && v->rate == numbers[i].rate, "case %zu", i);
        ba_params_free(p);
    }
    static const struct { ba_attr a; int64_t on; } flags[] = { { BA_S("on", "true"), 1 }, { BA_S("on", "false"), 0 }, { BA_S("on", "0"), 0 }, { BA_S("on", "1"), 1 }, { BA_I("on", 0), 0 }, { BA_F("on", 1), 1 } };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        v = right(flags[i].a, &p);
        CHECK(v && v->on == flags[i].on, "case %zu", i);
        ba_params_free(p);
    }
    for (int i = 0; orders[i]; i++) {
        v = right((ba_attr)BA_S("order", orders[i]), &p);
        CHECK(v && v->order == i, "%s", orders[i]);
        ba_params_free(p);
    }
    char given[] = "mine";
    v = right((ba_attr)BA_S("path", given), &p);
    given[0] = 'X';
    CHECK(v && !strcmp(v->path, "mine"), "a text is copied, got %s", v ? v->path : "");
    ba_params_free(p);
    check_group("right settings");
}

static void test_text(void)
{
    ba_err e;
    ba_params *p = ba_params_parse(&desc, "order=top,path=\"a,b\",rate=0.25", NULL, 0, &e);
    CHECK(p, "%s", e.msg);
    ba_attr got;
    CHECK(!ba_params_value(p, 1, &got, &e) && got.type == BA_STR && !strcmp(got.value.s, "top"), "a choice by its name");
    CHECK(!ba_params_value(p, 2, &got, &e) && got.type == BA_I64 && got.value.i == 1, "a flag");
    CHECK(!ba_params_value(p, 3, &got, &e) && got.type == BA_F64 && got.value.f == 0.25, "a number");
    CHECK(!ba_params_value(p, 5, &got, &e) && got.type == BA_STR && !strcmp(got.value.s, "a,b"), "a text in quotes");
    CHECK(ba_params_value(p, 7, &got, &e) == BA_EARG && !strcmp(e.msg, "settings: value 7 of 7"), "%s", e.msg);
    CHECK(ba_params_value(p, -1, &got, &e) == BA_EARG, "taken");
    ba_params_free(p);
    check_group("settings from a text, and their values");
}

static void test_wrong_text(void)
{
    static const struct { const char *text, *want; } all[] = {
        { "count", "mask lab: 'count'; name=value expected" }, { "=3", "mask lab: '=3'; name=value expected" }, { "count=3,,", "mask lab: ','; name=value expected" },
        { "path=\"a", "mask lab: path: closing quote missing" }, { "path=\"a\"b", "mask lab: path: 'b' after the value; a comma expected" },
        { "count=3,count=4", "mask lab: count is given twice" }, { "count=", "mask lab: count = ''; a whole number from -3 to 7 expected" },
        { "cont=3", "mask lab: no such setting 'cont'; did you mean 'count'? (known: count, order, on, rate, big, path, note)" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ba_err e = { 0 };
        char report[600] = "";
        CHECK(!ba_params_parse(&desc, all[i].text, report, sizeof report, &e) && !strcmp(e.msg, all[i].want), "'%s': got '%s'\n   want '%s'", all[i].text, e.msg, all[i].want);
        CHECK(!strcmp(report, all[i].want), "report '%s'", report);
    }
    ba_err e = { 0 };
    char lots[1000] = "";
    for (int i = 0; i < 65; i++)
        strcat(lots, i ? ",on=1" : "on=1");
    CHECK(!ba_params_parse(&desc, lots, NULL, 0, &e) && !strcmp(e.msg, "mask lab: more than 64 settings"), "%s", e.msg);
    CHECK(!ba_params_parse(&desc, NULL, NULL, 0, &e) && !ba_params_parse(NULL, "a=1", NULL, 0, &e), "taken");
    check_group("wrong texts");
}

static void test_handles(void)
{
    ba_err e = { 0 };
    ba_attr got;
    ba_plugin_desc other = desc;
    other.magic = 1;
    CHECK(!ba_params_new(NULL, 0, NULL, NULL, 0, &e) && !strcmp(e.msg, "settings: the descriptor of a plugin expected"), "%s", e.msg);
    CHECK(!ba_params_new(&other, 0, NULL, NULL, 0, &e), "taken");
    CHECK(!ba_params_desc(NULL) && !ba_params_struct(NULL), "NULL");
    CHECK(ba_params_value(NULL, 0, &got, &e) == BA_EARG && !strcmp(e.msg, "settings expected, got nothing"), "%s", e.msg);
    ba_params_free(NULL);
    CHECK(ba_plugin_rows(&desc) == 7 && ba_plugin_rows(NULL) == 0 && !ba_plugin_row(&desc, 7) && !ba_plugin_row(&desc, -1), "rows");
    CHECK(!strcmp(ba_plugin_row(&desc, 3)->name, "rate"), "row 3");
    CHECK(!bai_plugin_judge(&desc, "lab", &e), "%s", e.msg);
    check_group("handles");
}

int main(void)
{
    test_wrong_whole();
    test_wrong_numbers();
    test_wrong_others();
    test_unknown();
    test_all_errors();
    test_right();
    test_text();
    test_wrong_text();
    test_handles();
    return check_done();
}
