// SPDX-License-Identifier: Apache-2.0
// ReverseSequence: the first steps of each batch, as many as its length says, in reverse order.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// The row of [batch * time] that each place of [batch, time] takes.
Result<ValueId> row_numbers(ImportContext& c, ValueId lengths, int64_t batch, int64_t time) {
  Shape shape{batch, time};
  THORONG_TRY(lengths, c.convert(lengths, Format::kInt64));
  THORONG_TRY(lengths, c.broadcast_in(lengths, shape, {0}));
  THORONG_TRY(ValueId step, c.iota(Format::kInt64, shape, 1));
  THORONG_TRY(ValueId mirrored, c.add("subtract", {lengths, step}));
  THORONG_TRY(mirrored, c.add_scalar("subtract", mirrored, 1));
  THORONG_TRY(ValueId is_reversed, c.compare("LT", step, lengths));
  THORONG_TRY(ValueId row, c.add("select", {is_reversed, mirrored, step}));
  THORONG_TRY(ValueId first, c.iota(Format::kInt64, shape, 0));
  THORONG_TRY(first, c.add_scalar("multiply", first, static_cast<double>(time)));
  THORONG_TRY(row, c.add("add", {row, first}));
  return c.reshape(row, {batch * time});
}

Status import_reverse_sequence(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId lengths, c.input(1));
  THORONG_TRY(int64_t batch_axis, c.integer("batch_axis", 1));
  THORONG_TRY(int64_t time_axis, c.integer("time_axis", 0));
  Shape shape = c.shape(x);
  bool fits = shape.size() >= 2 && batch_axis + time_axis == 1 && batch_axis * time_axis == 0 &&
              c.shape(lengths) == Shape{shape[static_cast<size_t>(batch_axis)]} &&
              numerics::is_integer(c.format(lengths));
  if (!fits) {
    return invalid_argument(
        "batch_axis and time_axis must be 0 and 1 or 1 and 0, and sequence_lens integers of the "
        "batch's size, found input " +
        ops::to_string(shape) + " and sequence_lens " + ops::to_string(c.shape(lengths)) + ".");
  }
  Integers permutation = counting(shape.size());
  if (batch_axis == 1) std::swap(permutation[0], permutation[1]);
  THORONG_TRY(x, c.transpose(x, permutation));
  Shape by_batch = c.shape(x), rows(by_batch.begin() + 1, by_batch.end());
  rows[0] = by_batch[0] * by_batch[1];
  THORONG_TRY(ValueId number, row_numbers(c, lengths, by_batch[0], by_batch[1]));
  THORONG_TRY(x, c.reshape(x, rows));
  THORONG_TRY(ValueId y, c.add("take", {x, number}, make_attributes({{"axis", int64_t{0}}})));
  THORONG_TRY(y, c.reshape(y, by_batch));
  return c.set_output(0, c.transpose(y, permutation));
}

}  // namespace

std::vector<ImportRule> import_rules_reverse_sequence() {
  return {{"", "ReverseSequence", 10, kAnyVersion, import_reverse_sequence}};
}

}  // namespace thorong::onnx
