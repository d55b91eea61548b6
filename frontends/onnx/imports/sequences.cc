// SPDX-License-Identifier: Apache-2.0
// Sequences and optionals: settled while the model is imported; only their tensors are computed.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_identity(ImportContext& c, const NodeProto&) {
  return c.set_output(0, c.any_input(0));
}

Status import_construct(ImportContext& c, const NodeProto&) {
  std::vector<ValueId> items;
  for (size_t i = 0; i < std::max<size_t>(c.input_count(), 1); ++i) {
    THORONG_TRY(const ValueId id, c.any_input(i));
    items.push_back(id);
  }
  return c.set_output(0, c.objects().add_sequence(std::move(items)));
}

Status import_empty(ImportContext& c, const NodeProto&) {
  return c.set_output(0, c.objects().add_sequence({}));
}

// A position in a sequence; `extra` is 1 where one behind the last is allowed.
Result<size_t> position(ImportContext& c, size_t operand, size_t count, size_t extra) {
  THORONG_TRY(const int64_t index, c.constant_integer(operand, "position"));
  const auto size = static_cast<int64_t>(count);
  if (index >= -size && index < size + static_cast<int64_t>(extra))
    return static_cast<size_t>(index < 0 ? index + size : index);
  return out_of_range("position " + std::to_string(index) + " lies outside of a sequence of " +
                      std::to_string(count) + " items.");
}

Status import_at(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const auto items, c.sequence_input(0));
  THORONG_TRY(const size_t at, position(c, 1, items.size(), 0));
  return c.set_output(0, items[at]);
}

Status import_insert(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto items, c.sequence_input(0));
  THORONG_TRY(const ValueId item, c.any_input(1));
  size_t at = items.size();
  if (c.has_input(2)) {
    THORONG_TRY(at, position(c, 2, items.size(), 1));
  }
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), item);
  return c.set_output(0, c.objects().add_sequence(std::move(items)));
}

Status import_erase(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto items, c.sequence_input(0));
  if (items.empty()) return out_of_range("the sequence is empty; there is nothing to erase.");
  size_t at = items.size() - 1;
  if (c.has_input(1)) {
    THORONG_TRY(at, position(c, 1, items.size(), 0));
  }
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return c.set_output(0, c.objects().add_sequence(std::move(items)));
}

Status import_length(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const auto items, c.sequence_input(0));
  return c.set_output(0, c.constant(Shape{}, Integers{static_cast<int64_t>(items.size())}));
}

Status import_concat_from_sequence(ImportContext& c, const NodeProto&) {
  THORONG_TRY(auto items, c.sequence_input(0));
  THORONG_TRY(const int64_t axis, c.integer("axis", 0));
  THORONG_TRY(const int64_t is_new, c.integer("new_axis", 0));
  if (items.empty()) return invalid_argument("the sequence is empty; its sum has no shape.");
  size_t at = 0;
  for (ValueId& item : items) {
    if (is_object(item)) return invalid_argument("the sequence must hold tensors of numbers.");
    Shape shape = c.shape(item);
    THORONG_TRY(at, resolve_axis(axis, shape.size() + (is_new != 0 ? 1 : 0)));
    if (is_new == 0) continue;
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), 1);
    THORONG_TRY(item, c.reshape(item, shape));
  }
  return c.set_output(0, c.concatenate(items, at));
}

// Far above what real models do: each part is a value of its own.
Status check_parts(int64_t parts) {
  constexpr int64_t kMostParts = 1'000'000;
  if (parts <= kMostParts) return ok_status();
  return resource_exhausted("the tensor would be split into " + std::to_string(parts) +
                            " parts; at most " + std::to_string(kMostParts) + " are done.");
}

// Sizes along the axis: operand 1 as a list, or as the size of each but the last; absent: ones.
Result<Integers> sequence_split_sizes(ImportContext& c, int64_t size) {
  if (!c.has_input(1)) {
    THORONG_RETURN_IF_ERROR(check_parts(size));
    return Integers(static_cast<size_t>(size), 1);
  }
  THORONG_TRY(const ValueId split, c.input(1));
  THORONG_TRY(Integers sizes, c.constant_integers(1, "split"));
  if (c.rank(split) == 0) {
    const int64_t step = sizes.at(0);
    if (step <= 0)
      return invalid_argument("split must be positive, found " + std::to_string(step) + ".");
    THORONG_RETURN_IF_ERROR(check_parts(size / step));
    sizes.clear();
    for (int64_t done = 0; done < size; done += step) sizes.push_back(std::min(step, size - done));
  }
  int64_t left = size;
  for (const int64_t part : sizes) {
    if (part < 0 || part > left) {
      return invalid_argument("split " + ops::to_string(sizes) + " does not add up to " +
                              std::to_string(size) + ".");
    }
    left -= part;
  }
  if (left != 0) {
    return invalid_argument("split " + ops::to_string(sizes) + " does not add up to " +
                            std::to_string(size) + ".");
  }
  return sizes;
}

Status import_split_to_sequence(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const ValueId x, c.input(0));
  THORONG_TRY(const int64_t axis, c.integer("axis", 0));
  THORONG_TRY(const int64_t keeps, c.integer("keepdims", 1));
  THORONG_TRY(const size_t at, resolve_axis(axis, c.rank(x)));
  THORONG_TRY(const Integers sizes, sequence_split_sizes(c, c.shape(x)[at]));
  std::vector<ValueId> items;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    THORONG_TRY(ValueId item, c.slice_axis(x, at, start, start + size));
    start += size;
    if (!c.has_input(1) && keeps == 0) {
      Shape shape = c.shape(item);
      shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(at));
      THORONG_TRY(item, c.reshape(item, shape));
    }
    items.push_back(item);
  }
  return c.set_output(0, c.objects().add_sequence(std::move(items)));
}

// ---- Optionals: one with a value is the value ----

Status import_optional(ImportContext& c, const NodeProto&) {
  return c.set_output(
      0, c.has_input(0) ? Result<ValueId>(c.optional_input(0)) : c.objects().add_absent());
}

bool has_value(ImportContext& c) {
  if (!c.has_input(0)) return false;
  const ValueId id = c.optional_input(0);
  return !is_object(id) || c.objects().get(id).kind != ops::Structure::Kind::kAbsent;
}

Status import_has_element(ImportContext& c, const NodeProto&) {
  return c.set_output(0, c.scalar(Format::kBool, has_value(c) ? 1 : 0));
}

Status import_get_element(ImportContext& c, const NodeProto&) {
  if (!has_value(c)) return invalid_argument("the optional has no value to get.");
  return c.set_output(0, c.optional_input(0));
}

}  // namespace

std::vector<ImportRule> import_rules_sequences() {
  return {{"", "Identity", 1, kAnyVersion, import_identity},
          {"", "SequenceConstruct", 11, kAnyVersion, import_construct},
          {"", "SequenceEmpty", 11, kAnyVersion, import_empty},
          {"", "SequenceAt", 11, kAnyVersion, import_at},
          {"", "SequenceInsert", 11, kAnyVersion, import_insert},
          {"", "SequenceErase", 11, kAnyVersion, import_erase},
          {"", "SequenceLength", 11, kAnyVersion, import_length},
          {"", "ConcatFromSequence", 11, kAnyVersion, import_concat_from_sequence},
          {"", "SplitToSequence", 11, kAnyVersion, import_split_to_sequence},
          {"", "Optional", 15, kAnyVersion, import_optional},
          {"", "OptionalHasElement", 15, kAnyVersion, import_has_element},
          {"", "OptionalGetElement", 15, kAnyVersion, import_get_element}};
}

}  // namespace thorong::onnx
