// SPDX-License-Identifier: Apache-2.0
// The transcendental functions against the C library's long double (64 or 113 bits of significand):
// at most 2 ulp, on points over all fp32 bit patterns and dense ones in [-24, 24]. The greatest
// error is recorded as a test property.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "thorong/numerics/functions.h"
#include "thorong/numerics/testing.h"

namespace thorong::numerics {
namespace {

using Real = long double;
constexpr size_t kPoints = 520000;  // twice this many are tried
constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

// Distance in units of the last fp32 place at `exact`; 0 for equal special values, infinity for
// unequal ones.
double error_in_ulp(float actual, Real exact) {
  if (std::isnan(exact) || std::isnan(actual)) {
    return std::isnan(exact) == std::isnan(actual) ? 0.0 : std::numeric_limits<double>::infinity();
  }
  const Real limit = std::ldexp(Real{1}, 128);
  if (std::isinf(exact))
    return static_cast<Real>(actual) == exact ? 0.0 : std::numeric_limits<double>::infinity();
  if (std::isinf(actual) && std::fabs(exact) >= limit) return 0.0;
  const Real value = std::isinf(actual) ? std::copysign(limit, static_cast<Real>(actual))
                                        : static_cast<Real>(actual);
  const int exponent = exact == 0 ? -126 : std::clamp(std::ilogb(exact), -126, 127);
  return static_cast<double>(std::fabs(value - exact) / std::ldexp(Real{1}, exponent - 23));
}

Real normal_distribution(Real x) { return std::erfc(-x / std::sqrt(Real{2})) / 2; }
Real logistic(Real x) { return 1 / (1 + std::exp(-x)); }
Real softplus(Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
// x * f(x) where f tends to 0 at -infinity faster than any power.
Real damped(Real x, Real factor) { return x == -kInfinity ? Real{-0.0L} : x * factor; }
Real gelu_tanh(Real x) {
  const Real slope = std::sqrt(8 / std::acos(Real{-1}));
  return damped(x, logistic(slope * (x + 0.044715L * x * x * x)));
}

Real logistic_gate_dx(Real x, Real slope) {
  if (std::isinf(x)) return x > 0 ? Real{1} : Real{0};
  const Real u = slope * x;
  return logistic(u) * (1 + u * logistic(-u));
}
Real gelu_dx(Real x) {
  if (std::isinf(x)) return x > 0 ? Real{1} : Real{0};
  return normal_distribution(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Real{-1}));
}

Real exact_unary(UnaryFunction function, Real x) {
  using F = UnaryFunction;
  switch (function) {
    case F::kRsqrt:
      return 1 / std::sqrt(x);
    case F::kExp:
      return std::exp(x);
    case F::kExpm1:
      return std::expm1(x);
    case F::kLog:
      return std::log(x);
    case F::kLog1p:
      return std::log1p(x);
    case F::kTanh:
      return std::tanh(x);
    case F::kLogistic:
      return logistic(x);
    case F::kErf:
      return std::erf(x);
    case F::kGelu:
      return damped(x, normal_distribution(x));
    case F::kGeluTanh:
      return gelu_tanh(x);
    case F::kSilu:
      return damped(x, logistic(x));
    case F::kMish:
      return damped(x, std::tanh(softplus(x)));
    case F::kGeluSigmoid:
      return damped(x, logistic(1.702L * x));
    case F::kGeluSigmoidDx:
      return logistic_gate_dx(x, 1.702L);
    case F::kSiluDx:
      return logistic_gate_dx(x, 1);
    case F::kGeluDx:
      return gelu_dx(x);
    case F::kErfDx:
      return 2 / std::sqrt(std::acos(Real{-1})) * std::exp(-x * x);
    case F::kSoftplus:
      return softplus(x);
    case F::kSine:
      return std::sin(x);
    case F::kCosine:
      return std::cos(x);
    case F::kTan:
      return std::tan(x);
    default:
      return std::atan(x);
  }
}

struct Worst {
  double ulp = 0.0;
  size_t index = 0;
};

// Greatest error over all points; error(i) is called from two threads.
template <typename Error>
Worst find_worst(size_t n, const Error& error) {
  std::array<Worst, 2> worst;
  const auto run = [&](size_t part) {
    for (size_t i = part; i < n; i += worst.size()) {
      const double ulp = error(i);
      if (ulp > worst[part].ulp) worst[part] = {ulp, i};
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  return worst[0].ulp >= worst[1].ulp ? worst[0] : worst[1];
}

class Accuracy : public ::testing::TestWithParam<UnaryFunction> {};

TEST_P(Accuracy, IsWithinTwoUlp) {
  const std::vector<float> in = testing::covering_values(kPoints);
  std::vector<float> out(in.size());
  apply(GetParam(), in.data(), out.data(), in.size());
  const Worst worst = find_worst(in.size(), [&](size_t i) {
    return error_in_ulp(out[i], exact_unary(GetParam(), static_cast<Real>(in[i])));
  });
  RecordProperty("max_ulp", std::to_string(worst.ulp));
  EXPECT_LE(worst.ulp, 2.0) << name(GetParam()) << '(' << in[worst.index]
                            << ") = " << out[worst.index];
}

std::string test_name(const ::testing::TestParamInfo<UnaryFunction>& parameter) {
  return std::string(name(parameter.param));
}
INSTANTIATE_TEST_SUITE_P(
    Functions, Accuracy,
    ::testing::Values(UnaryFunction::kRsqrt, UnaryFunction::kExp, UnaryFunction::kExpm1,
                      UnaryFunction::kLog, UnaryFunction::kLog1p, UnaryFunction::kTanh,
                      UnaryFunction::kLogistic, UnaryFunction::kErf, UnaryFunction::kGelu,
                      UnaryFunction::kGeluTanh, UnaryFunction::kSilu, UnaryFunction::kMish,
                      UnaryFunction::kSoftplus, UnaryFunction::kSine, UnaryFunction::kCosine,
                      UnaryFunction::kTan, UnaryFunction::kAtan, UnaryFunction::kGeluSigmoid,
                      UnaryFunction::kErfDx),
    test_name);

// These pass through zero; there the error is small against the terms that cancel.
class DerivativeAccuracy : public ::testing::TestWithParam<UnaryFunction> {};

TEST_P(DerivativeAccuracy, IsWithinTwoUlpOrTiny) {
  const std::vector<float> in = testing::covering_values(kPoints);
  std::vector<float> out(in.size());
  apply(GetParam(), in.data(), out.data(), in.size());
  const Worst worst = find_worst(in.size(), [&](size_t i) {
    const Real exact = exact_unary(GetParam(), static_cast<Real>(in[i]));
    if (std::fabs(static_cast<Real>(out[i]) - exact) < 1e-12L) return 0.0;
    return error_in_ulp(out[i], exact);
  });
  EXPECT_LE(worst.ulp, 2.0) << name(GetParam()) << '(' << in[worst.index]
                            << ") = " << out[worst.index];
}
INSTANTIATE_TEST_SUITE_P(Functions, DerivativeAccuracy,
                         ::testing::Values(UnaryFunction::kGeluSigmoidDx, UnaryFunction::kGeluDx,
                                           UnaryFunction::kSiluDx),
                         test_name);

class BinaryAccuracy : public ::testing::TestWithParam<BinaryFunction> {};

TEST_P(BinaryAccuracy, IsWithinTwoUlp) {
  const std::vector<float> a = testing::covering_values(kPoints);
  std::vector<float> b = a;
  std::shuffle(b.begin(), b.end(), std::mt19937(7));
  std::vector<float> out(a.size());
  apply(GetParam(), a.data(), b.data(), out.data(), a.size());
  const Worst worst = find_worst(a.size(), [&](size_t i) {
    const auto x = static_cast<Real>(a[i]);
    const auto y = static_cast<Real>(b[i]);
    return error_in_ulp(out[i],
                        GetParam() == BinaryFunction::kPower ? std::pow(x, y) : std::atan2(x, y));
  });
  RecordProperty("max_ulp", std::to_string(worst.ulp));
  EXPECT_LE(worst.ulp, 2.0) << name(GetParam()) << '(' << a[worst.index] << ", " << b[worst.index]
                            << ") = " << out[worst.index];
}

INSTANTIATE_TEST_SUITE_P(Functions, BinaryAccuracy,
                         ::testing::Values(BinaryFunction::kPower, BinaryFunction::kAtan2));

// pow near 1 and with results over the whole range: the hardest place for its relative error.
TEST(Power, IsWithinTwoUlpNearOne) {
  const std::vector<float> in = testing::random_values(200000, 3);
  std::vector<float> a(in.size());
  std::vector<float> b(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    a[i] = 1.0F + std::ldexp(in[i], -static_cast<int>(i % 23) - 2);
    b[i] = std::ldexp(in[in.size() - 1 - i], static_cast<int>(i % 29));
  }
  std::vector<float> out(in.size());
  apply(BinaryFunction::kPower, a.data(), b.data(), out.data(), a.size());
  const Worst worst = find_worst(a.size(), [&](size_t i) {
    return error_in_ulp(out[i], std::pow(static_cast<Real>(a[i]), static_cast<Real>(b[i])));
  });
  EXPECT_LE(worst.ulp, 2.0) << a[worst.index] << " ^ " << b[worst.index] << " = "
                            << out[worst.index];
}

TEST(Power, HasTheSpecialCasesOfC) {
  const std::vector<float> values = testing::special_values();
  for (const float x : values) {
    std::vector<float> out(values.size());
    apply_scalar(BinaryFunction::kPower, values.data(), x, true, out.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const double exact = std::pow(static_cast<double>(x), static_cast<double>(values[i]));
      EXPECT_LE(error_in_ulp(out[i], static_cast<Real>(exact)), 2.0)
          << x << " ^ " << values[i] << " = " << out[i];
      if (exact == 0.0) {
        EXPECT_EQ(std::signbit(exact), std::signbit(out[i])) << x << " ^ " << values[i];
      }
    }
  }
}

TEST(ArcTangent2, HasTheSpecialCasesOfC) {
  const std::vector<float> values = testing::special_values();
  for (const float x : values) {
    std::vector<float> out(values.size());
    apply_scalar(BinaryFunction::kAtan2, values.data(), x, false, out.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const double exact = std::atan2(static_cast<double>(values[i]), static_cast<double>(x));
      EXPECT_LE(error_in_ulp(out[i], static_cast<Real>(exact)), 2.0)
          << values[i] << ", " << x << ": " << out[i];
      if (!std::isnan(exact)) {
        EXPECT_EQ(std::signbit(exact), std::signbit(out[i])) << values[i] << ", " << x;
      }
    }
  }
}

TEST(SignOfZero, IsKeptByOddFunctions) {
  using F = UnaryFunction;
  for (const F function : {F::kExpm1, F::kLog1p, F::kTanh, F::kErf, F::kGelu, F::kGeluTanh,
                           F::kSilu, F::kMish, F::kSine, F::kTan, F::kAtan}) {
    for (const float zero : {0.0F, -0.0F}) {
      float out = 1.0F;
      apply(function, &zero, &out, 1);
      EXPECT_EQ(std::bit_cast<uint32_t>(zero), std::bit_cast<uint32_t>(out)) << name(function);
    }
  }
}

}  // namespace
}  // namespace thorong::numerics
