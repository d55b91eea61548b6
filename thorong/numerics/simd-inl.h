// SPDX-License-Identifier: Apache-2.0
// Helpers that every vectorised file of this folder shares, compiled once per SIMD target.
//
// Everything here is exactly specified, so that all targets give equal bits: fma() is always fused,
// demote() always rounds once to nearest even and overflows to infinity, and canonical() makes
// every NaN the positive quiet one (hosts differ in which operand's NaN an instruction passes on,
// and in the sign of a new one).

// clang-format off
#if defined(THORONG_NUMERICS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_SIMD_INL_H_
#undef THORONG_NUMERICS_SIMD_INL_H_
#else
#define THORONG_NUMERICS_SIMD_INL_H_
#endif
// clang-format on

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"

#undef THORONG_EMULATED
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
#define THORONG_EMULATED 1
#else
#define THORONG_EMULATED 0
#endif

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// a * b + c with one rounding.
template <class V>
HWY_INLINE V fma(V a, V b, V c) {
#if THORONG_EMULATED
  const hn::DFromV<V> d;
  using T = hn::TFromD<decltype(d)>;
  HWY_ALIGN T x[hn::MaxLanes(d)];
  HWY_ALIGN T y[hn::MaxLanes(d)];
  HWY_ALIGN T z[hn::MaxLanes(d)];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (size_t i = 0; i < hn::Lanes(d); ++i) x[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(d, x);
#else
  return hn::MulAdd(a, b, c);
#endif
}

// double to float, round to nearest even, overflow to infinity.
template <class DF, class VD>
HWY_INLINE hn::Vec<DF> demote(DF df, VD v) {
#if THORONG_EMULATED
  const hn::DFromV<VD> d;
  HWY_ALIGN double x[hn::MaxLanes(d)];
  HWY_ALIGN float y[hn::MaxLanes(d)];
  hn::Store(v, d, x);
  for (size_t i = 0; i < hn::Lanes(d); ++i) y[i] = static_cast<float>(x[i]);
  return hn::Load(df, y);
#else
  return hn::DemoteTo(df, v);
#endif
}

// Applies a scalar function to every lane: for what is exact in the C library and not worth
// vectorising.
template <class V, class Function>
HWY_INLINE V by_lane(V v, Function function) {
  const hn::DFromV<V> d;
  using T = hn::TFromD<decltype(d)>;
  HWY_ALIGN T x[hn::MaxLanes(d)];
  hn::Store(v, d, x);
  for (size_t i = 0; i < hn::Lanes(d); ++i) x[i] = function(x[i]);
  return hn::Load(d, x);
}

template <class V>
HWY_INLINE V floor(V v) {
#if THORONG_EMULATED
  return by_lane(v, [](auto x) { return std::floor(x); });
#else
  return hn::Floor(v);
#endif
}
template <class V>
HWY_INLINE V ceil(V v) {
#if THORONG_EMULATED
  return by_lane(v, [](auto x) { return std::ceil(x); });
#else
  return hn::Ceil(v);
#endif
}
template <class V>
HWY_INLINE V truncate(V v) {
#if THORONG_EMULATED
  return by_lane(v, [](auto x) { return std::trunc(x); });
#else
  return hn::Trunc(v);
#endif
}

// a != b as C has it: true where either is NaN (Highway's Ne differs between targets there).
template <class V>
HWY_INLINE auto not_equal(V a, V b) {
  return hn::Not(hn::Eq(a, b));
}

// v with every NaN replaced by the positive quiet NaN without payload.
template <class V>
HWY_INLINE V canonical(V v) {
  const hn::DFromV<V> d;
  using T = hn::TFromD<decltype(d)>;
  return hn::IfThenElse(hn::IsNaN(v), hn::Set(d, std::numeric_limits<T>::quiet_NaN()), v);
}

// The first n < Lanes(d) lanes from memory, the others zero. Reads nothing beyond n.
template <class D>
HWY_INLINE hn::Vec<D> load_n(D d, const hn::TFromD<D>* p, size_t n) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN hn::TFromD<D> buffer[hn::MaxLanes(d)] = {};
  for (size_t i = 0; i < n; ++i) buffer[i] = p[i];
  return hn::Load(d, buffer);
#endif
}
// Writes the first n < Lanes(d) lanes and nothing beyond. Not by masks on AVX2, where some hosts
// take dozens of cycles for such a store.
template <class D>
HWY_INLINE void store_n(hn::Vec<D> v, D d, hn::TFromD<D>* p, size_t n) {
#if HWY_TARGET == HWY_AVX3
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN hn::TFromD<D> buffer[hn::MaxLanes(d)];
  hn::Store(v, d, buffer);
  for (size_t i = 0; i < n; ++i) p[i] = buffer[i];
#endif
}

// IEEE 754-2019 maximum: NaN if either is NaN, and -0 < +0. Not canonicalised.
template <class V>
HWY_INLINE V maximum(V a, V b) {
  const V equal_or_nan = hn::IfThenElse(hn::Eq(a, b), hn::And(a, b), hn::Add(a, b));
  return hn::IfThenElse(hn::Gt(a, b), a, hn::IfThenElse(hn::Lt(a, b), b, equal_or_nan));
}
template <class V>
HWY_INLINE V minimum(V a, V b) {
  const V equal_or_nan = hn::IfThenElse(hn::Eq(a, b), hn::Or(a, b), hn::Add(a, b));
  return hn::IfThenElse(hn::Lt(a, b), a, hn::IfThenElse(hn::Gt(a, b), b, equal_or_nan));
}

// A vector of elements 0, kStep, 2 * kStep, ...; `reach` elements from `at` on may be read.
template <size_t kStep, class D>
HWY_INLINE hn::Vec<D> load_every(D d, const float* at, size_t reach) {
  constexpr size_t kWidth = hn::MaxLanes(D());
  if constexpr (kStep == 1) {
    return reach >= kWidth ? hn::LoadU(d, at) : load_n(d, at, reach);
  } else {
#if THORONG_EMULATED
    HWY_ALIGN float values[kWidth] = {};
    for (size_t i = 0; i < kWidth && kStep * i < reach; ++i) values[i] = at[kStep * i];
    return hn::Load(d, values);
#else
    const auto low = reach >= kWidth ? hn::LoadU(d, at) : load_n(d, at, reach);
    const auto high = reach >= 2 * kWidth ? hn::LoadU(d, at + kWidth)
                      : reach > kWidth    ? load_n(d, at + kWidth, reach - kWidth)
                                          : hn::Zero(d);
    return hn::ConcatEven(d, high, low);
#endif
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
