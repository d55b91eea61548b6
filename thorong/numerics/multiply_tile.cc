// SPDX-License-Identifier: Apache-2.0
// The matrix product of the tensor engine, in its exact order: each element is one chain of fused
// multiply-adds over k.
//
// A register tile of R rows and C vectors of columns keeps R * C chains in flight, which hides the
// latency of fma; per k it loads C vectors and R broadcast scalars. Rows are m and columns n, or,
// where that wastes fewer lanes (n tail of 7, m of 128), rows are n and columns m: the product
// commutes, so the bits are the same. Few rows take wider tiles, so that enough chains remain.
//
// A panel of columns is visited by all row tiles before the next, and when several row tiles will
// read it, it is first copied to consecutive memory: with row strides that are powers of two its
// rows would otherwise evict one another from the first-level cache. So are the rows, tile by tile,
// when enough panels will read them: weights are a part of a wider matrix, whose rows share cache
// sets too. Columns that do not follow each other (a window of a picture) are brought together by
// the same copy. Short gaps between the columns of PSUM are computed with the rest, from whatever
// the moving operand has there, and left as they are on writing: cheaper than cutting the panels at
// each line.
//
// What is copied or added to is asked for a little before (Prefetch): a tile's results while its
// sums are computed, rows some steps of k and columns two panels ahead. It comes from memory, from
// rows too far apart for the processor to see a pattern.
#include <algorithm>
#include <array>

#include "thorong/base/check.h"
#include "thorong/numerics/functions.h"
#include "thorong/numerics/kernels.h"
#include "thorong/numerics/multiply_narrow.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/multiply_tile.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
#include "hwy/cache_control.h"
#include "thorong/numerics/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thorong::numerics {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2
constexpr size_t kTileRows = 6;
constexpr size_t kTileVectors = 2;
#elif THORONG_EMULATED
constexpr size_t kTileRows = 4;
constexpr size_t kTileVectors = 2;
#else
constexpr size_t kTileRows = 8;
constexpr size_t kTileVectors = 3;
#endif
// Vectors of the tiles of one, two and three rows.
constexpr size_t kWideVectors[] = {8, 4, 4};
constexpr size_t kWideRows = 3;

using Tag = hn::ScalableTag<float>;
constexpr size_t kLanes = hn::MaxLanes(Tag());
constexpr size_t kPanelColumns = kTileVectors * kLanes;
constexpr size_t kPackedPitch = kPanelColumns + kLanes;   // a copied run may spill one vector
constexpr size_t kPackedDepth = internal::kStridedDepth;  // K up to which a panel is copied
static_assert(kPackedDepth == kMostNarrowRows);
constexpr size_t kCacheLine = 16;              // floats
constexpr size_t kPackedRows = 20480;          // elements of rows that may be copied
constexpr size_t kWorthPackingRows = 1200000;  // multiply-adds that repay the copy

// A row-major operand: for each k a row of elements. Column c is at data[offsets[c]], or at data[c]
// without offsets; or at narrow[c], in bfloat16. Offsets and bfloat16 are for copying only.
struct Operand {
  const float* data;
  size_t stride;
  const int32_t* offsets = nullptr;
  const uint16_t* narrow = nullptr;

  bool plain() const { return offsets == nullptr && narrow == nullptr; }
};

// Where results go. Transposed: element (row, column) of the tile is at data[column * stride +
// row]. With `keep`, position n (a column, or a row if transposed) is left alone where keep[n] is
// not 0.
struct Destination {
  float* data;
  size_t stride;
  bool accumulate;
  bool transposed;
  const int32_t* keep = nullptr;
};

// Writes a finished tile that is transposed or does not fill its last vector; row r of it is at
// sums + r * sums_stride.
HWY_NOINLINE void store_odd_tile(const Destination& to, const float* sums, size_t sums_stride,
                                 size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      if (to.keep != nullptr && to.keep[to.transposed ? r : c] != 0) continue;
      float* place = to.data + (to.transposed ? c * to.stride + r : r * to.stride + c);
      const float sum = sums[r * sums_stride + c];
      const float total = to.accumulate ? *place + sum : sum;
      *place = total == total ? total : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

// One step of k of a register tile: each sum gets the product of its row's and its column's value.
template <size_t kRows, size_t kVectors, bool kPartial>
HWY_INLINE void add_products(const float* HWY_RESTRICT row, const float* HWY_RESTRICT column,
                             size_t last, hn::Vec<Tag> (&sums)[kRows][kVectors]) {
  const Tag d;
  hn::Vec<Tag> values[kVectors];
  HWY_UNROLL(8)
  for (size_t v = 0; v < kVectors; ++v) {
    const bool partial = kPartial && v + 1 == kVectors;
    values[v] = partial ? load_n(d, column + v * kLanes, last) : hn::LoadU(d, column + v * kLanes);
  }
  HWY_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    const auto factor = hn::Set(d, row[r]);
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = fma(factor, values[v], sums[r][v]);
  }
}

// One register tile: kRows x kVectors, the last vector with `last` valid lanes (kPartial) or all.
// kPacked: both operands were copied, so that their strides are known here.
template <size_t kRows, size_t kVectors, bool kPartial, bool kPacked>
HWY_NOINLINE void tile(const Operand& rows, const Operand& columns, size_t depth, size_t last,
                       const Destination& to) {
  const Tag d;
  hn::Vec<Tag> sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  if (!to.transposed) {
    HWY_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors * kLanes; v += kCacheLine)
        hwy::Prefetch(to.data + r * to.stride + v);
    }
  }
  const float* HWY_RESTRICT row = rows.data;
  const float* HWY_RESTRICT column = columns.data;
  size_t k = 0;
  if constexpr (kPacked) {
    constexpr size_t kSteps = 4;
    for (; k + kSteps <= depth; k += kSteps) {
      HWY_UNROLL(4)
      for (size_t step = 0; step < kSteps; ++step) {
        add_products<kRows, kVectors, kPartial>(row + step * kTileRows,
                                                column + step * kPackedPitch, last, sums);
      }
      row += kSteps * kTileRows;
      column += kSteps * kPackedPitch;
    }
  }
  const size_t row_step = kPacked ? kTileRows : rows.stride;
  const size_t column_step = kPacked ? kPackedPitch : columns.stride;
  for (; k < depth; ++k, row += row_step, column += column_step) {
    if (kVectors > kTileVectors) {  // streams through memory with a large stride
      constexpr size_t kAhead = 12;
      for (size_t v = 0; v < kVectors * kLanes; v += kCacheLine)
        hwy::Prefetch(column + kAhead * column_step + v);
    }
    add_products<kRows, kVectors, kPartial>(row, column, last, sums);
  }
  if (kPartial || to.transposed) {
    HWY_ALIGN float buffer[kRows][kVectors * kLanes];
    HWY_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) hn::Store(sums[r][v], d, buffer[r] + v * kLanes);
    }
    store_odd_tile(to, buffer[0], kVectors * kLanes, kRows, (kVectors - 1) * kLanes + last);
    return;
  }
  float* const data = to.data;
  const size_t stride = to.stride;
  const int32_t* const keep = to.keep;
  if (to.accumulate) {
    HWY_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::Add(hn::LoadU(d, data + r * stride + v * kLanes), sums[r][v]);
      }
    }
  }
  if (keep != nullptr) {
    const hn::RebindToSigned<Tag> di;
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      const auto gap = hn::MaskFromVec(hn::BitCast(d, hn::LoadU(di, keep + v * kLanes)));
      HWY_UNROLL(8)
      for (size_t r = 0; r < kRows; ++r) {
        float* place = data + r * stride + v * kLanes;
        hn::StoreU(hn::IfThenElse(gap, hn::LoadU(d, place), canonical(sums[r][v])), d, place);
      }
    }
    return;
  }
  HWY_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(canonical(sums[r][v]), d, data + r * stride + v * kLanes);
    }
  }
}

// Chooses the instance for a number of rows and vectors known only now.
template <bool kPacked, size_t kRows, size_t kVectors>
HWY_INLINE void tile_of_rows(size_t row_count, const Operand& rows, const Operand& columns,
                             size_t depth, size_t last, const Destination& to) {
  if constexpr (kRows > 1) {
    if (row_count < kRows) {
      return tile_of_rows<kPacked, kRows - 1, kVectors>(row_count, rows, columns, depth, last, to);
    }
  }
  if (last == kLanes) {
    tile<kRows, kVectors, false, kPacked>(rows, columns, depth, last, to);
  } else {
    tile<kRows, kVectors, true, kPacked>(rows, columns, depth, last, to);
  }
}
template <bool kPacked, size_t kVectors>
HWY_INLINE void tile_of(size_t row_count, size_t vector_count, const Operand& rows,
                        const Operand& columns, size_t depth, size_t last, const Destination& to) {
  if constexpr (kVectors > 1) {
    if (vector_count < kVectors) {
      return tile_of<kPacked, kVectors - 1>(row_count, vector_count, rows, columns, depth, last,
                                            to);
    }
  }
  tile_of_rows<kPacked, kTileRows, kVectors>(row_count, rows, columns, depth, last, to);
}

HWY_INLINE size_t vectors_of(size_t columns) { return (columns + kLanes - 1) / kLanes; }

// Copies a run of `length` columns, kStep apart (0: `step`), of each k to `to`, kPackedPitch apart.
// Reads nothing beyond the run; may write one vector beyond it.
template <size_t kStep>
HWY_NOINLINE void pack_run(const float* from, size_t stride, size_t step, size_t length,
                           size_t depth, float* to) {
  const Tag d;
  for (size_t k = 0; k < depth; ++k, from += stride, to += kPackedPitch) {
    size_t i = 0;
    if constexpr (kStep == 1) {
      hwy::Prefetch(from + 2 * kPanelColumns);
      for (; i + kLanes <= length; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
      if (i < length) hn::StoreU(load_n(d, from + i, length - i), d, to + i);
    } else if constexpr (kStep == 2) {
      for (; i < length; i += kLanes) {
        const size_t reach = 2 * (length - i) - 1;  // elements to the run's last one
        hn::StoreU(load_every<2>(d, from + 2 * i, reach), d, to + i);
      }
    } else {
      for (; i < length; ++i) to[i] = from[i * step];
    }
  }
}

HWY_INLINE void widen_to(const uint16_t* from, float* to) {
  const Tag d;
  const hn::RebindToUnsigned<Tag> du;
  const hn::Rebind<uint16_t, Tag> dn;
  const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dn, from)));
  hn::StoreU(hn::BitCast(d, bits), d, to);
}

// The same of `width` columns of bfloat16.
HWY_NOINLINE void pack_narrow(const uint16_t* from, size_t stride, size_t width, size_t depth,
                              float* to) {
  for (size_t k = 0; k < depth; ++k, from += stride, to += kPackedPitch) {
    size_t i = 0;
    for (; i + kLanes <= width; i += kLanes) widen_to(from + i, to + i);
    if (i == width) continue;
    uint16_t rest[kLanes] = {};
    for (size_t j = i; j < width; ++j) rest[j - i] = from[j];
    widen_to(rest, to + i);
  }
}

// Copies `width` columns to `packed`, kPackedPitch apart.
HWY_NOINLINE Operand pack(Operand columns, size_t width, size_t depth, float* packed) {
  if (columns.narrow != nullptr) {
    pack_narrow(columns.narrow, columns.stride, width, depth, packed);
    return {packed, kPackedPitch};
  }
  if (columns.offsets == nullptr) {
    pack_run<1>(columns.data, columns.stride, 1, width, depth, packed);
    return {packed, kPackedPitch};
  }
  for (size_t c = 0; c < width;) {
    const int32_t* at = columns.offsets + c;
    size_t length = 1;
    const int32_t step = c + 1 < width ? at[1] - at[0] : 1;
    while (c + length < width && at[length] - at[length - 1] == step) ++length;
    const float* from = columns.data + *at;
    if (step == 1) {
      pack_run<1>(from, columns.stride, 1, length, depth, packed + c);
    } else if (step == 2) {
      pack_run<2>(from, columns.stride, 2, length, depth, packed + c);
    } else if (step > 2) {
      pack_run<0>(from, columns.stride, static_cast<size_t>(step), length, depth, packed + c);
    } else {  // repeated or going back: one by one
      length = 1;
      pack_run<0>(from, columns.stride, 1, 1, depth, packed + c);
    }
    c += length;
  }
  return {packed, kPackedPitch};
}

// How many of the `left` rows the next tile takes: a remainder of a few rows is shared with the
// tile before it, because low tiles have too few chains to hide the latency.
HWY_INLINE size_t next_rows(size_t left) {
  if (left <= kTileRows) return left;
  return left < kTileRows + kTileRows / 2 ? (left + 1) / 2 : kTileRows;
}

// Copied rows: those of a tile follow each other, kTileRows apart for each k; tiles are so many
// elements apart, among them room for what the last vector spills.
constexpr size_t kRowReach = (kTileRows + kLanes - 1) / kLanes * kLanes;
HWY_INLINE size_t row_tile_size(size_t depth) { return kTileRows * depth + kRowReach; }

// Copies all rows, tile by tile as next_rows() cuts them. Reads nothing beyond the rows.
HWY_NOINLINE void pack_rows(const Operand& rows, size_t row_count, size_t depth, float* packed) {
  const Tag d;
  const float* from = rows.data;
  for (size_t k = 0; k < depth; ++k, from += rows.stride) {
    float* to = packed + k * kTileRows;
    size_t row = 0;
    constexpr size_t kAhead = 4;
    for (size_t i = 0; i < row_count; i += kCacheLine)
      hwy::Prefetch(from + kAhead * rows.stride + i);
    while (row < row_count) {
      const size_t count = next_rows(row_count - row);
      if (row + kRowReach <= row_count) {
        HWY_UNROLL(8)
        for (size_t i = 0; i < kRowReach; i += kLanes) {  // the next k overwrites what is too much
          hn::StoreU(hn::LoadU(d, from + row + i), d, to + i);
        }
      } else {
        std::copy_n(from + row, count, to);
      }
      row += count;
      to += row_tile_size(depth);
    }
  }
}

// The columns from `first` on.
HWY_INLINE Operand columns_from(Operand operand, size_t first) {
  if (operand.narrow != nullptr) return {nullptr, operand.stride, nullptr, operand.narrow + first};
  if (operand.offsets == nullptr) return {operand.data + first, operand.stride};
  return {operand.data, operand.stride, operand.offsets + first};
}

// One, two or three rows: direct from memory, in wide tiles.
template <size_t kRows>
HWY_NOINLINE void wide_product(Operand rows, Operand columns, size_t column_count, size_t depth,
                               Destination to) {
  constexpr size_t kVectors = kWideVectors[kRows - 1];
  const auto part = [&](size_t column) {
    Destination there = to;
    there.data += to.transposed ? column * to.stride : column;
    if (there.keep != nullptr && !to.transposed) there.keep += column;
    return there;
  };
  size_t column = 0;
  for (; column + kVectors * kLanes <= column_count; column += kVectors * kLanes) {
    tile<kRows, kVectors, false, false>(rows, columns_from(columns, column), depth, kLanes,
                                        part(column));
  }
  for (; column < column_count; column += kPanelColumns) {
    const size_t width = std::min(column_count - column, kPanelColumns);
    const size_t vectors = vectors_of(width);
    tile_of<false, kTileVectors>(kRows, vectors, rows, columns_from(columns, column), depth,
                                 width - (vectors - 1) * kLanes, part(column));
  }
}

// The product of row_count rows and column_count columns, panel by panel.
HWY_NOINLINE void product(Operand rows, size_t row_count, Operand columns, size_t column_count,
                          size_t depth, Destination to) {
  if (row_count <= kWideRows && columns.plain()) {
    if (row_count == 1) return wide_product<1>(rows, columns, column_count, depth, to);
    if (row_count == 2) return wide_product<2>(rows, columns, column_count, depth, to);
    return wide_product<3>(rows, columns, column_count, depth, to);
  }
  HWY_ALIGN float packed[kPackedDepth * kPackedPitch];
  const bool packs = !columns.plain() || (depth <= kPackedDepth && row_count > 4 * kTileRows);
  HWY_ALIGN float packed_rows[kPackedRows];
  const bool packs_rows = column_count * row_count * depth >= kWorthPackingRows &&
                          (row_count / kTileRows + 2) * row_tile_size(depth) <= kPackedRows;
  if (packs_rows) {
    pack_rows(rows, row_count, depth, packed_rows);
    rows = {packed_rows, kTileRows};
  }
  const bool packed_both = packs && packs_rows;
  for (size_t column = 0; column < column_count; column += kPanelColumns) {
    const size_t width = std::min(column_count - column, kPanelColumns);
    const size_t vectors = vectors_of(width);
    const Operand source = columns_from(columns, column);
    const Operand panel = packs ? pack(source, width, depth, packed) : source;
    const size_t last = width - (vectors - 1) * kLanes;
    // Changed in place from tile to tile: copies of small structures cost more than they look.
    Operand tile_rows = rows;
    Destination part = to;
    part.data += to.transposed ? column * to.stride : column;
    if (part.keep != nullptr && !to.transposed) part.keep += column;
    for (size_t row = 0; row < row_count;) {
      const size_t count = next_rows(row_count - row);
      packed_both
          ? tile_of<true, kTileVectors>(count, vectors, tile_rows, panel, depth, last, part)
          : tile_of<false, kTileVectors>(count, vectors, tile_rows, panel, depth, last, part);
      row += count;
      tile_rows.data += packs_rows ? row_tile_size(depth) : count;
      part.data += to.transposed ? count : count * to.stride;
      if (part.keep != nullptr && to.transposed) part.keep += count;
    }
  }
}

void multiply_kernel(const float* stationary, size_t stationary_stride, Operand right, float* psum,
                     size_t psum_stride, const int32_t* keep, size_t M, size_t N, size_t K,
                     bool accumulate) {
  // The columns of n that do not fill a vector go along m when that takes fewer vectors.
  const size_t tail = N % kLanes;
  const bool turn = tail != 0 && tail * vectors_of(M) * 5 < M * 4;
  const size_t straight = turn ? N - tail : N;
  const Operand left = {stationary, stationary_stride};
  if (straight != 0) {
    product(left, M, right, straight, K, {psum, psum_stride, accumulate, false, keep});
  }
  if (turn) {
    Operand rest = columns_from(right, straight);
    HWY_ALIGN float packed[kPackedDepth * kPackedPitch];
    if (!rest.plain()) rest = pack(rest, tail, K, packed);
    const int32_t* rest_keep = keep == nullptr ? nullptr : keep + straight;
    product(rest, tail, left, M, K, {psum + straight, psum_stride, accumulate, true, rest_keep});
  }
}

void multiply_tile_kernel(const float* stationary, size_t stationary_stride, const float* moving,
                          size_t moving_stride, const int32_t* moving_offsets, float* psum,
                          size_t psum_stride, const int32_t* keep, size_t M, size_t N, size_t K,
                          bool accumulate) {
  multiply_kernel(stationary, stationary_stride, {moving, moving_stride, moving_offsets}, psum,
                  psum_stride, keep, M, N, K, accumulate);
}
void multiply_narrow_kernel(const float* stationary, size_t stationary_stride,
                            const uint16_t* moving, size_t moving_stride, float* psum,
                            size_t psum_stride, size_t M, size_t N, size_t K, bool accumulate) {
  multiply_kernel(stationary, stationary_stride, {nullptr, moving_stride, nullptr, moving}, psum,
                  psum_stride, nullptr, M, N, K, accumulate);
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(multiply_tile_kernel);
HWY_EXPORT(multiply_narrow_kernel);

void multiply_tile_narrow(const float* stationary, size_t stationary_stride, const uint16_t* moving,
                          size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                          size_t K, bool accumulate) {
  THORONG_CHECK(K <= kMostNarrowRows, "too many rows of a narrow operand");
  HWY_DYNAMIC_DISPATCH(multiply_narrow_kernel)
  (stationary, stationary_stride, moving, moving_stride, psum, psum_stride, M, N, K, accumulate);
}

void multiply_tile(const float* stationary, size_t stationary_stride, const float* moving,
                   size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                   size_t K, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(multiply_tile_kernel)
  (stationary, stationary_stride, moving, moving_stride, nullptr, psum, psum_stride, nullptr, M, N,
   K, accumulate);
}

bool multiply_tile_strided(const float* stationary, size_t stationary_stride, const float* moving,
                           size_t moving_stride, std::span<const int32_t> moving_offsets,
                           float* psum, size_t psum_stride, std::span<const int32_t> psum_offsets,
                           size_t M, size_t K, bool accumulate) {
  const size_t N = psum_offsets.size();
  if (N == 0 || K > internal::kStridedDepth) return false;
  const int32_t first = psum_offsets.front();
  const auto span = static_cast<int64_t>(psum_offsets.back()) - first + 1;
  // More gaps than this cost more than a pass over the results.
  if (span < static_cast<int64_t>(N) || span > static_cast<int64_t>(N + N / 4) ||
      span > static_cast<int64_t>(kMostStridedColumns)) {
    return false;
  }
  std::array<int32_t, kMostStridedColumns> from;
  std::array<int32_t, kMostStridedColumns> keep;
  const int32_t last_from = *std::max_element(moving_offsets.begin(), moving_offsets.end());
  const int32_t step = N > 1 ? moving_offsets[1] - moving_offsets[0] : 1;
  size_t at = 0;
  for (size_t n = 0; n < N; ++n) {
    const auto place = static_cast<size_t>(static_cast<int64_t>(psum_offsets[n]) - first);
    if (psum_offsets[n] < first || place < at || place >= static_cast<size_t>(span)) return false;
    for (; at < place; ++at) {  // a gap: any element between the operand's first and last will do
      const int32_t next = from[at - 1] + step;
      from[at] = next >= 0 && next <= last_from ? next : from[at - 1];
      keep[at] = -1;
    }
    from[at] = moving_offsets[n];
    keep[at++] = 0;
  }
  const bool gaps = at != N;
  bool dense = true;
  for (size_t i = 1; i < at && dense; ++i) dense = from[i] == from[i - 1] + 1;
  HWY_DYNAMIC_DISPATCH(multiply_tile_kernel)
  (stationary, stationary_stride, dense ? moving + from[0] : moving, moving_stride,
   dense ? nullptr : from.data(), psum + first, psum_stride, gaps ? keep.data() : nullptr, M, at, K,
   accumulate);
  return true;
}

}  // namespace thorong::numerics
#endif  // HWY_ONCE
