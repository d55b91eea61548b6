// SPDX-License-Identifier: Apache-2.0
// Formats of at most 8 bits by tables of their values: widening all of them, narrowing those that
// no engine writes (floats of kinds Z, O and E, integers of 2 and 4 bits), so that they need no
// vector code.
#include <algorithm>
#include <array>
#include <cmath>

#include "thorong/base/check.h"
#include "thorong/numerics/format_table.h"

namespace thorong::numerics::internal {
namespace {

constexpr size_t kFormatCount = std::size(kFormats);
using Values = std::array<float, 256>;

const Values& values_of(Format format) {
  static const auto kTables = [] {
    std::array<Values, kFormatCount> tables{};
    for (const FormatInfo& row : kFormats) {
      if (row.bits > 8) continue;
      Values& values = tables[static_cast<size_t>(row.format)];
      for (uint32_t code = 0; code < 256; ++code) {
        const uint32_t low = code & ((1U << row.bits) - 1);
        values[code] = is_float(row.format) ? decode_small_float(row, low)
                                            : static_cast<float>(decode_small_integer(row, low));
      }
    }
    return tables;
  }();
  return kTables[static_cast<size_t>(format)];
}

uint8_t narrow_integer(const FormatInfo& format, float x) {
  if (std::isnan(x)) return 0;
  return encode_small_integer(format,
                              static_cast<int>(std::nearbyint(std::clamp(x, -128.0F, 255.0F))));
}

// The code of the value nearest to a number above 0, among codes 0 ... count - 1, whose values
// ascend; count when it is nearer to what would come next.
uint32_t nearest_code(const Values& values, uint32_t count, double x, bool ties_up) {
  const auto end = values.begin() + count;
  const auto above = std::upper_bound(values.begin(), end, x,
                                      [](double a, float b) { return a < static_cast<double>(b); });
  if (above == values.begin()) return 0;
  const auto code = static_cast<uint32_t>(above - values.begin()) - 1;
  const auto low = static_cast<double>(values[code]);
  const double step = above != end ? static_cast<double>(*above) - low
                                   : low - static_cast<double>(values[code - 1]);
  const double middle = low + step / (ties_up && above == end ? 1 : 2);
  if (x == middle) return ties_up || code % 2 == 1 ? code + 1 : code;
  return x > middle ? code + 1 : code;
}

uint8_t narrow_float(const FormatInfo& format, const Values& values, float x) {
  const uint32_t sign_bit = 1U << (format.bits - 1);
  if (format.kind == 'E') {
    constexpr uint32_t kNan = 0xFF;
    if (!(x > 0.0F)) return kNan;
    return static_cast<uint8_t>(nearest_code(values, kNan, static_cast<double>(x), true));
  }
  if (format.kind == 'Z') {
    if (std::isnan(x)) return static_cast<uint8_t>(sign_bit);
    const uint32_t code = nearest_code(values, sign_bit, std::abs(static_cast<double>(x)), false);
    if (code == sign_bit) return static_cast<uint8_t>(sign_bit);  // overflow: NaN
    return static_cast<uint8_t>(code == 0 || !std::signbit(x) ? code : code | sign_bit);
  }
  const uint32_t sign = std::signbit(x) ? sign_bit : 0;
  if (std::isnan(x)) return static_cast<uint8_t>(sign_bit - sign);
  const uint32_t code = nearest_code(values, sign_bit, std::abs(static_cast<double>(x)), false);
  return static_cast<uint8_t>(std::min(code, sign_bit - 1) | sign);
}

}  // namespace

bool narrows_by_table(Format format) {
  const FormatInfo& row = constant_info(format);
  if (is_integer(format)) return row.bits < 8;
  return row.kind == 'Z' || row.kind == 'O' || row.kind == 'E';
}

void widen_by_table(Format from, const char* source, float* destination, size_t n) {
  const Values& values = values_of(from);
  for (size_t i = 0; i < n; ++i) destination[i] = values[static_cast<unsigned char>(source[i])];
}

void narrow_by_table(Format to, const float* source, char* destination, size_t n) {
  const FormatInfo& row = constant_info(to);
  const Values& values = values_of(to);
  for (size_t i = 0; i < n; ++i) {
    const uint8_t code =
        is_integer(to) ? narrow_integer(row, source[i]) : narrow_float(row, values, source[i]);
    destination[i] = static_cast<char>(code);
  }
}

}  // namespace thorong::numerics::internal
