// SPDX-License-Identifier: Apache-2.0
// Small helpers for shape rules and plain loops: row-major strides, odometer over an index space.
#pragma once

#include <vector>

#include "thorong/ops/graph.h"

namespace thorong::ops {

inline std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Advances `index` through `shape` in row-major order; false after the last one.
inline bool next_index(std::vector<int64_t>& index, const Shape& shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

}  // namespace thorong::ops
