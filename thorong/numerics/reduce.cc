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
#include "thorong/numerics/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

constexpr size_t kPartials = 16;

struct SumOp {
  static constexpr bool kAnyOrder = false;
  static constexpr float kNeutral = 0.0F;
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return hn::Add(a, b);
  }
};
struct ProductOp {
  static constexpr bool kAnyOrder = false;
  static constexpr float kNeutral = 1.0F;
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return hn::Mul(a, b);
  }
};
struct MaximumOp {
  static constexpr bool kAnyOrder = true;
  static constexpr float kNeutral = -std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return maximum(a, b);
  }
  // Of numbers, in any order: where they are equal but for the sign of zero, the bits of both tell.
  template <class V>
  static HWY_INLINE V of_numbers(V a, V b) {
    return hn::And(hn::Max(a, b), hn::Max(b, a));
  }
};
struct MinimumOp {
  static constexpr bool kAnyOrder = true;
  static constexpr float kNeutral = std::numeric_limits<float>::infinity();
  template <class V>
  static HWY_INLINE V call(V a, V b) {
    return minimum(a, b);
  }
  template <class V>
  static HWY_INLINE V of_numbers(V a, V b) {
    return hn::Or(hn::Min(a, b), hn::Min(b, a));
  }
};

// Combines 2 * kDistance partial results to kDistance, and so on to one.
template <class Op, size_t kDistance>
HWY_INLINE void combine(float* partials) {
  const hn::CappedTag<float, kDistance> d;
  for (size_t j = 0; j < kDistance; j += hn::MaxLanes(d)) {
    hn::StoreU(Op::call(hn::LoadU(d, partials + j), hn::LoadU(d, partials + kDistance + j)), d,
               partials + j);
  }
  if constexpr (kDistance > 1) combine<Op, kDistance / 2>(partials);
}

template <class Op>
HWY_NOINLINE float reduce_loop(const float* in, size_t n) {
  const hn::CappedTag<float, kPartials> d;
  constexpr size_t kWidth = hn::MaxLanes(d);
  constexpr size_t kVectors = kPartials / kWidth;
  hn::Vec<decltype(d)> sums[kVectors];
  for (size_t v = 0; v < kVectors; ++v) sums[v] = hn::Set(d, Op::kNeutral);
  size_t i = 0;
  for (; i + kPartials <= n; i += kPartials) {
    for (size_t v = 0; v < kVectors; ++v) {
      sums[v] = Op::call(sums[v], hn::LoadU(d, in + i + v * kWidth));
    }
  }
  for (size_t v = 0; v < kVectors && i < n; ++v, i += kWidth) {
    const size_t rest = n - i;
    if (rest >= kWidth) {
      sums[v] = Op::call(sums[v], hn::LoadU(d, in + i));
    } else {
      const auto next = Op::call(sums[v], load_n(d, in + i, rest));
      sums[v] = hn::IfThenElse(hn::FirstN(d, rest), next, sums[v]);
    }
  }
  HWY_ALIGN float partials[kPartials];
  for (size_t v = 0; v < kVectors; ++v) hn::Store(sums[v], d, partials + v * kWidth);
  combine<Op, kPartials / 2>(partials);
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

// kRows rows side by side: the chains of one would not fill the adders.
template <class Op, bool kNarrow, size_t kRows>
HWY_NOINLINE void rows_loop(const Rows& in, size_t first, size_t n, float* out) {
  const hn::CappedTag<float, kPartials / 2> d;
  const hn::CappedTag<float, 1> one;
  constexpr size_t kWidth = hn::MaxLanes(d);
  constexpr size_t kVectors = kPartials / kWidth;
  InRow row[kRows];
  hn::Vec<decltype(d)> sums[kRows][kVectors];
  HWY_UNROLL(4)
  for (size_t k = 0; k < kRows; ++k) {
    row[k] = row_of(in, first + k);
    HWY_UNROLL(4)
    for (size_t v = 0; v < kVectors; ++v) sums[k][v] = hn::Set(d, Op::kNeutral);
  }
  size_t i = 0;
  for (; i + kPartials <= n; i += kPartials) {
    HWY_UNROLL(4)
    for (size_t k = 0; k < kRows; ++k) {
      hn::Vec<decltype(d)> x[kVectors];
      load_group<kVectors>(
          d, kNarrow ? InRow{nullptr, row[k].narrow, 0} : InRow{row[k].wide, nullptr, 0}, kNarrow,
          i, x);
      HWY_UNROLL(4)
      for (size_t v = 0; v < kVectors; ++v) sums[k][v] = Op::call(sums[k][v], x[v]);
    }
  }
  for (size_t k = 0; k < kRows; ++k) {
    HWY_ALIGN float stored[kPartials];
    HWY_ALIGN float partials[kPartials];
    for (size_t v = 0; v < kVectors; ++v) hn::Store(sums[k][v], d, stored + v * kWidth);
    for (size_t p = 0; p < kPartials; ++p) {  // pairs: even and odd elements of two vectors
      const size_t within = p % (2 * kWidth);
      const size_t paired = p - within + within % 2 * kWidth + within / 2;
      partials[p] = stored[kNarrow && pairs<kVectors>() ? paired : p];
    }
    for (size_t at = i; at < n; ++at) {
      float* partial = partials + at % kPartials;
      const auto next = load_rest(one, row[k], at, 1);
      hn::StoreU(Op::call(hn::LoadU(one, partial), next), one, partial);
    }
    combine<Op, kPartials / 2>(partials);
    out[first + k] =
        partials[0] == partials[0] ? partials[0] : std::numeric_limits<float>::quiet_NaN();
  }
}

template <class Op>
void rows_of_op(const Rows& in, float* out, size_t rows, size_t n) {
  constexpr size_t kTogether = 4;
  const bool narrow = in.format == Format::kBfloat16;
  size_t r = 0;
  for (; r + kTogether <= rows; r += kTogether) {
    if (narrow) {
      rows_loop<Op, true, kTogether>(in, r, n, out);
    } else {
      rows_loop<Op, false, kTogether>(in, r, n, out);
    }
  }
  for (; r < rows; ++r) {
    if (narrow) {
      rows_loop<Op, true, 1>(in, r, n, out);
    } else {
      out[r] = reduce_loop<Op>(row_of(in, r).wide, n);
    }
  }
}

void rows_kernel(BinaryFunction function, const Rows& in, float* out, size_t rows, size_t n) {
  switch (function) {
    case BinaryFunction::kMultiply:
      return rows_of_op<ProductOp>(in, out, rows, n);
    case BinaryFunction::kMaximum:
      return rows_of_op<MaximumOp>(in, out, rows, n);
    case BinaryFunction::kMinimum:
      return rows_of_op<MinimumOp>(in, out, rows, n);
    default:
      return rows_of_op<SumOp>(in, out, rows, n);
  }
}

// A vector of neighbouring windows, one a lane; at(g) gives element g of each.
// The largest and the smallest do not depend on the order.
template <class Op, class D, class At>
HWY_INLINE hn::Vec<D> windows_in_any_order(D d, size_t group, const At& at) {
  auto result = hn::Set(d, Op::kNeutral);
  auto number = hn::Eq(result, result);
  for (size_t g = 0; g < group; ++g) {
    const auto next = at(g);
    number = hn::And(number, hn::Eq(next, next));
    result = Op::of_numbers(result, next);
  }
  return hn::IfThenElse(number, result, hn::Set(d, std::numeric_limits<float>::quiet_NaN()));
}

// Sums and products keep their sixteen partial results.
template <class Op, class D, class At>
HWY_INLINE hn::Vec<D> windows_in_order(D d, size_t group, const At& at) {
  hn::Vec<D> partials[kPartials];
  for (size_t p = 0; p < kPartials; ++p) partials[p] = hn::Set(d, Op::kNeutral);
  for (size_t g = 0; g < group; g += kPartials) {
    const size_t count = group - g < kPartials ? group - g : kPartials;
    for (size_t p = 0; p < count; ++p) partials[p] = Op::call(partials[p], at(g + p));
  }
  for (size_t distance = kPartials / 2; distance > 0; distance /= 2) {
    for (size_t p = 0; p < distance; ++p) {
      partials[p] = Op::call(partials[p], partials[p + distance]);
    }
  }
  return canonical(partials[0]);
}

template <class Op, size_t kStep>
HWY_NOINLINE void windows_loop(const float* in, const int32_t* offsets, size_t group, float* out,
                               size_t n) {
  const hn::ScalableTag<float> d;
  constexpr size_t kWidth = hn::MaxLanes(hn::ScalableTag<float>());
  for (size_t i = 0; i < n; i += kWidth) {
    const size_t reach = kStep * (n - i - 1) + 1;
    const auto at = [&](size_t g) HWY_ATTR {
      return load_every<kStep>(d, in + kStep * i + offsets[g], reach);
    };
    hn::Vec<decltype(d)> result;
    if constexpr (Op::kAnyOrder) {
      result = windows_in_any_order<Op>(d, group, at);
    } else {
      result = windows_in_order<Op>(d, group, at);
    }
    if (n - i >= kWidth) {
      hn::StoreU(result, d, out + i);
    } else {
      store_n(result, d, out + i, n - i);
    }
  }
}

template <size_t kStep>
void windows_of(BinaryFunction function, const float* in, const int32_t* offsets, size_t group,
                float* out, size_t n) {
  switch (function) {
    case BinaryFunction::kMultiply:
      return windows_loop<ProductOp, kStep>(in, offsets, group, out, n);
    case BinaryFunction::kMaximum:
      return windows_loop<MaximumOp, kStep>(in, offsets, group, out, n);
    case BinaryFunction::kMinimum:
      return windows_loop<MinimumOp, kStep>(in, offsets, group, out, n);
    default:
      return windows_loop<SumOp, kStep>(in, offsets, group, out, n);
  }
}

void windows_kernel(BinaryFunction function, const float* in, size_t step, const int32_t* offsets,
                    size_t group, float* out, size_t n) {
  return step == 1 ? windows_of<1>(function, in, offsets, group, out, n)
                   : windows_of<2>(function, in, offsets, group, out, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(reduce_kernel);
HWY_EXPORT(rows_kernel);
HWY_EXPORT(windows_kernel);

namespace {
void check_reduction(BinaryFunction function) {
  THORONG_CHECK(function == BinaryFunction::kAdd || function == BinaryFunction::kMultiply ||
                    function == BinaryFunction::kMaximum || function == BinaryFunction::kMinimum,
                "no reduction by this function");
}
}  // namespace

float reduce(BinaryFunction function, const float* in, size_t n) {
  check_reduction(function);
  return HWY_DYNAMIC_DISPATCH(reduce_kernel)(function, in, n);
}

void reduce(BinaryFunction function, const Rows& in, float* out, size_t rows, size_t n) {
  check_reduction(function);
  HWY_DYNAMIC_DISPATCH(rows_kernel)(function, in, out, rows, n);
}

void reduce_windows(BinaryFunction function, const float* in, size_t step,
                    std::span<const int32_t> offsets, float* out, size_t n) {
  check_reduction(function);
  THORONG_CHECK(step == 1 || step == 2, "windows are one or two elements apart");
  HWY_DYNAMIC_DISPATCH(windows_kernel)(function, in, step, offsets.data(), offsets.size(), out, n);
}

}  // namespace thorong::numerics
#endif  // HWY_ONCE
