// SPDX-License-Identifier: Apache-2.0
// The engine functions on one double: what the elementwise operators mean (operator_support.h).
#include <numbers>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

using numerics::BinaryFunction;
using numerics::UnaryFunction;

namespace {

double sign(double x) {
  if (x > 0) return 1;
  return x < 0 ? -1 : x;  // NaN and zeros stay
}

double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

double softplus(double x) {
  return std::isnan(x) ? x : std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x)));
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::numbers::sqrt2); }

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

double modulo(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(remainder, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double round_or_test(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::kFloor:
      return std::floor(x);
    case UnaryFunction::kCeil:
      return std::ceil(x);
    case UnaryFunction::kRoundNearestEven:
      return std::nearbyint(x);
    case UnaryFunction::kRoundNearestAfz:
      return std::round(x);
    case UnaryFunction::kTruncate:
      return std::trunc(x);
    case UnaryFunction::kIsFinite:
      return std::isfinite(x) ? 1 : 0;
    case UnaryFunction::kIsNan:
      return std::isnan(x) ? 1 : 0;
    case UnaryFunction::kIsInf:
      return std::isinf(x) ? 1 : 0;
    case UnaryFunction::kLogicalNot:
      return x == 0 ? 1 : 0;
    default:
      return 0;
  }
}

double logistic_gate_dx(double x, double slope) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  return logistic(slope * x) * (1 + slope * x * logistic(-slope * x));
}
double gelu_dx(double x) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  return std::erfc(-x / std::sqrt(2.0)) / 2 +
         x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
}

}  // namespace

double apply_scalar(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::kCopy:
      return x;
    case UnaryFunction::kNegate:
      return -x;
    case UnaryFunction::kAbs:
      return std::fabs(x);
    case UnaryFunction::kSign:
      return sign(x);
    case UnaryFunction::kSquare:
      return x * x;
    case UnaryFunction::kSqrt:
      return std::sqrt(x);
    case UnaryFunction::kRsqrt:
      return 1 / std::sqrt(x);
    case UnaryFunction::kReciprocal:
      return 1 / x;
    case UnaryFunction::kExp:
      return std::exp(x);
    case UnaryFunction::kExpm1:
      return std::expm1(x);
    case UnaryFunction::kLog:
      return std::log(x);
    case UnaryFunction::kLog1p:
      return std::log1p(x);
    case UnaryFunction::kTanh:
      return std::tanh(x);
    case UnaryFunction::kLogistic:
      return logistic(x);
    case UnaryFunction::kErf:
      return std::erf(x);
    case UnaryFunction::kGelu:
      return gelu(x);
    case UnaryFunction::kGeluTanh:
      return gelu_tanh(x);
    case UnaryFunction::kSilu:
      return x * logistic(x);
    case UnaryFunction::kMish:
      return x * std::tanh(softplus(x));
    case UnaryFunction::kSoftplus:
      return softplus(x);
    case UnaryFunction::kSine:
      return std::sin(x);
    case UnaryFunction::kCosine:
      return std::cos(x);
    case UnaryFunction::kTan:
      return std::tan(x);
    case UnaryFunction::kAtan:
      return std::atan(x);
    case UnaryFunction::kRelu:
      return x < 0 ? 0 : x;
    case UnaryFunction::kGeluSigmoid:
      return x * logistic(1.702 * x);
    case UnaryFunction::kGeluSigmoidDx:
      return logistic_gate_dx(x, 1.702);
    case UnaryFunction::kSiluDx:
      return logistic_gate_dx(x, 1);
    case UnaryFunction::kGeluDx:
      return gelu_dx(x);
    case UnaryFunction::kErfDx:
      return 2 / std::sqrt(std::acos(-1.0)) * std::exp(-x * x);
    default:
      return round_or_test(function, x);
  }
}

double apply_scalar(BinaryFunction function, double a, double b) {
  switch (function) {
    case BinaryFunction::kAdd:
      return a + b;
    case BinaryFunction::kSubtract:
      return a - b;
    case BinaryFunction::kMultiply:
      return a * b;
    case BinaryFunction::kDivide:
      return a / b;
    case BinaryFunction::kMaximum:
      return combine(Combine::kMaximum, a, b);
    case BinaryFunction::kMinimum:
      return combine(Combine::kMinimum, a, b);
    case BinaryFunction::kPower:
      return std::pow(a, b);
    case BinaryFunction::kRemainder:
      return std::fmod(a, b);
    case BinaryFunction::kModulo:
      return modulo(a, b);
    case BinaryFunction::kAtan2:
      return std::atan2(a, b);
    case BinaryFunction::kEq:
      return a == b ? 1 : 0;
    case BinaryFunction::kNe:
      return a != b ? 1 : 0;
    case BinaryFunction::kLt:
      return a < b ? 1 : 0;
    case BinaryFunction::kLe:
      return a <= b ? 1 : 0;
    case BinaryFunction::kGt:
      return a > b ? 1 : 0;
    case BinaryFunction::kGe:
      return a >= b ? 1 : 0;
    case BinaryFunction::kLogicalAnd:
      return a != 0 && b != 0 ? 1 : 0;
    case BinaryFunction::kLogicalOr:
      return a != 0 || b != 0 ? 1 : 0;
    case BinaryFunction::kLogicalXor:
      return (a != 0) != (b != 0) ? 1 : 0;
  }
  return 0;
}

}  // namespace thorong::ops
