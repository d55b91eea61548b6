// SPDX-License-Identifier: Apache-2.0
// Cast and CastLike.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// To an eight-bit float, values beyond its range become its largest, unless the attribute saturate
// is 0.
Result<ValueId> saturating_convert(ImportContext& c, ValueId x, Format to) {
  THORONG_TRY(int64_t saturate, c.integer("saturate", 1));
  return saturate != 0 ? c.saturating_convert(x, to) : c.convert(x, to);
}

Status import_cast(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t to, c.integer("to", 0));
  if (to < 0 || to > 1000)
    return invalid_argument("\"to\" is not an ONNX type: " + std::to_string(to) + ".");
  THORONG_TRY(Format format, format_of_data_type(static_cast<int32_t>(to)));
  return c.set_output(0, saturating_convert(c, x, format));
}

Status import_cast_like(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId like, c.input(1));
  return c.set_output(0, saturating_convert(c, x, c.format(like)));
}

}  // namespace

std::vector<ImportRule> import_rules_casts() {
  return {{"", "Cast", 6, kAnyVersion, import_cast},
          {"", "CastLike", 15, kAnyVersion, import_cast_like}};
}

}  // namespace thorong::onnx
