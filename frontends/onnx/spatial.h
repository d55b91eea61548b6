// SPDX-License-Identifier: Apache-2.0
// The window attributes that Conv, ConvTranspose and the pools share, checked and with auto_pad
// resolved.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

struct Window {
  Integers kernel, strides, dilations, low, high;  // over the spatial dimensions
  std::string auto_pad;
};

// A list attribute with one entry for each spatial dimension, each in [minimum, 2^20].
Result<Integers> spatial_list(const ImportContext& c, const char* name, size_t count,
                              int64_t fallback, int64_t minimum);

// strides, dilations, pads and auto_pad for an input of [N, C, spatial...]. SAME pads so that the
// output has ceil(input / stride) elements.
Result<Window> read_window(const ImportContext& c, const Shape& input, const Integers& kernel);

// As above, for the pools: kernel_shape is read, and ceil_mode widens `high`.
Result<Window> read_pool_window(const ImportContext& c, const Shape& input);

// The elements under each position of a pool's window, combined by `function`.
Result<ValueId> reduce_window(ImportContext& c, const char* function, ValueId x,
                              const Window& window);

// x [N, C, spatial...] as [N, spatial..., C], and back.
Result<ValueId> channels_last(ImportContext& c, ValueId x);
Result<ValueId> channels_first(ImportContext& c, ValueId x);

// What Conv says with its attributes, without a bias.
Result<ValueId> convolve(ImportContext& c, ValueId x, ValueId w);
// What AveragePool says with its attributes.
Result<ValueId> average_pool(ImportContext& c, ValueId x);
// What Gemm says with its operands and attributes.
Result<ValueId> general_product(ImportContext& c);

}  // namespace thorong::onnx
