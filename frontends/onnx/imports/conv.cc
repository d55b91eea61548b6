// SPDX-License-Identifier: Apache-2.0
// Conv and ConvInteger: convolution, and the bias added per channel.
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

Status import_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_TRY(ValueId y, convolve(c, x, w));
  if (!c.has_input(2)) return c.set_output(0, y);
  THORONG_TRY(ValueId bias, c.broadcast_in(c.optional_input(2), c.shape(y), {1}));
  return c.set_output(0, c.add("add", {y, bias}));
}

// x - zero point in int32; `axis` is where a list of zero points lies.
Result<ValueId> without_zero_point(ImportContext& c, ValueId x, size_t zero_point, int64_t axis) {
  THORONG_TRY(ValueId wide, c.convert(x, Format::kInt32));
  if (!c.has_input(zero_point)) return wide;
  THORONG_TRY(ValueId zero, c.convert(c.optional_input(zero_point), Format::kInt32));
  bool is_list = c.rank(zero) == 1 && c.shape(zero)[0] != 1;
  if (!is_list) {
    THORONG_TRY(zero, c.reshape(zero, {}));
  }
  THORONG_TRY(zero, c.broadcast_in(zero, c.shape(wide), is_list ? Integers{axis} : Integers{}));
  return c.add("subtract", {wide, zero});
}

Status import_conv_integer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_TRY(x, without_zero_point(c, x, 2, 0));
  THORONG_TRY(w, without_zero_point(c, w, 3, 0));
  return c.set_output(0, convolve(c, x, w));
}

}  // namespace

std::vector<ImportRule> import_rules_conv() {
  return {{"", "Conv", 1, kAnyVersion, import_conv},
          {"", "ConvInteger", 10, kAnyVersion, import_conv_integer}};
}

}  // namespace thorong::onnx
