// SPDX-License-Identifier: Apache-2.0
// Conv: convolution, and the bias added per channel.
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

}  // namespace

std::vector<ImportRule> import_rules_conv() { return {{"", "Conv", 1, kAnyVersion, import_conv}}; }

}  // namespace thorong::onnx
