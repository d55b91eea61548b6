// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's forms of image operators for tensors [N, H, W, C].
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

Status require_image(ImportContext& c, ValueId x) {
  if (c.rank(x) >= 3) return ok_status();
  return invalid_argument("the input must be [N, spatial..., C], found " +
                          ops::to_string(c.shape(x)) + ".");
}

// NhwcConv(x, w [M, spatial..., C], bias?)
Status import_nhwc_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_RETURN_IF_ERROR(require_image(c, x));
  THORONG_RETURN_IF_ERROR(require_image(c, w));
  THORONG_TRY(x, channels_first(c, x));
  THORONG_TRY(w, channels_first(c, w));
  THORONG_TRY(ValueId y, convolve(c, x, w));
  if (ValueId bias = c.optional_input(2); bias != kNoValue) {
    THORONG_TRY(bias, c.broadcast_in(bias, c.shape(y), {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  THORONG_TRY(y, channels_last(c, y));
  return c.set_output(0, y);
}

// The channels' scale and bias may have a wider format than x: the work is done in theirs.
Result<ValueId> group_norm(ImportContext& c, ValueId x) {
  THORONG_RETURN_IF_ERROR(require_image(c, x));
  THORONG_TRY(ValueId gamma, c.input(1));
  THORONG_TRY(ValueId beta, c.input(2));
  THORONG_TRY(int64_t is_last, c.integer("channels_last", 1));
  THORONG_TRY(int64_t groups, c.integer("groups", 0));
  THORONG_TRY(int64_t activation, c.integer("activation", 0));
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-5));
  if (activation != 0 && activation != 1) {
    return invalid_argument("activation must be 0 (none) or 1 (SiLU), found " +
                            std::to_string(activation) + ".");
  }
  Format format = c.format(x);
  THORONG_TRY(ValueId y, c.convert(x, c.format(gamma)));
  if (is_last != 0) {
    THORONG_TRY(y, channels_first(c, y));
  }
  Shape shape = c.shape(y);
  if (groups < 1 || shape[1] % groups != 0) {
    return invalid_argument("groups must divide the channels, found " + std::to_string(groups) +
                            " for " + std::to_string(shape[1]) + ".");
  }
  THORONG_TRY(y, c.add("group_norm", {y, gamma, beta},
                       make_attributes({{"groups", groups}, {"epsilon", epsilon}})));
  if (activation == 1) {
    THORONG_TRY(y, c.add("silu", {y}));
  }
  if (is_last != 0) {
    THORONG_TRY(y, channels_last(c, y));
  }
  return c.convert(y, format);
}

// GroupNorm(x, gamma, beta)
Status import_nhwc_group_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId y, group_norm(c, x));
  return c.set_output(0, y);
}

// SkipGroupNorm(x, gamma, beta, skip, bias?): x + skip + bias is normalised, and is output 1. skip
// may be [N, C] or [N, 1, 1, C], bias is [C].
Status import_skip_group_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId skip, c.input(3));
  THORONG_TRY(int64_t is_last, c.integer("channels_last", 1));
  if (is_last != 1) return invalid_argument("channels_last must be 1.");
  THORONG_RETURN_IF_ERROR(require_image(c, x));
  Shape shape = c.shape(x);
  if (Shape given = c.shape(skip); given.size() == 2) {
    Shape column(shape.size(), 1);
    column.front() = given[0], column.back() = given[1];
    THORONG_TRY(skip, c.reshape(skip, column));
  }
  THORONG_TRY(ValueId sum, c.add_broadcast(x, skip));
  THORONG_TRY(sum, c.add_broadcast(sum, c.optional_input(4)));
  THORONG_TRY(ValueId y, group_norm(c, sum));
  THORONG_RETURN_IF_ERROR(c.set_output(0, y));
  return c.set_output(1, sum);
}

}  // namespace

std::vector<ImportRule> import_rules_nhwc() {
  return {{kMicrosoft, "NhwcConv", 1, kAnyVersion, import_nhwc_conv},
          {kMicrosoft, "GroupNorm", 1, kAnyVersion, import_nhwc_group_norm},
          {kMicrosoft, "SkipGroupNorm", 1, kAnyVersion, import_skip_group_norm}};
}

}  // namespace thorong::onnx
