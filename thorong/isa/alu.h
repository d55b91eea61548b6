// SPDX-License-Identifier: Apache-2.0
// The operators of the Vector, Scalar and GpSimd engines as instructions name them: binary and
// unary functions of fp32, and operators on bit patterns, in one numbering.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "thorong/numerics/functions.h"

namespace thorong::isa {

// 0..63: numerics::BinaryFunction. 64..127: 64 + numerics::UnaryFunction, of the first argument.
// Then the enumerators here.
enum class Alu : uint8_t {
  kBypass = 128,  // the first argument
  kAbsMax,
  kAbsMin,   // the argument of larger (smaller) magnitude; the second if they are equal
  kAverage,  // reductions: the sum over the count
  kPrelu,    // activations: relu with a slope for negative values
  kBitAnd = 192,
  kBitOr,
  kBitXor,
  kBitNot,
  kShiftLeft,
  kShiftRight,
  kShiftRightArithmetic
};

constexpr Alu alu(numerics::BinaryFunction function) { return static_cast<Alu>(function); }
constexpr Alu alu(numerics::UnaryFunction function) {
  return static_cast<Alu>(64 + static_cast<int>(function));
}
constexpr Alu alu(uint8_t function) { return static_cast<Alu>(function); }
constexpr bool is_binary(Alu op) { return static_cast<int>(op) < 64; }
constexpr bool is_unary(Alu op) { return static_cast<int>(op) >= 64 && static_cast<int>(op) < 128; }
constexpr bool is_bitwise(Alu op) { return static_cast<int>(op) >= 192; }
constexpr numerics::BinaryFunction binary_of(Alu op) {
  return static_cast<numerics::BinaryFunction>(op);
}
constexpr numerics::UnaryFunction unary_of(Alu op) {
  return static_cast<numerics::UnaryFunction>(static_cast<int>(op) - 64);
}
// "add", "bitwise_and" ...: NKI's names.
std::string_view name(Alu op);
std::optional<Alu> parse_alu(std::string_view name);

// In fp32; bitwise operators are a bug here.
void apply(Alu op, const float* a, const float* b, float* out, size_t n);
void apply_scalar(Alu op, const float* a, float scalar, bool reversed, float* out, size_t n);
// Over rows, in one pass where numerics has the operator. `reversed`: of the scalars (a column) and
// the rows.
void apply(Alu op, const numerics::Rows& a, const numerics::Rows& b, const numerics::RowsOut& out,
           size_t rows, size_t n);
void apply_scalar(Alu op, const numerics::Rows& a, const numerics::Rows& scalar, bool reversed,
                  const numerics::RowsOut& out, size_t rows, size_t n);
// The operators that rows are reduced by: add, subtract (a0 - a1 - ...), multiply, maximum,
// minimum, abs_max, abs_min, average, logical_and, logical_or, logical_xor; on integers
// bitwise_and, bitwise_or, bitwise_xor.
std::span<const Alu> reductions();
// By one of those that are not bitwise.
float reduce(Alu op, const float* in, size_t n);
float identity(Alu op);
inline float combine(Alu op, float a, float b) {
  float out;
  apply(op, &a, &b, &out, 1);
  return out;
}

// On integers; `bits` is the operand's width, for right shifts and complements. Comparisons give 0
// or 1.
int64_t apply_integer(Alu op, int64_t a, int64_t b, int bits);

}  // namespace thorong::isa
