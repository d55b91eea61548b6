// SPDX-License-Identifier: Apache-2.0
// AveragePool, LpPool and the global pools.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

// How many elements of [begin, end) the windows of one dimension cover, by position.
std::vector<double> window_counts(const Window& window, size_t i, int64_t begin, int64_t end,
                                  int64_t positions) {
  std::vector<double> counts;
  for (int64_t p = 0; p < positions; ++p) {
    int64_t start = p * window.strides[i] - window.low[i], count = 0;
    for (int64_t k = 0; k < window.kernel[i]; ++k) {
      int64_t at = start + k * window.dilations[i];
      count += at >= begin && at < end ? 1 : 0;
    }
    counts.push_back(static_cast<double>(count));
  }
  return counts;
}

// 1 / (elements of each window), as a constant [spatial...]. With count_include_pad the padding
// that the node declares counts, but not what ceil_mode adds behind it.
Result<ValueId> reciprocal_counts(ImportContext& c, const Shape& input, const Shape& output,
                                  const Window& window, const Integers& declared_high,
                                  bool include_pad, Format format) {
  std::vector<double> values{1};
  Shape shape(output.begin() + 2, output.end());
  for (size_t i = 0; i < shape.size(); ++i) {
    THORONG_RETURN_IF_ERROR(c.check_generated(shape[i]));
    THORONG_RETURN_IF_ERROR(c.check_generated(shape[i] * window.kernel[i]));
    int64_t begin = include_pad ? -window.low[i] : 0;
    int64_t end = input[i + 2] + (include_pad ? declared_high[i] : 0);
    std::vector<double> counts = window_counts(window, i, begin, end, shape[i]), products;
    THORONG_RETURN_IF_ERROR(c.check_generated(static_cast<int64_t>(values.size() * counts.size())));
    for (double value : values) {
      for (double count : counts) products.push_back(value * count);
    }
    values = std::move(products);
  }
  for (double& value : values) value = 1 / value;
  bool uniform = !values.empty() && std::all_of(values.begin(), values.end(),
                                                [&](double v) { return v == values[0]; });
  if (uniform) return c.scalar(format, values[0]);
  return c.constant({format, shape}, values);
}

Status import_average_pool(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  return c.set_output(0, average_pool(c, x));
}

// (sum |x|^p)^(1/p) given |x|^p summed by `sum`.
template <typename Sum>
Result<ValueId> norm(ImportContext& c, ValueId x, double p, const Sum& sum) {
  THORONG_TRY(ValueId size, c.add("abs", {x}));
  ValueId power = size;
  if (p == 2) {
    THORONG_TRY(power, c.add("square", {x}));
  } else if (p != 1) {
    THORONG_TRY(power, c.add_scalar("power", size, p));
  }
  THORONG_TRY(ValueId total, sum(power));
  if (p == 1) return total;
  return p == 2 ? c.add("sqrt", {total}) : c.add_scalar("power", total, 1 / p);
}

Status import_lp_pool(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t p, c.integer("p", 2));
  if (p < 1) return invalid_argument("p must be 1 or more, found " + std::to_string(p) + ".");
  THORONG_TRY(Window window, read_pool_window(c, c.shape(x)));
  auto sum = [&](ValueId power) { return reduce_window(c, "add", power, window); };
  return c.set_output(0, norm(c, x, static_cast<double>(p), sum));
}

Result<Integers> spatial_axes(ImportContext& c, ValueId x) {
  Integers axes = counting(c.rank(x));
  if (axes.size() < 2) return invalid_argument("the input must be [N, C, spatial...].");
  axes.erase(axes.begin(), axes.begin() + 2);
  return axes;
}

Status import_global_pool(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers axes, spatial_axes(c, x));
  if (node.op_type == "GlobalMaxPool") return c.set_output(0, c.reduce("maximum", x, axes, true));
  if (node.op_type == "GlobalLpPool") {
    THORONG_TRY(int64_t p, c.integer("p", 2));
    if (p < 1) return invalid_argument("p must be 1 or more, found " + std::to_string(p) + ".");
    auto sum = [&](ValueId power) { return c.reduce("add", power, axes, true); };
    return c.set_output(0, norm(c, x, static_cast<double>(p), sum));
  }
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId sum, c.reduce("add", x, axes, true));
  return c.set_output(
      0, c.add_scalar("multiply", sum, 1 / static_cast<double>(product(shape, 2, shape.size()))));
}

}  // namespace

Result<ValueId> average_pool(ImportContext& c, ValueId x) {
  Shape input = c.shape(x);
  THORONG_TRY(Integers kernel, c.integers("kernel_shape"));
  THORONG_TRY(Window declared, read_window(c, input, kernel));
  THORONG_TRY(Window window, read_pool_window(c, input));
  THORONG_TRY(int64_t include_pad, c.integer("count_include_pad", 0));
  THORONG_TRY(ValueId sum, reduce_window(c, "add", x, window));
  Shape output = c.shape(sum);
  THORONG_TRY(ValueId factor, reciprocal_counts(c, input, output, window, declared.high,
                                                include_pad != 0, c.format(x)));
  Integers dimensions = counting(c.rank(factor));
  for (int64_t& dimension : dimensions) dimension += 2;
  THORONG_TRY(factor, c.broadcast_in(factor, output, dimensions));
  return c.add("multiply", {sum, factor});
}

std::vector<ImportRule> import_rules_pools() {
  return {{"", "AveragePool", 7, kAnyVersion, import_average_pool},
          {"", "LpPool", 2, kAnyVersion, import_lp_pool},
          {"", "GlobalAveragePool", 1, kAnyVersion, import_global_pool},
          {"", "GlobalMaxPool", 1, kAnyVersion, import_global_pool},
          {"", "GlobalLpPool", 2, kAnyVersion, import_global_pool}};
}

}  // namespace thorong::onnx
