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
#include "thorong/numerics/rough-inl.h"
#include "thorong/numerics/rows-inl.h"
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

// The same with rough(), a function of several fp32 vectors, good where |x| <= limit (rows-inl.h).
#define THORONG_ROUGH_UNARY(Name, expression, function, limit, ulps, ...) \
  struct Name {                                                           \
    __VA_ARGS__                                                           \
    static constexpr float kRoughLimit = limit;                           \
    static constexpr uint32_t kRoughUlps = ulps;                          \
    template <class V>                                                    \
    static HWY_INLINE V wide(V x) {                                       \
      return expression;                                                  \
    }                                                                     \
    template <class D, class V>                                           \
    static HWY_INLINE V call(D d, V x) {                                  \
      return call_wide<Name>(d, x);                                       \
    }                                                                     \
    template <size_t kCount, class V>                                     \
    static HWY_INLINE void rough(const V* x, V* y) {                      \
      function<kCount>(x, y);                                             \
    }                                                                     \
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

THORONG_ROUGH_UNARY(Exp, keep_nan(x, exponential(x)), rough_exponential, 87.0F, 16,
                    static constexpr bool kSameAtZeros = true;)
THORONG_WIDE_UNARY(Expm1, keep_nan(x, hn::IfThenElse(hn::Eq(x, hn::Zero(hn::DFromV<V>())), x,
                                                     exponential_minus_one(x))))
THORONG_WIDE_UNARY(Log, natural_log(x))
THORONG_WIDE_UNARY(Log1p, log_plus_one(x))
THORONG_WIDE_UNARY(Rsqrt, hn::Div(constant<V>(1.0), hn::Sqrt(x)))
THORONG_ROUGH_UNARY(Tanh, hyperbolic_tangent(x), rough_tanh, 43.0F, 32)
THORONG_ROUGH_UNARY(Logistic, keep_nan(x, times_logistic(constant<V>(1.0), x)), rough_logistic,
                    87.0F, 16, static constexpr bool kSameAtZeros = true;)
THORONG_ROUGH_UNARY(Silu, keep_nan(x, times_logistic(lower_bounded(x), x)), rough_silu, 80.0F, 16)
THORONG_WIDE_UNARY(Erf, error_function(x))
THORONG_WIDE_UNARY(Gelu, gelu(x))
THORONG_ROUGH_UNARY(GeluTanh, gelu_tanh(x), rough_gelu_tanh, 4.0F, 64)
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

template <class Op>
constexpr size_t kGroup = has_rough<Op>() ? 4 : 1;

void hard_unary_kernel(UnaryFunction function, const Rows& in, const internal::Affine* affine,
                       const RowsOut& out, size_t rows, size_t n) {
  using F = UnaryFunction;
  switch (function) {
    case F::kExp:
      return unary_rows<Exp, kGroup<Exp>>(in, affine, out, rows, n);
    case F::kExpm1:
      return unary_rows<Expm1, kGroup<Expm1>>(in, affine, out, rows, n);
    case F::kLog:
      return unary_rows<Log, kGroup<Log>>(in, affine, out, rows, n);
    case F::kLog1p:
      return unary_rows<Log1p, kGroup<Log1p>>(in, affine, out, rows, n);
    case F::kRsqrt:
      return unary_rows<Rsqrt, kGroup<Rsqrt>>(in, affine, out, rows, n);
    case F::kTanh:
      return unary_rows<Tanh, kGroup<Tanh>>(in, affine, out, rows, n);
    case F::kLogistic:
      return unary_rows<Logistic, kGroup<Logistic>>(in, affine, out, rows, n);
    case F::kSilu:
      return unary_rows<Silu, kGroup<Silu>>(in, affine, out, rows, n);
    case F::kErf:
      return unary_rows<Erf, kGroup<Erf>>(in, affine, out, rows, n);
    case F::kGelu:
      return unary_rows<Gelu, kGroup<Gelu>>(in, affine, out, rows, n);
    case F::kGeluTanh:
      return unary_rows<GeluTanh, kGroup<GeluTanh>>(in, affine, out, rows, n);
    case F::kGeluSigmoid:
      return unary_rows<GeluSigmoid, kGroup<GeluSigmoid>>(in, affine, out, rows, n);
    case F::kGeluSigmoidDx:
      return unary_rows<GeluSigmoidDx, kGroup<GeluSigmoidDx>>(in, affine, out, rows, n);
    case F::kGeluDx:
      return unary_rows<GeluDx, kGroup<GeluDx>>(in, affine, out, rows, n);
    case F::kSiluDx:
      return unary_rows<SiluDx, kGroup<SiluDx>>(in, affine, out, rows, n);
    case F::kErfDx:
      return unary_rows<ErfDx, kGroup<ErfDx>>(in, affine, out, rows, n);
    case F::kMish:
      return unary_rows<Mish, kGroup<Mish>>(in, affine, out, rows, n);
    case F::kSoftplus:
      return unary_rows<Softplus, kGroup<Softplus>>(in, affine, out, rows, n);
    case F::kSine:
      return unary_rows<Sine, kGroup<Sine>>(in, affine, out, rows, n);
    case F::kCosine:
      return unary_rows<Cosine, kGroup<Cosine>>(in, affine, out, rows, n);
    case F::kTan:
      return unary_rows<Tangent, kGroup<Tangent>>(in, affine, out, rows, n);
    case F::kAtan:
      return unary_rows<ArcTangent, kGroup<ArcTangent>>(in, affine, out, rows, n);
    default:
      break;  // elementwise.cc has the others: internal::is_simple
  }
}

void hard_binary_kernel(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                        size_t rows, size_t n) {
  using F = BinaryFunction;
  switch (function) {
    case F::kPower:
      return binary_rows<Power, 1>(a, b, out, rows, n);
    case F::kRemainder:
      return binary_rows<RemainderOp<false>, 1>(a, b, out, rows, n);
    case F::kModulo:
      return binary_rows<RemainderOp<true>, 1>(a, b, out, rows, n);
    case F::kAtan2:
      return binary_rows<ArcTangent2, 1>(a, b, out, rows, n);
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

void hard_unary(UnaryFunction function, const Rows& in, const Affine* affine, const RowsOut& out,
                size_t rows, size_t n) {
  HWY_DYNAMIC_DISPATCH(hard_unary_kernel)(function, in, affine, out, rows, n);
}
void hard_binary(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out,
                 size_t rows, size_t n) {
  HWY_DYNAMIC_DISPATCH(hard_binary_kernel)(function, a, b, out, rows, n);
}

}  // namespace thorong::numerics::internal
#endif  // HWY_ONCE
