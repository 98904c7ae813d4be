/* CRC-32C, eight bytes a step over tables made at the first call. */
#include "base/checksum.h"

#include <stdbool.h>
#include <string.h>

static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i;
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0x82F63B78u : sum >> 1;
        tables[0][i] = sum;
    }
    for (int step = 1; step < 8; step++)
        for (uint32_t i = 0; i < 256; i++)
            tables[step][i] = tables[step - 1][i] >> 8 ^ tables[0][tables[step - 1][i] & 255];
}

uint32_t checksum_add(uint32_t sum, const void *data, size_t length)
{
    if (!tables[0][1])
        make_tables();
    const unsigned char *bytes = data;
    sum = ~sum;
    for (; length >= 8; bytes += 8, length -= 8) {
        uint32_t low = sum ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                              (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        sum = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^
              tables[1][bytes[6]] ^ tables[0][bytes[7]];
    }
    while (length--)
        sum = sum >> 8 ^ tables[0][(sum ^ *bytes++) & 255];
    return ~sum;
}
