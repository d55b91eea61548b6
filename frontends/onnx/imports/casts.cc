// SPDX-License-Identifier: Apache-2.0
// Cast, CastLike and BitCast.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Result<Format> cast_target(const ImportContext& c) {
  THORONG_TRY(int64_t to, c.integer("to", 0));
  if (to < 0 || to > 1000)
    return invalid_argument("\"to\" is not an ONNX type: " + std::to_string(to) + ".");
  return format_of_data_type(static_cast<int32_t>(to));
}

// x & mask, or another operator with one number.
Result<ValueId> with_mask(ImportContext& c, const char* op, ValueId x, int32_t number) {
  return c.add_scalar(op, x, static_cast<double>(number));
}

Result<ValueId> compare_number(ImportContext& c, const char* direction, ValueId x, int32_t number) {
  THORONG_TRY(ValueId wide, c.full_like(x, static_cast<double>(number)));
  return c.compare(direction, x, wide);
}

// The code of a positive number as a power of two (float8_e8m0fnu), by the bits of its float32: the
// exponent, plus one where rounding goes up. The least code, 0, is 2^-127, a subnormal float32.
Result<ValueId> power_of_two_code(ImportContext& c, ValueId bits, const std::string& round_mode,
                                  bool saturate) {
  constexpr int32_t kHalf = 0x400000;  // of the fraction; 2^-127 itself where the exponent is 0
  THORONG_TRY(ValueId shifted, with_mask(c, "shift_right_logical", bits, 23));
  THORONG_TRY(ValueId exponent, with_mask(c, "and", shifted, 0xFF));
  THORONG_TRY(ValueId fraction, with_mask(c, "and", bits, 0x7FFFFF));
  THORONG_TRY(ValueId subnormal, compare_number(c, "EQ", exponent, 0));
  ValueId code = exponent;
  if (round_mode != "down") {
    bool up = round_mode == "up";
    THORONG_TRY(ValueId low, c.full_like(bits, up ? kHalf : kHalf + kHalf / 2 - 1));
    THORONG_TRY(ValueId usual, c.full_like(bits, up ? 0 : kHalf - 1));
    THORONG_TRY(ValueId limit, c.add("select", {subnormal, low, usual}));
    THORONG_TRY(ValueId raised, c.compare("GT", fraction, limit));
    THORONG_TRY(raised, c.convert(raised, Format::kInt32));
    THORONG_TRY(code, c.add("add", {code, raised}));
  }
  if (saturate) return with_mask(c, "minimum", code, 254);
  THORONG_TRY(code, with_mask(c, "minimum", code, 255));
  THORONG_TRY(ValueId small, compare_number(c, "LT", fraction, kHalf));
  THORONG_TRY(small, c.add("and", {small, subnormal}));
  THORONG_TRY(ValueId nan, c.full_like(code, 255));
  return c.add("select", {small, nan, code});
}

Result<ValueId> to_power_of_two(ImportContext& c, ValueId x, bool saturate) {
  THORONG_TRY(std::string round_mode, c.text("round_mode", "up"));
  if (round_mode != "up" && round_mode != "down" && round_mode != "nearest") {
    return invalid_argument("round_mode must be up, down or nearest, found \"" + round_mode +
                            "\".");
  }
  THORONG_TRY(x, c.convert(x, Format::kFloat32));
  THORONG_TRY(ValueId bits,
              c.add("bitcast_convert", {x}, make_attributes({{"format", std::string("int32")}})));
  THORONG_TRY(ValueId code, power_of_two_code(c, bits, round_mode, saturate));
  THORONG_TRY(ValueId is_nan, c.add("is_nan", {x}));
  THORONG_TRY(ValueId nan, c.full_like(code, 255));
  THORONG_TRY(code, c.add("select", {is_nan, nan, code}));
  THORONG_TRY(code, c.convert(code, Format::kUint8));
  return c.add("bitcast_convert", {code},
               make_attributes({{"format", std::string("float8_e8m0fnu")}}));
}

// To an eight-bit float, values beyond its range become its largest, unless the attribute saturate
// is 0. Floats become integers of less than 8 bits by the low bits of their integer part, as wider
// integers do.
Result<ValueId> cast(ImportContext& c, ValueId x, Format to) {
  THORONG_TRY(int64_t saturate, c.integer("saturate", 1));
  if (to == c.format(x)) return x;
  if (to == Format::kFloat8E8m0fnu) return to_power_of_two(c, x, saturate != 0);
  if (numerics::is_integer(to) && numerics::info(to).bits < 8) {
    THORONG_TRY(x, c.convert(x, Format::kInt32));
  }
  return saturate != 0 ? c.saturating_convert(x, to) : c.convert(x, to);
}

Status import_cast(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Format format, cast_target(c));
  return c.set_output(0, cast(c, x, format));
}

Status import_cast_like(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId like, c.input(1));
  return c.set_output(0, cast(c, x, c.format(like)));
}

Status import_bit_cast(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Format format, cast_target(c));
  return c.set_output(0, c.add("bitcast_convert", {x},
                               make_attributes({{"format", std::string(numerics::name(format))}})));
}

}  // namespace

std::vector<ImportRule> import_rules_casts() {
  return {{"", "Cast", 6, kAnyVersion, import_cast},
          {"", "CastLike", 15, kAnyVersion, import_cast_like},
          {"", "BitCast", 26, kAnyVersion, import_bit_cast}};
}

}  // namespace thorong::onnx
