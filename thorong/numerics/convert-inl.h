// SPDX-License-Identifier: Apache-2.0
// One vector from a format to fp32 and back, by integer arithmetic on the codes, for any float of
// at most 32 bits.
//
// Narrowing drops the low `dropped` bits of the fp32 significand after adding either half a unit
// (nearest even) or uniform random bits below the last kept one (stochastic). For results that are
// subnormal, more bits are dropped, lane by lane. Overflow rule of both modes: the value is rounded
// as if the exponent had no limit; if that is beyond the largest finite value, the result is
// infinity (NaN where the format has none). Exact values, infinities and NaN never change; NaN
// keeps its sign and becomes quiet.

// clang-format off
#if defined(THORONG_NUMERICS_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_CONVERT_INL_H_
#undef THORONG_NUMERICS_CONVERT_INL_H_
#else
#define THORONG_NUMERICS_CONVERT_INL_H_
#endif
// clang-format on

#include "thorong/numerics/format_table.h"
#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// Constants of one format in fp32's terms.
template <Format kFormat>
struct Layout {
  static constexpr FormatInfo kInfo = internal::constant_info(kFormat);
  static constexpr int kDropped = 23 - kInfo.mantissa_bits;
  static constexpr bool kFp32Range = kInfo.exponent_bits == 8;
  static constexpr int kRebias = 127 - kInfo.bias;
  static constexpr uint32_t kMinNormal =
      static_cast<uint32_t>(kRebias) + 1;  // as fp32's exponent field
  static constexpr uint32_t kInfinity = ((1U << kInfo.exponent_bits) - 1) << kInfo.mantissa_bits;
  static constexpr uint32_t kAllOnes = kInfinity | ((1U << kInfo.mantissa_bits) - 1);
  static constexpr bool kHasInfinity = kInfo.kind == 'F';
  static constexpr uint32_t kOverflow = kHasInfinity ? kInfinity : kAllOnes;
  static constexpr uint32_t kNan =
      kHasInfinity ? kInfinity | 1U << (kInfo.mantissa_bits - 1) : kAllOnes;
  static constexpr int kSignShift = 32 - (kFormat == Format::kTfloat32 ? 19 : kInfo.bits);
};

// Signed comparison of values below 2^31, as a mask of the unsigned vectors.
template <class V>
HWY_INLINE auto less(V a, V b) {
  const hn::DFromV<V> d;
  const hn::RebindToSigned<decltype(d)> di;
  return hn::MaskFromVec(
      hn::BitCast(d, hn::VecFromMask(di, hn::Lt(hn::BitCast(di, a), hn::BitCast(di, b)))));
}

// The magnitude's code when it is subnormal in the format. V: vector of uint32.
template <class L, bool kStochastic, class V>
HWY_INLINE V narrow_subnormal(V magnitude, V random) {
  const hn::DFromV<V> d;
  const V one = hn::Set(d, 1U);
  const V limit = hn::Set(d, 31U);
  const V exponent = hn::Min(hn::ShiftRight<23>(magnitude), hn::Set(d, L::kMinNormal));
  const V significand = hn::Or(hn::And(magnitude, hn::Set(d, 0x7FFFFFU)), hn::Set(d, 0x800000U));
  const V dropped =
      hn::Sub(hn::Set(d, L::kMinNormal + static_cast<uint32_t>(L::kDropped)), exponent);
  const V shift = hn::Min(dropped, limit);
  if constexpr (kStochastic) {
    const V beyond = hn::Min(hn::Sub(hn::Max(dropped, limit), limit), limit);
    const V uniform = hn::Shr(random, hn::Sub(hn::Set(d, 32U), shift));
    return hn::Shr(hn::Add(hn::Shr(significand, beyond), uniform), shift);
  } else {
    const V half_less_one = hn::Sub(hn::Shl(one, hn::Sub(shift, one)), one);
    const V odd = hn::And(hn::Shr(significand, shift), one);
    return hn::Shr(hn::Add(hn::Add(significand, half_less_one), odd), shift);
  }
}

// fp32 bits to the format's code in the low bits (tfloat32: in place). V: vector of uint32.
template <class L, bool kStochastic, class V>
HWY_INLINE V narrow_bits(V bits, V random) {
  const hn::DFromV<V> d;
  const V magnitude = hn::And(bits, hn::Set(d, 0x7FFFFFFFU));
  const V sign = hn::ShiftRight<L::kSignShift>(hn::Sub(bits, magnitude));
  V increment;
  if constexpr (kStochastic) {
    increment = hn::ShiftRight<32 - L::kDropped>(random);
  } else {
    const V odd = hn::And(hn::ShiftRight<L::kDropped>(magnitude), hn::Set(d, 1U));
    increment = hn::Add(odd, hn::Set(d, (1U << (L::kDropped - 1)) - 1));
  }
  V code = hn::ShiftRight<L::kDropped>(hn::Add(magnitude, increment));
  if constexpr (!L::kFp32Range) {
    const V rebased =
        hn::Sub(code, hn::Set(d, static_cast<uint32_t>(L::kRebias) << L::kInfo.mantissa_bits));
    const auto subnormal = less(magnitude, hn::Set(d, L::kMinNormal << 23));
    code = hn::IfThenElse(subnormal, narrow_subnormal<L, kStochastic>(magnitude, random),
                          hn::Min(rebased, hn::Set(d, L::kOverflow)));
  }
  const auto nan = less(hn::Set(d, 0x7F800000U), magnitude);
  code = hn::Or(hn::IfThenElse(nan, hn::Set(d, L::kNan), code), sign);
  return L::kSignShift == 13 ? hn::ShiftLeft<13>(code) : code;
}

// A code in the low bits of each lane to fp32. V: vector of uint32.
template <class L, class V>
HWY_INLINE V widen_bits(V code) {
  const hn::DFromV<V> d;
  const hn::RebindToFloat<decltype(d)> df;
  const V shifted = hn::ShiftLeft<L::kDropped>(hn::And(code, hn::Set(d, L::kAllOnes)));
  const V sign =
      hn::ShiftLeft<L::kSignShift>(hn::And(code, hn::Set(d, 1U << (31 - L::kSignShift))));
  if constexpr (L::kFp32Range) {
    return hn::Or(shifted, sign);
  } else {
    const V normal = hn::Add(shifted, hn::Set(d, static_cast<uint32_t>(L::kRebias) << 23));
    const V special = hn::Or(shifted, hn::Set(d, 0x7F800000U));
    const V base = hn::Set(d, L::kMinNormal << 23);
    const V subnormal =
        hn::BitCast(d, hn::Sub(hn::BitCast(df, hn::Add(shifted, base)), hn::BitCast(df, base)));
    const auto is_finite = less(shifted, hn::Set(d, L::kInfinity << L::kDropped));
    const auto is_subnormal = less(shifted, hn::Set(d, 1U << 23));
    const V finite = hn::IfThenElse(is_subnormal, subnormal, normal);
    return hn::Or(hn::IfThenElse(is_finite, finite, special), sign);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
