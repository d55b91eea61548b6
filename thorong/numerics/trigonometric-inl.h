// SPDX-License-Identifier: Apache-2.0
// sin, cos, tan, atan, atan2 and pow on vectors of double; see transcendental-inl.h for the
// principles.
//
// Argument reduction: below 2^40 the multiple of pi/2 is subtracted in two parts with fma; the
// error stays below 2^-65, and no fp32 number there is nearer than 2^-30 to a multiple. A larger
// fp32 argument is m * 2^e with a 24-bit integer m; reduce_huge multiplies m by (2^e * 2/pi mod 4)
// from a table, in parts short enough for exact products (Payne and Hanek's method).

// clang-format off
#if defined(THORONG_NUMERICS_TRIGONOMETRIC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_TRIGONOMETRIC_INL_H_
#undef THORONG_NUMERICS_TRIGONOMETRIC_INL_H_
#else
#define THORONG_NUMERICS_TRIGONOMETRIC_INL_H_
#endif
// clang-format on

#include "thorong/numerics/reduce_huge.h"
#include "thorong/numerics/transcendental-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// x = r + quadrant * pi/2, |r| <= pi/4 (and a little); only the low two bits of `quadrant` mean
// something.
template <class V>
struct Reduced {
  V r;
  hn::VFromD<hn::RebindToUnsigned<hn::DFromV<V>>> quadrant;
};

template <class V>
HWY_NOINLINE Reduced<V> reduce_huge_lanes(V x, Reduced<V> reduced) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  HWY_ALIGN double values[hn::MaxLanes(d)];
  HWY_ALIGN double remainders[hn::MaxLanes(d)];
  HWY_ALIGN uint64_t quadrants[hn::MaxLanes(d)];
  hn::Store(x, d, values);
  hn::Store(reduced.r, d, remainders);
  hn::Store(reduced.quadrant, du, quadrants);
  for (size_t i = 0; i < hn::Lanes(d); ++i) {
    if (values[i] >= internal::kHuge || values[i] <= -internal::kHuge) {
      remainders[i] = internal::reduce_huge(values[i], &quadrants[i]);
    }
  }
  return {hn::Load(d, remainders), hn::Load(du, quadrants)};
}

template <class V>
HWY_INLINE Reduced<V> reduce_angle(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const V shifted = fma(x, constant<V>(0x1.45f306dc9c883p-1), constant<V>(kRoundShift));
  const V n = hn::Sub(shifted, constant<V>(kRoundShift));
  V r = fma(n, constant<V>(-0x1.921fb54442d18p+0), x);
  r = fma(n, constant<V>(-0x1.1a62633145c07p-54), r);
  const Reduced<V> reduced = {r, hn::BitCast(du, shifted)};
  const auto huge = hn::Ge(hn::Abs(x), constant<V>(internal::kHuge));
  return hn::AllFalse(d, huge) ? reduced : reduce_huge_lanes(x, reduced);
}

template <class V>
struct SineCosine {
  V sine;
  V cosine;
};
template <class V>
HWY_INLINE SineCosine<V> sine_cosine(V r) {
  static constexpr double kSineOverR[] = {// z = r^2, error 2^-47
                                          0.9999999999999957,     -0.16666666666616636,
                                          0.008333333323870599,   -0.00019841263294474436,
                                          2.7555271077319583e-06, -2.47564999842978e-08};
  static constexpr double kCosine[] = {// error 2^-44
                                       0.9999999999999444,     -0.4999999999935047,
                                       0.041666666543813194,   -0.001388888038869402,
                                       2.4798927696218343e-05, -2.7173353546655085e-07};
  const V z = hn::Mul(r, r);
  return {hn::Mul(r, polynomial(z, kSineOverR)), polynomial(z, kCosine)};
}

// Sine of the angle `shift` quadrants further on.
template <class V>
HWY_INLINE V sine_shifted(V x, uint64_t shift) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const Reduced<V> reduced = reduce_angle(x);
  const SineCosine<V> values = sine_cosine(reduced.r);
  const auto quadrant = hn::Add(reduced.quadrant, hn::Set(du, shift));
  const auto one = hn::Set(du, uint64_t{1});
  const auto odd =
      hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(du, hn::Eq(hn::And(quadrant, one), one))));
  const V value = hn::IfThenElse(odd, values.cosine, values.sine);
  const auto sign = hn::ShiftLeft<62>(hn::And(quadrant, hn::Set(du, uint64_t{2})));
  return hn::Xor(value, hn::BitCast(d, sign));
}
template <class V>
HWY_INLINE V tangent(V x) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const Reduced<V> reduced = reduce_angle(x);
  const SineCosine<V> values = sine_cosine(reduced.r);
  const auto one = hn::Set(du, uint64_t{1});
  const auto odd = hn::MaskFromVec(
      hn::BitCast(d, hn::VecFromMask(du, hn::Eq(hn::And(reduced.quadrant, one), one))));
  const V numerator = hn::IfThenElse(odd, hn::Neg(values.cosine), values.sine);
  return hn::Div(numerator, hn::IfThenElse(odd, values.sine, values.cosine));
}

// Angle of the point (q, p), p and q >= 0, not NaN.
template <class V>
HWY_INLINE V first_quadrant_angle(V p, V q) {
  static constexpr double kAtanOverT[] = {
      // z = t^2 <= 0.1716, error 2^-45
      0.9999999999999732,   -0.3333333333308049,   0.19999999604493085,
      -0.14285690403489937, 0.11110384540111885,   -0.09078385282293623,
      0.07563653342172165,  -0.058743132097436965, 0.030659457175384073};
  const hn::DFromV<V> d;
  const V infinity = hn::Inf(d);
  const V one = constant<V>(1.0);
  const auto both_infinite = hn::And(hn::Eq(p, infinity), hn::Eq(q, infinity));
  p = hn::IfThenElse(both_infinite, one, p);
  q = hn::IfThenElse(both_infinite, one, q);
  q = hn::IfThenElse(hn::And(hn::Eq(p, hn::Zero(d)), hn::Eq(q, hn::Zero(d))), one, q);
  // angle = base + atan(t), t = p/q, (p - q)/(p + q) or -q/p, so that |t| <= tan(pi/8)
  const auto steep = hn::Gt(p, hn::Mul(q, constant<V>(2.414213562373095)));
  const auto flat = hn::Le(p, hn::Mul(q, constant<V>(0.41421356237309503)));
  const V numerator = hn::IfThenElse(flat, p, hn::IfThenElse(steep, hn::Neg(q), hn::Sub(p, q)));
  const V denominator = hn::IfThenElse(flat, q, hn::IfThenElse(steep, p, hn::Add(p, q)));
  const V base = hn::IfThenElse(
      flat, hn::Zero(d),
      hn::IfThenElse(steep, constant<V>(1.5707963267948966), constant<V>(0.7853981633974483)));
  const V t = hn::Div(numerator, denominator);
  return fma(t, polynomial(hn::Mul(t, t), kAtanOverT), base);
}
template <class V>
HWY_INLINE V arc_tangent(V x) {
  return keep_nan(x, hn::CopySign(first_quadrant_angle(hn::Abs(x), constant<V>(1.0)), x));
}
template <class V>
HWY_INLINE V arc_tangent2(V y, V x) {
  const V one = constant<V>(1.0);
  const V angle = first_quadrant_angle(hn::Abs(y), hn::Abs(x));
  const auto left = hn::Eq(hn::CopySign(one, x), hn::Neg(one));
  const V turned = hn::IfThenElse(left, hn::Sub(constant<V>(3.141592653589793), angle), angle);
  return keep_nan(x, keep_nan(y, hn::CopySign(turned, y)));
}

// x^y with C's special cases: e^(y log|x|), then the sign of x for odd integers y.
template <class V>
HWY_INLINE V power(V x, V y) {
  const hn::DFromV<V> d;
  const V zero = hn::Zero(d);
  const V one = constant<V>(1.0);
  const V infinity = hn::Inf(d);
  const V not_a_number = constant<V>(std::numeric_limits<double>::quiet_NaN());
  const V half = hn::Mul(y, constant<V>(0.5));
  const auto integer = hn::Eq(truncate(y), y);
  const auto even = hn::Eq(truncate(half), half);
  const auto odd = hn::AndNot(even, integer);
  const V magnitude = hn::Abs(x);
  const V exponent = hn::Mul(y, natural_log(magnitude));
  V result = keep_nan(exponent, exponential(exponent));
  const auto negative = hn::Lt(x, zero);
  const auto finite = hn::Lt(magnitude, infinity);
  const auto undefined = hn::And(hn::And(negative, finite), hn::Not(integer));
  result = hn::IfThenElse(undefined, not_a_number, result);
  result = hn::IfThenElse(odd, hn::CopySign(result, x), result);
  const auto minus_one_to_infinity = hn::And(hn::Eq(magnitude, one), hn::Eq(hn::Abs(y), infinity));
  result = keep_nan(x, keep_nan(y, hn::IfThenElse(minus_one_to_infinity, one, result)));
  return hn::IfThenElse(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), one, result);
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
