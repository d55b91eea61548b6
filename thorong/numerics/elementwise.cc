// SPDX-License-Identifier: Apache-2.0
// The elementwise functions that one or a few exact vector instructions give: arithmetic,
// comparison, rounding, logic.
//
// Each function is a struct with call(); the loops of simd-inl.h are instantiated with it. Results
// that can be NaN by arithmetic are made canonical; copy, negate, abs and select move bits and
// leave a NaN as it is.
#include "thorong/numerics/functions.h"
#include "thorong/numerics/kernels.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/elementwise.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

#define THORONG_UNARY_OP(Name, expression) \
  struct Name {                            \
    template <class D, class V>            \
    static HWY_INLINE V call(D d, V x) {   \
      (void)d;                             \
      return expression;                   \
    }                                      \
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

THORONG_UNARY_OP(Copy, x)
THORONG_UNARY_OP(Negate, hn::Neg(x))
THORONG_UNARY_OP(AbsoluteValue, hn::Abs(x))
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

void unary_kernel(UnaryFunction function, const float* in, float* out, size_t n) {
  using F = UnaryFunction;
  switch (function) {
    case F::kCopy:
      return map_unary<Copy>(in, out, n);
    case F::kNegate:
      return map_unary<Negate>(in, out, n);
    case F::kAbs:
      return map_unary<AbsoluteValue>(in, out, n);
    case F::kSign:
      return map_unary<Sign>(in, out, n);
    case F::kSquare:
      return map_unary<Square>(in, out, n);
    case F::kSqrt:
      return map_unary<SquareRoot>(in, out, n);
    case F::kReciprocal:
      return map_unary<Reciprocal>(in, out, n);
    case F::kRelu:
      return map_unary<Relu>(in, out, n);
    case F::kFloor:
      return map_unary<Floor>(in, out, n);
    case F::kCeil:
      return map_unary<Ceil>(in, out, n);
    case F::kRoundNearestEven:
      return map_unary<RoundNearestEven>(in, out, n);
    case F::kRoundNearestAfz:
      return map_unary<RoundNearestAfz>(in, out, n);
    case F::kTruncate:
      return map_unary<Truncate>(in, out, n);
    case F::kIsFinite:
      return map_unary<IsFinite>(in, out, n);
    case F::kIsNan:
      return map_unary<IsNanOp>(in, out, n);
    case F::kIsInf:
      return map_unary<IsInfOp>(in, out, n);
    case F::kLogicalNot:
      return map_unary<LogicalNot>(in, out, n);
    default:
      break;  // see internal::is_simple
  }
}

template <class Op>
HWY_INLINE void map_operands(internal::Operands operands, const float* a, const float* b,
                             float scalar, float* out, size_t n) {
  switch (operands) {
    case internal::Operands::kArrays:
      return map_binary<Op>(ArrayOperand{a}, ArrayOperand{b}, out, n);
    case internal::Operands::kArrayScalar:
      return map_binary<Op>(ArrayOperand{a}, ScalarOperand{scalar}, out, n);
    case internal::Operands::kScalarArray:
      return map_binary<Op>(ScalarOperand{scalar}, ArrayOperand{a}, out, n);
  }
}

void binary_kernel(BinaryFunction function, internal::Operands operands, const float* a,
                   const float* b, float scalar, float* out, size_t n) {
  using F = BinaryFunction;
  switch (function) {
    case F::kAdd:
      return map_operands<Add>(operands, a, b, scalar, out, n);
    case F::kSubtract:
      return map_operands<Subtract>(operands, a, b, scalar, out, n);
    case F::kMultiply:
      return map_operands<Multiply>(operands, a, b, scalar, out, n);
    case F::kDivide:
      return map_operands<Divide>(operands, a, b, scalar, out, n);
    case F::kMaximum:
      return map_operands<Maximum>(operands, a, b, scalar, out, n);
    case F::kMinimum:
      return map_operands<Minimum>(operands, a, b, scalar, out, n);
    case F::kEq:
      return map_operands<Eq>(operands, a, b, scalar, out, n);
    case F::kNe:
      return map_operands<Ne>(operands, a, b, scalar, out, n);
    case F::kLt:
      return map_operands<Lt>(operands, a, b, scalar, out, n);
    case F::kLe:
      return map_operands<Le>(operands, a, b, scalar, out, n);
    case F::kGt:
      return map_operands<Gt>(operands, a, b, scalar, out, n);
    case F::kGe:
      return map_operands<Ge>(operands, a, b, scalar, out, n);
    case F::kLogicalAnd:
      return map_operands<LogicalAnd>(operands, a, b, scalar, out, n);
    case F::kLogicalOr:
      return map_operands<LogicalOr>(operands, a, b, scalar, out, n);
    case F::kLogicalXor:
      return map_operands<LogicalXor>(operands, a, b, scalar, out, n);
    default:
      break;  // see internal::is_simple
  }
}

template <bool kRelu>
HWY_NOINLINE void affine_loop(const float* in, float scale, float bias, float* out, size_t n) {
  const hn::ScalableTag<float> d;
  const auto vscale = hn::Set(d, scale);
  const auto vbias = hn::Set(d, bias);
  const size_t lanes = hn::Lanes(d);
  for (size_t i = 0; i < n; i += lanes) {
    const bool whole = i + lanes <= n;
    const auto x = whole ? hn::LoadU(d, in + i) : load_n(d, in + i, n - i);
    const auto y = canonical(hn::Add(hn::Mul(x, vscale), vbias));
    const auto result = kRelu ? relu(y) : y;
    if (whole) {
      hn::StoreU(result, d, out + i);
    } else {
      store_n(result, d, out + i, n - i);
    }
  }
}

void affine_kernel(const float* in, float scale, float bias, bool relu_after, float* out,
                   size_t n) {
  return relu_after ? affine_loop<true>(in, scale, bias, out, n)
                    : affine_loop<false>(in, scale, bias, out, n);
}

// multiply_then_add and select have three operands; `step` computes one vector from the loaded
// three.
void multiply_add_kernel(const float* in0, float scalar, const float* in1, float* out, size_t n) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, scalar);
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto product = hn::Mul(hn::LoadU(d, in0 + i), factor);
    hn::StoreU(canonical(hn::Add(product, hn::LoadU(d, in1 + i))), d, out + i);
  }
  if (i < n) {
    const auto product = hn::Mul(load_n(d, in0 + i, n - i), factor);
    store_n(canonical(hn::Add(product, load_n(d, in1 + i, n - i))), d, out + i, n - i);
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

void replace_unkept_kernel(const float* in, const int32_t* keep, float* out, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto kept = hn::MaskFromVec(hn::BitCast(d, hn::LoadU(di, keep + i)));
    hn::StoreU(hn::IfThenElse(kept, hn::LoadU(d, out + i), hn::LoadU(d, in + i)), d, out + i);
  }
  for (; i < n; ++i) out[i] = keep[i] != 0 ? out[i] : in[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(unary_kernel);
HWY_EXPORT(binary_kernel);
HWY_EXPORT(affine_kernel);
HWY_EXPORT(multiply_add_kernel);
HWY_EXPORT(select_kernel);
HWY_EXPORT(replace_unkept_kernel);

void replace_unkept(const float* in, const int32_t* keep, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(replace_unkept_kernel)(in, keep, out, n);
}

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

void simple_unary(UnaryFunction function, const float* in, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(unary_kernel)(function, in, out, n);
}
void simple_binary(BinaryFunction function, Operands operands, const float* a, const float* b,
                   float scalar, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(binary_kernel)(function, operands, a, b, scalar, out, n);
}
void affine(const float* in, float scale, float bias, bool relu, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(affine_kernel)(in, scale, bias, relu, out, n);
}
void multiply_then_add(const float* in0, float scalar, const float* in1, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(multiply_add_kernel)(in0, scalar, in1, out, n);
}

}  // namespace internal
}  // namespace thorong::numerics
#endif  // HWY_ONCE
