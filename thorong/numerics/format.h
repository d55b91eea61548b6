// SPDX-License-Identifier: Apache-2.0
// The number formats of formats.def, and conversions between them and the fp32 in which the engines
// compute (D4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace thorong::numerics {

enum class Format : uint8_t {
#define THORONG_FORMAT(enumerator, ...) enumerator,
#include "thorong/numerics/formats.def"
#undef THORONG_FORMAT
};

struct FormatInfo {
  Format format;
  std::string_view name;
  int bits;
  char kind;  // see formats.def
  int exponent_bits;
  int mantissa_bits;
  int bias;
};

const FormatInfo& info(Format format);
inline size_t byte_size(Format format) { return (static_cast<size_t>(info(format).bits) + 7) / 8; }
inline std::string_view name(Format format) { return info(format).name; }
inline bool is_integer(Format format) {
  return info(format).kind == 'S' || info(format).kind == 'U';
}
inline bool is_float(Format format) { return !is_integer(format) && info(format).kind != 'B'; }
// Whether engines of the chips compute with it: the floats of at most 32 bits that the vendor
// documents. The others (float64, and what only ONNX and ml_dtypes have) are left to gpsimd.
inline bool is_engine_float(Format format) {
  const char kind = info(format).kind;
  return (kind == 'F' || kind == 'N') && info(format).bits <= 32;
}
std::optional<Format> parse_format(std::string_view name);
// Number of formats; enumerators count from zero.
int format_count();

// kNone: cells that hold fp32 keep it, whatever the format says; where bytes of the format are
// written, as kNearestEven.
enum class RoundingMode : uint8_t { kNearestEven, kStochastic, kNone };

// How one instruction rounds. The random bits of element i are bits(key, first_element + i): a
// counter-based generator (Philox-2x32-10 or equivalent), so the result does not depend on threads,
// vector width or order.
struct Rounding {
  RoundingMode mode = RoundingMode::kNearestEven;
  uint64_t key = 0;            // from (seed, chip, core, executed-instruction count): make_key
  uint64_t first_element = 0;  // counter of the first element
};

// The splitmix64 finaliser: a bijection whose every output bit depends on every input bit.
uint64_t mix(uint64_t x);
uint64_t mix(uint64_t key, std::string_view name);
uint64_t make_key(uint64_t seed, uint32_t chip, uint32_t core, uint64_t instruction_count);

// destination[i] = source[i] as fp32, i < n. Exact for every format of at most 16 bits, tfloat32,
// float32; int32, uint32, int64, uint64 and float64 round to nearest even. bool gives 0 or 1.
// `source` may be unaligned.
void widen(Format from, const void* source, float* destination, size_t n);

// destination[i] = source[i] rounded to `to`, i < n. Floats: RNE or stochastic (adds uniform bits
// below the last kept bit, then truncates); overflow gives infinity where the format has it, else
// NaN for kFloat8E4m3fn as ml_dtypes does; subnormals are kept; NaN stays NaN. Kinds Z, O and E are
// always rounded to nearest (E: ties up), as ml_dtypes does: O saturates and NaN becomes a zero of
// the other sign; E gives NaN for what is not above 0. Integers: round to nearest even, then
// saturate; NaN gives 0. bool: x != 0.
void narrow(Format to, const float* source, void* destination, size_t n,
            const Rounding& rounding = {});

// values[i] rounded to the nearest value of a float of at most 32 bits, ties to even: narrow, then
// widen, in one pass.
void round_in_place(Format to, float* values, size_t n);

// Any format to any format, through fp32 when either is a float of at most 32 bits, else exactly as
// C++ static_cast with saturation; used by HBM views and the reference operators, always RNE.
void convert(Format from, const void* source, Format to, void* destination, size_t n);

// One element as double / from double (exact widening; one rounding, RNE, on the way back; integers
// truncate toward zero like C++ and saturate). For plain-loop references.
double load_as_double(Format format, const void* data, size_t index);
void store_from_double(Format format, void* data, size_t index, double value);

}  // namespace thorong::numerics
