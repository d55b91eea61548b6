// SPDX-License-Identifier: Apache-2.0
// Elementwise functions and reductions of the engines, in fp32 (D4): SIMD by Highway with run-time
// dispatch, the same bits for every vector width, thread count and host. Transcendental functions
// are within 2 ulp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "thorong/numerics/rows.h"

namespace thorong::numerics {

// NaNs of plain C++ arithmetic differ between hosts in sign and payload; those of the functions
// below are this one.
inline float canonical(float value) {
  return value == value ? value : std::numeric_limits<float>::quiet_NaN();
}

// One row each: THORONG_UNARY(enumerator, name, meaning). Names are StableHLO's where it has the
// function.
#define THORONG_UNARY_FUNCTIONS(X)                                       \
  X(kCopy, "copy")                                                       \
  X(kNegate, "negate")                                                   \
  X(kAbs, "abs")                                                         \
  X(kSign, "sign") /* NaN stays NaN, -0 -> -0 */                         \
  X(kSquare, "square")                                                   \
  X(kSqrt, "sqrt") /* correctly rounded */                               \
  X(kRsqrt, "rsqrt")                                                     \
  X(kReciprocal, "reciprocal") /* 1 / x correctly rounded */             \
  X(kExp, "exponential")                                                 \
  X(kExpm1, "exponential_minus_one")                                     \
  X(kLog, "log")                                                         \
  X(kLog1p, "log_plus_one")                                              \
  X(kTanh, "tanh")                                                       \
  X(kLogistic, "logistic")                                               \
  X(kErf, "erf")                                                         \
  X(kGelu, "gelu")          /* x/2 (1 + erf(x/sqrt 2)) */                \
  X(kGeluTanh, "gelu_tanh") /* tanh approximation */                     \
  X(kSilu, "silu")                                                       \
  X(kMish, "mish")                                                       \
  X(kSoftplus, "softplus")                                               \
  X(kSine, "sine")                                                       \
  X(kCosine, "cosine")                                                   \
  X(kTan, "tan")                                                         \
  X(kAtan, "atan")                                                       \
  X(kRelu, "relu") /* NaN stays NaN */                                   \
  X(kFloor, "floor")                                                     \
  X(kCeil, "ceil")                                                       \
  X(kRoundNearestEven, "round_nearest_even")                             \
  X(kRoundNearestAfz, "round_nearest_afz")                               \
  X(kTruncate, "truncate")                                               \
  X(kIsFinite, "is_finite") /* 0 or 1 */                                 \
  X(kIsNan, "is_nan")                                                    \
  X(kIsInf, "is_inf")                                                    \
  X(kLogicalNot, "logical_not")                                          \
  X(kGeluSigmoid, "gelu_apprx_sigmoid")      /* x * logistic(1.702 x) */ \
  X(kGeluSigmoidDx, "gelu_apprx_sigmoid_dx") /* derivatives */           \
  X(kGeluDx, "gelu_dx")                                                  \
  X(kSiluDx, "silu_dx")                                                  \
  X(kErfDx, "erf_dx")

#define THORONG_BINARY_FUNCTIONS(X)                              \
  X(kAdd, "add")                                                 \
  X(kSubtract, "subtract")                                       \
  X(kMultiply, "multiply")                                       \
  X(kDivide, "divide")   /* correctly rounded */                 \
  X(kMaximum, "maximum") /* NaN if either is NaN */              \
  X(kMinimum, "minimum")                                         \
  X(kPower, "power")         /* C pow's special cases */         \
  X(kRemainder, "remainder") /* C fmod */                        \
  X(kModulo, "modulo")       /* sign of the divisor, Python % */ \
  X(kAtan2, "atan2")                                             \
  X(kEq, "eq") /* comparisons give 0 or 1 */                     \
  X(kNe, "ne")                                                   \
  X(kLt, "lt")                                                   \
  X(kLe, "le")                                                   \
  X(kGt, "gt")                                                   \
  X(kGe, "ge")                                                   \
  X(kLogicalAnd, "and") /* on x != 0 */                          \
  X(kLogicalOr, "or")                                            \
  X(kLogicalXor, "xor")

enum class UnaryFunction : uint8_t {
#define THORONG_X(enumerator, name) enumerator,
  THORONG_UNARY_FUNCTIONS(THORONG_X)
#undef THORONG_X
};
enum class BinaryFunction : uint8_t {
#define THORONG_X(enumerator, name) enumerator,
  THORONG_BINARY_FUNCTIONS(THORONG_X)
#undef THORONG_X
};

std::string_view name(UnaryFunction function);
std::string_view name(BinaryFunction function);
std::optional<UnaryFunction> parse_unary_function(std::string_view name);
std::optional<BinaryFunction> parse_binary_function(std::string_view name);

// Over rows of n elements each, in one pass; `out` may be an input, element by element.
void apply(UnaryFunction function, const Rows& in, const RowsOut& out, size_t rows, size_t n);
void apply(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out, size_t rows,
           size_t n);
// function(in * scale + bias): one fp32 multiply, one fp32 add (two roundings), then the function;
// in one pass where scale and bias are columns.
void activate(UnaryFunction function, const Rows& in, const Rows& scale, const Rows& bias,
              const RowsOut& out, size_t rows, size_t n);

// op1(op0(in0, scalar), in1), each rounded to fp32; the hot path of depthwise convolution, in one
// pass with multiply, then add, of a column.
void scalar_tensor_tensor(BinaryFunction op0, BinaryFunction op1, const Rows& in0,
                          const Rows& scalar, const Rows& in1, const RowsOut& out, size_t rows,
                          size_t n);

// out[i] = function(in[i]); in and out may be the same array. n elements, no alignment needed, any
// tail length.
void apply(UnaryFunction function, const float* in, float* out, size_t n);
// out[i] = function(a[i], b[i]); out may be a or b.
void apply(BinaryFunction function, const float* a, const float* b, float* out, size_t n);
// out[i] = function(a[i], scalar), or function(scalar, a[i]) when `reversed`.
void apply_scalar(BinaryFunction function, const float* a, float scalar, bool reversed, float* out,
                  size_t n);
void activate(UnaryFunction function, const float* in, float scale, float bias, float* out,
              size_t n);
// out[i] = predicate[i] != 0 ? on_true[i] : on_false[i].
void select(const float* predicate, const float* on_true, const float* on_false, float* out,
            size_t n);

// The order of every free-dimension reduction: sixteen partial results, element i goes to partial i
// % 16 in increasing i, then partials are combined pairwise (0 with 8, 1 with 9, ...; then 4, 2,
// 1). Independent of the host's vector width. function: kAdd, kMultiply, kMaximum, kMinimum (others
// are a bug). n may be 0: gives 0, 1, -inf, +inf.
float reduce(BinaryFunction function, const float* in, size_t n);
// Each row's, in that order.
void reduce(BinaryFunction function, const Rows& in, float* out, size_t rows, size_t n);
// Many reductions side by side, each in the order of `reduce`: out[i] is that of in[i * step +
// offsets[g]] over g. step: 1 or 2.
void reduce_windows(BinaryFunction function, const float* in, size_t step,
                    std::span<const int32_t> offsets, float* out, size_t n);

// The exact-order matrix product of one tensor-engine instruction (D4):
//   sum = +0; for k in 0..K-1 ascending: sum = fma(stationary[k][m], moving[k][n], sum)
//   psum[m][n] = accumulate ? psum[m][n] + sum : sum
// for m < M, n < N. Row strides in elements; rows contiguous. M, N, K up to whatever the chip has
// (128, 512, 128 typical; any value must work). Near the host's FMA peak: register tiles over m and
// n, vectors along n or, for a narrow N, along m. A NaN in the result is always 0x7FC00000.
void multiply_tile(const float* stationary, size_t stationary_stride, const float* moving,
                   size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                   size_t K, bool accumulate);
// The same for columns that do not follow each other: column n of a row is at its offset, from the
// row's begin; the offsets of psum increase. Elements of `moving` between its first and last offset
// may be read, and those of psum between the offsets be rewritten as they were. Returns false,
// having done nothing, where this would not pay (many gaps, more than kMostStridedColumns with
// them, a large K): bring the columns together first.
inline constexpr size_t kMostStridedColumns = 1024;
bool multiply_tile_strided(const float* stationary, size_t stationary_stride, const float* moving,
                           size_t moving_stride, std::span<const int32_t> moving_offsets,
                           float* psum, size_t psum_stride, std::span<const int32_t> psum_offsets,
                           size_t M, size_t K, bool accumulate);

// The SIMD targets that can run here, best first ("AVX3", "AVX2", "NEON", "EMU128" or "SCALAR"),
// and a way for tests to force one (empty: automatic). Process-wide, for tests and
// `THORONG_SIMD_TARGET` only.
std::string_view simd_target();
bool force_simd_target(std::string_view name);

}  // namespace thorong::numerics
