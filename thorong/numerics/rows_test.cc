// SPDX-License-Identifier: Apache-2.0
// Functions over rows as they lie in memory give the bits that widening, the function on fp32
// arrays and narrowing give one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "thorong/numerics/functions.h"
#include "thorong/numerics/testing.h"

namespace thorong::numerics {
namespace {

using testing::covering_values;
using testing::expect_same_bits;
using testing::for_each_target;

constexpr size_t kUnary = static_cast<size_t>(UnaryFunction::kErfDx) + 1;
constexpr size_t kBinary = static_cast<size_t>(BinaryFunction::kLogicalXor) + 1;

// Rows in a format, some bytes apart.
struct Tile {
  Format format;
  size_t rows, n, stride;
  std::vector<std::byte> bytes;

  Tile(Format kind, const std::vector<float>& values, size_t row_count)
      : format(kind), rows(row_count), n(values.size() / row_count) {
    stride = n * byte_size(format) + 12;
    bytes.resize(rows * stride);
    for (size_t r = 0; r < rows; ++r)
      narrow(format, values.data() + r * n, bytes.data() + r * stride, n);
  }
  Rows in(bool column = false) const {
    return {bytes.data(), static_cast<int64_t>(stride), format, column};
  }
  RowsOut out(bool rounded = false) {
    return {bytes.data(), static_cast<int64_t>(stride), format, rounded};
  }
  std::vector<float> values() const {
    std::vector<float> result(rows * n);
    for (size_t r = 0; r < rows; ++r)
      widen(format, bytes.data() + r * stride, result.data() + r * n, n);
    return result;
  }
};

// What a tile of `format`, or fp32 cells with bfloat16's values, holds of fp32 results.
std::vector<float> stored(std::vector<float> values, Format format, bool rounded) {
  if (rounded || format == Format::kBfloat16)
    round_in_place(Format::kBfloat16, values.data(), values.size());
  return values;
}

struct Kind {
  Format format;
  bool rounded;
};
constexpr Kind kKinds[] = {
    {Format::kFloat32, false}, {Format::kFloat32, true}, {Format::kBfloat16, false}};
constexpr Format kFormats[] = {Format::kFloat32, Format::kBfloat16};

TEST(Rows, UnaryFunctions) {
  constexpr size_t kRows = 3;
  std::vector<float> values = covering_values(2000);
  values.resize(values.size() / kRows * kRows);
  for_each_target([&](const std::string&) {
    for (Format format : kFormats) {
      const Tile in(format, values, kRows);
      for (size_t f = 0; f < kUnary; ++f) {
        const auto function = static_cast<UnaryFunction>(f);
        std::vector<float> expected = in.values();
        apply(function, expected.data(), expected.data(), expected.size());
        for (const Kind& kind : kKinds) {
          Tile out(kind.format, values, kRows);
          apply(function, in.in(), out.out(kind.rounded), kRows, in.n);
          expect_same_bits(stored(expected, kind.format, kind.rounded), out.values(),
                           std::string(name(function)));
        }
      }
    }
  });
}

// Rough results that do not tell the bfloat16 are many among so many.
TEST(Rows, RoughFunctionsRoundAlike) {
  std::vector<float> values = covering_values(200000);
  std::vector<float> exact(values.size()), rounded(values.size());
  for_each_target([&](const std::string& target) {
    if (target == "EMU128" || target == "SCALAR") return;  // slow, and the same code
    for (const auto function : {UnaryFunction::kExp, UnaryFunction::kTanh, UnaryFunction::kLogistic,
                                UnaryFunction::kSilu, UnaryFunction::kGeluTanh}) {
      apply(function, values.data(), exact.data(), values.size());
      round_in_place(Format::kBfloat16, exact.data(), exact.size());
      RowsOut out = rows_of(rounded.data());
      out.rounded = true;
      apply(function, rows_of(std::as_const(values).data()), out, 1, values.size());
      expect_same_bits(exact, rounded, std::string(name(function)));
    }
  });
}

TEST(Rows, BinaryFunctions) {
  constexpr size_t kRows = 2;
  std::vector<float> left = covering_values(300);
  left.resize(left.size() / kRows * kRows);
  std::vector<float> right(left.rbegin(), left.rend());
  const size_t n = left.size() / kRows;
  for_each_target([&](const std::string&) {
    for (size_t f = 0; f < kBinary * 8; ++f) {
      const auto function = static_cast<BinaryFunction>(f / 8);
      const Tile a(kFormats[f % 2], left, kRows);
      const Tile b(kFormats[f / 2 % 2], right, kRows);
      const bool column = f / 4 % 2 != 0;
      std::vector<float> x = a.values(), y = b.values();
      for (size_t r = 0; column && r < kRows; ++r)
        std::fill_n(y.begin() + static_cast<std::ptrdiff_t>(r * n), n, y[r * n]);
      apply(function, x.data(), y.data(), x.data(), x.size());
      for (const Kind& kind : kKinds) {
        Tile out(kind.format, left, kRows);
        apply(function, a.in(), b.in(column), out.out(kind.rounded), kRows, n);
        expect_same_bits(stored(x, kind.format, kind.rounded), out.values(),
                         std::string(name(function)));
      }
    }
  });
}

TEST(Rows, ActivationsScaleAndAddColumns) {
  constexpr size_t kRows = 4;
  std::vector<float> values = covering_values(200);
  values.resize(values.size() / kRows * kRows);
  const Tile in(Format::kBfloat16, values, kRows);
  const std::vector<float> scales = {1, -0.75F, 1, 3}, biases = {0, 1, 2.5F, -0.0F};
  const Tile scale(Format::kFloat32, scales, kRows), bias(Format::kBfloat16, biases, kRows);
  for_each_target([&](const std::string&) {
    for (size_t f = 0; f < kUnary; ++f) {
      const auto function = static_cast<UnaryFunction>(f);
      std::vector<float> expected = in.values();
      for (size_t i = 0; i < expected.size(); ++i)
        expected[i] = canonical(canonical(expected[i] * scales[i / in.n]) + biases[i / in.n]);
      apply(function, expected.data(), expected.data(), expected.size());
      for (const Kind& kind : kKinds) {
        Tile out(kind.format, values, kRows);
        activate(function, in.in(), scale.in(true), bias.in(true), out.out(kind.rounded), kRows,
                 in.n);
        expect_same_bits(stored(expected, kind.format, kind.rounded), out.values(),
                         std::string(name(function)));
      }
    }
  });
}

TEST(Rows, ResultsMayTakeThePlaceOfAnInput) {
  std::vector<float> values = testing::random_values(2 * 77, 1);
  Tile tile(Format::kBfloat16, values, 2);
  std::vector<float> expected = tile.values();
  apply(BinaryFunction::kMultiply, expected.data(), expected.data(), expected.data(),
        expected.size());
  apply(BinaryFunction::kMultiply, tile.in(), tile.in(), tile.out(), 2, tile.n);
  expect_same_bits(stored(expected, Format::kBfloat16, false), tile.values(), "square in place");
}

TEST(Rows, ReductionsKeepTheirOrder) {
  for_each_target([&](const std::string&) {
    for (const auto function : {BinaryFunction::kAdd, BinaryFunction::kMultiply,
                                BinaryFunction::kMaximum, BinaryFunction::kMinimum}) {
      for (const size_t n : {1U, 2U, 15U, 16U, 17U, 31U, 32U, 100U, 512U}) {
        for (Format format : kFormats) {
          constexpr size_t kRows = 7;
          const Tile in(format, testing::random_values(kRows * n, static_cast<uint32_t>(n)), kRows);
          std::vector<float> values = in.values(), expected(kRows), sums(kRows);
          for (size_t r = 0; r < kRows; ++r)
            expected[r] = reduce(function, values.data() + r * n, n);
          reduce(function, in.in(), sums.data(), kRows, n);
          expect_same_bits(expected, sums, std::string(name(function)));
        }
      }
    }
  });
}

}  // namespace
}  // namespace thorong::numerics
