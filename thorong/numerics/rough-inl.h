// SPDX-License-Identifier: Apache-2.0
// Exponential and what follows from it on vectors of fp32, within some units in the last place:
// enough to know a bfloat16 result nearly always (rows-inl.h). Over all fp32 arguments within their
// limits they are at most so many units from what they stand for: exponential 8, tanh 15, logistic
// 9, silu 11, gelu_tanh 30. rows_test.cc compares rounded results.

// clang-format off
#if defined(THORONG_NUMERICS_ROUGH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_ROUGH_INL_H_
#undef THORONG_NUMERICS_ROUGH_INL_H_
#else
#define THORONG_NUMERICS_ROUGH_INL_H_
#endif
// clang-format on

#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// In the functions below V is a vector of float, and x, y are kGroup of them: several chains of
// dependent operations side by side keep the adders busy.

// e^x = scale * (1 + fraction), |x| <= 87.
template <size_t kGroup, class V>
struct RoughExponential {
  V scale[kGroup];
  V fraction[kGroup];

  HWY_INLINE explicit RoughExponential(const V* x) {
    const hn::DFromV<V> d;
    const hn::RebindToUnsigned<decltype(d)> du;
    const V shift = hn::Set(d, 12583039.0F);  // 1.5 * 2^23 + 127, the exponent's bias
    V r[kGroup];
    V low[kGroup];
    V high[kGroup];
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      scale[v] = fma(x[v], hn::Set(d, 0x1.715476p+0F), shift);  // low bits: the biased exponent
    }
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {  // this log 2 is good to 2^-29
      r[v] = fma(hn::Sub(scale[v], shift), hn::Set(d, -0x1.62e43p-1F), x[v]);
    }
    // Chebyshev fit of (e^r - 1 - r) / r^2, |r| <= ln(2)/2, error 2^-23
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      low[v] = fma(r[v], hn::Set(d, 0.166666308108F), hn::Set(d, 0.499997488895F));
      high[v] = fma(r[v], hn::Set(d, 0.00835720492902F), hn::Set(d, 0.0418338375703F));
    }
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      const V square = hn::Mul(r[v], r[v]);
      fraction[v] = fma(square, fma(square, high[v], low[v]), r[v]);
      scale[v] = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, scale[v])));
    }
  }
};

template <size_t kGroup, class V>
HWY_INLINE void rough_exponential(const V* x, V* y) {
  const RoughExponential<kGroup, V> e(x);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = fma(e.scale[v], e.fraction[v], e.scale[v]);
}
template <size_t kGroup, class V>
HWY_INLINE void rough_logistic(const V* x, V* y) {
  const V one = hn::Set(hn::DFromV<V>(), 1.0F);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = hn::Neg(x[v]);
  rough_exponential<kGroup>(y, y);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = hn::Div(one, hn::Add(one, y[v]));
}
template <size_t kGroup, class V>
HWY_INLINE void rough_silu(const V* x, V* y) {
  rough_logistic<kGroup>(x, y);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = hn::Mul(x[v], y[v]);
}
template <size_t kGroup, class V>
HWY_INLINE void rough_gelu_tanh(const V* x, V* y) {
  const hn::DFromV<V> d;
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) {
    const V cubic = fma(hn::Mul(hn::Set(d, 0.044715F), x[v]), hn::Mul(x[v], x[v]), x[v]);
    y[v] = hn::Mul(hn::Set(d, 1.5957691F), cubic);
  }
  rough_logistic<kGroup>(y, y);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = hn::Mul(x[v], y[v]);
}
template <size_t kGroup, class V>
HWY_INLINE void rough_tanh(const V* x, V* y) {
  const hn::DFromV<V> d;
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) y[v] = hn::Add(hn::Abs(x[v]), hn::Abs(x[v]));
  const RoughExponential<kGroup, V> e(y);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) {
    const V less_one =
        fma(e.scale[v], e.fraction[v], hn::Sub(e.scale[v], hn::Set(d, 1.0F)));  // e^2|x| - 1
    y[v] = hn::CopySign(hn::Div(less_one, hn::Add(less_one, hn::Set(d, 2.0F))), x[v]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
