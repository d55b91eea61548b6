// SPDX-License-Identifier: Apache-2.0
// The loops of elementwise functions over Rows: load fp32 or bfloat16, compute in fp32, round,
// store, in one pass.
//
// Which format it is, is asked once a group of vectors, not compiled into a loop of its own: one
// loop for each function serves all. An input may be the output; a group is loaded before it is
// stored. Where all of a group is bfloat16, its even and its odd elements are vectors of their own
// (a 32-bit lane holds one of each): a shift or a mask widens, where bringing elements in order
// would keep the shuffle units busy longer than the arithmetic takes.
//
// Where the result is bfloat16, a function may offer rough(): fp32 arithmetic within kRoughUlps of
// what call() gives where |x| <= kRoughLimit. Nearly always both round to the same bfloat16, which
// the bits below the last kept one show; where they lie too near to the middle, call() decides. So
// the bits are call()'s.

// clang-format off
#if defined(THORONG_NUMERICS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THORONG_NUMERICS_ROWS_INL_H_
#undef THORONG_NUMERICS_ROWS_INL_H_
#else
#define THORONG_NUMERICS_ROWS_INL_H_
#endif
// clang-format on

#include <cstring>

#include "thorong/numerics/kernels.h"
#include "thorong/numerics/rows.h"
#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// One row of an input: fp32, bfloat16, or (neither) one value.
struct InRow {
  const float* wide = nullptr;
  const uint16_t* narrow = nullptr;
  float value = 0;
};
struct OutRow {
  float* wide = nullptr;
  uint16_t* narrow = nullptr;
  bool rounded = false;
};

HWY_INLINE InRow row_of(const Rows& rows, size_t r) {
  const std::byte* at = rows.data + static_cast<int64_t>(r) * rows.stride;
  const bool wide = rows.format == Format::kFloat32;
  InRow row;
  if (!rows.column) {
    if (wide) row.wide = reinterpret_cast<const float*>(at);
    if (!wide) row.narrow = reinterpret_cast<const uint16_t*>(at);
    return row;
  }
  uint32_t bits = 0;  // the upper half of fp32 is bfloat16
  if (wide) {
    std::memcpy(&bits, at, 4);
  } else {
    uint16_t code = 0;
    std::memcpy(&code, at, 2);
    bits = uint32_t{code} << 16;
  }
  std::memcpy(&row.value, &bits, 4);
  return row;
}
HWY_INLINE OutRow row_of(const RowsOut& rows, size_t r) {
  std::byte* at = rows.data + static_cast<int64_t>(r) * rows.stride;
  if (rows.format == Format::kFloat32) return {reinterpret_cast<float*>(at), nullptr, rows.rounded};
  return {nullptr, reinterpret_cast<uint16_t*>(at), true};
}

template <class D>
using Narrow = hn::Rebind<uint16_t, D>;

template <class D>
HWY_INLINE hn::Vec<D> widen_bfloat16(D d, hn::Vec<Narrow<D>> codes) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, codes)));
}

// Whether groups of so many vectors can be made of pairs.
template <size_t kGroup>
constexpr bool pairs() {
  return kGroup % 2 == 0 && HWY_TARGET != HWY_SCALAR;
}

template <size_t kGroup, class D>
HWY_INLINE void load_group(D d, const InRow& row, bool paired, size_t i, hn::Vec<D>* x) {
  constexpr size_t kWidth = hn::MaxLanes(D());
  if constexpr (pairs<kGroup>()) {
    if (paired && row.narrow != nullptr) {
      const hn::Repartition<uint16_t, D> dn;
      const hn::RebindToUnsigned<D> du;
      HWY_UNROLL(4)
      for (size_t v = 0; v < kGroup; v += 2) {
        const auto both = hn::BitCast(du, hn::LoadU(dn, row.narrow + i + v * kWidth));
        x[v] = hn::BitCast(d, hn::ShiftLeft<16>(both));
        x[v + 1] = hn::BitCast(d, hn::And(both, hn::Set(du, 0xFFFF0000U)));
      }
      return;
    }
  }
  if (row.wide != nullptr) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) x[v] = hn::LoadU(d, row.wide + i + v * kWidth);
  } else if (row.narrow != nullptr) {
    const Narrow<D> dn;
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      x[v] = widen_bfloat16(d, hn::LoadU(dn, row.narrow + i + v * kWidth));
    }
  } else {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) x[v] = hn::Set(d, row.value);
  }
}
// The first n < Lanes(d) lanes; the others are zero or the one value.
template <class D>
HWY_INLINE hn::Vec<D> load_rest(D d, const InRow& row, size_t i, size_t n) {
  if (row.wide != nullptr) return load_n(d, row.wide + i, n);
  if (row.narrow == nullptr) return hn::Set(d, row.value);
  const Narrow<D> dn;
  HWY_ALIGN uint16_t codes[hn::MaxLanes(dn)] = {};
  std::memcpy(codes, row.narrow + i, n * sizeof(uint16_t));
  return widen_bfloat16(d, hn::Load(dn, codes));
}

// The functions that pass a NaN on as it is say so: `static constexpr bool kMovesBits = true`.
template <class Op>
constexpr bool moves_bits() {
  if constexpr (requires { Op::kMovesBits; }) return Op::kMovesBits;
  return false;
}

// fp32 with the bits of the nearest bfloat16 in its upper half; below are remains. Every NaN but
// those of functions that move bits is canonical, and survives the addition.
template <class Op, class V>
HWY_INLINE auto round_bfloat16(V x) {
  const hn::RebindToUnsigned<hn::DFromV<V>> du;
  if constexpr (moves_bits<Op>()) {
    const hn::DFromV<V> d;
    const V quiet = hn::CopySign(hn::Set(d, std::numeric_limits<float>::quiet_NaN()), x);
    x = hn::IfThenElse(hn::IsNaN(x), quiet, x);
  }
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1U));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFU)));
}

template <class D, class VU>
HWY_INLINE hn::Vec<Narrow<D>> upper_half(D, VU bits) {
  const hn::RebindToSigned<D> di;
  return hn::DemoteTo(Narrow<D>(), hn::BitCast(di, hn::ShiftRight<16>(bits)));
}

template <class Op, size_t kGroup, class D>
HWY_INLINE void store_group(D d, const OutRow& row, bool paired, size_t i, const hn::Vec<D>* x) {
  constexpr size_t kWidth = hn::MaxLanes(D());
  const hn::RebindToUnsigned<D> du;
  if constexpr (pairs<kGroup>()) {
    if (paired) {
      const hn::Repartition<uint16_t, D> dn;
      HWY_UNROLL(4)
      for (size_t v = 0; v < kGroup; v += 2) {
        const auto even = hn::ShiftRight<16>(round_bfloat16<Op>(x[v]));
        const auto odd = round_bfloat16<Op>(x[v + 1]);
        const auto both = hn::OddEven(hn::BitCast(dn, odd), hn::BitCast(dn, even));
        hn::StoreU(both, dn, row.narrow + i + v * kWidth);
      }
      return;
    }
  }
  if (row.narrow != nullptr) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      hn::StoreU(upper_half(d, round_bfloat16<Op>(x[v])), Narrow<D>(), row.narrow + i + v * kWidth);
    }
  } else if (row.rounded) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      const auto kept = hn::And(round_bfloat16<Op>(x[v]), hn::Set(du, 0xFFFF0000U));
      hn::StoreU(hn::BitCast(d, kept), d, row.wide + i + v * kWidth);
    }
  } else {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) hn::StoreU(x[v], d, row.wide + i + v * kWidth);
  }
}
template <class Op, class D>
HWY_INLINE void store_rest(D d, const OutRow& row, size_t i, hn::Vec<D> x, size_t n) {
  const hn::RebindToUnsigned<D> du;
  if (row.narrow != nullptr) {
    const Narrow<D> dn;
    HWY_ALIGN uint16_t codes[hn::MaxLanes(dn)];
    hn::Store(upper_half(d, round_bfloat16<Op>(x)), dn, codes);
    std::memcpy(row.narrow + i, codes, n * sizeof(uint16_t));
  } else if (row.rounded) {
    const auto kept = hn::And(round_bfloat16<Op>(x), hn::Set(du, 0xFFFF0000U));
    store_n(hn::BitCast(d, kept), d, row.wide + i, n);
  } else {
    store_n(x, d, row.wide + i, n);
  }
}

template <class Op>
constexpr bool has_rough() {
  return requires { Op::kRoughUlps; };
}

// Whether rough results tell all bfloat16s.
template <class Op, size_t kGroup, class D, class V>
HWY_INLINE bool sure(D d, const V* x, const V* rough) {
  constexpr uint32_t kWindow = 2 * Op::kRoughUlps;  // around the middle; a power of two
  static_assert((kWindow & (kWindow - 1)) == 0);
  const hn::RebindToSigned<D> di;
  const hn::RebindToUnsigned<D> du;
  auto largest = hn::Zero(di);  // |x|, as bits: a NaN is larger than all
  auto nearest = hn::Set(du, 0x10000U);
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) {
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(x[v])));
    const auto from_window =
        hn::Add(hn::BitCast(du, rough[v]), hn::Set(du, 0x8000U + Op::kRoughUlps));
    nearest = hn::Min(nearest, hn::And(from_window, hn::Set(du, 0x10000U - kWindow)));
  }
  const auto limit = hn::BitCast(di, hn::Set(d, Op::kRoughLimit));
  const auto within = hn::Eq(hn::BitCast(di, nearest), hn::Zero(di));
  return hn::AllFalse(di, hn::Or(within, hn::Gt(largest, limit)));
}

// The functions that give the same for both zeros say so: kSameAtZeros = true.
template <class Op>
constexpr bool same_at_zeros() {
  if constexpr (requires { Op::kSameAtZeros; }) return Op::kSameAtZeros;
  return false;
}

// What comes before a unary function, of one row: x * scale + bias in two roundings.
template <class Op, class V>
struct Before {
  bool multiplies = false, adds = false;
  V scale, bias;

  template <class D>
  HWY_INLINE Before(D d, const internal::Affine* affine, size_t r)
      : scale(hn::Zero(d)), bias(hn::Zero(d)) {
    if (affine == nullptr) return;
    const float factor = row_of(affine->scale, r).value;
    multiplies = factor != 1.0F;
    const float summand = row_of(affine->bias, r).value;
    adds = multiplies || summand != 0.0F || !same_at_zeros<Op>();  // -0 + 0 is 0
    scale = hn::Set(d, factor);
    bias = hn::Set(d, summand);
  }
};

// Op's results, or what rounds to the same bfloat16.
template <class Op, size_t kGroup, class D, class V>
HWY_INLINE void compute(D d, bool rounded, const Before<Op, V>& before, V* x) {
  if (before.multiplies) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) x[v] = hn::Mul(x[v], before.scale);
  }
  if (before.adds) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < kGroup; ++v) {
      x[v] = hn::Add(x[v], before.bias);
      if constexpr (moves_bits<Op>()) x[v] = canonical(x[v]);
    }
  }
  if constexpr (has_rough<Op>()) {
    if (rounded) {
      V rough[kGroup];
      Op::template rough<kGroup>(x, rough);
      if (HWY_LIKELY((sure<Op, kGroup>(d, x, rough)))) {
        HWY_UNROLL(4)
        for (size_t v = 0; v < kGroup; ++v) x[v] = rough[v];
        return;
      }
    }
  }
  HWY_UNROLL(4)
  for (size_t v = 0; v < kGroup; ++v) x[v] = Op::call(d, x[v]);
}

// out = Op(in), or Op(in * scale + bias).
template <class Op, size_t kGroup>
HWY_NOINLINE void unary_rows(const Rows& in, const internal::Affine* affine, const RowsOut& out,
                             size_t rows, size_t n) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr size_t kWidth = hn::MaxLanes(hn::ScalableTag<float>());
  for (size_t r = 0; r < rows; ++r) {
    const InRow from = row_of(in, r);
    const OutRow to = row_of(out, r);
    const bool paired = to.narrow != nullptr && from.wide == nullptr;
    const Before<Op, V> before(d, affine, r);
    size_t i = 0;
    for (; i + kGroup * kWidth <= n; i += kGroup * kWidth) {
      V x[kGroup];
      load_group<kGroup>(d, from, paired, i, x);
      compute<Op, kGroup>(d, to.rounded, before, x);
      store_group<Op, kGroup>(d, to, paired, i, x);
    }
    for (; i < n; i += kWidth) {
      const size_t rest = n - i < kWidth ? n - i : kWidth;
      V x = hn::Zero(d);
      if (rest == kWidth) {
        load_group<1>(d, from, false, i, &x);
      } else {
        x = load_rest(d, from, i, rest);
      }
      compute<Op, 1>(d, to.rounded, before, &x);
      if (rest == kWidth) {
        store_group<Op, 1>(d, to, false, i, &x);
      } else {
        store_rest<Op>(d, to, i, x, rest);
      }
    }
  }
}

// out = Op(a, b).
template <class Op, size_t kGroup>
HWY_NOINLINE void binary_rows(const Rows& a, const Rows& b, const RowsOut& out, size_t rows,
                              size_t n) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr size_t kWidth = hn::MaxLanes(hn::ScalableTag<float>());
  for (size_t r = 0; r < rows; ++r) {
    const InRow left = row_of(a, r);
    const InRow right = row_of(b, r);
    const OutRow to = row_of(out, r);
    const bool paired = to.narrow != nullptr && left.wide == nullptr && right.wide == nullptr;
    size_t i = 0;
    for (; i + kGroup * kWidth <= n; i += kGroup * kWidth) {
      V x[kGroup];
      V y[kGroup];
      load_group<kGroup>(d, left, paired, i, x);
      load_group<kGroup>(d, right, paired, i, y);
      HWY_UNROLL(4)
      for (size_t v = 0; v < kGroup; ++v) x[v] = Op::call(d, x[v], y[v]);
      store_group<Op, kGroup>(d, to, paired, i, x);
    }
    for (; i < n; i += kWidth) {
      const size_t rest = n - i < kWidth ? n - i : kWidth;
      if (rest == kWidth) {
        V x;
        V y;
        load_group<1>(d, left, false, i, &x);
        load_group<1>(d, right, false, i, &y);
        x = Op::call(d, x, y);
        store_group<Op, 1>(d, to, false, i, &x);
      } else {
        const V result = Op::call(d, load_rest(d, left, i, rest), load_rest(d, right, i, rest));
        store_rest<Op>(d, to, i, result, rest);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
