/* crc: CRC-32C, by the processor's instruction where it has one (found out at run time), else by a table.
 * Polynomial 0x1EDC6F41, reflected: 0x82F63B78. */
#include "crc.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u
/* One table entry: eight steps of the bitwise division, written out so that the table is a constant. */
#define STEP(x)  (((x) >> 1) ^ (((x) & 1) ? POLYNOMIAL : 0))
#define STEP4(x) STEP(STEP(STEP(STEP((uint32_t)(x)))))
#define NIBBLE(x) STEP4(x)

static const uint32_t table[16] = {
    NIBBLE(0), NIBBLE(1), NIBBLE(2), NIBBLE(3), NIBBLE(4), NIBBLE(5), NIBBLE(6), NIBBLE(7),
    NIBBLE(8), NIBBLE(9), NIBBLE(10), NIBBLE(11), NIBBLE(12), NIBBLE(13), NIBBLE(14), NIBBLE(15),
};

static uint32_t by_table(uint32_t c, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* two nibbles a byte: the table stays in one cache line */
        c = (c >> 4) ^ table[(c ^ p[i]) & 15];
        c = (c >> 4) ^ table[(c ^ (p[i] >> 4)) & 15];
    }
    return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t by_instruction(uint32_t c, const uint8_t *p, size_t n)
{
    uint64_t c8 = c, word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        c8 = __builtin_ia32_crc32di(c8, word);
    }
    c = (uint32_t)c8;
    for (; n; n--, p++)
        c = __builtin_ia32_crc32qi(c, *p);
    return c;
}
#endif

int bai_crc32c_plain;

uint32_t bai_crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    if (!bai_crc32c_plain && __builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~crc, p, n);
#endif
    return ~by_table(~crc, p, n);
}
