// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/alu.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "thorong/base/check.h"

namespace thorong::isa {
namespace {

using numerics::BinaryFunction;
using numerics::UnaryFunction;

// NKI's names, where they are not numerics'.
constexpr std::array<std::pair<std::string_view, Alu>, 35> kNames = {{
    {"bypass", Alu::kBypass},
    {"abs_max", Alu::kAbsMax},
    {"abs_min", Alu::kAbsMin},
    {"average", Alu::kAverage},
    {"prelu", Alu::kPrelu},
    {"bitwise_and", Alu::kBitAnd},
    {"bitwise_or", Alu::kBitOr},
    {"bitwise_xor", Alu::kBitXor},
    {"invert", Alu::kBitNot},
    {"bitwise_invert", Alu::kBitNot},
    {"left_shift", Alu::kShiftLeft},
    {"right_shift", Alu::kShiftRight},
    {"arithmetic_shift_right", Alu::kShiftRightArithmetic},
    {"equal", alu(BinaryFunction::kEq)},
    {"not_equal", alu(BinaryFunction::kNe)},
    {"less", alu(BinaryFunction::kLt)},
    {"less_equal", alu(BinaryFunction::kLe)},
    {"greater", alu(BinaryFunction::kGt)},
    {"greater_equal", alu(BinaryFunction::kGe)},
    {"logical_and", alu(BinaryFunction::kLogicalAnd)},
    {"logical_or", alu(BinaryFunction::kLogicalOr)},
    {"logical_xor", alu(BinaryFunction::kLogicalXor)},
    {"exp", alu(UnaryFunction::kExp)},
    {"sigmoid", alu(UnaryFunction::kLogistic)},
    {"sin", alu(UnaryFunction::kSine)},
    {"cos", alu(UnaryFunction::kCosine)},
    {"arctan", alu(UnaryFunction::kAtan)},
    {"gelu_apprx_tanh", alu(UnaryFunction::kGeluTanh)},
    {"negative", alu(UnaryFunction::kNegate)},
    {"trunc", alu(UnaryFunction::kTruncate)},
    {"max", alu(BinaryFunction::kMaximum)},
    {"min", alu(BinaryFunction::kMinimum)},
    {"mod", alu(BinaryFunction::kModulo)},
    {"fmod", alu(BinaryFunction::kRemainder)},
    {"rint", alu(UnaryFunction::kRoundNearestEven)},
}};

// Labels of switches: Alu has more values than enumerators.
constexpr int code(Alu op) { return static_cast<int>(op); }
constexpr int code(BinaryFunction function) { return code(alu(function)); }
constexpr int code(UnaryFunction function) { return code(alu(function)); }

void apply_magnitude(bool larger, const float* a, const float* b, float scalar, bool reversed,
                     float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    float x = a[i], y = b != nullptr ? b[i] : scalar;
    if (reversed) std::swap(x, y);
    bool first = larger ? std::fabs(x) > std::fabs(y) : std::fabs(x) < std::fabs(y);
    out[i] = std::isnan(x) ? x : first ? x : y;
  }
}

}  // namespace

std::string_view name(Alu op) {
  for (const auto& [text, code] : kNames) {
    if (code == op) return text;
  }
  if (is_binary(op)) return numerics::name(binary_of(op));
  return is_unary(op) ? numerics::name(unary_of(op)) : "";
}

std::optional<Alu> parse_alu(std::string_view text) {
  for (const auto& [known, code] : kNames) {
    if (known == text) return code;
  }
  if (auto binary = numerics::parse_binary_function(text)) return alu(*binary);
  if (auto unary = numerics::parse_unary_function(text)) return alu(*unary);
  return std::nullopt;
}

void apply(Alu op, const float* a, const float* b, float* out, size_t n) {
  if (is_binary(op)) return numerics::apply(binary_of(op), a, b, out, n);
  if (is_unary(op)) return numerics::apply(unary_of(op), a, out, n);
  if (op == Alu::kAbsMax || op == Alu::kAbsMin)
    return apply_magnitude(op == Alu::kAbsMax, a, b, 0, false, out, n);
  THORONG_CHECK(op == Alu::kBypass, "an operator on bits met floats");
  if (out != a) std::copy(a, a + n, out);
}

void apply_scalar(Alu op, const float* a, float scalar, bool reversed, float* out, size_t n) {
  if (is_binary(op)) return numerics::apply_scalar(binary_of(op), a, scalar, reversed, out, n);
  if (op == Alu::kAbsMax || op == Alu::kAbsMin)
    return apply_magnitude(op == Alu::kAbsMax, a, nullptr, scalar, reversed, out, n);
  if (op == Alu::kBypass && reversed)
    std::fill(out, out + n, scalar);
  else
    apply(op, a, a, out, n);
}

void apply(Alu op, const numerics::Rows& a, const numerics::Rows& b, const numerics::RowsOut& out,
           size_t rows, size_t n) {
  using numerics::rows_of;
  if (is_binary(op)) return numerics::apply(binary_of(op), a, b, out, rows, n);
  if (is_unary(op)) return numerics::apply(unary_of(op), a, out, rows, n);
  if (op == Alu::kBypass) return numerics::apply(UnaryFunction::kCopy, a, out, rows, n);
  THORONG_CHECK(op == Alu::kAbsMax || op == Alu::kAbsMin, "an operator on bits met floats");
  constexpr size_t kPiece = 256;
  std::array<float, kPiece> x, y;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; i += kPiece) {
      size_t count = std::min(kPiece, n - i);
      numerics::apply(UnaryFunction::kCopy, a.at(r, i), rows_of(x.data()), 1, count);
      numerics::apply(UnaryFunction::kCopy, b.at(r, i), rows_of(y.data()), 1, count);
      apply_magnitude(op == Alu::kAbsMax, x.data(), y.data(), 0, false, x.data(), count);
      numerics::apply(UnaryFunction::kCopy, rows_of(std::as_const(x).data()), out.at(r, i), 1,
                      count);
    }
  }
}

void apply_scalar(Alu op, const numerics::Rows& a, const numerics::Rows& scalar, bool reversed,
                  const numerics::RowsOut& out, size_t rows, size_t n) {
  if (reversed && !is_unary(op))
    apply(op, scalar, a, out, rows, n);
  else
    apply(op, a, scalar, out, rows, n);
}

std::span<const Alu> reductions() {
  static constexpr std::array kReductions = {alu(BinaryFunction::kAdd),
                                             alu(BinaryFunction::kSubtract),
                                             alu(BinaryFunction::kMultiply),
                                             alu(BinaryFunction::kMaximum),
                                             alu(BinaryFunction::kMinimum),
                                             Alu::kAbsMax,
                                             Alu::kAbsMin,
                                             Alu::kAverage,
                                             alu(BinaryFunction::kLogicalAnd),
                                             alu(BinaryFunction::kLogicalOr),
                                             alu(BinaryFunction::kLogicalXor),
                                             Alu::kBitAnd,
                                             Alu::kBitOr,
                                             Alu::kBitXor};
  return kReductions;
}

float identity(Alu op) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (op == alu(BinaryFunction::kMultiply) || op == alu(BinaryFunction::kLogicalAnd)) return 1;
  if (op == alu(BinaryFunction::kMaximum)) return -kInfinity;
  if (op == alu(BinaryFunction::kMinimum) || op == Alu::kAbsMin) return kInfinity;
  return 0;
}

float reduce(Alu op, const float* in, size_t n) {
  switch (code(op)) {
    case code(BinaryFunction::kAdd):
    case code(BinaryFunction::kMultiply):
    case code(BinaryFunction::kMaximum):
    case code(BinaryFunction::kMinimum):
      return numerics::reduce(binary_of(op), in, n);
    case code(Alu::kAverage):
      return numerics::canonical(numerics::reduce(BinaryFunction::kAdd, in, n) /
                                 static_cast<float>(n));
    default:
      break;
  }
  float value = op == alu(BinaryFunction::kSubtract) && n > 0 ? in[0] : identity(op);
  for (size_t i = op == alu(BinaryFunction::kSubtract) ? 1 : 0; i < n; ++i)
    value = combine(op, value, in[i]);
  return value;
}

int64_t apply_integer(Alu op, int64_t a, int64_t b, int bits) {
  uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  auto wrapped = [](uint64_t value) { return static_cast<int64_t>(value); };
  auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (code(op)) {
    case code(Alu::kBypass):
      return a;
    case code(Alu::kBitAnd):
      return a & b;
    case code(Alu::kBitOr):
      return a | b;
    case code(Alu::kBitXor):
      return a ^ b;
    case code(Alu::kBitNot):
      return ~a;
    case code(Alu::kShiftLeft):
      return b < 0 || b >= bits ? 0 : wrapped(ua << ub);
    case code(Alu::kShiftRight):
      return b < 0 || b >= bits ? 0 : wrapped((ua & mask) >> ub);
    case code(Alu::kShiftRightArithmetic):
      return a >> std::clamp<int64_t>(b, 0, 63);
    case code(BinaryFunction::kAdd):
      return wrapped(ua + ub);
    case code(BinaryFunction::kSubtract):
      return wrapped(ua - ub);
    case code(BinaryFunction::kMultiply):
      return wrapped(ua * ub);
    case code(BinaryFunction::kDivide):
      return b == 0 ? 0 : b == -1 ? wrapped(0 - ua) : a / b;
    case code(BinaryFunction::kRemainder):
      return b == 0 || b == -1 ? 0 : a % b;
    case code(BinaryFunction::kModulo):
      return b == 0 || b == -1 ? 0 : (a % b + b) % b;
    case code(BinaryFunction::kMaximum):
      return std::max(a, b);
    case code(BinaryFunction::kMinimum):
      return std::min(a, b);
    case code(BinaryFunction::kEq):
      return a == b;
    case code(BinaryFunction::kNe):
      return a != b;
    case code(BinaryFunction::kLt):
      return a < b;
    case code(BinaryFunction::kLe):
      return a <= b;
    case code(BinaryFunction::kGt):
      return a > b;
    case code(BinaryFunction::kGe):
      return a >= b;
    case code(BinaryFunction::kLogicalAnd):
      return a != 0 && b != 0;
    case code(BinaryFunction::kLogicalOr):
      return a != 0 || b != 0;
    case code(BinaryFunction::kLogicalXor):
      return (a != 0) != (b != 0);
    case code(UnaryFunction::kCopy):
      return a;
    case code(UnaryFunction::kNegate):
      return wrapped(0 - ua);
    case code(UnaryFunction::kAbs):
      return a < 0 ? wrapped(0 - ua) : a;
    case code(UnaryFunction::kSquare):
      return wrapped(ua * ua);
    case code(UnaryFunction::kRelu):
      return std::max<int64_t>(a, 0);
    case code(UnaryFunction::kLogicalNot):
      return a == 0;
    default:
      THORONG_CHECK(false, "an operator without a meaning for integers");
      return 0;
  }
}

}  // namespace thorong::isa
