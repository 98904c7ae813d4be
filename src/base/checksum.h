/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of a queue file. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from a checksum of what came before; begin with 0. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length);

#endif
