// SPDX-License-Identifier: Apache-2.0
// Conversions: round trips of every code, stochastic rounding (unbiased, exact values untouched,
// independent of how the work is cut), integers, doubles. The comparison with ml_dtypes is
// tests/conformance/test_formats.py.
#include "thorong/numerics/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "thorong/numerics/testing.h"

namespace thorong::numerics {
namespace {

const Format kShortFloats[] = {Format::kTfloat32,   Format::kBfloat16,     Format::kFloat16,
                               Format::kFloat8E4m3, Format::kFloat8E4m3fn, Format::kFloat8E5m2,
                               Format::kFloat8E3m4};

// Those that are never rounded stochastically.
const Format kTableFloats[] = {Format::kFloat8E4m3fnuz, Format::kFloat8E5m2fnuz,
                               Format::kFloat8E8m0fnu,  Format::kFloat6E2m3fn,
                               Format::kFloat6E3m2fn,   Format::kFloat4E2m1fn};

std::vector<Format> narrow_floats() {
  std::vector<Format> formats(std::begin(kShortFloats), std::end(kShortFloats));
  formats.insert(formats.end(), std::begin(kTableFloats), std::end(kTableFloats));
  return formats;
}

Rounding stochastic(uint64_t key, uint64_t first = 0) {
  return {RoundingMode::kStochastic, key, first};
}

// All values of a format of 16 or 8 bits; of tfloat32 a sample.
std::vector<float> all_values(Format format) {
  const size_t count = size_t{1} << std::min(info(format).bits, 16);
  std::vector<unsigned char> codes(count * byte_size(format));
  for (uint32_t code = 0; code < count; ++code) {
    const uint32_t stored = format == Format::kTfloat32 ? code << 16 | (code & 7) << 13 : code;
    std::memcpy(&codes[code * byte_size(format)], &stored, byte_size(format));
  }
  std::vector<float> values(count);
  widen(format, codes.data(), values.data(), count);
  return values;
}

std::vector<float> round_trip(Format format, const std::vector<float>& in,
                              const Rounding& rounding) {
  std::vector<unsigned char> codes(in.size() * byte_size(format) + 1);
  std::vector<float> out(in.size());
  narrow(format, in.data(), codes.data() + 1, in.size(), rounding);  // unaligned on purpose
  widen(format, codes.data() + 1, out.data(), in.size());
  return out;
}

TEST(Table, IsConsistent) {
  EXPECT_EQ(format_count(), 28);
  for (int i = 0; i < format_count(); ++i) {
    const auto format = static_cast<Format>(i);
    EXPECT_EQ(parse_format(name(format)), format);
    EXPECT_EQ(info(format).format, format);
  }
  EXPECT_EQ(parse_format("float128"), std::nullopt);
}

TEST(Narrow, KeepsEveryExactValueInBothModes) {
  testing::for_each_target([&](const std::string&) {
    for (const Format format : narrow_floats()) {
      const std::vector<float> values = all_values(format);
      for (const Rounding& rounding : {Rounding{}, stochastic(1), stochastic(2, 77)}) {
        const std::vector<float> back = round_trip(format, values, rounding);
        for (size_t i = 0; i < values.size(); ++i) {
          if (std::isnan(values[i])) {
            ASSERT_TRUE(std::isnan(back[i])) << name(format) << i;
            ASSERT_EQ(std::signbit(values[i]), std::signbit(back[i]));
          } else {
            ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(back[i]))
                << name(format) << i;
          }
        }
      }
    }
  });
}

TEST(Narrow, BitsAreEqualOnAllTargets) {
  const std::vector<float> in = testing::covering_values(50000);
  for (int f = 0; f < format_count(); ++f) {
    const auto format = static_cast<Format>(f);
    for (const Rounding& rounding : {Rounding{}, stochastic(5, 3)}) {
      std::vector<float> expected;
      testing::for_each_target([&](const std::string&) {
        const std::vector<float> out = round_trip(format, in, rounding);
        if (expected.empty()) expected = out;
        testing::expect_same_bits(expected, out, std::string(name(format)));
      });
    }
  }
}

TEST(Narrow, OverflowsAsMlDtypes) {
  const auto narrowed = [](Format format, float x) { return round_trip(format, {x}, {})[0]; };
  EXPECT_EQ(narrowed(Format::kFloat8E4m3fn, 464.0F), 448.0F);  // tie to even
  EXPECT_TRUE(std::isnan(narrowed(Format::kFloat8E4m3fn, 464.1F)));
  EXPECT_TRUE(std::isnan(narrowed(Format::kFloat8E4m3fn, std::numeric_limits<float>::infinity())));
  EXPECT_EQ(narrowed(Format::kFloat8E4m3, 247.0F), 240.0F);
  EXPECT_TRUE(std::isinf(narrowed(Format::kFloat8E4m3, 248.0F)));
  EXPECT_TRUE(std::isinf(narrowed(Format::kFloat16, 65520.0F)));
  EXPECT_TRUE(std::isinf(narrowed(Format::kBfloat16, std::numeric_limits<float>::max())));
}

// A value with fraction p between two neighbours goes up with probability p, within 5 sigma; also
// subnormal results.
TEST(Stochastic, IsUnbiased) {
  constexpr size_t kCount = 200000;
  for (const Format format : kShortFloats) {
    const FormatInfo& row = info(format);
    const int lowest = 1 - row.bias;
    for (const int exponent :
         {0, 2, lowest, lowest - 1, lowest - row.mantissa_bits, lowest - row.mantissa_bits - 1}) {
      if (exponent < -126 - 10) continue;  // fp32 has too few bits left to hold the fraction
      const double unit = std::ldexp(1.0, std::max(exponent, lowest) - row.mantissa_bits);
      for (const double fraction : {0.015625, 0.3125, 0.5, 0.90625}) {
        const double low = exponent < lowest - row.mantissa_bits ? 0.0 : std::ldexp(1.0, exponent);
        const auto x = static_cast<float>(low + fraction * unit);
        const std::vector<float> out =
            round_trip(format, std::vector<float>(kCount, -x), stochastic(99));
        double ups = 0.0;
        for (const float y : out) {
          const double steps = (-static_cast<double>(y) - low) / unit;
          ASSERT_TRUE(steps == 0.0 || steps == 1.0) << name(format) << ' ' << x << ' ' << y;
          ups += steps;
        }
        const double sigma = std::sqrt(static_cast<double>(kCount) * fraction * (1.0 - fraction));
        EXPECT_NEAR(ups, fraction * static_cast<double>(kCount), 5.0 * sigma)
            << name(format) << ' ' << x;
      }
    }
  }
}

TEST(Stochastic, DoesNotDependOnHowWorkIsCut) {
  const std::vector<float> in = testing::random_values(3000, 4);
  const auto format = Format::kBfloat16;
  std::vector<uint16_t> whole(in.size());
  narrow(format, in.data(), whole.data(), in.size(), stochastic(7, 1001));
  for (const size_t chunk : std::vector<size_t>{1, 2, 3, 16, 17, 511, 1024}) {
    std::vector<uint16_t> pieces(in.size());
    for (size_t i = 0; i < in.size(); i += chunk) {
      narrow(format, &in[i], &pieces[i], std::min(chunk, in.size() - i), stochastic(7, 1001 + i));
    }
    EXPECT_EQ(whole, pieces) << chunk;
  }
  std::vector<uint16_t> other(in.size());
  narrow(format, in.data(), other.data(), in.size(), stochastic(8, 1001));
  EXPECT_NE(whole, other);
}

TEST(Stochastic, KeysDiffer) {
  EXPECT_NE(make_key(0, 0, 0, 1), make_key(0, 0, 1, 0));
  EXPECT_NE(make_key(0, 1, 0, 0), make_key(0, 0, 1, 0));
  EXPECT_NE(make_key(1, 0, 0, 0), make_key(0, 0, 0, 1));
}

template <typename T>
std::vector<T> narrowed_integers(Format format, const std::vector<float>& in) {
  std::vector<T> out(in.size());
  narrow(format, in.data(), out.data(), in.size());
  return out;
}

TEST(Integers, RoundSaturateAndMapNanToZero) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  testing::for_each_target([&](const std::string&) {
    EXPECT_EQ(
        narrowed_integers<int8_t>(Format::kInt8, {0.5F, 1.5F, -2.5F, 127.5F, -1e9F, nan, 126.6F}),
        (std::vector<int8_t>{0, 2, -2, 127, -128, 0, 127}));
    EXPECT_EQ(narrowed_integers<uint8_t>(Format::kUint8, {0.5F, 2.5F, -3.0F, 300.0F, nan, 254.5F}),
              (std::vector<uint8_t>{0, 2, 0, 255, 0, 254}));
    EXPECT_EQ(narrowed_integers<uint16_t>(Format::kUint16, {65534.5F, 1e30F, -1.0F}),
              (std::vector<uint16_t>{65534, 65535, 0}));
    EXPECT_EQ(
        narrowed_integers<int32_t>(Format::kInt32, {2147483648.0F, -3e9F, 8388609.5F, -1.5F, nan}),
        (std::vector<int32_t>{2147483647, -2147483647 - 1, 8388610, -2, 0}));
    EXPECT_EQ(narrowed_integers<uint64_t>(Format::kUint64, {2e19F, -1.0F, 0x1p63F}),
              (std::vector<uint64_t>{~uint64_t{0}, 0, uint64_t{1} << 63}));
    EXPECT_EQ(narrowed_integers<uint8_t>(Format::kBool, {0.0F, -0.0F, 0.1F, nan}),
              (std::vector<uint8_t>{0, 0, 1, 1}));
  });
}

TEST(Integers, OfFewBitsStandInTheLowBitsOfAByte) {
  EXPECT_EQ(narrowed_integers<uint8_t>(Format::kInt4, {-1.0F, -8.5F, 7.6F, 2.5F, -3.0F, NAN}),
            (std::vector<uint8_t>{15, 8, 7, 2, 13, 0}));
  EXPECT_EQ(narrowed_integers<uint8_t>(Format::kUint4, {-1.0F, 15.4F, 16.0F, 1e9F}),
            (std::vector<uint8_t>{0, 15, 15, 15}));
  EXPECT_EQ(narrowed_integers<uint8_t>(Format::kInt2, {-1.0F, -2.0F, 1.0F, 5.0F}),
            (std::vector<uint8_t>{3, 2, 1, 1}));
  const std::vector<int32_t> words = {-9, -2, 1, 3, 99};
  std::vector<uint8_t> codes(words.size());
  convert(Format::kInt32, words.data(), Format::kUint2, codes.data(), words.size());
  EXPECT_EQ(codes, (std::vector<uint8_t>{0, 0, 1, 3, 3}));
  convert(Format::kInt32, words.data(), Format::kInt4, codes.data(), words.size());
  EXPECT_EQ(codes, (std::vector<uint8_t>{8, 14, 1, 3, 7}));
  std::vector<int64_t> back(words.size());
  convert(Format::kInt4, codes.data(), Format::kInt64, back.data(), back.size());
  EXPECT_EQ(back, (std::vector<int64_t>{-8, -2, 1, 3, 7}));
  store_from_double(Format::kInt4, codes.data(), 0, -3.9);  // toward zero
  EXPECT_EQ(load_as_double(Format::kInt4, codes.data(), 0), -3.0);
}

TEST(Convert, IntegersAndDoubles) {
  const std::vector<int64_t> whole = {-5, 300, int64_t{1} << 62, -(int64_t{1} << 40)};
  std::vector<uint8_t> bytes(4);
  convert(Format::kInt64, whole.data(), Format::kUint8, bytes.data(), 4);
  EXPECT_EQ(bytes, (std::vector<uint8_t>{0, 255, 255, 0}));
  std::vector<int32_t> words(4);
  convert(Format::kInt64, whole.data(), Format::kInt32, words.data(), 4);
  EXPECT_EQ(words, (std::vector<int32_t>{-5, 300, 2147483647, -2147483647 - 1}));
  const std::vector<double> doubles = {-1.9, 1e30, 0.1, std::numeric_limits<double>::quiet_NaN()};
  convert(Format::kFloat64, doubles.data(), Format::kInt32, words.data(), 4);
  EXPECT_EQ(words, (std::vector<int32_t>{-1, 2147483647, 0, 0}));
  std::vector<float> floats(4);
  convert(Format::kFloat64, doubles.data(), Format::kFloat32, floats.data(), 4);
  EXPECT_EQ(floats[2], 0.1F);
  EXPECT_TRUE(std::isinf(narrowed_integers<float>(Format::kFloat32, {floats[1] * 1e30F})[0]));
}

TEST(StoreFromDouble, RoundsOnce) {
  // 1 + 2^-8 + 2^-40 is just above the tie between two bfloat16 values; through fp32 it would fall
  // on the tie.
  uint16_t code = 0;
  store_from_double(Format::kBfloat16, &code, 0, 1.0 + 0x1p-8 + 0x1p-40);
  EXPECT_EQ(code, 0x3F81);
  store_from_double(Format::kBfloat16, &code, 0, 1.0 + 0x1p-8);
  EXPECT_EQ(code, 0x3F80);
  store_from_double(Format::kFloat16, &code, 0, -1e300);
  EXPECT_EQ(code, 0xFC00);
  for (const Format format : narrow_floats()) {
    if (info(format).bits > 16) continue;
    const size_t count = size_t{1} << info(format).bits;
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t stored = 0;
      const double value = load_as_double(format, &i, 0);
      store_from_double(format, &stored, 0, value);
      ASSERT_TRUE(stored == i || std::isnan(value)) << name(format) << ' ' << i;
    }
  }
}

TEST(RoundInPlace, IsNarrowThenWiden) {
  for (const Format format : narrow_floats()) {
    std::vector<float> values = testing::covering_values(100'003);
    std::vector<std::byte> codes(values.size() * 4);
    std::vector<float> expected(values.size());
    narrow(format, values.data(), codes.data(), values.size());
    widen(format, codes.data(), expected.data(), values.size());
    round_in_place(format, values.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(expected[i]))
          << name(format) << ": " << values[i] << " is not " << expected[i];
    }
  }
}

}  // namespace
}  // namespace thorong::numerics
