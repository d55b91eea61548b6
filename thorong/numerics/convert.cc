// SPDX-License-Identifier: Apache-2.0
// Arrays of any format to fp32 and back: widen and narrow.
//
// Vectorised: all floats narrowing, 16-bit floats and tfloat32 widening, integers of 8 and 16 bits
// both ways. 8-bit floats widen through a table of 256 values; formats that only ONNX has go
// through tables both ways (narrow_formats.cc). Integers of 32 and 64 bits, and float64, go element
// by element. Random bits of the stochastic rounding are made a block at a time; bit i of the
// stream depends on key and element number only.
#include "thorong/base/check.h"
#include "thorong/numerics/format.h"
#include "thorong/numerics/format_table.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/convert.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "thorong/numerics/convert-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

// A vector from `count` elements at an address without alignment; lanes beyond are zero.
template <class D>
HWY_INLINE hn::Vec<D> load_any(D d, const char* p, size_t count) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T buffer[hn::MaxLanes(d)] = {};
  std::memcpy(buffer, p, count * sizeof(T));
  return hn::Load(d, buffer);
}
template <class D>
HWY_INLINE void store_any(hn::Vec<D> v, D d, char* p, size_t count) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T buffer[hn::MaxLanes(d)];
  hn::Store(v, d, buffer);
  std::memcpy(p, buffer, count * sizeof(T));
}

// Element: the storage type; Step::call: vector of Element to vector of float.
template <typename Element, class Step>
HWY_NOINLINE void widen_loop(const char* source, float* destination, size_t n) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<Element, decltype(df)> d;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(Step::call(df, load_any(d, source + i * sizeof(Element), lanes)), df,
               destination + i);
  }
  if (i < n)
    store_n(Step::call(df, load_any(d, source + i * sizeof(Element), n - i)), df, destination + i,
            n - i);
}

template <Format kFormat>
struct WidenFloat {
  template <class DF, class V>
  static HWY_INLINE hn::Vec<DF> call(DF df, V codes) {
    const hn::RebindToUnsigned<DF> du;
    return hn::BitCast(df, widen_bits<Layout<kFormat>>(hn::PromoteTo(du, codes)));
  }
};
struct WidenInteger {
  template <class DF, class V>
  static HWY_INLINE hn::Vec<DF> call(DF df, V values) {
    const hn::RebindToSigned<DF> di;
    if constexpr (sizeof(hn::TFromV<V>) == 4) {
      return hn::ConvertTo(df, values);
    } else {
      return hn::ConvertTo(df, hn::PromoteTo(di, values));
    }
  }
};

// Step::call: vectors of float and of random bits to a vector of Element.
template <typename Element, class Step, bool kRandom>
HWY_NOINLINE void narrow_loop(const float* source, char* destination, size_t n,
                              const uint32_t* random) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<Element, decltype(df)> d;
  const size_t lanes = hn::Lanes(df);
  for (size_t i = 0; i < n; i += lanes) {
    const size_t count = n - i < lanes ? n - i : lanes;
    const auto x = count == lanes ? hn::LoadU(df, source + i) : load_n(df, source + i, count);
    auto uniform = hn::Zero(du);
    if constexpr (kRandom)
      uniform = count == lanes ? hn::LoadU(du, random + i) : load_n(du, random + i, count);
    const auto result = Step::call(d, x, uniform);
    char* place = destination + i * sizeof(Element);
    if (count == lanes) {
      store_any(result, d, place, lanes);
    } else {
      store_any(result, d, place, count);
    }
  }
}

template <Format kFormat, bool kStochastic>
struct NarrowFloat {
  template <class D, class V, class R>
  static HWY_INLINE hn::Vec<D> call(D d, V x, R random) {
    const hn::RebindToSigned<hn::DFromV<V>> di;
    const auto code =
        narrow_bits<Layout<kFormat>, kStochastic>(hn::BitCast(hn::DFromV<R>(), x), random);
    if constexpr (sizeof(hn::TFromD<D>) == 4) {
      return code;
    } else {
      return hn::DemoteTo(d, hn::BitCast(di, code));
    }
  }
};
// Nearest even, saturating, NaN to 0. Integers of at most 16 bits.
struct NarrowInteger {
  template <class D, class V, class R>
  static HWY_INLINE hn::Vec<D> call(D d, V x, R) {
    using Limits = std::numeric_limits<hn::TFromD<D>>;
    const hn::DFromV<V> df;
    const hn::RebindToSigned<decltype(df)> di;
    const V low = hn::Set(df, static_cast<float>(Limits::lowest()));
    const V high = hn::Set(df, static_cast<float>(Limits::max()));
    const V shift = hn::Set(df, 12582912.0F);  // 1.5 * 2^23
    V y = hn::IfThenElse(hn::Lt(x, low), low, hn::IfThenElse(hn::Gt(x, high), high, x));
    y = hn::IfThenElse(hn::IsNaN(x), hn::Zero(df), y);
    return hn::DemoteTo(d, hn::ConvertTo(di, hn::Sub(hn::Add(y, shift), shift)));
  }
};
struct NarrowBool {
  template <class D, class V, class R>
  static HWY_INLINE hn::Vec<D> call(D d, V x, R) {
    const hn::DFromV<V> df;
    const hn::RebindToSigned<decltype(df)> di;
    const auto one = hn::IfThenElseZero(not_equal(x, hn::Zero(df)), hn::Set(df, 1.0F));
    return hn::DemoteTo(d, hn::ConvertTo(di, one));
  }
};

template <typename Element, Format kFormat>
HWY_INLINE void narrow_float(const float* source, char* destination, size_t n,
                             const uint32_t* random) {
  if (random != nullptr) {
    narrow_loop<Element, NarrowFloat<kFormat, true>, true>(source, destination, n, random);
  } else {
    narrow_loop<Element, NarrowFloat<kFormat, false>, false>(source, destination, n, nullptr);
  }
}

// Formats with vector code; `random` is null for nearest even.
void narrow_kernel(Format to, const float* source, char* destination, size_t n,
                   const uint32_t* random) {
  switch (to) {
    case Format::kTfloat32:
      return narrow_float<uint32_t, Format::kTfloat32>(source, destination, n, random);
    case Format::kBfloat16:
      return narrow_float<uint16_t, Format::kBfloat16>(source, destination, n, random);
    case Format::kFloat16:
      return narrow_float<uint16_t, Format::kFloat16>(source, destination, n, random);
    case Format::kFloat8E4m3:
      return narrow_float<uint8_t, Format::kFloat8E4m3>(source, destination, n, random);
    case Format::kFloat8E4m3fn:
      return narrow_float<uint8_t, Format::kFloat8E4m3fn>(source, destination, n, random);
    case Format::kFloat8E5m2:
      return narrow_float<uint8_t, Format::kFloat8E5m2>(source, destination, n, random);
    case Format::kFloat8E3m4:
      return narrow_float<uint8_t, Format::kFloat8E3m4>(source, destination, n, random);
    case Format::kInt8:
      return narrow_loop<int8_t, NarrowInteger, false>(source, destination, n, nullptr);
    case Format::kUint8:
      return narrow_loop<uint8_t, NarrowInteger, false>(source, destination, n, nullptr);
    case Format::kInt16:
      return narrow_loop<int16_t, NarrowInteger, false>(source, destination, n, nullptr);
    case Format::kUint16:
      return narrow_loop<uint16_t, NarrowInteger, false>(source, destination, n, nullptr);
    case Format::kBool:
      return narrow_loop<uint8_t, NarrowBool, false>(source, destination, n, nullptr);
    default:
      break;  // see thorong::numerics::narrow
  }
}

// Rounds fp32 values to those of a narrower float, to nearest even, without a detour through
// memory.
template <Format kFormat>
HWY_NOINLINE void round_loop(float* values, size_t n) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const size_t lanes = hn::Lanes(df);
  auto rounded = [&](hn::Vec<decltype(df)> x) {
    const auto code = narrow_bits<Layout<kFormat>, false>(hn::BitCast(du, x), hn::Zero(du));
    if constexpr (kFormat == Format::kTfloat32) {
      return hn::BitCast(df, code);
    } else {
      return hn::BitCast(df, widen_bits<Layout<kFormat>>(code));
    }
  };
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(rounded(hn::LoadU(df, values + i)), df, values + i);
  }
  if (i < n) store_n(rounded(load_n(df, values + i, n - i)), df, values + i, n - i);
}

void round_kernel(Format to, float* values, size_t n) {
  switch (to) {
    case Format::kTfloat32:
      return round_loop<Format::kTfloat32>(values, n);
    case Format::kBfloat16:
      return round_loop<Format::kBfloat16>(values, n);
    case Format::kFloat16:
      return round_loop<Format::kFloat16>(values, n);
    case Format::kFloat8E4m3:
      return round_loop<Format::kFloat8E4m3>(values, n);
    case Format::kFloat8E5m2:
      return round_loop<Format::kFloat8E5m2>(values, n);
    case Format::kFloat8E3m4:
      return round_loop<Format::kFloat8E3m4>(values, n);
    default:
      break;  // float32 is what it is; others have no fp32 cells
  }
}

void widen_kernel(Format from, const char* source, float* destination, size_t n) {
  switch (from) {
    case Format::kBfloat16:
      return widen_loop<uint16_t, WidenFloat<Format::kBfloat16>>(source, destination, n);
    case Format::kFloat16:
      return widen_loop<uint16_t, WidenFloat<Format::kFloat16>>(source, destination, n);
    case Format::kInt8:
      return widen_loop<int8_t, WidenInteger>(source, destination, n);
    case Format::kUint8:
      return widen_loop<uint8_t, WidenInteger>(source, destination, n);
    case Format::kInt16:
      return widen_loop<int16_t, WidenInteger>(source, destination, n);
    case Format::kUint16:
      return widen_loop<uint16_t, WidenInteger>(source, destination, n);
    case Format::kInt32:
      return widen_loop<int32_t, WidenInteger>(source, destination, n);
    default:
      break;  // see thorong::numerics::widen
  }
}

// Philox blocks first_block... as pairs of words; one block per 64-bit lane.
void random_kernel(uint64_t key, uint64_t first_block, uint64_t* out, size_t blocks) {
  const hn::ScalableTag<uint64_t> d;
  const uint64_t multiplier = 0xD256D193U;
  const uint32_t weyl = 0x9E3779B9U;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, multiplier);
  const auto low_half = hn::Set(d, uint64_t{0xFFFFFFFFU});
  auto counter = hn::Add(hn::Iota(d, 0), hn::Set(d, first_block));
  for (size_t i = 0; i < blocks; i += lanes) {
    auto state = hn::Xor(counter, hn::Set(d, key & 0xFFFFFFFF00000000U));
    auto round_key = static_cast<uint32_t>(key);
    for (int round = 0; round < 10; ++round, round_key += weyl) {
#if HWY_TARGET == HWY_SCALAR
      const auto product = hn::Set(d, (hn::GetLane(state) & 0xFFFFFFFFU) * multiplier);
      (void)factor;
#else
      const hn::Repartition<uint32_t, decltype(d)> d32;
      const auto product = hn::MulEven(hn::BitCast(d32, state), hn::BitCast(d32, factor));
#endif
      const auto high = hn::Xor(hn::ShiftRight<32>(product), hn::ShiftRight<32>(state));
      const auto first = hn::Xor(high, hn::Set(d, uint64_t{round_key}));
      state = hn::Or(first, hn::ShiftLeft<32>(hn::And(product, low_half)));
    }
    if (i + lanes <= blocks) {
      hn::StoreU(state, d, out + i);
    } else {
      store_n(state, d, out + i, blocks - i);
    }
    counter = hn::Add(counter, hn::Set(d, uint64_t{lanes}));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {
namespace {

HWY_EXPORT(narrow_kernel);
HWY_EXPORT(widen_kernel);
HWY_EXPORT(round_kernel);
HWY_EXPORT(random_kernel);

constexpr size_t kBlock = 512;

template <typename T>
void widen_scalar(const char* source, float* destination, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, source + i * sizeof(T), sizeof(T));
    destination[i] = static_cast<float>(value);
  }
}

// Nearest even and saturation for integers of 32 and 64 bits, whose limits fp32 cannot hold.
template <typename T>
T round_to_integer(float x) {
  constexpr double kAboveHighest =
      2.0 * static_cast<double>(uint64_t{1} << (std::numeric_limits<T>::digits - 1));
  constexpr double kLowest = static_cast<double>(std::numeric_limits<T>::lowest());
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52
  const auto value = static_cast<double>(x);
  if (!(value == value)) return 0;
  if (value >= kAboveHighest) return std::numeric_limits<T>::max();
  if (value <= kLowest) return std::numeric_limits<T>::lowest();
  const bool fractional = value < 16777216.0 && value > -16777216.0;
  return static_cast<T>(fractional ? (value + kShift) - kShift : value);
}

template <typename T>
void narrow_scalar(const float* source, char* destination, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    T value;
    if constexpr (std::is_same_v<T, double>) {
      value = static_cast<double>(source[i]);
    } else {
      value = round_to_integer<T>(source[i]);
    }
    std::memcpy(destination + i * sizeof(T), &value, sizeof(T));
  }
}

void narrow_stochastic(Format to, const float* source, char* destination, size_t n,
                       const Rounding& rounding) {
  std::array<uint32_t, kBlock> random;
  for (size_t i = 0; i < n; i += kBlock) {
    const size_t count = std::min(kBlock, n - i);
    internal::random_bits(rounding.key, rounding.first_element + i, random.data(), count);
    HWY_DYNAMIC_DISPATCH(narrow_kernel)
    (to, source + i, destination + i * byte_size(to), count, random.data());
  }
}

}  // namespace

void internal::random_bits(uint64_t key, uint64_t first, uint32_t* out, size_t n) {
  constexpr size_t kBlocks = kBlock / 2 + 1;
  std::array<uint64_t, kBlocks> blocks;
  for (size_t i = 0; i < n;) {
    const uint64_t element = first + i;
    const size_t skip = element % 2;
    const size_t count = std::min(n - i, kBlock);
    HWY_DYNAMIC_DISPATCH(random_kernel)(key, element / 2, blocks.data(), (skip + count + 1) / 2);
    for (size_t j = 0; j < count; ++j) {
      const size_t word = skip + j;
      out[i + j] = static_cast<uint32_t>(blocks[word / 2] >> (word % 2 * 32));
    }
    i += count;
  }
}

void widen(Format from, const void* source, float* destination, size_t n) {
  const char* bytes = static_cast<const char*>(source);
  if (n == 0) return;
  switch (from) {
    case Format::kFloat32:
    case Format::kTfloat32:
      std::memmove(destination, source, n * sizeof(float));
      return;
    case Format::kFloat64:
      return widen_scalar<double>(bytes, destination, n);
    case Format::kInt64:
      return widen_scalar<int64_t>(bytes, destination, n);
    case Format::kUint32:
      return widen_scalar<uint32_t>(bytes, destination, n);
    case Format::kUint64:
      return widen_scalar<uint64_t>(bytes, destination, n);
    case Format::kBool:
      for (size_t i = 0; i < n; ++i) destination[i] = bytes[i] != 0 ? 1.0F : 0.0F;
      return;
    default:
      if (byte_size(from) == 1 && from != Format::kInt8 && from != Format::kUint8)
        return internal::widen_by_table(from, bytes, destination, n);
      HWY_DYNAMIC_DISPATCH(widen_kernel)(from, bytes, destination, n);
  }
}

void round_in_place(Format to, float* values, size_t n) {
  if (info(to).kind == 'F') {
    HWY_DYNAMIC_DISPATCH(round_kernel)(to, values, n);
    return;
  }
  // The top exponent is of finite values, which the vector code does not know.
  std::array<unsigned char, 1024> codes;
  for (size_t i = 0; i < n; i += codes.size()) {
    const size_t count = std::min(codes.size(), n - i);
    narrow(to, values + i, codes.data(), count);
    widen(to, codes.data(), values + i, count);
  }
}

void narrow(Format to, const float* source, void* destination, size_t n, const Rounding& rounding) {
  char* bytes = static_cast<char*>(destination);
  if (n == 0) return;
  switch (to) {
    case Format::kFloat32:
      std::memmove(destination, source, n * sizeof(float));
      return;
    case Format::kFloat64:
      return narrow_scalar<double>(source, bytes, n);
    case Format::kInt32:
      return narrow_scalar<int32_t>(source, bytes, n);
    case Format::kInt64:
      return narrow_scalar<int64_t>(source, bytes, n);
    case Format::kUint32:
      return narrow_scalar<uint32_t>(source, bytes, n);
    case Format::kUint64:
      return narrow_scalar<uint64_t>(source, bytes, n);
    default:
      break;
  }
  if (internal::narrows_by_table(to)) return internal::narrow_by_table(to, source, bytes, n);
  if (rounding.mode == RoundingMode::kStochastic && is_float(to)) {
    narrow_stochastic(to, source, bytes, n, rounding);
  } else {
    HWY_DYNAMIC_DISPATCH(narrow_kernel)(to, source, bytes, n, nullptr);
  }
}

}  // namespace thorong::numerics
#endif  // HWY_ONCE
