// SPDX-License-Identifier: Apache-2.0
// multiply_tile against three plain loops with std::fma: equal bits for odd sizes, strides and
// every SIMD target.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "thorong/numerics/functions.h"
#include "thorong/numerics/multiply_narrow.h"
#include "thorong/numerics/testing.h"

namespace thorong::numerics {
namespace {

struct Size {
  size_t m;
  size_t n;
  size_t k;
};

constexpr size_t kGap = 3;  // unused elements at the end of each row

void plain_multiply(const std::vector<float>& stationary, const std::vector<float>& moving,
                    std::vector<float>* psum, Size size, bool accumulate) {
  for (size_t m = 0; m < size.m; ++m) {
    for (size_t n = 0; n < size.n; ++n) {
      float sum = 0.0F;
      for (size_t k = 0; k < size.k; ++k) {
        sum = std::fma(stationary[k * (size.m + kGap) + m], moving[k * (size.n + kGap) + n], sum);
      }
      float& place = (*psum)[m * (size.n + kGap) + n];
      place = accumulate ? place + sum : sum;
    }
  }
}

void check(Size size, bool accumulate) {
  const std::vector<float> stationary = testing::random_values(size.k * (size.m + kGap), 1);
  const std::vector<float> moving = testing::random_values(size.k * (size.n + kGap), 2);
  const std::vector<float> before = testing::random_values(size.m * (size.n + kGap), 3);
  std::vector<float> expected = before;
  plain_multiply(stationary, moving, &expected, size, accumulate);
  testing::for_each_target([&](const std::string&) {
    std::vector<float> psum = before;
    multiply_tile(stationary.data(), size.m + kGap, moving.data(), size.n + kGap, psum.data(),
                  size.n + kGap, size.m, size.n, size.k, accumulate);
    testing::expect_same_bits(expected, psum, "psum");
  });
}

// A moving operand in bfloat16 is as good as what it widens to.
void check_narrow(Size size, bool accumulate) {
  const std::vector<float> stationary = testing::random_values(size.k * (size.m + kGap), 1);
  std::vector<float> moving = testing::random_values(size.k * (size.n + kGap), 2);
  std::vector<uint16_t> codes(moving.size());
  narrow(Format::kBfloat16, moving.data(), codes.data(), moving.size());
  widen(Format::kBfloat16, codes.data(), moving.data(), moving.size());
  const std::vector<float> before = testing::random_values(size.m * (size.n + kGap), 3);
  std::vector<float> expected = before;
  plain_multiply(stationary, moving, &expected, size, accumulate);
  testing::for_each_target([&](const std::string&) {
    std::vector<float> psum = before;
    multiply_tile_narrow(stationary.data(), size.m + kGap, codes.data(), size.n + kGap, psum.data(),
                         size.n + kGap, size.m, size.n, size.k, accumulate);
    testing::expect_same_bits(expected, psum, "psum");
  });
}

TEST(MultiplyTile, TakesBfloat16) {
  for (const Size size : {Size{1, 1, 1},
                          {2, 40, 9},
                          {3, 33, 256},
                          {7, 5, 128},
                          {64, 3, 100},
                          {100, 17, 31},
                          {128, 130, 64}}) {
    SCOPED_TRACE(::testing::Message() << size.m << " x " << size.n << " x " << size.k);
    check_narrow(size, size.m % 2 == 0);
  }
}

TEST(MultiplyTile, EqualsPlainLoops) {
  const std::vector<size_t> sizes = {1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 31, 33, 48, 49, 64, 100};
  size_t turn = 0;
  for (const size_t m : sizes) {
    for (const size_t n : sizes) {
      const Size size = {m, n, sizes[turn % sizes.size()]};
      SCOPED_TRACE(::testing::Message() << size.m << " x " << size.n << " x " << size.k);
      ASSERT_NO_FATAL_FAILURE(check(size, turn % 2 == 0));
      turn += 5;
    }
  }
}

TEST(MultiplyTile, EqualsPlainLoopsOnTypicalSizes) {
  for (const Size size :
       {Size{128, 512, 128}, Size{128, 49, 128}, Size{64, 7, 128}, Size{128, 1, 300},
        Size{40, 60, 300}, Size{3, 512, 27}, Size{128, 56, 9}}) {
    SCOPED_TRACE(::testing::Message() << size.m << " x " << size.n << " x " << size.k);
    ASSERT_NO_FATAL_FAILURE(check(size, true));
  }
}

// Enough multiply-adds to copy the rows first, for every remainder of rows in the last tiles.
TEST(MultiplyTile, CopiedRowsEqualPlainLoops) {
  for (size_t m = 120; m <= 128; ++m) {
    const Size size = {m, 170, 60 + m % 3};
    SCOPED_TRACE(::testing::Message() << size.m << " x " << size.n << " x " << size.k);
    ASSERT_NO_FATAL_FAILURE(check(size, m % 2 == 0));
  }
  ASSERT_NO_FATAL_FAILURE(check({8, 600, 255}, true));
  ASSERT_NO_FATAL_FAILURE(check({128, 64, 256}, true));  // more than are copied
}

TEST(MultiplyTile, EmptyProductIsZero) {
  std::vector<float> psum = {1.0F, 2.0F};
  multiply_tile(nullptr, 1, nullptr, 2, psum.data(), 2, 1, 2, 0, true);
  EXPECT_EQ(psum[1], 2.0F);
  multiply_tile(nullptr, 1, nullptr, 2, psum.data(), 2, 1, 2, 0, false);
  EXPECT_EQ(psum[1], 0.0F);
  multiply_tile(nullptr, 0, nullptr, 0, nullptr, 0, 0, 0, 5, false);
}

// Windows of a picture, as convolutions take them: lines in PSUM with gaps between, and moving
// lines that are cut out, further apart or every second element.
TEST(MultiplyTile, StridedColumnsEqualPlainLoops) {
  struct Window {
    int32_t lines, line, psum_line, moving_line, moving_step;
    size_t m, k;
  };
  for (const Window w : {Window{14, 13, 14, 14, 1, 128, 128}, Window{8, 55, 56, 56, 1, 64, 64},
                         Window{14, 27, 28, 112, 2, 20, 33}, Window{7, 6, 7, 28, 2, 128, 40},
                         Window{3, 7, 7, 31, 3, 9, 17}, Window{14, 14, 14, 56, 2, 1, 12},
                         Window{2, 5, 6, 0, 0, 2, 128}, Window{4, 1, 1, 9, 1, 3, 5},
                         Window{1, 50, 50, 1, 2, 7, 256}, Window{6, 6, 7, 6, 1, 13, 1}}) {
    SCOPED_TRACE(::testing::Message() << w.lines << " lines of " << w.line << ", step "
                                      << w.moving_step << ", M " << w.m << ", K " << w.k);
    std::vector<int32_t> from, to;
    for (int32_t y = 0; y < w.lines; ++y) {
      for (int32_t x = 0; x < w.line; ++x) {
        from.push_back(y * w.moving_line + x * w.moving_step);
        to.push_back(y * w.psum_line + x);
      }
    }
    const auto n = from.size();
    const auto moving_row = static_cast<size_t>(from.back()) + 1;
    const auto psum_row = static_cast<size_t>(to.back()) + 1 + kGap;
    const std::vector<float> stationary = testing::random_values(w.k * w.m, 1);
    const std::vector<float> moving = testing::random_values(w.k * moving_row, 2);
    const std::vector<float> before = testing::random_values(w.m * psum_row, 3);
    for (const bool accumulate : {false, true}) {
      std::vector<float> expected = before;
      for (size_t m = 0; m < w.m; ++m) {
        for (size_t i = 0; i < n; ++i) {
          float sum = 0.0F;
          for (size_t k = 0; k < w.k; ++k) {
            sum = std::fma(stationary[k * w.m + m],
                           moving[k * moving_row + static_cast<size_t>(from[i])], sum);
          }
          float& place = expected[m * psum_row + static_cast<size_t>(to[i])];
          place = accumulate ? place + sum : sum;
        }
      }
      testing::for_each_target([&](const std::string&) {
        std::vector<float> psum = before;
        ASSERT_TRUE(multiply_tile_strided(stationary.data(), w.m, moving.data(), moving_row, from,
                                          psum.data(), psum_row, to, w.m, w.k, accumulate));
        testing::expect_same_bits(expected, psum, "psum");
      });
    }
  }
}

TEST(MultiplyTile, StridedColumnsThatDoNotPayAreRefused) {
  std::vector<float> values(1024, 1.0F);
  const std::vector<float> before = values;
  const std::vector<int32_t> near = {0, 1, 2, 3}, far = {0, 9, 18, 27}, back = {3, 2, 1, 0};
  const auto multiply = [&](const std::vector<int32_t>& to, size_t k) {
    return multiply_tile_strided(before.data(), 1, before.data(), 4, near, values.data(), 32, to, 1,
                                 k, true);
  };
  EXPECT_FALSE(multiply(far, 2));
  EXPECT_FALSE(multiply(back, 2));
  EXPECT_FALSE(multiply(near, 257));
  EXPECT_FALSE(multiply({}, 2));
  testing::expect_same_bits(before, values, "psum");
}

// Infinity, NaN and subnormal operands: the same bits everywhere, NaN canonical.
TEST(MultiplyTile, SpecialValuesHaveEqualBits) {
  const std::vector<float> specials = testing::special_values();
  const size_t count = specials.size();
  std::vector<float> expected;
  testing::for_each_target([&](const std::string&) {
    std::vector<float> psum(count * count);
    multiply_tile(specials.data(), count, specials.data(), count, psum.data(), count, count, count,
                  1, false);
    if (expected.empty()) expected = psum;
    testing::expect_same_bits(expected, psum, "psum");
  });
}

}  // namespace
}  // namespace thorong::numerics
