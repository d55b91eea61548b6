// SPDX-License-Identifier: Apache-2.0
// DeformConv: the elements under the kernel, each moved by its own offset and read by linear
// interpolation, as columns of a matrix product with the weights.
#include "frontends/onnx/sampling.h"
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

struct Deformed {
  Window window;
  Shape output;                     // spatial
  int64_t taps = 0, positions = 0;  // elements of the kernel, of a channel of the output
  int64_t groups = 1, offset_groups = 1;
};

Status check_shapes(ImportContext& c, const Deformed& d, const Shape& x, const Shape& w) {
  auto dimensions = static_cast<int64_t>(x.size()) - 2;
  Shape offset{x[0], ops::element_count({d.offset_groups, d.taps, dimensions})};
  Shape mask{x[0], ops::element_count({d.offset_groups, d.taps})};
  offset.insert(offset.end(), d.output.begin(), d.output.end());
  mask.insert(mask.end(), d.output.begin(), d.output.end());
  struct Expected {
    size_t operand;
    const char* name;
    Shape shape;
  };
  for (const Expected& e : {Expected{2, "the offset", offset}, Expected{3, "B", {w[0]}},
                            Expected{4, "the mask", mask}}) {
    if (!c.has_input(e.operand)) continue;
    Shape found = c.shape(c.optional_input(e.operand));
    if (found == e.shape) continue;
    return invalid_argument(std::string(e.name) + " must be " + ops::to_string(e.shape) +
                            ", found " + ops::to_string(found) + ".");
  }
  return ok_status();
}

Result<Deformed> read_deformed(ImportContext& c, const Shape& x, const Shape& w) {
  if (x.size() < 3 || w.size() != x.size()) {
    return invalid_argument("X must be [N, C, spatial...] and W [O, C/group, spatial...], found " +
                            ops::to_string(x) + " and " + ops::to_string(w) + ".");
  }
  Deformed d;
  Integers kernel(w.begin() + 2, w.end());
  THORONG_TRY(Integers declared, c.integers("kernel_shape", kernel));
  if (declared != kernel)
    return invalid_argument("kernel_shape " + ops::to_string(declared) +
                            " differs from the weights " + ops::to_string(w) + ".");
  THORONG_TRY(d.window, read_window(c, x, kernel));
  THORONG_TRY(d.groups, c.integer("group", 1));
  THORONG_TRY(d.offset_groups, c.integer("offset_group", 1));
  bool fits = d.groups >= 1 && d.groups <= x[1] && d.offset_groups >= 1 &&
              d.offset_groups <= x[1] && x[1] == w[1] * d.groups && w[0] % d.groups == 0 &&
              x[1] % d.offset_groups == 0;
  if (!fits) {
    return invalid_argument("group and offset_group must divide the channels of X " +
                            ops::to_string(x) + " and W " + ops::to_string(w) + ".");
  }
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t room = x[i + 2] + d.window.low[i] + d.window.high[i] -
                   ((kernel[i] - 1) * d.window.dilations[i] + 1);
    if (room < 0 || x[i + 2] == 0)
      return invalid_argument("the kernel is larger than X with its padding.");
    d.output.push_back(room / d.window.strides[i] + 1);
  }
  d.taps = ops::element_count(kernel);
  d.positions = ops::element_count(d.output);
  THORONG_RETURN_IF_ERROR(check_shapes(c, d, x, w));
  return d;
}

// Along one dimension, where the undeformed kernel's elements lie: [taps, positions].
std::vector<double> undeformed(const Deformed& d, size_t dimension) {
  const Window& w = d.window;
  std::vector<double> places;
  int64_t inner_taps = product(w.kernel, dimension + 1, w.kernel.size());
  int64_t inner = product(d.output, dimension + 1, d.output.size());
  for (int64_t tap = 0; tap < d.taps; ++tap) {
    int64_t offset = tap / inner_taps % w.kernel[dimension] * w.dilations[dimension];
    for (int64_t p = 0; p < d.positions; ++p) {
      int64_t start = p / inner % d.output[dimension] * w.strides[dimension] - w.low[dimension];
      places.push_back(static_cast<double>(start + offset));
    }
  }
  return places;
}

// What the kernel sees, [N, C, taps, positions].
Result<ValueId> columns_of(ImportContext& c, const Deformed& d, ValueId x) {
  Shape shape = c.shape(x);
  size_t dimensions = d.output.size();
  int64_t images = shape[0] * d.offset_groups, channels = shape[1] / d.offset_groups;
  THORONG_TRY(ValueId offset, c.input(2));
  THORONG_TRY(offset, c.convert(offset, c.format(x)));
  THORONG_TRY(offset,
              c.reshape(offset, {images, d.taps, static_cast<int64_t>(dimensions), d.positions}));
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count({d.taps, d.positions})));
  std::vector<Taps> taps;
  for (size_t i = 0; i < dimensions; ++i) {
    auto at = static_cast<int64_t>(i);
    THORONG_TRY(ValueId moved, c.slice_axis(offset, 2, at, at + 1));
    THORONG_TRY(moved, c.reshape(moved, {images, d.taps, d.positions}));
    THORONG_TRY(ValueId base, c.constant({c.format(x), {d.taps, d.positions}}, undeformed(d, i)));
    THORONG_TRY(base, c.broadcast_in(base, {images, d.taps, d.positions}, {1, 2}));
    THORONG_TRY(moved, c.add("add", {base, moved}));
    THORONG_TRY(moved, c.reshape(moved, {images, d.taps * d.positions}));
    THORONG_TRY(Taps own, linear_taps(c, moved, shape[i + 2], true));
    taps.push_back(own);
  }
  Shape by_group = shape;
  by_group[0] = images;
  by_group[1] = channels;
  THORONG_TRY(ValueId image, c.reshape(x, by_group));
  THORONG_TRY(image, channels_last(c, image));
  THORONG_TRY(ValueId y, sample(c, image, taps));
  if (c.has_input(4)) {
    THORONG_TRY(ValueId mask, c.convert(c.optional_input(4), c.format(x)));
    THORONG_TRY(mask, c.reshape(mask, {images, d.taps * d.positions}));
    THORONG_TRY(mask, c.broadcast_in(mask, c.shape(y), {0, 1}));
    THORONG_TRY(y, c.add("multiply", {y, mask}));
  }
  THORONG_TRY(y, c.transpose(y, {0, 2, 1}));
  return c.reshape(y, {shape[0], shape[1], d.taps, d.positions});
}

Status import_deform_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_TRY(ValueId offset, c.input(2));
  Format format = c.format(x);
  if (!numerics::is_float(format) || c.format(w) != format || c.format(offset) != format)
    return invalid_argument("X, W and the offset must be floats of one format.");
  Shape shape = c.shape(x), weights = c.shape(w);
  THORONG_TRY(Deformed d, read_deformed(c, shape, weights));
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(ValueId columns, columns_of(c, d, x));
  int64_t rows = weights[1] * d.taps, results = weights[0] / d.groups;
  THORONG_TRY(columns, c.reshape(columns, {shape[0], d.groups, rows, d.positions}));
  THORONG_TRY(w, c.widen(w));
  THORONG_TRY(w, c.reshape(w, {d.groups, results, rows}));
  THORONG_TRY(ValueId y, c.add("dot_general", {w, columns},
                               make_attributes({{"lhs_batching_dimensions", Integers{0}},
                                                {"rhs_batching_dimensions", Integers{1}},
                                                {"lhs_contracting_dimensions", Integers{2}},
                                                {"rhs_contracting_dimensions", Integers{2}}})));
  THORONG_TRY(y, c.transpose(y, {2, 0, 1, 3}));
  Shape output{shape[0], weights[0]};
  output.insert(output.end(), d.output.begin(), d.output.end());
  THORONG_TRY(y, c.reshape(y, output));
  if (c.has_input(3)) {
    THORONG_TRY(ValueId bias, c.convert(c.optional_input(3), c.format(y)));
    THORONG_TRY(bias, c.broadcast_in(bias, output, {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  return c.set_output(0, c.convert(y, format));
}

}  // namespace

std::vector<ImportRule> import_rules_deform_conv() {
  return {{"", "DeformConv", 19, kAnyVersion, import_deform_conv}};
}

}  // namespace thorong::onnx
