// SPDX-License-Identifier: Apache-2.0
// Operators whose results are known at import: Constant, Shape, Size, ConstantOfShape, Range,
// EyeLike.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/import_context.h"
#include "frontends/onnx/input_types.h"

namespace thorong::onnx {
namespace {

Status import_constant(ImportContext& c, const NodeProto& node) {
  if (node.attributes.size() != 1)
    return invalid_argument("expected one attribute that holds the value.");
  const AttributeProto& value = node.attributes[0];
  if (value.name == "value_string") return c.set_output(0, c.objects().add_text({{}, {value.s}}));
  if (value.name == "value_strings") {
    const auto count = static_cast<int64_t>(value.strings.size());
    return c.set_output(0, c.objects().add_text({{count}, value.strings}));
  }
  if (value.name == "value" && value.tensor && value.tensor->data_type == kStringDataType) {
    THORONG_TRY(ops::Text text, text_of(*value.tensor));
    return c.set_output(0, c.objects().add_text(std::move(text)));
  }
  if (value.name == "value" && value.tensor) {
    if (!value.tensor->data.ok()) return value.tensor->data.status();
    return c.set_output(0, c.constant(*value.tensor->data));
  }
  auto length = [](const auto& list) { return Shape{static_cast<int64_t>(list.size())}; };
  if (value.name == "value_float") return c.set_output(0, c.scalar(Format::kFloat32, value.f));
  if (value.name == "value_floats")
    return c.set_output(0, c.constant({Format::kFloat32, length(value.floats)}, value.floats));
  if (value.name == "value_int") return c.set_output(0, c.constant(Shape{}, Integers{value.i}));
  if (value.name == "value_ints")
    return c.set_output(0, c.constant(length(value.ints), value.ints));
  return unsupported("a constant in attribute \"" + value.name +
                     "\" is not done; use a dense tensor of numbers.");
}

Status import_shape(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  auto rank = static_cast<int64_t>(shape.size());
  THORONG_TRY(int64_t start, c.integer("start", 0));
  THORONG_TRY(int64_t end, c.integer("end", rank));
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
  Integers part(shape.begin() + start, shape.begin() + end);
  return c.set_output(0, c.constant(Shape{end - start}, part));
}

Status import_size(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  return c.set_output(0, c.constant(Shape{}, Integers{ops::element_count(c.shape(x))}));
}

Status import_constant_of_shape(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(Integers shape, c.constant_integers(0, "shape"));
  const AttributeProto* attribute = node.attribute("value");
  if (attribute == nullptr || !attribute->tensor)
    return c.set_output(0, c.full(Format::kFloat32, shape, 0));
  if (!attribute->tensor->data.ok()) return attribute->tensor->data.status();
  THORONG_TRY(ValueId value, c.constant(*attribute->tensor->data));
  THORONG_TRY(value, c.reshape(value, {}));
  return c.set_output(0, c.broadcast_in(value, shape, {}));
}

Status import_range(ImportContext& c, const NodeProto&) {
  double parts[3] = {0, 0, 0};
  const char* const names[3] = {"start", "limit", "delta"};
  for (size_t i = 0; i < 3; ++i) {
    THORONG_TRY(auto values, c.constant_numbers(i, names[i]));
    if (values.size() != 1) return invalid_argument(std::string(names[i]) + " must be one number.");
    parts[i] = values[0];
  }
  double count = std::ceil((parts[1] - parts[0]) / parts[2]);
  if (std::isnan(count) || std::isinf(count)) return invalid_argument("delta must not be 0.");
  THORONG_RETURN_IF_ERROR(
      c.check_generated(count < 1e18 ? static_cast<int64_t>(std::max(count, 0.0)) : -1));
  std::vector<double> values;
  for (double i = 0; i < count; ++i) values.push_back(parts[0] + i * parts[2]);
  return c.set_output(
      0,
      c.constant({c.format(c.optional_input(0)), {static_cast<int64_t>(values.size())}}, values));
}

Status import_eye_like(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  if (shape.size() != 2)
    return invalid_argument("the input must be a matrix, found " + ops::to_string(shape) + ".");
  THORONG_TRY(int64_t k, c.integer("k", 0));
  Format format = c.format(x);
  if (c.has_attribute("dtype")) {
    THORONG_TRY(int64_t type, c.integer("dtype", 1));
    THORONG_TRY(format, format_of_data_type(static_cast<int32_t>(type)));
  }
  int64_t elements = ops::element_count(shape);
  THORONG_RETURN_IF_ERROR(c.check_generated(elements));
  std::vector<double> values(static_cast<size_t>(elements), 0);
  for (int64_t row = 0; elements > 0 && row < shape[0]; ++row) {
    int64_t column = 0;
    if (__builtin_add_overflow(row, k, &column) || column < 0 || column >= shape[1]) continue;
    values[static_cast<size_t>(row * shape[1] + column)] = 1;
  }
  return c.set_output(0, c.constant({format, shape}, values));
}

}  // namespace

std::vector<ImportRule> import_rules_constants() {
  return {{"", "Constant", 1, kAnyVersion, import_constant},
          {"", "Shape", 1, kAnyVersion, import_shape},
          {"", "Size", 1, kAnyVersion, import_size},
          {"", "ConstantOfShape", 9, kAnyVersion, import_constant_of_shape},
          {"", "Range", 11, kAnyVersion, import_range},
          {"", "EyeLike", 9, kAnyVersion, import_eye_like}};
}

}  // namespace thorong::onnx
