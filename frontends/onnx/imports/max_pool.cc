// SPDX-License-Identifier: Apache-2.0
// MaxPool and MaxUnpool. The index of each largest element comes from a comparison of the window's
// elements, one after the other: numbers of 16 bits say which of them leads.
#include <algorithm>

#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kMostTaps = 1024, kLargestPlane = int64_t{1} << 40;

// The window's elements in row-major order, as their distances from its first one.
std::vector<Integers> window_taps(const Window& window) {
  std::vector<Integers> taps;
  int64_t count = ops::element_count(window.kernel);
  for (int64_t tap = 0; tap < count; ++tap) {
    Integers offset(window.kernel.size());
    int64_t rest = tap;
    for (size_t d = offset.size(); d-- > 0; rest /= window.kernel[d])
      offset[d] = rest % window.kernel[d] * window.dilations[d];
    taps.push_back(offset);
  }
  return taps;
}

struct Plane {
  Shape output;      // spatial
  Integers strides;  // of the input's spatial dimensions, as the indices count
  int64_t size = 1;  // elements of a plane of the input
};

Result<Plane> plane_of(ImportContext& c, const Shape& x, const Shape& y) {
  THORONG_TRY(int64_t order, c.integer("storage_order", 0));
  if (order != 0 && order != 1)
    return invalid_argument("storage_order must be 0 or 1, found " + std::to_string(order) + ".");
  Plane plane;
  plane.output.assign(y.begin() + 2, y.end());
  size_t count = plane.output.size();
  plane.strides.assign(count, 1);
  for (size_t i = 0; i < count; ++i) {
    size_t d = order == 0 ? count - 1 - i : i;
    plane.strides[d] = plane.size;
    if (__builtin_mul_overflow(plane.size, x[d + 2], &plane.size) || plane.size > kLargestPlane)
      return resource_exhausted("Indices of planes that large are not done.");
  }
  return plane;
}

// For each position of the window (a constant over the plane): the number of its first tap on the
// input, and the index of its first element, were it there.
struct Start {
  std::vector<double> tap;
  Integers index;
};

Start starts_of(const Window& window, const Plane& plane, const Shape& x) {
  Start start;
  int64_t count = ops::element_count(plane.output);
  for (int64_t p = 0; p < count; ++p) {
    int64_t rest = p, index = 0, tap = 0, weight = 1;
    for (size_t d = plane.output.size(); d-- > 0; rest /= plane.output[d]) {
      int64_t at = rest % plane.output[d] * window.strides[d] - window.low[d];
      index += at * plane.strides[d];
      int64_t dilation = window.dilations[d], skipped = at < 0 ? (dilation - 1 - at) / dilation : 0;
      if (skipped < window.kernel[d] && at + skipped * dilation < x[d + 2]) tap += skipped * weight;
      weight *= window.kernel[d];
    }
    start.tap.push_back(static_cast<double>(tap));
    start.index.push_back(index);
  }
  return start;
}

// The lowest value of x's format.
double lowest(Format format) {
  if (numerics::is_float(format)) return -std::numeric_limits<double>::infinity();
  return format == Format::kInt8 ? -128 : 0;
}

// Which tap is the largest, [N, C, positions...] of int16: the first of equal ones.
Result<ValueId> leading_tap(ImportContext& c, ValueId x, const Window& window, const Plane& plane,
                            const Start& start) {
  Shape input = c.shape(x), shape{input[0], input[1]};
  shape.insert(shape.end(), plane.output.begin(), plane.output.end());
  Integers low{0, 0}, high{0, 0}, spatial = counting(shape.size());
  spatial.erase(spatial.begin(), spatial.begin() + 2);
  low.insert(low.end(), window.low.begin(), window.low.end());
  high.insert(high.end(), window.high.begin(), window.high.end());
  THORONG_TRY(ValueId edge, c.scalar(c.format(x), lowest(c.format(x))));
  THORONG_TRY(ValueId padded,
              c.add("pad", {x, edge},
                    make_attributes(
                        {{"low", low}, {"high", high}, {"interior", Integers(shape.size(), 0)}})));
  THORONG_TRY(ValueId best, c.full(c.format(x), shape, lowest(c.format(x))));
  THORONG_TRY(ValueId leader, c.constant({Format::kInt16, plane.output}, start.tap));
  THORONG_TRY(leader, c.broadcast_in(leader, shape, spatial));
  double number = 0;
  for (const Integers& offset : window_taps(window)) {
    Integers from(shape.size(), 0), limit = c.shape(padded), strides(shape.size(), 1);
    for (size_t d = 0; d < offset.size(); ++d) {
      from[d + 2] = offset[d];
      strides[d + 2] = window.strides[d];
      limit[d + 2] = offset[d] + (plane.output[d] - 1) * window.strides[d] + 1;
    }
    THORONG_TRY(ValueId value, c.slice(padded, from, limit, strides));
    THORONG_TRY(ValueId is_larger, c.compare("GT", value, best));
    THORONG_TRY(best, c.add("select", {is_larger, value, best}));
    THORONG_TRY(ValueId own, c.full(Format::kInt16, shape, number));
    THORONG_TRY(leader, c.add("select", {is_larger, own, leader}));
    number += 1;
  }
  return leader;
}

// Indices into the whole input, of int64.
Result<ValueId> indices_of(ImportContext& c, ValueId x, ValueId y, const Window& window) {
  Shape input = c.shape(x), shape = c.shape(y);
  if (ops::element_count(window.kernel) > kMostTaps || ops::element_count(window.kernel) < 0) {
    return resource_exhausted("Indices of windows of more than " + std::to_string(kMostTaps) +
                              " elements are not done.");
  }
  THORONG_TRY(Plane plane, plane_of(c, input, shape));
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count(plane.output)));
  Start start = starts_of(window, plane, input);
  THORONG_TRY(ValueId leader, leading_tap(c, x, window, plane, start));
  Integers distances;
  for (const Integers& offset : window_taps(window)) {
    int64_t distance = 0;
    for (size_t d = 0; d < offset.size(); ++d) distance += offset[d] * plane.strides[d];
    distances.push_back(distance);
  }
  THORONG_TRY(ValueId table, c.constant({static_cast<int64_t>(distances.size())}, distances));
  THORONG_TRY(ValueId index,
              c.add("take", {table, leader}, make_attributes({{"axis", int64_t{0}}})));
  Integers spatial = counting(shape.size());
  spatial.erase(spatial.begin(), spatial.begin() + 2);
  THORONG_TRY(ValueId first, c.constant(plane.output, start.index));
  THORONG_TRY(first, c.broadcast_in(first, shape, spatial));
  THORONG_TRY(index, c.add("add", {index, first}));
  THORONG_TRY(ValueId planes, c.iota(Format::kInt64, {input[0] * input[1]}, 0));
  THORONG_TRY(planes, c.add_scalar("multiply", planes, static_cast<double>(plane.size)));
  THORONG_TRY(planes, c.reshape(planes, {input[0], input[1]}));
  THORONG_TRY(planes, c.broadcast_in(planes, shape, {0, 1}));
  return c.add("add", {index, planes});
}

Status import_max_pool(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Window window, read_pool_window(c, c.shape(x)));
  THORONG_TRY(ValueId y, reduce_window(c, "maximum", x, window));
  THORONG_RETURN_IF_ERROR(c.set_output(0, y));
  if (!c.output_used(1)) return ok_status();
  return c.set_output(1, indices_of(c, x, y, window));
}

// The size of what was pooled: as the window says, for every dimension.
Result<Shape> unpooled_shape(ImportContext& c, const Shape& x) {
  size_t count = x.size() - 2;
  THORONG_TRY(Integers kernel, c.integers("kernel_shape"));
  THORONG_TRY(Integers strides, spatial_list(c, "strides", count, 1, 1));
  THORONG_TRY(Integers pads, spatial_list(c, "pads", 2 * count, 0, 0));
  Shape shape = x;
  for (size_t d = 0; d < count; ++d) {
    bool fits = kernel.size() == count && kernel[d] >= 1 && kernel[d] <= 1 << 20 && x[d + 2] >= 1;
    if (fits) {
      int64_t end = 0;
      fits = !__builtin_mul_overflow(x[d + 2] - 1, strides[d], &end) && end < int64_t{1} << 40;
      shape[d + 2] = end + kernel[d] - pads[d] - pads[count + d];
    }
    if (!fits || shape[d + 2] < 0) {
      return invalid_argument("kernel_shape " + ops::to_string(kernel) +
                              " and pads do not fit an input of " + ops::to_string(x) + ".");
    }
  }
  return shape;
}

// Elements go where their index says, into zeros of the pooled size, which lies at the beginning
// of output_shape.
Status import_max_unpool(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  Shape input = c.shape(x);
  if (input.size() < 3 || c.shape(indices) != input || !numerics::is_integer(c.format(indices))) {
    return invalid_argument(
        "X must be [N, C, spatial...] and the indices integers of its shape, found " +
        ops::to_string(input) + " and " + ops::to_string(c.shape(indices)) + ".");
  }
  THORONG_TRY(Shape shape, unpooled_shape(c, input));
  int64_t elements = ops::element_count(shape), given = ops::element_count(input);
  if (elements < 0) return resource_exhausted("the result has too many elements.");
  THORONG_TRY(ValueId zeros, c.full(c.format(x), {elements}, 0));
  THORONG_TRY(x, c.reshape(x, {given}));
  THORONG_TRY(indices, c.reshape(indices, {given, 1}));
  THORONG_TRY(ValueId y, c.add("scatter_nd", {zeros, indices, x}));
  THORONG_TRY(y, c.reshape(y, shape));
  if (!c.has_input(2)) return c.set_output(0, y);
  THORONG_TRY(Integers wanted, c.constant_integers(2, "output_shape"));
  Integers high(shape.size(), 0);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (wanted.size() != shape.size() || wanted[i] < shape[i] || wanted[i] > int64_t{1} << 31) {
      return invalid_argument("output_shape must be at least " + ops::to_string(shape) +
                              " in every dimension, found " + ops::to_string(wanted) + ".");
    }
    high[i] = wanted[i] - shape[i];
  }
  THORONG_TRY(ValueId zero, c.scalar(c.format(y), 0));
  return c.set_output(0, c.add("pad", {y, zero},
                               make_attributes({{"low", Integers(shape.size(), 0)},
                                                {"high", high},
                                                {"interior", Integers(shape.size(), 0)}})));
}

}  // namespace

std::vector<ImportRule> import_rules_max_pool() {
  return {{"", "MaxPool", 1, kAnyVersion, import_max_pool},
          {"", "MaxUnpool", 9, kAnyVersion, import_max_unpool}};
}

}  // namespace thorong::onnx
