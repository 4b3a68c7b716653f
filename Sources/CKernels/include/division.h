#pragma once
#include <stdint.h>
// Reciprocal of a normalised 64-bit divisor: floor((2^128 - 1) / d) - 2^64 (Moller, Granlund 2011).
static inline __attribute__((always_inline)) uint64_t entente_reciprocal(uint64_t d) {
    return (uint64_t)(~(unsigned __int128)0 / d);
}
