// SPDX-License-Identifier: Apache-2.0
// Slice, Split, Concat, Pad: parts of tensors, at positions that are known.
#include <algorithm>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct Range {
  int64_t start, limit, step;  // as slice's attributes; step > 0
  bool reversed;
};

// One axis of a NumPy slice. A negative step is the reversal of a positive one.
Range resolve_range(int64_t start, int64_t end, int64_t step, int64_t size) {
  auto from_end = [&](int64_t i) { return i < 0 ? i + size : i; };
  if (step > 0) {
    start = std::clamp<int64_t>(from_end(start), 0, size);
    end = std::clamp<int64_t>(from_end(end), start, std::max(start, size));
    return {start, std::min(end, size), step, false};
  }
  start = std::clamp<int64_t>(from_end(start), -1, size - 1);
  end = std::clamp<int64_t>(from_end(end), -1, size - 1);
  if (end >= start) return {0, 0, 1, false};
  int64_t distance =
      step == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max() : -step;
  int64_t first =
      start - (start - end - 1) / distance * distance;  // the last element that is taken
  return {first, start + 1, distance, true};
}

Status import_slice(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers starts, c.integers_from(1, "starts"));
  THORONG_TRY(Integers ends, c.integers_from(2, "ends"));
  THORONG_TRY(Integers axes, c.integers_from(3, "axes", counting(starts.size())));
  Integers steps(starts.size(), 1);
  if (c.has_input(4)) {
    THORONG_TRY(steps, c.constant_integers(4, "steps"));
  }
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return invalid_argument("starts, ends, axes and steps must have equal lengths.");
  }
  Shape shape = c.shape(x);
  THORONG_TRY(auto dimensions, resolve_axes(axes, shape.size()));
  Integers start(shape.size(), 0), limit = shape, strides(shape.size(), 1), reversed;
  for (size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0) return invalid_argument("steps must not be 0.");
    size_t axis = dimensions[i];
    Range range = resolve_range(starts[i], ends[i], steps[i], shape[axis]);
    start[axis] = range.start;
    limit[axis] = range.limit;
    strides[axis] = std::min(range.step, std::max<int64_t>(shape[axis], 1));
    if (range.reversed) reversed.push_back(static_cast<int64_t>(axis));
  }
  THORONG_TRY(ValueId y, c.slice(x, start, limit, strides));
  if (reversed.empty()) return c.set_output(0, y);
  std::sort(reversed.begin(), reversed.end());
  return c.set_output(0, c.add("reverse", {y}, make_attributes({{"dimensions", reversed}})));
}

Result<Integers> split_sizes(ImportContext& c, int64_t size) {
  THORONG_TRY(Integers sizes, c.integers_from(1, "split"));
  auto count = static_cast<int64_t>(c.output_count());
  if (sizes.empty() && count > 0) {  // equal parts; the last one smaller where they do not fit
    THORONG_TRY(int64_t parts, c.integer("num_outputs", count));
    if (parts != count) {
      return invalid_argument("num_outputs is " + std::to_string(parts) + ", but the node has " +
                              std::to_string(count) + " outputs.");
    }
    int64_t part = (size + parts - 1) / parts;
    for (int64_t left = size; count > 0; --count, left -= part)
      sizes.push_back(std::clamp<int64_t>(left, 0, part));
  }
  int64_t sum = 0;
  for (int64_t part : sizes) {
    if (part < 0 || part > size - sum)
      return invalid_argument("split " + ops::to_string(sizes) + " does not fit.");
    sum += part;
  }
  if (sum != size || sizes.size() < c.output_count()) {
    return invalid_argument("split " + ops::to_string(sizes) +
                            " must have one entry for each output and add up to " +
                            std::to_string(size) + ".");
  }
  return sizes;
}

Status import_split(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t axis, c.integer("axis", 0));
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(x)));
  THORONG_TRY(Integers sizes, split_sizes(c, c.shape(x)[dimension]));
  int64_t start = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (c.output_used(i)) {
      THORONG_RETURN_IF_ERROR(c.set_output(i, c.slice_axis(x, dimension, start, start + sizes[i])));
    }
    start += sizes[i];
  }
  return ok_status();
}

Status import_concat(ImportContext& c, const NodeProto&) {
  if (!c.has_attribute("axis")) return invalid_argument("attribute \"axis\" is missing.");
  THORONG_TRY(int64_t axis, c.integer("axis", 1));
  std::vector<ValueId> operands;
  for (size_t i = 0; i < c.input_count(); ++i) {
    THORONG_TRY(ValueId x, c.input(i));
    operands.push_back(x);
  }
  if (operands.empty()) return invalid_argument("there are no operands.");
  THORONG_TRY(size_t dimension, resolve_axis(axis, c.rank(operands[0])));
  return c.set_output(0, c.concatenate(operands, dimension));
}

// Which input element stands at each position of a padded axis.
Result<Integers> pad_indices(const std::string& mode, int64_t size, int64_t low, int64_t high) {
  Integers indices;
  if (size == 0 && low + high > 0)
    return invalid_argument("an empty dimension cannot be padded by mode " + mode + ".");
  for (int64_t at = -low; at < size + high; ++at) {
    int64_t index = at;
    if (mode == "edge") {
      index = std::clamp<int64_t>(at, 0, size - 1);
    } else if (mode == "wrap") {
      index = (at % size + size) % size;
    } else if (size == 1) {
      index = 0;
    } else {
      int64_t period = 2 * (size - 1);
      index = (at % period + period) % period;
      if (index >= size) index = period - index;
    }
    indices.push_back(index);
  }
  return indices;
}

struct Padding {
  Integers low, high;  // for every dimension
};

Result<Padding> read_padding(ImportContext& c, size_t rank) {
  THORONG_TRY(Integers pads, c.integers_from(1, "pads"));
  Integers axes = counting(rank);
  if (c.has_input(3)) {
    THORONG_TRY(axes, c.constant_integers(3, "axes"));
  }
  THORONG_TRY(auto dimensions, resolve_axes(axes, rank));
  if (pads.size() != 2 * dimensions.size()) {
    return invalid_argument("pads must have " + std::to_string(2 * dimensions.size()) +
                            " entries, found " + std::to_string(pads.size()) + ".");
  }
  Padding padding{Integers(rank, 0), Integers(rank, 0)};
  for (size_t i = 0; i < dimensions.size(); ++i) {
    for (int64_t pad : {pads[i], pads[i + dimensions.size()]}) {
      if (pad < -(int64_t{1} << 31) || pad > int64_t{1} << 31)
        return out_of_range("pads are out of range.");
    }
    padding.low[dimensions[i]] = pads[i];
    padding.high[dimensions[i]] = pads[i + dimensions.size()];
  }
  return padding;
}

Result<ValueId> pad_value(ImportContext& c, Format format) {
  if (c.version() >= 11) {
    if (!c.has_input(2)) return c.scalar(format, 0);
    THORONG_TRY(ValueId value, c.convert(c.optional_input(2), format));
    return c.reshape(value, {});
  }
  THORONG_TRY(double value, c.number("value", 0));
  return c.scalar(format, value);
}

Status import_pad(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(std::string mode, c.text("mode", "constant"));
  Shape shape = c.shape(x);
  THORONG_TRY(Padding padding, read_padding(c, shape.size()));
  if (mode == "constant") {
    THORONG_TRY(ValueId value, pad_value(c, c.format(x)));
    return c.set_output(0, c.add("pad", {x, value},
                                 make_attributes({{"low", padding.low},
                                                  {"high", padding.high},
                                                  {"interior", Integers(shape.size(), 0)}})));
  }
  if (mode != "reflect" && mode != "edge" && mode != "wrap") {
    return invalid_argument("mode must be constant, reflect, edge or wrap, found \"" + mode +
                            "\".");
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (padding.low[axis] == 0 && padding.high[axis] == 0) continue;
    int64_t size = shape[axis] + padding.low[axis] + padding.high[axis];
    if (size < 0)
      return invalid_argument("pads remove more than dimension " + std::to_string(axis) + " has.");
    THORONG_RETURN_IF_ERROR(c.check_generated(size));
    THORONG_TRY(Integers indices,
                pad_indices(mode, shape[axis], padding.low[axis], padding.high[axis]));
    THORONG_TRY(x, c.take_axis(x, axis, indices));
  }
  return c.set_output(0, x);
}

}  // namespace

std::vector<ImportRule> import_rules_slices() {
  return {{"", "Slice", 1, kAnyVersion, import_slice},
          {"", "Split", 2, kAnyVersion, import_split},
          {"", "Concat", 4, kAnyVersion, import_concat},
          {"", "Pad", 2, kAnyVersion, import_pad}};
}

}  // namespace thorong::onnx
