// SPDX-License-Identifier: Apache-2.0
// Reduction of one array in an order that no host's vector width can change.
//
// Element i goes to partial result i % 16; a vector (or two, or four) holds the sixteen. Partials
// start at the function's neutral element (+0, 1, -inf, +inf) and are combined 0 with 8, 1 with 9,
// ..., then over 4, 2 and 1.
#include "thorong/base/check.h"
#include "thorong/numerics/functions.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/reduce.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

struct SumOp {
  static constexpr float kNeutral = 0.0F;
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return hn::Add(a, b);
  }
};
struct ProductOp {
  static constexpr float kNeutral = 1.0F;
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return hn::Mul(a, b);
  }
};
struct MaximumOp {
  static constexpr float kNeutral = -std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return maximum(a, b);
  }
};
struct MinimumOp {
  static constexpr float kNeutral = std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return minimum(a, b);
  }
};

// The function on two floats, by the same vector code.
template <class Op>
HWY_INLINE float call_scalar(float a, float b) {
  const hn::CappedTag<float, 1> d;
  return hn::GetLane(Op::call(hn::Set(d, a), hn::Set(d, b)));
}

template <class Op>
HWY_NOINLINE float reduce_loop(const float* in, size_t n) {
  constexpr size_t kPartials = 16;
  const hn::CappedTag<float, kPartials> d;
  constexpr size_t kVectors = kPartials / hn::MaxLanes(d);
  hn::Vec<decltype(d)> sums[kVectors];
  for (size_t v = 0; v < kVectors; ++v) sums[v] = hn::Set(d, Op::kNeutral);
  size_t i = 0;
  for (; i + kPartials <= n; i += kPartials) {
    for (size_t v = 0; v < kVectors; ++v) {
      sums[v] = Op::call(sums[v], hn::LoadU(d, in + i + v * hn::MaxLanes(d)));
    }
  }
  HWY_ALIGN float partials[kPartials];
  for (size_t v = 0; v < kVectors; ++v) hn::Store(sums[v], d, partials + v * hn::MaxLanes(d));
  for (size_t j = 0; i < n; ++i, ++j) partials[j] = call_scalar<Op>(partials[j], in[i]);
  for (size_t distance = kPartials / 2; distance > 0; distance /= 2) {
    for (size_t j = 0; j < distance; ++j)
      partials[j] = call_scalar<Op>(partials[j], partials[j + distance]);
  }
  return partials[0] == partials[0] ? partials[0] : std::numeric_limits<float>::quiet_NaN();
}

float reduce_kernel(BinaryFunction function, const float* in, size_t n) {
  switch (function) {
    case BinaryFunction::kMultiply:
      return reduce_loop<ProductOp>(in, n);
    case BinaryFunction::kMaximum:
      return reduce_loop<MaximumOp>(in, n);
    case BinaryFunction::kMinimum:
      return reduce_loop<MinimumOp>(in, n);
    default:
      return reduce_loop<SumOp>(in, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(reduce_kernel);

float reduce(BinaryFunction function, const float* in, size_t n) {
  THORONG_CHECK(function == BinaryFunction::kAdd || function == BinaryFunction::kMultiply ||
                    function == BinaryFunction::kMaximum || function == BinaryFunction::kMinimum,
                "no reduction by this function");
  return HWY_DYNAMIC_DISPATCH(reduce_kernel)(function, in, n);
}

}  // namespace thorong::numerics
#endif  // HWY_ONCE
