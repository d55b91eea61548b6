// SPDX-License-Identifier: Apache-2.0
// Exponential, logarithm, error function and what follows from them, on vectors of double.
//
// An fp32 argument is exact as double and never subnormal there, so polynomials good to 2^-37 or
// better, evaluated with fma in double and rounded once to fp32, are within 1 ulp. Polynomials are
// Chebyshev fits (mpmath.chebyfit, 60 digits) on the interval given beside each. No C library
// function is used: its bits differ between hosts. Functions that tend to -0 at -infinity (silu,
// gelu, gelu_tanh, mish) give -0 there.

// clang-format off
#if defined(THORONG_NUMERICS_TRANSCENDENTAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_TRANSCENDENTAL_INL_H_
#undef THORONG_NUMERICS_TRANSCENDENTAL_INL_H_
#else
#define THORONG_NUMERICS_TRANSCENDENTAL_INL_H_
#endif
// clang-format on

#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// In the functions below V is a vector of double.
template <class V>
HWY_INLINE V constant(double value) {
  return hn::Set(hn::DFromV<V>(), value);
}
// The polynomial's part of kCount coefficients (from its lowest on), powers[i] = x^(2^i).
template <size_t kCount, class V>
HWY_INLINE V polynomial_part(const V* powers, const double* coefficients) {
  if constexpr (kCount == 1) {
    return constant<V>(coefficients[0]);
  } else {
    constexpr size_t kLevel = hwy::FloorLog2(kCount - 1);
    constexpr size_t kLow = size_t{1} << kLevel;
    const V high = polynomial_part<kCount - kLow>(powers, coefficients + kLow);
    return fma(high, powers[kLevel], polynomial_part<kLow>(powers, coefficients));
  }
}
// Estrin's scheme: halves side by side, where Horner's rule waits for each step. Coefficients from
// the constant term up.
template <class V, size_t kCount>
HWY_INLINE V polynomial(V x, const double (&coefficients)[kCount]) {
  constexpr size_t kPowers = hwy::FloorLog2(kCount - 1) + 1;
  V powers[kPowers];
  powers[0] = x;
  HWY_UNROLL(8)
  for (size_t i = 1; i < kPowers; ++i) powers[i] = hn::Mul(powers[i - 1], powers[i - 1]);
  return polynomial_part<kCount>(powers, coefficients);
}
template <class V>
HWY_INLINE V clamp(V x, double low, double high) {  // NaN passes
  const V lowest = constant<V>(low);
  const V highest = constant<V>(high);
  return hn::IfThenElse(hn::Lt(x, lowest), lowest, hn::IfThenElse(hn::Gt(x, highest), highest, x));
}
template <class V>
HWY_INLINE V keep_nan(V x, V result) {
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

// Adding this rounds a double below 2^51 to an integer, whose low bits are then the low bits of the
// sum.
constexpr double kRoundShift = 6755399441055744.0;  // 1.5 * 2^52

// e^x = scale * (1 + fraction) for |x| <= 200, scale a power of two, |fraction| < 0.42.
template <class V>
struct Exponential {
  V scale;
  V fraction;
};
template <class V>
HWY_INLINE Exponential<V> exponential_parts(V x) {
  static constexpr double kExpm1OverR[] = {// |r| <= ln(2)/2, error 2^-43.5
                                           1.0,
                                           0.49999999999797773,
                                           0.1666666666664829,
                                           0.0416666668910917,
                                           0.008333333353729397,
                                           0.001388882165071769,
                                           0.00019841208732536384,
                                           2.4876178959085513e-05,
                                           2.762511557828763e-06};
  const hn::RebindToUnsigned<hn::DFromV<V>> du;
  const V shifted = fma(x, constant<V>(0x1.71547652b82fep+0), constant<V>(kRoundShift));
  const V n = hn::Sub(shifted, constant<V>(kRoundShift));
  V r = fma(n, constant<V>(-0x1.62e42fefa39efp-1), x);
  r = fma(n, constant<V>(-0x1.abc9e3b39803fp-56), r);
  const auto exponent = hn::ShiftLeft<52>(hn::BitCast(du, shifted));
  const auto scale = hn::Add(exponent, hn::Set(du, uint64_t{0x3FF0000000000000}));
  return {hn::BitCast(hn::DFromV<V>(), scale), hn::Mul(r, polynomial(r, kExpm1OverR))};
}

// e^x; beyond +-200 that of +-200, which fp32 turns into infinity or 0. Never infinity or 0 itself,
// so quotients and products with it need no special cases. NaN gives garbage: callers use keep_nan
// or an operand that is NaN.
template <class V>
HWY_INLINE V exponential(V x) {
  const Exponential<V> e = exponential_parts(clamp(x, -200.0, 200.0));
  return fma(e.scale, e.fraction, e.scale);
}
// e^x - 1, |x| clamped to 200; relative accuracy near 0.
template <class V>
HWY_INLINE V exponential_minus_one(V x) {
  const Exponential<V> e = exponential_parts(clamp(x, -200.0, 200.0));
  return fma(e.scale, e.fraction, hn::Sub(e.scale, constant<V>(1.0)));
}

// Natural logarithm of u > 0, normal and finite. Where u is in (1/sqrt 2, sqrt 2) `near_one` stands
// for u - 1, and may be more exact than that difference (log1p).
template <class V>
HWY_INLINE V logarithm(V u, V near_one) {
  static constexpr double kTwoAtanhOverS[] = {// z = s^2 <= 0.0295, error 2^-44
                                              1.9999999999999472,  0.6666666667959429,
                                              0.3999999488705754,  0.28572166665469023,
                                              0.22174227198291058, 0.19608438750465837};
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  // k + 1024 = exponent counted so that the mantissa m is in [1/sqrt 2, sqrt 2)
  const auto bits = hn::BitCast(du, u);
  const auto offset = hn::Set(du, uint64_t{0x4000000000000000} - uint64_t{0x3FE6A09E667F3BCD});
  const auto biased = hn::ShiftRight<52>(hn::Add(bits, offset));
  const auto mantissa =
      hn::Add(hn::Sub(bits, hn::ShiftLeft<52>(biased)), hn::Set(du, uint64_t{1024} << 52));
  const V k = hn::Sub(hn::BitCast(d, hn::Or(biased, hn::Set(du, uint64_t{0x4330000000000000}))),
                      constant<V>(4503599627370496.0 + 1024.0));
  const V m_minus_one = hn::Sub(hn::BitCast(d, mantissa), constant<V>(1.0));
  const V f = hn::IfThenElse(hn::Eq(k, hn::Zero(d)), near_one, m_minus_one);
  const V s = hn::Div(f, hn::Add(f, constant<V>(2.0)));
  const V log_m = hn::Mul(s, polynomial(hn::Mul(s, s), kTwoAtanhOverS));
  return fma(k, constant<V>(0x1.62e42fefa39efp-1), log_m);
}

// Logarithm for every argument: -infinity at 0, NaN below.
template <class V>
HWY_INLINE V logarithm_special(V x, V u, V near_one) {
  const hn::DFromV<V> d;
  const V zero = hn::Zero(d);
  const V infinity = hn::Inf(d);
  V result = logarithm(u, near_one);
  result = hn::IfThenElse(hn::Eq(u, infinity), infinity, result);
  result = hn::IfThenElse(hn::Eq(u, zero), hn::Neg(infinity), result);
  result = hn::IfThenElse(hn::Lt(u, zero), constant<V>(std::numeric_limits<double>::quiet_NaN()),
                          result);
  return keep_nan(x, result);
}
template <class V>
HWY_INLINE V natural_log(V x) {
  return logarithm_special(x, x, hn::Sub(x, constant<V>(1.0)));
}
template <class V>
HWY_INLINE V log_plus_one(V x) {
  const V result = logarithm_special(x, hn::Add(x, constant<V>(1.0)), x);
  return hn::IfThenElse(hn::Eq(x, hn::Zero(hn::DFromV<V>())), x, result);
}

template <class V>
HWY_INLINE V hyperbolic_tangent(V x) {
  const V e = exponential_minus_one(clamp(hn::Add(hn::Abs(x), hn::Abs(x)), 0.0, 80.0));
  const V result = hn::Div(e, hn::Add(e, constant<V>(2.0)));
  return keep_nan(x, hn::CopySign(result, x));
}

// numerator / (1 + e^-u)
template <class V>
HWY_INLINE V times_logistic(V numerator, V u) {
  const V one = constant<V>(1.0);
  return hn::Div(numerator, hn::Add(one, exponential(hn::Neg(u))));
}
template <class V>
HWY_INLINE V lower_bounded(V x) {  // -infinity becomes finite, so that a tail times 0 is -0
  const V lowest = constant<V>(-1e38);
  return hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
}

// erfc(a) / exp(-a^2) for a >= 0 (a is taken as 11 beyond): a degree 14 polynomial in t = (a - 2) /
// (a + 2), divided by 1 + 2a. Relative error 2^-36.
template <class V>
HWY_INLINE V scaled_erfc(V a) {
  static constexpr double kScaled[] = {
      1.2769783815516156,      -0.09276382654322388,   -0.16603039760976168,  0.1640512773029346,
      -0.05421999802065754,    -0.008033962421698564,  0.008722601981769829,  0.0012708670353627123,
      -0.0014565381513507178,  -0.0004520648751826353, 0.0002060713783563163, 0.000144987828820433,
      -3.2743283991727963e-06, -2.827257331367072e-05, -7.841055159575468e-06};
  const V bounded = clamp(a, 0.0, 11.0);
  const V plus = hn::Add(bounded, constant<V>(2.0));
  const V denominator = fma(bounded, constant<V>(2.0), constant<V>(1.0));
  const V inverse = hn::Div(constant<V>(1.0), hn::Mul(plus, denominator));
  const V t = hn::Mul(hn::Mul(hn::Sub(bounded, constant<V>(2.0)), denominator), inverse);
  return hn::Mul(polynomial(t, kScaled), hn::Mul(plus, inverse));
}

// (distribution(x) - 1/2) / x of the normal distribution for z = x^2 <= 16; garbage beyond. At x =
// -4, where the distribution is 2^-15, its relative error is 2^-37.
template <class V>
HWY_INLINE V central_distribution(V z) {
  static constexpr double kOverX[] = {
      // t = z / 8 - 1, error 2^-55
      0.17594978076521386,     -0.08432144900996613,   0.055934204012194066,
      -0.03686932634981767,    0.0225181502290281,     -0.012472326943834856,
      0.006236960857914137,    -0.0028223176559067434, 0.0011613497952421084,
      -0.00043702010285016744, 0.00015124503577578519, -4.839798543186388e-05,
      1.4390513846938618e-05,  -3.993457625528403e-06, 1.0386416116765995e-06,
      -2.54391305817484e-07,   5.871018694202886e-08,  -1.2582951859367248e-08,
      2.6183606147729567e-09,  -6.262548211055977e-10, 1.1611296116458542e-10};
  return polynomial(fma(z, constant<V>(0.125), constant<V>(-1.0)), kOverX);
}

template <class V>
HWY_INLINE V error_function(V x) {  // 2 distribution(sqrt(2) x) - 1
  const hn::DFromV<V> d;
  const V square = hn::Mul(x, x);
  V result = hn::Mul(hn::Mul(x, constant<V>(2.8284271247461903)),
                     central_distribution(hn::Add(square, square)));
  const auto central = hn::Le(square, constant<V>(8.0));
  if (HWY_UNLIKELY(!hn::AllTrue(d, central))) {
    const V tail = hn::Mul(exponential(hn::Neg(square)), scaled_erfc(hn::Abs(x)));
    const V outer = hn::CopySign(hn::Sub(constant<V>(1.0), tail), x);
    result = hn::IfThenElse(central, result, outer);
  }
  return keep_nan(x, result);
}
// The distribution function of the normal distribution.
template <class V>
HWY_INLINE V normal_distribution(V x) {
  const hn::DFromV<V> d;
  const V half = constant<V>(0.5);
  const V square = hn::Mul(x, x);
  V result = fma(x, central_distribution(square), half);
  const auto central = hn::Le(square, constant<V>(16.0));
  if (HWY_UNLIKELY(!hn::AllTrue(d, central))) {
    const V a = hn::Mul(hn::Abs(x), constant<V>(0.7071067811865476));
    const V tail =
        hn::Mul(hn::Mul(half, exponential(hn::Mul(hn::Neg(half), square))), scaled_erfc(a));
    const V outer = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(constant<V>(1.0), tail));
    result = hn::IfThenElse(central, result, outer);
  }
  return result;
}
template <class V>
HWY_INLINE V gelu(V x) {
  return keep_nan(x, hn::Mul(lower_bounded(x), normal_distribution(x)));
}
template <class V>
HWY_INLINE V gelu_tanh(V x) {
  const V bounded = clamp(x, -1e6, 1e6);
  const V cubic = fma(hn::Mul(constant<V>(0.044715), bounded), hn::Mul(bounded, bounded), bounded);
  return keep_nan(
      x, times_logistic(lower_bounded(x), hn::Mul(constant<V>(2.0 * 0.7978845608028654), cubic)));
}
template <class V>
HWY_INLINE V gelu_derivative(V x) {
  const V bounded = clamp(x, -1e30, 1e30);
  const V density = hn::Mul(constant<V>(0.3989422804014327),
                            exponential(hn::Mul(constant<V>(-0.5), hn::Mul(bounded, bounded))));
  return keep_nan(x, fma(bounded, density, normal_distribution(bounded)));
}
template <class V>
HWY_INLINE V erf_derivative(V x) {
  const V bounded = clamp(x, -1e30, 1e30);
  return keep_nan(
      x, hn::Mul(constant<V>(1.1283791670955126), exponential(hn::Neg(hn::Mul(bounded, bounded)))));
}
// The derivative of x * logistic(slope * x).
template <class V>
HWY_INLINE V logistic_gate_derivative(V x, double slope) {
  const V one = constant<V>(1.0);
  const V u = hn::Mul(clamp(x, -1e30, 1e30), constant<V>(slope));
  const V rest = times_logistic(one, hn::Neg(u));
  return keep_nan(x, hn::Mul(times_logistic(one, u), fma(u, rest, one)));
}
template <class V>
HWY_INLINE V mish(V x) {  // x tanh(log(1 + e)) = x e(e + 2) / (e(e + 2) + 2)
  const V e = exponential(clamp(x, -200.0, 40.0));
  const V product = hn::Mul(e, hn::Add(e, constant<V>(2.0)));
  const V ratio = hn::Div(product, hn::Add(product, constant<V>(2.0)));
  return keep_nan(x, hn::Mul(lower_bounded(x), ratio));
}
template <class V>
HWY_INLINE V softplus(V x) {  // max(x, 0) + log1p(e^-|x|)
  const V zero = hn::Zero(hn::DFromV<V>());
  const V e = exponential(hn::Neg(hn::Abs(x)));
  const V positive = hn::IfThenElse(hn::Gt(x, zero), x, zero);
  return keep_nan(x, hn::Add(positive, logarithm(hn::Add(e, constant<V>(1.0)), e)));
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
