// SPDX-License-Identifier: Apache-2.0
// The format table, keys of the stochastic rounding, and conversions element by element and between
// any two formats. The array conversions from and to fp32 are in convert.cc.
//
// From double to a short float there must be one rounding only: the double is first rounded to odd
// as fp32 (truncated, and the last bit set if anything was lost), which keeps what the second
// rounding, to nearest even, needs to know; fp32 has more than two bits more than every such
// format, also for subnormals.
#include "thorong/numerics/format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "thorong/base/check.h"
#include "thorong/numerics/format_table.h"

namespace thorong::numerics {
namespace {

template <typename T>
T load(const void* data, size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(T), sizeof(T));
  return value;
}
template <typename T>
void store(void* data, size_t index, T value) {
  std::memcpy(static_cast<char*>(data) + index * sizeof(T), &value, sizeof(T));
}

bool is_short_float(Format format) { return is_float(format) && info(format).bits <= 32; }

// Truncates toward zero and saturates; NaN gives 0.
template <typename T>
T saturate_from_double(double value) {
  constexpr double kAboveHighest =
      2.0 * static_cast<double>(uint64_t{1} << (std::numeric_limits<T>::digits - 1));
  constexpr double kLowest = static_cast<double>(std::numeric_limits<T>::lowest());
  if (std::isnan(value)) return 0;
  if (value >= kAboveHighest) return std::numeric_limits<T>::max();
  if (value <= kLowest) return std::numeric_limits<T>::lowest();
  return static_cast<T>(value);
}

// An integer of any of the formats.
struct Whole {
  bool negative;
  uint64_t bits;  // two's complement when negative
};

template <typename T>
T saturate_from_whole(Whole whole) {
  if (whole.negative) {
    if constexpr (std::is_unsigned_v<T>) return 0;
    const auto value = static_cast<int64_t>(whole.bits);
    const auto lowest = static_cast<int64_t>(std::numeric_limits<T>::lowest());
    return static_cast<T>(std::max(value, lowest));
  }
  return static_cast<T>(std::min(whole.bits, static_cast<uint64_t>(std::numeric_limits<T>::max())));
}

Whole load_whole(Format format, const void* data, size_t index) {
  const auto from_signed = [](int64_t value) {
    return Whole{value < 0, static_cast<uint64_t>(value)};
  };
  switch (format) {
    case Format::kInt8:
      return from_signed(load<int8_t>(data, index));
    case Format::kInt16:
      return from_signed(load<int16_t>(data, index));
    case Format::kInt32:
      return from_signed(load<int32_t>(data, index));
    case Format::kInt64:
      return from_signed(load<int64_t>(data, index));
    case Format::kUint8:
      return {false, load<uint8_t>(data, index)};
    case Format::kUint16:
      return {false, load<uint16_t>(data, index)};
    case Format::kUint32:
      return {false, load<uint32_t>(data, index)};
    case Format::kUint64:
      return {false, load<uint64_t>(data, index)};
    case Format::kInt2:
    case Format::kInt4:
    case Format::kUint2:
    case Format::kUint4:
      return from_signed(internal::decode_small_integer(info(format), load<uint8_t>(data, index)));
    default:
      return {false, load<uint8_t>(data, index) != 0 ? uint64_t{1} : uint64_t{0}};
  }
}

// Stores cast.operator()<T>() as the integer format's C++ type T.
template <typename Cast>
void store_integer(Format format, void* data, size_t index, const Cast& cast) {
  switch (format) {
    case Format::kInt8:
      return store(data, index, cast.template operator()<int8_t>());
    case Format::kInt16:
      return store(data, index, cast.template operator()<int16_t>());
    case Format::kInt32:
      return store(data, index, cast.template operator()<int32_t>());
    case Format::kInt64:
      return store(data, index, cast.template operator()<int64_t>());
    case Format::kUint8:
      return store(data, index, cast.template operator()<uint8_t>());
    case Format::kUint16:
      return store(data, index, cast.template operator()<uint16_t>());
    case Format::kUint32:
      return store(data, index, cast.template operator()<uint32_t>());
    case Format::kUint64:
      return store(data, index, cast.template operator()<uint64_t>());
    case Format::kInt2:
    case Format::kInt4:
      return store(
          data, index,
          internal::encode_small_integer(info(format), cast.template operator()<int8_t>()));
    case Format::kUint2:
    case Format::kUint4:
      return store(
          data, index,
          internal::encode_small_integer(info(format), cast.template operator()<uint8_t>()));
    default:
      THORONG_CHECK(false, "not an integer format");
  }
}

void store_whole(Format format, void* data, size_t index, Whole whole) {
  if (format == Format::kBool) return store<uint8_t>(data, index, whole.bits != 0 ? 1 : 0);
  if (format == Format::kFloat64) {
    const double value = whole.negative ? static_cast<double>(static_cast<int64_t>(whole.bits))
                                        : static_cast<double>(whole.bits);
    return store(data, index, value);
  }
  store_integer(format, data, index, [&]<typename T>() { return saturate_from_whole<T>(whole); });
}

float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  auto bits = std::bit_cast<uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value))
    --bits;  // infinity becomes the largest finite
  return std::bit_cast<float>(bits | 1U);
}

}  // namespace

const FormatInfo& info(Format format) { return internal::constant_info(format); }
int format_count() { return static_cast<int>(std::size(internal::kFormats)); }

std::optional<Format> parse_format(std::string_view name) {
  for (const FormatInfo& row : internal::kFormats) {
    if (row.name == name) return row.format;
  }
  return std::nullopt;
}

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}
uint64_t mix(uint64_t key, std::string_view name) {
  for (const char letter : name) {
    key = mix(key ^ static_cast<uint64_t>(static_cast<unsigned char>(letter)));
  }
  return key;
}

uint64_t make_key(uint64_t seed, uint32_t chip, uint32_t core, uint64_t instruction_count) {
  const uint64_t place = uint64_t{chip} << 32 | core;
  return mix(mix(mix(seed) ^ place) ^ instruction_count);
}

int internal::decode_small_integer(const FormatInfo& format, uint32_t code) {
  const int values = 1 << format.bits;
  const int value = static_cast<int>(code) & (values - 1);
  return format.kind == 'S' && value >= values / 2 ? value - values : value;
}

uint8_t internal::encode_small_integer(const FormatInfo& format, int value) {
  const int values = 1 << format.bits;
  const int low = format.kind == 'S' ? -values / 2 : 0;
  return static_cast<uint8_t>(std::clamp(value, low, low + values - 1) & (values - 1));
}

float internal::decode_small_float(const FormatInfo& format, uint32_t code) {
  const uint32_t mantissa_mask = (1U << format.mantissa_bits) - 1;
  const uint32_t exponent_mask = (1U << format.exponent_bits) - 1;
  const uint32_t mantissa = code & mantissa_mask;
  const uint32_t exponent = code >> format.mantissa_bits & exponent_mask;
  const float sign = (code >> (format.bits - 1) & 1U) != 0 ? -1.0F : 1.0F;
  if (format.kind == 'E') {
    if (code == exponent_mask) return std::numeric_limits<float>::quiet_NaN();
    return std::ldexp(1.0F, static_cast<int>(code) - format.bias);
  }
  if (format.kind == 'Z' && code == 1U << (format.bits - 1))
    return -std::numeric_limits<float>::quiet_NaN();
  if (exponent == exponent_mask && (format.kind == 'F' || format.kind == 'N')) {
    const bool nan = format.kind == 'N' ? mantissa == mantissa_mask : mantissa != 0;
    if (nan) return std::copysign(std::numeric_limits<float>::quiet_NaN(), sign);
    if (format.kind == 'F') return sign * std::numeric_limits<float>::infinity();
  }
  const uint32_t implicit = exponent == 0 ? 0U : mantissa_mask + 1;
  const int scale = std::max(static_cast<int>(exponent), 1) - format.bias - format.mantissa_bits;
  return sign * std::ldexp(static_cast<float>(mantissa | implicit), scale);
}

double load_as_double(Format format, const void* data, size_t index) {
  if (format == Format::kFloat64) return load<double>(data, index);
  if (is_short_float(format)) {
    float value = 0.0F;
    widen(format, static_cast<const char*>(data) + index * byte_size(format), &value, 1);
    return static_cast<double>(value);
  }
  const Whole whole = load_whole(format, data, index);
  return whole.negative ? static_cast<double>(static_cast<int64_t>(whole.bits))
                        : static_cast<double>(whole.bits);
}

void store_from_double(Format format, void* data, size_t index, double value) {
  if (format == Format::kFloat64) return store(data, index, value);
  if (format == Format::kFloat32) return store(data, index, static_cast<float>(value));
  if (format == Format::kBool) return store<uint8_t>(data, index, value != 0.0 ? 1 : 0);
  if (is_float(format)) {
    const float odd = round_to_odd(value);
    return narrow(format, &odd, static_cast<char*>(data) + index * byte_size(format), 1);
  }
  store_integer(format, data, index, [&]<typename T>() { return saturate_from_double<T>(value); });
}

void convert(Format from, const void* source, Format to, void* destination, size_t n) {
  if (from == to) {
    if (n != 0) std::memmove(destination, source, n * byte_size(from));
    return;
  }
  if (is_short_float(from) || is_short_float(to)) {
    constexpr size_t kBlock = 1024;
    std::array<float, kBlock> block;
    for (size_t i = 0; i < n; i += kBlock) {
      const size_t count = std::min(kBlock, n - i);
      widen(from, static_cast<const char*>(source) + i * byte_size(from), block.data(), count);
      narrow(to, block.data(), static_cast<char*>(destination) + i * byte_size(to), count);
    }
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    if (from == Format::kFloat64) {
      store_from_double(to, destination, i, load<double>(source, i));
    } else {
      store_whole(to, destination, i, load_whole(from, source, i));
    }
  }
}

}  // namespace thorong::numerics
