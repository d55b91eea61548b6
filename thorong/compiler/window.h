// SPDX-License-Identifier: Apache-2.0
// Sliding windows of convolutions and pooling: which outputs a kernel tap reaches, which inputs an output range reads.
#pragma once

#include "thorong/compiler/lowering.h"

namespace thorong::compiler {

// Over the spatial dimensions. Input index of output o at tap t: o * stride + t * dilation - padding.
struct Window {
  Shape in, out, kernel;
  std::vector<int64_t> stride, dilation, padding;

  // The outputs of `range` whose input at this tap exists.
  Range reached(size_t i, int64_t tap, const Range& range) const {
    int64_t shift = tap * dilation[i] - padding[i];
    int64_t low = shift >= 0 ? 0 : (-shift + stride[i] - 1) / stride[i];
    int64_t high = in[i] - 1 - shift < 0 ? 0 : (in[i] - 1 - shift) / stride[i] + 1;
    int64_t begin = std::max(low, range.begin), end = std::min(high, range.begin + range.size);
    return {begin, std::max<int64_t>(0, end - begin)};
  }
  // The inputs that `range` reads, clipped to what exists (at least one, where it reads padding only).
  Range input_range(size_t i, const Range& range, int64_t size) const {
    int64_t begin = std::clamp<int64_t>(range.begin * stride[i] - padding[i], 0, size - 1);
    int64_t end = std::min(size, (range.begin + range.size - 1) * stride[i] + (kernel[i] - 1) * dilation[i] - padding[i] + 1);
    return {begin, std::max<int64_t>(1, end - begin)};
  }
};

// Of a convolution node (its input already dilated).
Window window_of(const Graph& graph, const Node& node);

// One input channel a group and one output channel each: Vector engine, multiply and add tap by tap.
bool is_depthwise(const Graph& graph, const Node& node);
Status lower_depthwise(Codegen& codegen, const Group& group, const Node& node);

}  // namespace thorong::compiler
