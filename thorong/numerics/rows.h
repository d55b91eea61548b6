// SPDX-License-Identifier: Apache-2.0
// Rows of elements where they lie in memory: what elementwise functions and reductions read and
// write in one pass, without copies in fp32 between. A tile of 128 rows is one call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thorong/numerics/format.h"

namespace thorong::numerics {

// Whether elements of a format can stand in Rows; others are widened to fp32 first.
inline bool fits_rows(Format format) {
  return format == Format::kFloat32 || format == Format::kBfloat16;
}

// An input. `format`: kFloat32 or kBfloat16, as the bytes have it.
struct Rows {
  const std::byte* data = nullptr;
  int64_t stride = 0;  // bytes from one row to the next
  Format format = Format::kFloat32;
  bool column = false;  // one value a row, the same for all its elements

  // Its element `first` of a row and those behind it.
  Rows at(size_t row, size_t first = 0) const {
    auto bytes = static_cast<int64_t>(column ? 0 : first) * (format == Format::kFloat32 ? 4 : 2);
    return {data + static_cast<int64_t>(row) * stride + bytes, stride, format, column};
  }
};

// A result. `rounded`: fp32 cells that hold values of bfloat16 (bytes of bfloat16 always do).
struct RowsOut {
  std::byte* data = nullptr;
  int64_t stride = 0;
  Format format = Format::kFloat32;
  bool rounded = false;

  RowsOut at(size_t row, size_t first = 0) const {
    auto bytes = static_cast<int64_t>(first) * (format == Format::kFloat32 ? 4 : 2);
    return {data + static_cast<int64_t>(row) * stride + bytes, stride, format, rounded};
  }
};

inline Rows rows_of(const float* row) { return {reinterpret_cast<const std::byte*>(row)}; }
inline RowsOut rows_of(float* row) { return {reinterpret_cast<std::byte*>(row)}; }
// The same value everywhere; it must outlive the call.
inline Rows value_rows(const float& value) {
  return {reinterpret_cast<const std::byte*>(&value), 0, Format::kFloat32, true};
}

}  // namespace thorong::numerics
