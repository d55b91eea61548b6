// SPDX-License-Identifier: Apache-2.0
// ConvTranspose: a convolution over the input spread by the strides, with the kernel flipped and
// its channels exchanged.
#include <algorithm>

#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

// [C, M/group, k...] to [M, C/group, k...], flipped in space.
Result<ValueId> flip_weights(ImportContext& c, ValueId w, int64_t group) {
  Shape shape = c.shape(w);
  Shape split{group, shape[0] / group, shape[1]};
  split.insert(split.end(), shape.begin() + 2, shape.end());
  Integers permutation = counting(split.size());
  std::swap(permutation[1], permutation[2]);
  Shape merged{group * shape[1], shape[0] / group};
  merged.insert(merged.end(), shape.begin() + 2, shape.end());
  THORONG_TRY(w, c.reshape(w, split));
  THORONG_TRY(w, c.transpose(w, permutation));
  THORONG_TRY(w, c.reshape(w, merged));
  Integers spatial;
  for (size_t i = 2; i < shape.size(); ++i) spatial.push_back(static_cast<int64_t>(i));
  if (spatial.empty()) return w;
  return c.add("reverse", {w}, make_attributes({{"dimensions", spatial}}));
}

// Padding of the equivalent convolution.
Status transposed_padding(const ImportContext& c, const Shape& input, Window& window) {
  size_t count = window.kernel.size();
  THORONG_TRY(Integers extra, spatial_list(c, "output_padding", count, 0, 0));
  THORONG_TRY(Integers output, c.integers("output_shape"));
  if (output.size() > count)
    output.erase(output.begin(), output.end() - static_cast<std::ptrdiff_t>(count));
  if (!output.empty() && output.size() != count) {
    return invalid_argument("output_shape must have " + std::to_string(count) + " entries.");
  }
  bool same = window.auto_pad == "SAME_UPPER" || window.auto_pad == "SAME_LOWER";
  if (same && output.empty()) {
    for (size_t i = 0; i < count; ++i) output.push_back(input[i + 2] * window.strides[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    int64_t reach = window.dilations[i] * (window.kernel[i] - 1);
    if (!output.empty()) {
      int64_t full = window.strides[i] * (input[i + 2] - 1) + extra[i] + reach + 1;
      if (output[i] < 0 || output[i] > int64_t{1} << 40)
        return invalid_argument("output_shape is out of range.");
      int64_t total = std::max<int64_t>(0, full - output[i]);
      int64_t half = total / 2;
      window.low[i] = window.auto_pad == "SAME_UPPER" ? half : total - half;
      window.high[i] = total - window.low[i];
      extra[i] += output[i] - (full - total);
    }
    window.low[i] = reach - window.low[i];
    window.high[i] = reach - window.high[i] + extra[i];
  }
  return ok_status();
}

Status import_conv_transpose(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  Shape input = c.shape(x), weights = c.shape(w);
  THORONG_TRY(int64_t group, c.integer("group", 1));
  if (input.size() < 2 || weights.size() != input.size() || group < 1 || weights[0] != input[1] ||
      weights[0] % group != 0) {
    return invalid_argument(
        "the input must be [N, C, spatial...] and the weights [C, M/group, spatial...], found " +
        ops::to_string(input) + ", " + ops::to_string(weights) + " and group " +
        std::to_string(group) + ".");
  }
  THORONG_TRY(Window window, read_window(c, input, Integers(weights.begin() + 2, weights.end())));
  THORONG_RETURN_IF_ERROR(transposed_padding(c, input, window));
  THORONG_TRY(w, flip_weights(c, w, group));
  THORONG_TRY(ValueId y, c.add("convolution", {x, w},
                               make_attributes({{"strides", Integers(window.kernel.size(), 1)},
                                                {"padding_low", window.low},
                                                {"padding_high", window.high},
                                                {"lhs_dilation", window.strides},
                                                {"rhs_dilation", window.dilations},
                                                {"feature_group_count", group}})));
  if (!c.has_input(2)) return c.set_output(0, y);
  THORONG_TRY(ValueId bias, c.broadcast_in(c.optional_input(2), c.shape(y), {1}));
  return c.set_output(0, c.add("add", {y, bias}));
}

}  // namespace

std::vector<ImportRule> import_rules_conv_transpose() {
  return {{"", "ConvTranspose", 1, kAnyVersion, import_conv_transpose}};
}

}  // namespace thorong::onnx
