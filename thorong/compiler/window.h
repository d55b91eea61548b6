// SPDX-License-Identifier: Apache-2.0
// Sliding windows of convolutions and pooling: which outputs a kernel tap reaches, which inputs an
// output range reads.
#pragma once

#include "thorong/compiler/lowering.h"

namespace thorong::compiler {

// The outputs first, first + step, ... that a tap reaches, `size` of them, and the input of the
// first; the next output reads the next input but stride - 1.
struct Reach {
  int64_t first = 0, size = 0, step = 1, input = 0;
};

// Over the spatial dimensions. Input index of output o at tap t: (o * stride + t * dilation -
// padding) / spread, where that is whole. A spread above one is a transposed convolution's (the
// input with zeros between its elements, which nobody reads); its stride is 1, and each tap reaches
// the outputs of one residue modulo the spread.
struct Window {
  Shape in, out, kernel;
  std::vector<int64_t> stride, dilation, padding, spread;

  bool spreads() const {
    return std::any_of(spread.begin(), spread.end(), [](int64_t s) { return s > 1; });
  }
  Reach reach(size_t i, int64_t tap, const Range& range) const {
    int64_t shift = tap * dilation[i] - padding[i];
    if (spread[i] == 1) {
      Range r = reached(i, tap, range);
      return {r.begin, r.size, 1, r.begin * stride[i] + shift};
    }
    // The inputs n with output n * spread - shift in the range.
    int64_t low =
        std::max<int64_t>(0, floor_divide(range.begin + shift + spread[i] - 1, spread[i]));
    int64_t high =
        std::min(in[i], floor_divide(range.begin + range.size - 1 + shift, spread[i]) + 1);
    return {low * spread[i] - shift, std::max<int64_t>(0, high - low), spread[i], low};
  }
  static int64_t floor_divide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

  // The outputs of `range` whose input at this tap exists; only without a spread.
  Range reached(size_t i, int64_t tap, const Range& range) const {
    int64_t shift = tap * dilation[i] - padding[i];
    int64_t low = shift >= 0 ? 0 : (-shift + stride[i] - 1) / stride[i];
    int64_t high = in[i] - 1 - shift < 0 ? 0 : (in[i] - 1 - shift) / stride[i] + 1;
    int64_t begin = std::max(low, range.begin), end = std::min(high, range.begin + range.size);
    return {begin, std::max<int64_t>(0, end - begin)};
  }
  // The inputs that `range` reads, clipped to what exists (at least one, where it reads padding
  // only).
  Range input_range(size_t i, const Range& range, int64_t size) const {
    int64_t begin = std::clamp<int64_t>(
        floor_divide(range.begin * stride[i] - padding[i], spread[i]), 0, size - 1);
    int64_t last =
        (range.begin + range.size - 1) * stride[i] + (kernel[i] - 1) * dilation[i] - padding[i];
    int64_t end = std::min(size, floor_divide(last, spread[i]) + 1);
    return {begin, std::max<int64_t>(1, end - begin)};
  }
};

Window window_of(const Graph& graph, const Node& node);

// Whether the lowering on the tensor engine takes a convolution with a dilated input as it is: no
// zero is multiplied. The others' inputs are dilated by a pass before.
bool takes_spread_input(const Graph& graph, const Node& node);

// One input channel a group and one output channel each: Vector engine, multiply and add tap by
// tap.
bool is_depthwise(const Graph& graph, const Node& node);
Status lower_depthwise(Codegen& codegen, const Group& group, const Node& node);

}  // namespace thorong::compiler
