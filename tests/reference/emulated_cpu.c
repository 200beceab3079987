/* emulated_cpu.c: what emulated_cpu.py puts before the emulator's library. It makes the emulated processor a Sapphire Rapids and adds AMX, which
 * that library leaves out: the bits of CPUID, and the instructions for tiles of bf16 after Intel's manual (volume 2, TDPBF16PS and its neighbours).
 * Independent of kernels/shared/tile_emulated.c on purpose: the one judges what is built on tiles, this one judges the instructions themselves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library asks for a C library newer than Debian 12's, for these two. */
unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }
int __isoc23_sscanf(const char *s, const char *format, ...)
{
    va_list a;
    va_start(a, format);
    int n = vsscanf(s, format, a);
    va_end(a);
    return n;
}

/* ---- the model of processor ---- */

static void *bochs;

static void *of_bochs(const char *name)
{
    void *p = bochs ? dlsym(bochs, name) : NULL;
    if (!p) {
        fprintf(stderr, "emulated_cpu: the emulator's library has no %s: another version?\n", name);
        exit(2);
    }
    return p;
}

int emulated_open(const char *library) { return (bochs = dlopen(library, RTLD_NOW | RTLD_NOLOAD)) != NULL; }

/* The library makes this model; it is given the one with more. */
void *_Z23create_corei3_cnl_cpuidP8BX_CPU_C(void *cpu)
{
    return ((void *(*)(void *))of_bochs("_Z28create_sapphire_rapids_cpuidP8BX_CPU_C"))(cpu);
}

typedef struct leaf { uint32_t eax, ebx, ecx, edx; } leaf;

void _ZNK17sapphire_rapids_t14get_cpuid_leafEjjP16cpuid_function_t(const void *self, unsigned number, unsigned part, leaf *l)
{
    static void (*get)(const void *, unsigned, unsigned, leaf *);
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    if (!get)
        get = of_bochs("_ZNK17sapphire_rapids_t14get_cpuid_leafEjjP16cpuid_function_t");
    get(self, number, part, l);
    if (number == 7 && part == 0 && !getenv("EMULATED_CPU_WITHOUT_AMX"))
        l->edx |= AMX_BF16 | AMX_TILE;
}

/* ---- tiles ---- */

enum { TILES = 8, ROWS = 16, ROW = 64 };
typedef struct shape { int rows, bytes; } shape;

static uint8_t tile[TILES][ROWS][ROW];
static shape shapes[TILES];
static int configured;

static int configure(const uint8_t *p) /* 64 bytes: palette, start row, 14 zeros, 16 widths, 16 heights */
{
    if (p[0] != 1 || p[1])
        return 0;
    for (int t = 0; t < TILES; t++) {
        shapes[t] = (shape){ p[48 + t], p[16 + 2 * t] | p[17 + 2 * t] << 8 };
        if (shapes[t].rows > ROWS || shapes[t].bytes > ROW)
            return 0;
    }
    memset(tile, 0, sizeof tile);
    return configured = 1;
}

static float flushed(float x) { return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x; }

static float half(const uint8_t *p)
{
    uint32_t u = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
    float x;
    memcpy(&x, &u, 4);
    return flushed(x);
}

/* c += a b: in each row the products of even and of odd members are summed apart, by fused multiply-adds; then both go to c. */
static int dot(int c, int a, int b)
{
    int pairs = shapes[a].bytes / 4, columns = shapes[c].bytes / 4;
    if (c == a || c == b || a == b || shapes[a].rows != shapes[c].rows || shapes[b].bytes != shapes[c].bytes || pairs != shapes[b].rows)
        return 0;
    for (int m = 0; m < shapes[c].rows; m++)
        for (int n = 0; n < columns; n++) {
            float even = 0, odd = 0, sum;
            for (int k = 0; k < pairs; k++) {
                even = flushed(fmaf(half(&tile[a][m][4 * k]), half(&tile[b][k][4 * n]), even));
                odd = flushed(fmaf(half(&tile[a][m][4 * k + 2]), half(&tile[b][k][4 * n + 2]), odd));
            }
            memcpy(&sum, &tile[c][m][4 * n], 4);
            sum = flushed(flushed(sum) + flushed(even + odd));
            memcpy(&tile[c][m][4 * n], &sum, 4);
        }
    return 1;
}

/* ---- instructions ---- */

/* All are VEX.128 of map 0F38 with W = 0; the numbers of registers are stored inverted in part. */
typedef struct tile_instruction { int prefix, opcode, reg, rm, third, memory, length; const uint8_t *address; int64_t stride; } tile_instruction;
enum { NONE, P66, PF3, PF2 };

static int decode(const uint8_t *p, const uint64_t *gpr, tile_instruction *i)
{
    if (p[0] != 0xc4 || (p[1] & 31) != 2 || p[2] & 0x84)
        return 0;
    int mod = p[4] >> 6, high_b = !(p[1] & 0x20), high_x = !(p[1] & 0x40), rm = (p[4] & 7) | high_b << 3, n = 5;
    *i = (tile_instruction){ .prefix = p[2] & 3, .opcode = p[3], .reg = (p[4] >> 3 & 7) | !(p[1] & 0x80) << 3, .rm = rm, .third = (p[2] >> 3 & 15) ^ 15, .memory = mod != 3 };
    if (i->memory) {
        uint64_t base = 0, index = 0;
        int32_t shift = 0;
        int sib = (p[4] & 7) == 4, wide = mod == 2, relative = 0;
        if (sib) {
            int s = p[n++], x = (s >> 3 & 7) | high_x << 3;
            index = x == 4 ? 0 : gpr[x] << (s >> 6);
            wide |= (s & 7) == 5 && mod == 0;
            base = (s & 7) == 5 && mod == 0 ? 0 : gpr[(s & 7) | high_b << 3];
        } else {
            relative = (p[4] & 7) == 5 && mod == 0;
            wide |= relative;
            base = relative ? 0 : gpr[rm];
        }
        if (wide)
            memcpy(&shift, p + n, 4);
        else if (mod == 1)
            shift = (int8_t)p[n];
        n += wide ? 4 : mod == 1;
        if (relative)
            base = (uint64_t)(uintptr_t)(p + n);
        i->stride = (int64_t)index;
        i->address = (const uint8_t *)(uintptr_t)(base + (uint64_t)(int64_t)shift); /* tiles: the index is what lies between rows */
        if (i->opcode == 0x49)
            i->address += index;
    }
    i->length = n;
    return 1;
}

static int execute(const tile_instruction *i)
{
    int t = i->reg;
    if (i->opcode == 0x49 && i->prefix == NONE && i->memory && t == 0)
        return configure(i->address);
    if (i->opcode == 0x49 && i->prefix == NONE && !i->memory && t == 0 && i->rm == 0) {
        memset(tile, 0, sizeof tile);
        configured = 0;
        return 1;
    }
    if (!configured || t >= TILES)
        return 0;
    if (i->opcode == 0x49 && i->prefix == PF2 && !i->memory && i->rm == 0)
        return memset(tile[t], 0, sizeof tile[t]) != NULL;
    if (i->opcode == 0x5c && i->prefix == PF3 && !i->memory)
        return i->rm < TILES && i->third < TILES && dot(t, i->rm, i->third);
    if (i->opcode != 0x4b || !i->memory || (i->prefix != PF2 && i->prefix != PF3))
        return 0;
    if (i->prefix == PF2)
        memset(tile[t], 0, sizeof tile[t]);
    for (int r = 0; r < shapes[t].rows; r++) {
        uint8_t *at = (uint8_t *)(uintptr_t)i->address + r * i->stride;
        if (i->prefix == PF2)
            memcpy(tile[t][r], at, (size_t)shapes[t].bytes);
        else
            memcpy(at, tile[t][r], (size_t)shapes[t].bytes);
    }
    return 1;
}

/* The instruction that ends at `end`, which the emulator does not know: done here, with the general registers in their order of encoding. 0 where it is
 * none of these, or one that the processor would refuse too. */
int emulated_tiles(const uint8_t *end, const uint64_t *gpr)
{
    tile_instruction i;
    for (int length = 5; length <= 10; length++)
        if (decode(end - length, gpr, &i) && i.length == length)
            return execute(&i);
    return 0;
}
