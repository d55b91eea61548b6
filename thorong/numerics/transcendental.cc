// SPDX-License-Identifier: Apache-2.0
// The elementwise functions that need polynomials: widened to double, computed by the -inl.h files,
// rounded once to fp32.
//
// C's remainder and Python's modulo are exact operations; they go lane by lane through std::fmod.
#include "thorong/numerics/functions.h"
#include "thorong/numerics/kernels.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/transcendental.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include "thorong/numerics/transcendental-inl.h"
#include "thorong/numerics/trigonometric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// A struct with call() on fp32 vectors, from an expression on double vectors x (and y).
#define THORONG_WIDE_UNARY(Name, expression) \
  struct Name {                              \
    template <class V>                       \
    static HWY_INLINE V wide(V x) {          \
      return expression;                     \
    }                                        \
    template <class D, class V>              \
    static HWY_INLINE V call(D d, V x) {     \
      return call_wide<Name>(d, x);          \
    }                                        \
  };
#define THORONG_WIDE_BINARY(Name, expression) \
  struct Name {                               \
    template <class V>                        \
    static HWY_INLINE V wide(V x, V y) {      \
      return expression;                      \
    }                                         \
    template <class D, class V>               \
    static HWY_INLINE V call(D d, V x, V y) { \
      return call_wide<Name>(d, x, y);        \
    }                                         \
  };

// Op::wide on both halves of fp32 vectors.
template <class Op, class D, class... Vs>
HWY_INLINE hn::Vec<D> call_wide(D d, Vs... x) {
#if HWY_TARGET == HWY_SCALAR
  const hn::Rebind<double, D> wider;
  return canonical(demote(d, Op::wide(hn::PromoteTo(wider, x)...)));
#else
  const hn::Half<D> half;
  const hn::RepartitionToWide<D> wider;
  const auto low = demote(half, Op::wide(hn::PromoteTo(wider, hn::LowerHalf(half, x))...));
  const auto high = demote(half, Op::wide(hn::PromoteTo(wider, hn::UpperHalf(half, x))...));
  return canonical(hn::Combine(d, high, low));
#endif
}

THORONG_WIDE_UNARY(Exp, keep_nan(x, exponential(x)))
THORONG_WIDE_UNARY(Expm1, keep_nan(x, hn::IfThenElse(hn::Eq(x, hn::Zero(hn::DFromV<V>())), x,
                                                     exponential_minus_one(x))))
THORONG_WIDE_UNARY(Log, natural_log(x))
THORONG_WIDE_UNARY(Log1p, log_plus_one(x))
THORONG_WIDE_UNARY(Rsqrt, hn::Div(constant<V>(1.0), hn::Sqrt(x)))
THORONG_WIDE_UNARY(Tanh, hyperbolic_tangent(x))
THORONG_WIDE_UNARY(Logistic, keep_nan(x, times_logistic(constant<V>(1.0), x)))
THORONG_WIDE_UNARY(Silu, keep_nan(x, times_logistic(lower_bounded(x), x)))
THORONG_WIDE_UNARY(Erf, error_function(x))
THORONG_WIDE_UNARY(Gelu, gelu(x))
THORONG_WIDE_UNARY(GeluTanh, gelu_tanh(x))
THORONG_WIDE_UNARY(GeluSigmoid,
                   keep_nan(x, times_logistic(lower_bounded(x), hn::Mul(x, constant<V>(1.702)))))
THORONG_WIDE_UNARY(GeluSigmoidDx, logistic_gate_derivative(x, 1.702))
THORONG_WIDE_UNARY(GeluDx, gelu_derivative(x))
THORONG_WIDE_UNARY(SiluDx, logistic_gate_derivative(x, 1.0))
THORONG_WIDE_UNARY(ErfDx, erf_derivative(x))
THORONG_WIDE_UNARY(Mish, mish(x))
THORONG_WIDE_UNARY(Softplus, softplus(x))
THORONG_WIDE_UNARY(Sine, sine_shifted(x, 0))
THORONG_WIDE_UNARY(Cosine, sine_shifted(x, 1))
THORONG_WIDE_UNARY(Tangent, tangent(x))
THORONG_WIDE_UNARY(ArcTangent, arc_tangent(x))
THORONG_WIDE_BINARY(Power, power(x, y))
THORONG_WIDE_BINARY(ArcTangent2, arc_tangent2(x, y))

HWY_INLINE float modulo_scalar(float x, float y) {
  const float rest = std::fmod(x, y);
  if (rest == 0.0F) return std::copysign(0.0F, y);
  return (rest < 0.0F) != (y < 0.0F) ? rest + y : rest;
}

template <bool kSignOfDivisor>
struct RemainderOp {
  template <class D, class V>
  static HWY_INLINE V call(D d, V x, V y) {
    HWY_ALIGN float xs[hn::MaxLanes(d)];
    HWY_ALIGN float ys[hn::MaxLanes(d)];
    hn::Store(x, d, xs);
    hn::Store(y, d, ys);
    for (size_t i = 0; i < hn::Lanes(d); ++i) {
      xs[i] = kSignOfDivisor ? modulo_scalar(xs[i], ys[i]) : std::fmod(xs[i], ys[i]);
    }
    return canonical(hn::Load(d, xs));
  }
};

void hard_unary_kernel(UnaryFunction function, const float* in, float* out, size_t n) {
  using F = UnaryFunction;
  switch (function) {
    case F::kExp:
      return map_unary<Exp>(in, out, n);
    case F::kExpm1:
      return map_unary<Expm1>(in, out, n);
    case F::kLog:
      return map_unary<Log>(in, out, n);
    case F::kLog1p:
      return map_unary<Log1p>(in, out, n);
    case F::kRsqrt:
      return map_unary<Rsqrt>(in, out, n);
    case F::kTanh:
      return map_unary<Tanh>(in, out, n);
    case F::kLogistic:
      return map_unary<Logistic>(in, out, n);
    case F::kSilu:
      return map_unary<Silu>(in, out, n);
    case F::kErf:
      return map_unary<Erf>(in, out, n);
    case F::kGelu:
      return map_unary<Gelu>(in, out, n);
    case F::kGeluTanh:
      return map_unary<GeluTanh>(in, out, n);
    case F::kGeluSigmoid:
      return map_unary<GeluSigmoid>(in, out, n);
    case F::kGeluSigmoidDx:
      return map_unary<GeluSigmoidDx>(in, out, n);
    case F::kGeluDx:
      return map_unary<GeluDx>(in, out, n);
    case F::kSiluDx:
      return map_unary<SiluDx>(in, out, n);
    case F::kErfDx:
      return map_unary<ErfDx>(in, out, n);
    case F::kMish:
      return map_unary<Mish>(in, out, n);
    case F::kSoftplus:
      return map_unary<Softplus>(in, out, n);
    case F::kSine:
      return map_unary<Sine>(in, out, n);
    case F::kCosine:
      return map_unary<Cosine>(in, out, n);
    case F::kTan:
      return map_unary<Tangent>(in, out, n);
    case F::kAtan:
      return map_unary<ArcTangent>(in, out, n);
    default:
      break;  // elementwise.cc has the others: internal::is_simple
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

void hard_binary_kernel(BinaryFunction function, internal::Operands operands, const float* a,
                        const float* b, float scalar, float* out, size_t n) {
  using F = BinaryFunction;
  switch (function) {
    case F::kPower:
      return map_operands<Power>(operands, a, b, scalar, out, n);
    case F::kRemainder:
      return map_operands<RemainderOp<false>>(operands, a, b, scalar, out, n);
    case F::kModulo:
      return map_operands<RemainderOp<true>>(operands, a, b, scalar, out, n);
    case F::kAtan2:
      return map_operands<ArcTangent2>(operands, a, b, scalar, out, n);
    default:
      break;  // elementwise.cc has the others: internal::is_simple
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics::internal {

HWY_EXPORT(hard_unary_kernel);
HWY_EXPORT(hard_binary_kernel);

void hard_unary(UnaryFunction function, const float* in, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(hard_unary_kernel)(function, in, out, n);
}
void hard_binary(BinaryFunction function, Operands operands, const float* a, const float* b,
                 float scalar, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(hard_binary_kernel)(function, operands, a, b, scalar, out, n);
}

}  // namespace thorong::numerics::internal
#endif  // HWY_ONCE
