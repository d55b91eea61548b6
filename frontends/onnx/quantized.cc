// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/quantized.h"

namespace thorong::onnx {
namespace {

double lowest_of(Format format) {
  if (numerics::info(format).kind != 'S') return 0;
  return -static_cast<double>(int64_t{1} << (numerics::info(format).bits - 1));
}

double highest_of(Format format) {
  int bits = numerics::info(format).bits - (numerics::info(format).kind == 'S' ? 1 : 0);
  return static_cast<double>((int64_t{1} << bits) - 1);
}

}  // namespace

Format wide_enough(Format format) { return format == Format::kFloat64 ? format : Format::kFloat32; }

Result<ValueId> quantize(ImportContext& c, ValueId y, ValueId zero, Format format) {
  Format wide = wide_enough(c.format(y));
  if (!numerics::is_integer(format)) {
    if (zero != kNoValue) {
      THORONG_TRY(y, c.convert(y, wide));
      THORONG_TRY(y, c.add("add", {y, zero}));
    }
    THORONG_TRY(int64_t saturate, c.integer("saturate", 1));
    return saturate != 0 ? c.saturating_convert(y, format) : c.convert(y, format);
  }
  if (numerics::info(format).bits > 16) {
    return unsupported("values are quantized to integers of up to 16 bits or to floats, not to " +
                       std::string(numerics::name(format)) + ".");
  }
  THORONG_TRY(y, c.add("round_nearest_even", {y}));
  THORONG_TRY(y, c.convert(y, wide));
  if (zero != kNoValue) {
    THORONG_TRY(y, c.add("add", {y, zero}));
  }
  THORONG_TRY(ValueId low, c.scalar(wide, lowest_of(format)));
  THORONG_TRY(ValueId high, c.scalar(wide, highest_of(format)));
  THORONG_TRY(y, c.add("clamp", {low, y, high}));
  return c.convert(y, format);
}

}  // namespace thorong::onnx
