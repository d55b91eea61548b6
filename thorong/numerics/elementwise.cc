// SPDX-License-Identifier: Apache-2.0
// The elementwise functions that one or a few exact vector instructions give: arithmetic,
// comparison, rounding, logic.
//
// Each function is a struct with call(); the loops of rows-inl.h are instantiated with it. Results
// that can be NaN by arithmetic are made canonical; copy, negate, abs and select move bits and
// leave a NaN as it is.
#include "thorong/numerics/functions.h"
#include "thorong/numerics/kernels.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/elementwise.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include "thorong/numerics/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

#define THORONG_UNARY_OP(Name, expression, ...) \
  struct Name {                                 \
    __VA_ARGS__                                 \
    template <class D, class V>                 \
    static HWY_INLINE V call(D d, V x) {        \
      (void)d;                                  \
      return expression;                        \
    }                                           \
  };
#define THORONG_BINARY_OP(Name, expression)   \
  struct Name {                               \
    template <class D, class V>               \
    static HWY_INLINE V call(D d, V x, V y) { \
      (void)d;                                \
      return expression;                      \
    }                                         \
  };

// 1 where the mask holds, else 0.
template <class D, class M>
HWY_INLINE hn::Vec<D> indicator(D d, M mask) {
  return hn::IfThenElseZero(mask, hn::Set(d, 1.0F));
}
template <class V>
HWY_INLINE V relu(V x) {
  return hn::IfThenElse(hn::Le(x, hn::Zero(hn::DFromV<V>())), hn::Zero(hn::DFromV<V>()),
                        canonical(x));
}
template <class V>
HWY_INLINE V sign(V x) {
  const hn::DFromV<V> d;
  const V magnitude = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Zero(d), hn::Set(d, 1.0F));
  return canonical(hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(magnitude, x)));
}
template <class V>
HWY_INLINE V round_nearest_even(V x) {
  const hn::DFromV<V> d;
  const V shift = hn::Set(d, 8388608.0F);  // 2^23: above it every fp32 is an integer
  const V magnitude = hn::Abs(x);
  const V rounded = hn::CopySign(hn::Sub(hn::Add(magnitude, shift), shift), x);
  return canonical(hn::IfThenElse(hn::Lt(magnitude, shift), rounded, x));
}
template <class V>
HWY_INLINE V round_nearest_afz(V x) {
  const hn::DFromV<V> d;
  const V whole = truncate(hn::Abs(x));
  const V away = indicator(d, hn::Ge(hn::Sub(hn::Abs(x), whole), hn::Set(d, 0.5F)));
  return canonical(hn::CopySign(hn::Add(whole, away), x));
}

THORONG_UNARY_OP(Copy, x, static constexpr bool kMovesBits = true;)
THORONG_UNARY_OP(Negate, hn::Neg(x), static constexpr bool kMovesBits = true;)
THORONG_UNARY_OP(AbsoluteValue, hn::Abs(x), static constexpr bool kMovesBits = true;)
THORONG_UNARY_OP(Sign, sign(x))
THORONG_UNARY_OP(Square, canonical(hn::Mul(x, x)))
THORONG_UNARY_OP(SquareRoot, canonical(hn::Sqrt(x)))
THORONG_UNARY_OP(Reciprocal, canonical(hn::Div(hn::Set(d, 1.0F), x)))
THORONG_UNARY_OP(Relu, relu(x))
THORONG_UNARY_OP(Floor, canonical(floor(x)))
THORONG_UNARY_OP(Ceil, canonical(ceil(x)))
THORONG_UNARY_OP(RoundNearestEven, round_nearest_even(x))
THORONG_UNARY_OP(RoundNearestAfz, round_nearest_afz(x))
THORONG_UNARY_OP(Truncate, canonical(truncate(x)))
THORONG_UNARY_OP(IsFinite, indicator(d, hn::Lt(hn::Abs(x), hn::Inf(d))))
THORONG_UNARY_OP(IsNanOp, indicator(d, hn::IsNaN(x)))
THORONG_UNARY_OP(IsInfOp, indicator(d, hn::Eq(hn::Abs(x), hn::Inf(d))))
THORONG_UNARY_OP(LogicalNot, indicator(d, hn::Eq(x, hn::Zero(d))))

THORONG_BINARY_OP(Add, canonical(hn::Add(x, y)))
THORONG_BINARY_OP(Subtract, canonical(hn::Sub(x, y)))
THORONG_BINARY_OP(Multiply, canonical(hn::Mul(x, y)))
THORONG_BINARY_OP(Divide, canonical(hn::Div(x, y)))
THORONG_BINARY_OP(Maximum, canonical(maximum(x, y)))
THORONG_BINARY_OP(Minimum, canonical(minimum(x, y)))
THORONG_BINARY_OP(Eq, indicator(d, hn::Eq(x, y)))
THORONG_BINARY_OP(Ne, indicator(d, not_equal(x, y)))
THORONG_BINARY_OP(Lt, indicator(d, hn::Lt(x, y)))
THORONG_BINARY_OP(Le, indicator(d, hn::Le(x, y)))
THORONG_BINARY_OP(Gt, indicator(d, hn::Gt(x, y)))
THORONG_BINARY_OP(Ge, indicator(d, hn::Ge(x, y)))
THORONG_BINARY_OP(LogicalAnd,
                  indicator(d, hn::And(not_equal(x, hn::Zero(d)), not_equal(y, hn::Zero(d)))))
THORONG_BINARY_OP(LogicalOr,
                  indicator(d, hn::Or(not_equal(x, hn::Zero(d)), not_equal(y, hn::Zero(d)))))
THORONG_BINARY_OP(LogicalXor,
                  indicator(d, hn::Xor(not_equal(x, hn::Zero(d)), not_equal(y, hn::Zero(d)))))

constexpr size_t kGroup = 4;

void unary_kernel(UnaryFunction function, const Rows& in, const internal::Affine* affine,
                  const RowsOut& out, size_t rows, size_t n) {
  using F = UnaryFunction;
  switch (function) {
    case F::kCopy:
      return unary_rows<Copy, kGroup>(in, affine, out, rows, n);
    case F::kNegate:
      return unary_rows<Negate, kGroup>(in, affine, out, rows, n);
    case F::kAbs:
      return unary_rows<AbsoluteValue, kGroup>(in, affine, out, rows, n);
    case F::kSign:
      return unary_rows<Sign, kGroup>(in, affine, out, rows, n);
    case F::kSquare:
      return unary_rows<Square, kGroup>(in, affine, out, rows, n);
    case F::kSqrt:
      return unary_rows<SquareRoot, kGroup>(in, affine, out, rows, n);
    case F::kReciprocal:
      return unary_rows<Reciprocal, kGroup>(in, affine, out, rows, n);
    case F::kRelu:
      return unary_rows<Relu, kGroup>(in, affine, out, rows, n);
    case F::kFloor:
      return unary_rows<Floor, kGroup>(in, affine, out, rows, n);
    case F::kCeil:
      return unary_rows<Ceil, kGroup>(in, affine, out, rows, n);
    case F::kRoundNearestEven:
      return unary_rows<RoundNearestEven, kGroup>(in, affine, out, rows, n);
    case F::kRoundNearestAfz:
      return unary_rows<RoundNearestAfz, kGroup>(in, affine, out, rows, n);
    case F::kTruncate:
      return unary_rows<Truncate, kGroup>(in, affine, out, rows, n);
    case F::kIsFinite:
      return unary_rows<IsFinite, kGroup>(in, affine, out, rows, n);
    case F::kIsNan:
      return unary_rows<IsNanOp, kGroup>(in, affine, out, rows, n);
    case F::kIsInf:
      return unary_rows<IsInfOp, kGroup>(in, affine, out, rows, n);
    case F::kLogicalNot:
      return unary_rows<LogicalNot, kGroup>(in, affine, out, rows, n);
    default:
      break;  // see internal::is_simple
  }
}

void binary_kernel(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                   size_t rows, size_t n) {
  using F = BinaryFunction;
  switch (function) {
    case F::kAdd:
      return binary_rows<Add, kGroup>(a, b, out, rows, n);
    case F::kSubtract:
      return binary_rows<Subtract, kGroup>(a, b, out, rows, n);
    case F::kMultiply:
      return binary_rows<Multiply, kGroup>(a, b, out, rows, n);
    case F::kDivide:
      return binary_rows<Divide, kGroup>(a, b, out, rows, n);
    case F::kMaximum:
      return binary_rows<Maximum, kGroup>(a, b, out, rows, n);
    case F::kMinimum:
      return binary_rows<Minimum, kGroup>(a, b, out, rows, n);
    case F::kEq:
      return binary_rows<Eq, kGroup>(a, b, out, rows, n);
    case F::kNe:
      return binary_rows<Ne, kGroup>(a, b, out, rows, n);
    case F::kLt:
      return binary_rows<Lt, kGroup>(a, b, out, rows, n);
    case F::kLe:
      return binary_rows<Le, kGroup>(a, b, out, rows, n);
    case F::kGt:
      return binary_rows<Gt, kGroup>(a, b, out, rows, n);
    case F::kGe:
      return binary_rows<Ge, kGroup>(a, b, out, rows, n);
    case F::kLogicalAnd:
      return binary_rows<LogicalAnd, kGroup>(a, b, out, rows, n);
    case F::kLogicalOr:
      return binary_rows<LogicalOr, kGroup>(a, b, out, rows, n);
    case F::kLogicalXor:
      return binary_rows<LogicalXor, kGroup>(a, b, out, rows, n);
    default:
      break;  // see internal::is_simple
  }
}

void multiply_add_kernel(const Rows& in0, const Rows& scalar, const Rows& in1, const RowsOut& out,
                         size_t rows, size_t n) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr size_t kWidth = hn::MaxLanes(hn::ScalableTag<float>());
  constexpr size_t kTogether = 4;
  for (size_t r = 0; r < rows; ++r) {
    const InRow left = row_of(in0, r);
    const InRow right = row_of(in1, r);
    const OutRow to = row_of(out, r);
    const V factor = hn::Set(d, row_of(scalar, r).value);
    const bool paired = to.narrow != nullptr && left.wide == nullptr && right.wide == nullptr;
    size_t i = 0;
    for (; i + kTogether * kWidth <= n; i += kTogether * kWidth) {
      V x[kTogether];
      V y[kTogether];
      load_group<kTogether>(d, left, paired, i, x);
      load_group<kTogether>(d, right, paired, i, y);
      HWY_UNROLL(4)
      for (size_t v = 0; v < kTogether; ++v) x[v] = Add::call(d, hn::Mul(x[v], factor), y[v]);
      store_group<Add, kTogether>(d, to, paired, i, x);
    }
    for (; i + kWidth <= n; i += kWidth) {
      V x;
      V y;
      load_group<1>(d, left, false, i, &x);
      load_group<1>(d, right, false, i, &y);
      x = Add::call(d, hn::Mul(x, factor), y);
      store_group<Add, 1>(d, to, false, i, &x);
    }
    if (i == n) continue;
    const V product = hn::Mul(load_rest(d, left, i, n - i), factor);
    store_rest<Add>(d, to, i, Add::call(d, product, load_rest(d, right, i, n - i)), n - i);
  }
}

void select_kernel(const float* predicate, const float* on_true, const float* on_false, float* out,
                   size_t n) {
  const hn::ScalableTag<float> d;
  const auto zero = hn::Zero(d);
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto chosen = not_equal(hn::LoadU(d, predicate + i), zero);
    hn::StoreU(hn::IfThenElse(chosen, hn::LoadU(d, on_true + i), hn::LoadU(d, on_false + i)), d,
               out + i);
  }
  for (; i < n; ++i) out[i] = predicate[i] != 0.0F ? on_true[i] : on_false[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(unary_kernel);
HWY_EXPORT(binary_kernel);
HWY_EXPORT(multiply_add_kernel);
HWY_EXPORT(select_kernel);

void select(const float* predicate, const float* on_true, const float* on_false, float* out,
            size_t n) {
  HWY_DYNAMIC_DISPATCH(select_kernel)(predicate, on_true, on_false, out, n);
}

namespace internal {

bool is_simple(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kCopy:
    case UnaryFunction::kNegate:
    case UnaryFunction::kAbs:
    case UnaryFunction::kSign:
    case UnaryFunction::kSquare:
    case UnaryFunction::kSqrt:
    case UnaryFunction::kReciprocal:
    case UnaryFunction::kRelu:
    case UnaryFunction::kFloor:
    case UnaryFunction::kCeil:
    case UnaryFunction::kRoundNearestEven:
    case UnaryFunction::kRoundNearestAfz:
    case UnaryFunction::kTruncate:
    case UnaryFunction::kIsFinite:
    case UnaryFunction::kIsNan:
    case UnaryFunction::kIsInf:
    case UnaryFunction::kLogicalNot:
      return true;
    default:
      return false;
  }
}

bool is_simple(BinaryFunction function) {
  return function != BinaryFunction::kPower && function != BinaryFunction::kRemainder &&
         function != BinaryFunction::kModulo && function != BinaryFunction::kAtan2;
}

void simple_unary(UnaryFunction function, const Rows& in, const Affine* affine, const RowsOut& out,
                  size_t rows, size_t n) {
  HWY_DYNAMIC_DISPATCH(unary_kernel)(function, in, affine, out, rows, n);
}
void simple_binary(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                   size_t rows, size_t n) {
  HWY_DYNAMIC_DISPATCH(binary_kernel)(function, a, b, out, rows, n);
}
void multiply_then_add(const Rows& in0, const Rows& scalar, const Rows& in1, const RowsOut& out,
                       size_t rows, size_t n) {
  HWY_DYNAMIC_DISPATCH(multiply_add_kernel)(in0, scalar, in1, out, rows, n);
}

}  // namespace internal
}  // namespace thorong::numerics
#endif  // HWY_ONCE
