// SPDX-License-Identifier: Apache-2.0
// The matrix product of the tensor engine, in its exact order: each element is one chain of fused
// multiply-adds over k.
//
// A register tile of R rows and C vectors of columns keeps R * C chains in flight, which hides the
// latency of fma; per k it loads C vectors and R broadcast scalars. Rows are m and columns n, or,
// where that wastes fewer lanes (n tail of 7, m of 128), rows are n and columns m: the product
// commutes, so the bits are the same. A panel of columns is visited by all row tiles before the
// next, and when several row tiles will read it, it is first copied to consecutive memory: with row
// strides that are powers of two its rows would otherwise evict one another from the first-level
// cache.
#include "thorong/numerics/functions.h"
#include "thorong/numerics/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thorong/numerics/multiply_tile.cc"
#include "hwy/foreach_target.h"
// foreach_target.h must come first
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

using Tag = hn::ScalableTag<float>;
constexpr size_t kLanes = hn::MaxLanes(Tag());
constexpr size_t kPanelColumns = kTileVectors * kLanes;
constexpr size_t kPackedDepth =
    256;  // K up to which a panel is copied: kPackedDepth * kPanelColumns * 4 bytes of stack

// A row-major operand: for each k a row of contiguous elements.
struct Operand {
  const float* data;
  size_t stride;
};

// Where results go. Transposed: element (row, column) of the tile is at data[column * stride +
// row].
struct Destination {
  float* data;
  size_t stride;
  bool accumulate;
  bool transposed;
};

// Writes a finished tile that is transposed or does not fill its last vector; row r of it is at
// sums + r * sums_stride.
HWY_NOINLINE void store_odd_tile(const Destination& to, const float* sums, size_t sums_stride,
                                 size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      float* place = to.data + (to.transposed ? c * to.stride + r : r * to.stride + c);
      const float sum = sums[r * sums_stride + c];
      const float total = to.accumulate ? *place + sum : sum;
      *place = total == total ? total : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

// One register tile: kRows x kVectors, the last vector with `last` valid lanes (kPartial) or all.
template <size_t kRows, size_t kVectors, bool kPartial>
HWY_NOINLINE void tile(Operand rows, Operand columns, size_t depth, size_t last, Destination to) {
  const Tag d;
  hn::Vec<Tag> sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT row = rows.data;
  const float* HWY_RESTRICT column = columns.data;
  for (size_t k = 0; k < depth; ++k, row += rows.stride, column += columns.stride) {
    hn::Vec<Tag> values[kVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      const bool partial = kPartial && v + 1 == kVectors;
      values[v] =
          partial ? load_n(d, column + v * kLanes, last) : hn::LoadU(d, column + v * kLanes);
    }
    HWY_UNROLL(8)
    for (size_t r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, row[r]);
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) sums[r][v] = fma(factor, values[v], sums[r][v]);
    }
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
  HWY_UNROLL(8)
  for (size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) {
      float* place = to.data + r * to.stride + v * kLanes;
      const auto base = to.accumulate ? hn::LoadU(d, place) : hn::Zero(d);
      hn::StoreU(canonical(to.accumulate ? hn::Add(base, sums[r][v]) : sums[r][v]), d, place);
    }
  }
}

// Chooses the instance for a number of rows and vectors known only now.
template <size_t kRows, size_t kVectors>
HWY_INLINE void tile_of_rows(size_t row_count, Operand rows, Operand columns, size_t depth,
                             size_t last, const Destination& to) {
  if constexpr (kRows > 1) {
    if (row_count < kRows)
      return tile_of_rows<kRows - 1, kVectors>(row_count, rows, columns, depth, last, to);
  }
  if (last == kLanes) {
    tile<kRows, kVectors, false>(rows, columns, depth, last, to);
  } else {
    tile<kRows, kVectors, true>(rows, columns, depth, last, to);
  }
}
template <size_t kVectors>
HWY_INLINE void tile_of(size_t row_count, size_t vector_count, Operand rows, Operand columns,
                        size_t depth, size_t last, const Destination& to) {
  if constexpr (kVectors > 1) {
    if (vector_count < kVectors) {
      return tile_of<kVectors - 1>(row_count, vector_count, rows, columns, depth, last, to);
    }
  }
  tile_of_rows<kTileRows, kVectors>(row_count, rows, columns, depth, last, to);
}

HWY_INLINE size_t vectors_of(size_t columns) { return (columns + kLanes - 1) / kLanes; }

// Copies `width` columns to `packed`, kPanelColumns apart.
HWY_INLINE Operand pack(Operand columns, size_t width, size_t depth, float* packed) {
  const Tag d;
  for (size_t k = 0; k < depth; ++k) {
    const float* from = columns.data + k * columns.stride;
    float* to = packed + k * kPanelColumns;
    size_t i = 0;
    for (; i + kLanes <= width; i += kLanes) hn::Store(hn::LoadU(d, from + i), d, to + i);
    if (i < width) hn::Store(load_n(d, from + i, width - i), d, to + i);
  }
  return {packed, kPanelColumns};
}

// The product of row_count rows and column_count columns, panel by panel.
HWY_NOINLINE void product(Operand rows, size_t row_count, Operand columns, size_t column_count,
                          size_t depth, Destination to) {
  HWY_ALIGN float packed[kPackedDepth * kPanelColumns];
  const bool packs = depth <= kPackedDepth && row_count > 2 * kTileRows;
  for (size_t column = 0; column < column_count; column += kPanelColumns) {
    const size_t width =
        column_count - column < kPanelColumns ? column_count - column : kPanelColumns;
    const size_t vectors = vectors_of(width);
    const Operand source = {columns.data + column, columns.stride};
    const Operand panel = packs ? pack(source, width, depth, packed) : source;
    const size_t last = width - (vectors - 1) * kLanes;
    for (size_t row = 0; row < row_count; row += kTileRows) {
      const size_t count = row_count - row < kTileRows ? row_count - row : kTileRows;
      Destination part = to;
      part.data += to.transposed ? column * to.stride + row : row * to.stride + column;
      tile_of<kTileVectors>(count, vectors, {rows.data + row, rows.stride}, panel, depth, last,
                            part);
    }
  }
}

void multiply_tile_kernel(const float* stationary, size_t stationary_stride, const float* moving,
                          size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                          size_t K, bool accumulate) {
  // The columns of n that do not fill a vector go along m when that takes fewer vectors.
  const size_t tail = N % kLanes;
  const bool turn = tail != 0 && tail * vectors_of(M) * 5 < M * 4;
  const size_t straight = turn ? N - tail : N;
  const Operand left = {stationary, stationary_stride};
  const Operand right = {moving, moving_stride};
  if (straight != 0) {
    product(left, M, right, straight, K, {psum, psum_stride, accumulate, false});
  }
  if (turn) {
    const Operand rest = {moving + straight, moving_stride};
    product(rest, tail, left, M, K, {psum + straight, psum_stride, accumulate, true});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace thorong::numerics
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thorong::numerics {

HWY_EXPORT(multiply_tile_kernel);

void multiply_tile(const float* stationary, size_t stationary_stride, const float* moving,
                   size_t moving_stride, float* psum, size_t psum_stride, size_t M, size_t N,
                   size_t K, bool accumulate) {
  HWY_DYNAMIC_DISPATCH(multiply_tile_kernel)
  (stationary, stationary_stride, moving, moving_stride, psum, psum_stride, M, N, K, accumulate);
}

}  // namespace thorong::numerics
#endif  // HWY_ONCE
