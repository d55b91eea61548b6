// SPDX-License-Identifier: Apache-2.0
// Strides, dilations, padding and ceil_mode, resolved to explicit padding.
#include "frontends/onnx/spatial.h"

#include <algorithm>

namespace thorong::onnx {
namespace {

constexpr int64_t kMaxEntry = int64_t{1} << 20;

Status check_entries(const char* name, const Integers& list, size_t count, int64_t minimum) {
  bool fits = list.size() == count;
  for (int64_t entry : list) fits = fits && entry >= minimum && entry <= kMaxEntry;
  if (fits) return ok_status();
  return invalid_argument(std::string(name) + " must have " + std::to_string(count) +
                          " entries in [" + std::to_string(minimum) + ", " +
                          std::to_string(kMaxEntry) + "], found " + ops::to_string(list) + ".");
}

// Padding so that there are ceil(input / stride) positions; the odd element goes high (SAME_UPPER)
// or low.
void same_padding(Window& window, const Shape& input) {
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    int64_t positions = (input[i + 2] + window.strides[i] - 1) / window.strides[i];
    int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
    int64_t total =
        std::max<int64_t>(0, (positions - 1) * window.strides[i] + extent - input[i + 2]);
    int64_t half = total / 2;
    window.low[i] = window.auto_pad == "SAME_UPPER" ? half : total - half;
    window.high[i] = total - window.low[i];
  }
}

Integers with_batch(const Integers& spatial, int64_t fill) {
  Integers all{fill, fill};
  all.insert(all.end(), spatial.begin(), spatial.end());
  return all;
}

}  // namespace

Result<Integers> spatial_list(const ImportContext& c, const char* name, size_t count,
                              int64_t fallback, int64_t minimum) {
  THORONG_TRY(Integers list, c.integers(name, Integers(count, fallback)));
  THORONG_RETURN_IF_ERROR(check_entries(name, list, count, minimum));
  return list;
}

Result<Window> read_window(const ImportContext& c, const Shape& input, const Integers& kernel) {
  if (input.size() < 2) {
    return invalid_argument("the input must be [N, C, spatial...], found " + ops::to_string(input) +
                            ".");
  }
  size_t count = input.size() - 2;
  Window window;
  window.kernel = kernel;
  THORONG_RETURN_IF_ERROR(check_entries("kernel_shape", kernel, count, 1));
  THORONG_TRY(window.strides, spatial_list(c, "strides", count, 1, 1));
  THORONG_TRY(window.dilations, spatial_list(c, "dilations", count, 1, 1));
  THORONG_TRY(window.auto_pad, c.text("auto_pad", "NOTSET"));
  window.low.assign(count, 0);
  window.high.assign(count, 0);
  if (window.auto_pad.empty()) window.auto_pad = "NOTSET";
  if (window.auto_pad == "NOTSET") {
    THORONG_TRY(Integers pads, spatial_list(c, "pads", 2 * count, 0, -kMaxEntry));
    window.low.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(count));
    window.high.assign(pads.begin() + static_cast<std::ptrdiff_t>(count), pads.end());
  } else if (window.auto_pad == "SAME_UPPER" || window.auto_pad == "SAME_LOWER") {
    same_padding(window, input);
  } else if (window.auto_pad != "VALID") {
    return invalid_argument("auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, found \"" +
                            window.auto_pad + "\".");
  }
  return window;
}

Result<Window> read_pool_window(const ImportContext& c, const Shape& input) {
  THORONG_TRY(Integers kernel, c.integers("kernel_shape"));
  THORONG_TRY(Window window, read_window(c, input, kernel));
  THORONG_TRY(int64_t ceil_mode, c.integer("ceil_mode", 0));
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    int64_t size = input[i + 2], stride = window.strides[i];
    int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
    int64_t room = size + window.low[i] + window.high[i] - extent;
    if (room < 0) {
      return invalid_argument("the window of " + std::to_string(extent) +
                              " is larger than dimension " + std::to_string(i + 2) + " of " +
                              ops::to_string(input) + " with its padding.");
    }
    if (ceil_mode == 0) continue;
    int64_t positions = (room + stride - 1) / stride + 1;
    if ((positions - 1) * stride >= size + window.low[i])
      --positions;  // a window must begin on the input
    window.high[i] = std::max<int64_t>(0, (positions - 1) * stride + extent - size - window.low[i]);
  }
  return window;
}

Result<ValueId> reduce_window(ImportContext& c, const char* function, ValueId x,
                              const Window& window) {
  return c.add("reduce_window", {x},
               make_attributes({{"function", std::string(function)},
                                {"window_dimensions", with_batch(window.kernel, 1)},
                                {"window_strides", with_batch(window.strides, 1)},
                                {"window_dilations", with_batch(window.dilations, 1)},
                                {"padding_low", with_batch(window.low, 0)},
                                {"padding_high", with_batch(window.high, 0)}}));
}

Result<ValueId> channels_last(ImportContext& c, ValueId x) {
  Integers order = counting(c.rank(x));
  std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return c.transpose(x, order);
}

Result<ValueId> channels_first(ImportContext& c, ValueId x) {
  Integers order = counting(c.rank(x));
  std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return c.transpose(x, order);
}

Result<ValueId> convolve(ImportContext& c, ValueId x, ValueId w) {
  Shape input = c.shape(x), weights = c.shape(w);
  if (input.size() < 2 || weights.size() != input.size()) {
    return invalid_argument(
        "the input must be [N, C, spatial...] and the weights [M, C/group, spatial...], found " +
        ops::to_string(input) + " and " + ops::to_string(weights) + ".");
  }
  Integers kernel(weights.begin() + 2, weights.end());
  THORONG_TRY(Integers declared, c.integers("kernel_shape", kernel));
  if (declared != kernel) {
    return invalid_argument("kernel_shape " + ops::to_string(declared) +
                            " differs from the weights " + ops::to_string(weights) + ".");
  }
  THORONG_TRY(Window window, read_window(c, input, kernel));
  THORONG_TRY(int64_t group, c.integer("group", 1));
  return c.add("convolution", {x, w},
               make_attributes({{"strides", window.strides},
                                {"padding_low", window.low},
                                {"padding_high", window.high},
                                {"lhs_dilation", Integers(kernel.size(), 1)},
                                {"rhs_dilation", window.dilations},
                                {"feature_group_count", group}}));
}

}  // namespace thorong::onnx
