// SPDX-License-Identifier: Apache-2.0
// Elementwise functions: exact ones against the C library, equal bits on all SIMD targets and for
// all tails, composed functions against their parts, reductions against a plain loop in the
// documented order.
#include "thorong/numerics/functions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "thorong/numerics/testing.h"

namespace thorong::numerics {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int kUnaryCount = static_cast<int>(UnaryFunction::kErfDx) + 1;
constexpr int kBinaryCount = static_cast<int>(BinaryFunction::kLogicalXor) + 1;

float flag(bool value) { return value ? 1.0F : 0.0F; }

// The simple functions by the C library; false for the others.
bool exact_unary(UnaryFunction function, float x, float* result) {
  using F = UnaryFunction;
  switch (function) {
    case F::kCopy:
      *result = x;
      return true;
    case F::kNegate:
      *result = -x;
      return true;
    case F::kAbs:
      *result = std::fabs(x);
      return true;
    case F::kSign:
      *result = std::isnan(x) || x == 0.0F ? x : std::copysign(1.0F, x);
      return true;
    case F::kSquare:
      *result = x * x;
      return true;
    case F::kSqrt:
      *result = std::sqrt(x);
      return true;
    case F::kReciprocal:
      *result = 1.0F / x;
      return true;
    case F::kRelu:
      *result = std::isnan(x) ? x : (x > 0.0F ? x : 0.0F);
      return true;
    case F::kFloor:
      *result = std::floor(x);
      return true;
    case F::kCeil:
      *result = std::ceil(x);
      return true;
    case F::kRoundNearestEven:
      *result = std::nearbyint(x);
      return true;
    case F::kRoundNearestAfz:
      *result = std::round(x);
      return true;
    case F::kTruncate:
      *result = std::trunc(x);
      return true;
    case F::kIsFinite:
      *result = flag(std::isfinite(x));
      return true;
    case F::kIsNan:
      *result = flag(std::isnan(x));
      return true;
    case F::kIsInf:
      *result = flag(std::isinf(x));
      return true;
    case F::kLogicalNot:
      *result = flag(x == 0.0F);
      return true;
    default:
      return false;
  }
}

float python_modulo(float x, float y) {
  const float rest = std::fmod(x, y);
  if (rest == 0.0F) return std::copysign(0.0F, y);
  return (rest < 0.0F) != (y < 0.0F) ? rest + y : rest;
}
float maximum(float x, float y) {
  if (std::isnan(x) || std::isnan(y)) return kNan;
  if (x == y) return std::signbit(x) ? y : x;
  return x > y ? x : y;
}

bool exact_binary(BinaryFunction function, float x, float y, float* result) {
  using F = BinaryFunction;
  switch (function) {
    case F::kAdd:
      *result = x + y;
      return true;
    case F::kSubtract:
      *result = x - y;
      return true;
    case F::kMultiply:
      *result = x * y;
      return true;
    case F::kDivide:
      *result = x / y;
      return true;
    case F::kMaximum:
      *result = maximum(x, y);
      return true;
    case F::kMinimum:
      *result = -maximum(-x, -y);
      return true;
    case F::kRemainder:
      *result = std::fmod(x, y);
      return true;
    case F::kModulo:
      *result = python_modulo(x, y);
      return true;
    case F::kEq:
      *result = flag(x == y);
      return true;
    case F::kNe:
      *result = flag(x != y);
      return true;
    case F::kLt:
      *result = flag(x < y);
      return true;
    case F::kLe:
      *result = flag(x <= y);
      return true;
    case F::kGt:
      *result = flag(x > y);
      return true;
    case F::kGe:
      *result = flag(x >= y);
      return true;
    case F::kLogicalAnd:
      *result = flag(x != 0.0F && y != 0.0F);
      return true;
    case F::kLogicalOr:
      *result = flag(x != 0.0F || y != 0.0F);
      return true;
    case F::kLogicalXor:
      *result = flag((x != 0.0F) != (y != 0.0F));
      return true;
    default:
      return false;
  }
}

// Equal bits, or both NaN.
void expect_equal(float expected, float actual, const std::string& what) {
  if (std::isnan(expected) && std::isnan(actual)) return;
  ASSERT_EQ(std::bit_cast<uint32_t>(expected), std::bit_cast<uint32_t>(actual))
      << what << ": " << expected << " and " << actual;
}

// All ordered pairs of the special values and some ordinary ones.
void make_pairs(std::vector<float>* a, std::vector<float>* b) {
  std::vector<float> values = testing::special_values();
  for (const float value : testing::random_values(30, 5)) values.push_back(value * 10.0F);
  for (const float x : values) {
    for (const float y : values) {
      a->push_back(x);
      b->push_back(y);
    }
  }
}

TEST(Names, ParseBack) {
  for (int i = 0; i < kUnaryCount; ++i) {
    EXPECT_EQ(parse_unary_function(name(static_cast<UnaryFunction>(i))),
              static_cast<UnaryFunction>(i));
  }
  for (int i = 0; i < kBinaryCount; ++i) {
    EXPECT_EQ(parse_binary_function(name(static_cast<BinaryFunction>(i))),
              static_cast<BinaryFunction>(i));
  }
  EXPECT_EQ(parse_unary_function("add"), std::nullopt);
}

TEST(SimdTarget, RefusesUnknownNames) {
  const std::string before(simd_target());
  EXPECT_FALSE(force_simd_target("AVX9"));
  EXPECT_EQ(simd_target(), before);
}

TEST(Unary, SimpleFunctionsAreExact) {
  const std::vector<float> in = testing::covering_values(20000);
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kUnaryCount; ++f) {
      const auto function = static_cast<UnaryFunction>(f);
      std::vector<float> out(in.size());
      apply(function, in.data(), out.data(), in.size());
      for (size_t i = 0; i < in.size(); ++i) {
        float expected = 0.0F;
        if (!exact_unary(function, in[i], &expected)) break;
        ASSERT_NO_FATAL_FAILURE(expect_equal(
            expected, out[i], std::string(name(function)) + " of " + std::to_string(in[i])));
      }
    }
  });
}

TEST(Binary, SimpleFunctionsAreExact) {
  std::vector<float> a;
  std::vector<float> b;
  make_pairs(&a, &b);
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kBinaryCount; ++f) {
      const auto function = static_cast<BinaryFunction>(f);
      std::vector<float> out(a.size());
      apply(function, a.data(), b.data(), out.data(), a.size());
      for (size_t i = 0; i < a.size(); ++i) {
        float expected = 0.0F;
        if (!exact_binary(function, a[i], b[i], &expected)) break;
        ASSERT_NO_FATAL_FAILURE(expect_equal(expected, out[i],
                                             std::string(name(function)) + " of " +
                                                 std::to_string(a[i]) + ", " +
                                                 std::to_string(b[i])));
      }
    }
  });
}

TEST(Unary, BitsAreEqualOnAllTargets) {
  const std::vector<float> in = testing::covering_values(30000);
  std::vector<std::vector<float>> expected(kUnaryCount, std::vector<float>(in.size()));
  for (int f = 0; f < kUnaryCount; ++f) {
    apply(static_cast<UnaryFunction>(f), in.data(), expected[static_cast<size_t>(f)].data(),
          in.size());
  }
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kUnaryCount; ++f) {
      const auto function = static_cast<UnaryFunction>(f);
      std::vector<float> out(in.size());
      apply(function, in.data(), out.data(), in.size());
      testing::expect_same_bits(expected[static_cast<size_t>(f)], out, std::string(name(function)));
    }
  });
}

TEST(Binary, BitsAreEqualOnAllTargets) {
  std::vector<float> a;
  std::vector<float> b;
  make_pairs(&a, &b);
  const std::vector<float> more = testing::covering_values(10000);
  a.insert(a.end(), more.begin(), more.end());
  b.insert(b.end(), more.rbegin(), more.rend());
  std::vector<std::vector<float>> expected(kBinaryCount, std::vector<float>(a.size()));
  for (int f = 0; f < kBinaryCount; ++f) {
    apply(static_cast<BinaryFunction>(f), a.data(), b.data(),
          expected[static_cast<size_t>(f)].data(), a.size());
  }
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kBinaryCount; ++f) {
      const auto function = static_cast<BinaryFunction>(f);
      std::vector<float> out(a.size());
      apply(function, a.data(), b.data(), out.data(), a.size());
      testing::expect_same_bits(expected[static_cast<size_t>(f)], out, std::string(name(function)));
    }
  });
}

// Every length from 0 to 40: the same bits as element by element, nothing written beyond, in place
// allowed.
TEST(Tails, AreLikeTheRest) {
  const std::vector<float> in = testing::random_values(40, 9);
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kUnaryCount; ++f) {
      const auto function = static_cast<UnaryFunction>(f);
      std::vector<float> single(in.size());
      for (size_t i = 0; i < in.size(); ++i) apply(function, &in[i], &single[i], 1);
      for (size_t n = 0; n <= in.size(); ++n) {
        std::vector<float> expected(in);
        std::copy_n(single.begin(), n, expected.begin());
        std::vector<float> out(in);
        apply(function, out.data(), out.data(), n);
        testing::expect_same_bits(expected, out, std::string(name(function)));
      }
    }
  });
}

TEST(Scalar, EqualsAnArrayOfTheScalar) {
  const std::vector<float> a = testing::random_values(37, 10);
  const std::vector<float> scalars(a.size(), 1.75F);
  for (int f = 0; f < kBinaryCount; ++f) {
    const auto function = static_cast<BinaryFunction>(f);
    std::vector<float> expected(a.size());
    std::vector<float> out(a.size());
    apply(function, a.data(), scalars.data(), expected.data(), a.size());
    apply_scalar(function, a.data(), scalars[0], false, out.data(), a.size());
    testing::expect_same_bits(expected, out, std::string(name(function)));
    apply(function, scalars.data(), a.data(), expected.data(), a.size());
    apply_scalar(function, a.data(), scalars[0], true, out.data(), a.size());
    testing::expect_same_bits(expected, out, std::string(name(function)));
  }
}

TEST(Activate, IsMultiplyAddFunction) {
  const std::vector<float> in = testing::random_values(2100, 11);
  testing::for_each_target([&](const std::string&) {
    for (int f = 0; f < kUnaryCount; ++f) {
      const auto function = static_cast<UnaryFunction>(f);
      std::vector<float> expected(in.size());
      for (size_t i = 0; i < in.size(); ++i) {
        const float product = in[i] * 1.3F;
        expected[i] = product + 0.7F;
      }
      apply(function, expected.data(), expected.data(), in.size());
      std::vector<float> out(in.size());
      activate(function, in.data(), 1.3F, 0.7F, out.data(), in.size());
      testing::expect_same_bits(expected, out, std::string(name(function)));
    }
  });
}

TEST(ScalarTensorTensor, IsTwoFunctions) {
  constexpr size_t kRows = 3, kColumns = 475, kPitch = 500;
  const std::vector<float> in0 = testing::random_values(kRows * kPitch, 12);
  const std::vector<float> in1 = testing::random_values(kRows * kPitch, 13);
  const std::vector<float> scalars = {0.3F, -2.0F, kNan};
  const auto pitched = [](auto rows) {
    rows.stride = kPitch * sizeof(float);
    return rows;
  };
  for (const auto op0 : {BinaryFunction::kMultiply, BinaryFunction::kSubtract}) {
    for (const auto op1 : {BinaryFunction::kAdd, BinaryFunction::kMaximum}) {
      std::vector<float> expected(in1);
      for (size_t r = 0; r < kRows; ++r) {
        std::vector<float> inner(kColumns);
        apply_scalar(op0, in0.data() + r * kPitch, scalars[r], false, inner.data(), kColumns);
        apply(op1, inner.data(), in1.data() + r * kPitch, expected.data() + r * kPitch, kColumns);
      }
      testing::for_each_target([&](const std::string&) {
        std::vector<float> out(in1);
        Rows scalar = rows_of(scalars.data());
        scalar.stride = sizeof(float), scalar.column = true;
        scalar_tensor_tensor(op0, op1, pitched(rows_of(in0.data())), scalar,
                             pitched(rows_of(std::as_const(out).data())),
                             pitched(rows_of(out.data())), kRows, kColumns);
        testing::expect_same_bits(expected, out, "scalar_tensor_tensor");
      });
    }
  }
}

TEST(Select, TakesByPredicate) {
  const std::vector<float> predicate = {0.0F, 1.0F, -0.0F, kNan, -2.0F};
  std::vector<float> in(35);
  std::vector<float> expected(35);
  const std::vector<float> yes = testing::random_values(35, 14);
  const std::vector<float> no = testing::random_values(35, 15);
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = predicate[i % predicate.size()];
    expected[i] = in[i] != 0.0F ? yes[i] : no[i];
  }
  testing::for_each_target([&](const std::string&) {
    std::vector<float> out(in.size());
    select(in.data(), yes.data(), no.data(), out.data(), in.size());
    testing::expect_same_bits(expected, out, "select");
  });
}

float plain_reduce(BinaryFunction function, const std::vector<float>& in) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float neutral = function == BinaryFunction::kAdd        ? 0.0F
                        : function == BinaryFunction::kMultiply ? 1.0F
                        : function == BinaryFunction::kMaximum  ? -infinity
                                                                : infinity;
  const auto combine = [&](float x, float y) {
    float result = 0.0F;
    exact_binary(function, x, y, &result);
    return result;
  };
  std::array<float, 16> partials;
  partials.fill(neutral);
  for (size_t i = 0; i < in.size(); ++i) partials[i % 16] = combine(partials[i % 16], in[i]);
  for (size_t distance = 8; distance > 0; distance /= 2) {
    for (size_t j = 0; j < distance; ++j)
      partials[j] = combine(partials[j], partials[j + distance]);
  }
  return partials[0];
}

TEST(Reduce, FollowsTheDocumentedOrder) {
  testing::for_each_target([&](const std::string&) {
    for (const auto function : {BinaryFunction::kAdd, BinaryFunction::kMultiply,
                                BinaryFunction::kMaximum, BinaryFunction::kMinimum}) {
      for (const size_t n : std::vector<size_t>{0, 1, 2, 15, 16, 17, 31, 33, 64, 100, 1023}) {
        std::vector<float> in = testing::random_values(n, 16);
        ASSERT_NO_FATAL_FAILURE(expect_equal(plain_reduce(function, in),
                                             reduce(function, in.data(), n),
                                             std::string(name(function))));
        if (n == 0) continue;
        in[n / 2] = kNan;
        EXPECT_TRUE(std::isnan(reduce(function, in.data(), n))) << name(function) << n;
      }
    }
  });
}

TEST(Reduce, WindowsSideBySideEqualOneByOne) {
  testing::for_each_target([&](const std::string&) {
    for (const auto function : {BinaryFunction::kAdd, BinaryFunction::kMultiply,
                                BinaryFunction::kMaximum, BinaryFunction::kMinimum}) {
      for (const size_t step : {1U, 2U}) {
        for (const size_t n : {1U, 4U, 7U, 8U, 9U, 16U, 33U, 56U}) {
          for (const size_t group : {1U, 2U, 9U, 16U, 25U}) {
            std::vector<int32_t> offsets;
            for (size_t g = 0; g < group; ++g) {
              offsets.push_back(static_cast<int32_t>(g / 3 * 70 + g % 3));
            }
            const size_t size = step * (n - 1) + static_cast<size_t>(offsets.back()) + 1;
            std::vector<float> in = testing::random_values(size, 16);
            if (n == 16) {  // ties of zeros, NaNs of both signs
              const float few[] = {0.0F, -0.0F, -0.0F, 0.0F, -1.0F, 1e-40F, 1e38F, kNan, -kNan};
              for (size_t i = 0; i < size; ++i) in[i] = few[i * 7 % (i % 5 == 0 ? 9 : 4)];
            }
            if (size > 50) in[40] = kNan, in[50] = -0.0F;
            std::vector<float> expected, out(n, 5.0F);
            for (size_t i = 0; i < n; ++i) {
              std::vector<float> window;
              for (const int32_t offset : offsets) {
                window.push_back(in[i * step + static_cast<size_t>(offset)]);
              }
              expected.push_back(reduce(function, window.data(), window.size()));
            }
            reduce_windows(function, in.data(), step, offsets, out.data(), n);
            testing::expect_same_bits(expected, out, std::string(name(function)));
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace thorong::numerics
