// SPDX-License-Identifier: Apache-2.0
// CenterCropPad: each dimension cut or filled with zeros around its middle; an odd element more at
// the end.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_center_crop_pad(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers sizes, c.constant_integers(1, "shape"));
  Shape shape = c.shape(x);
  THORONG_TRY(Integers axes, c.integers("axes", counting(shape.size())));
  THORONG_TRY(auto dimensions, resolve_axes(axes, shape.size()));
  if (sizes.size() != dimensions.size()) {
    return invalid_argument("shape must have one entry for each of the " +
                            std::to_string(dimensions.size()) + " axes, found " +
                            ops::to_string(sizes) + ".");
  }
  Integers start(shape.size(), 0), limit = shape, low(shape.size(), 0), high(shape.size(), 0);
  for (size_t i = 0; i < sizes.size(); ++i) {
    size_t d = dimensions[i];
    if (sizes[i] < 0 || sizes[i] > int64_t{1} << 31)
      return out_of_range("shape must lie in [0, 2^31], found " + ops::to_string(sizes) + ".");
    int64_t more = sizes[i] - shape[d];
    if (more > 0) {
      low[d] = more / 2;
      high[d] = more - low[d];
    } else {
      start[d] = -more / 2;
      limit[d] = start[d] + sizes[i];
    }
  }
  THORONG_TRY(x, c.slice(x, start, limit));
  if (low == high && low == Integers(shape.size(), 0)) return c.set_output(0, x);
  THORONG_TRY(ValueId zero, c.scalar(c.format(x), 0));
  return c.set_output(
      0, c.add("pad", {x, zero},
               make_attributes(
                   {{"low", low}, {"high", high}, {"interior", Integers(shape.size(), 0)}})));
}

}  // namespace

std::vector<ImportRule> import_rules_center_crop_pad() {
  return {{"", "CenterCropPad", 18, kAnyVersion, import_center_crop_pad}};
}

}  // namespace thorong::onnx
