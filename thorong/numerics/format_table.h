// SPDX-License-Identifier: Apache-2.0
// formats.def as a constant table, for code that is instantiated per format. Private to this
// folder.
#pragma once

#include <cstddef>

#include "thorong/numerics/format.h"

namespace thorong::numerics::internal {

inline constexpr FormatInfo kFormats[] = {
#define THORONG_FORMAT(enumerator, name, bits, kind, exponent_bits, mantissa_bits, bias) \
  {Format::enumerator, name, bits, kind, exponent_bits, mantissa_bits, bias},
#include "thorong/numerics/formats.def"
#undef THORONG_FORMAT
};

constexpr const FormatInfo& constant_info(Format format) {
  return kFormats[static_cast<size_t>(format)];
}

// The value of a code of a float of at most 16 bits, exactly; NaN keeps its sign only.
float decode_small_float(const FormatInfo& format, uint32_t code);

// The value of an integer's code of less than 8 bits, and the code of a value, saturated.
int decode_small_integer(const FormatInfo& format, uint32_t code);
uint8_t encode_small_integer(const FormatInfo& format, int value);

// Conversions of formats of at most 8 bits by tables of their values. Of two values that are
// equally near, narrow takes the one with the even code; of kind E the greater one.
bool narrows_by_table(Format format);  // those without vector code
void widen_by_table(Format from, const char* source, float* destination, size_t n);
void narrow_by_table(Format to, const float* source, char* destination, size_t n);

// out[i] = the random bits of element first + i: Philox-2x32-10 (Salmon et al., 2011) with the low
// half of `key` as its key, on the counter of block (first + i) / 2, whose upper word has been
// xored with the high half of `key`. An even element takes the first word of the block, an odd one
// the second.
void random_bits(uint64_t key, uint64_t first, uint32_t* out, size_t n);

}  // namespace thorong::numerics::internal
