// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding: pairs of features turned by angles that depend on the position.
#include "frontends/onnx/positions.h"

namespace thorong::onnx {
namespace {

struct RotaryLayout {
  Shape given, shape;  // shape: [batch, heads, positions, size] or [batch, positions, heads, size]
  size_t position = 1;
};

Result<RotaryLayout> rotary_layout(ImportContext& c, ValueId x, int64_t heads) {
  RotaryLayout layout;
  layout.given = layout.shape = c.shape(x);
  if (layout.given.size() == 4) {
    layout.position = 2;
    return layout;
  }
  if (layout.given.size() != 3 || heads <= 0 || heads > kMostHeads ||
      layout.given[2] % heads != 0) {
    return invalid_argument(
        "the input must be [batch, heads, positions, size], or [batch, "
        "positions, heads x size] with the attribute num_heads; found " +
        ops::to_string(layout.given) + " and num_heads " + std::to_string(heads) + ".");
  }
  layout.shape = {layout.given[0], layout.given[1], heads, layout.given[2] / heads};
  return layout;
}

// A table's rows for each sample and position, at x's rank. `ids` absent: the table holds them.
Result<ValueId> table_rows(ImportContext& c, ValueId table, ValueId ids, const RotaryLayout& layout,
                           int64_t half) {
  if (ids != kNoValue) {
    THORONG_TRY(table, c.add("take", {table, ids}, make_attributes({{"axis", int64_t{0}}})));
  }
  Shape shape = c.shape(table);
  int64_t batch = layout.shape[0], positions = layout.shape[layout.position];
  if (shape.size() != 3 || (shape[0] != batch && shape[0] != 1) || shape[1] != positions ||
      shape[2] != half) {
    return invalid_argument(
        "the cosine and sine caches give " + ops::to_string(shape) + " values; expected [" +
        std::to_string(batch) + ", " + std::to_string(positions) + ", " + std::to_string(half) +
        "]: without position_ids the caches have that shape, with them they are [positions, size "
        "/ 2].");
  }
  shape.insert(shape.begin() + (layout.position == 1 ? 2 : 1), 1);
  return c.reshape(table, shape);
}

Status rotate_input(ImportContext& c, ValueId ids, size_t first_table, int64_t heads) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId cosine, c.input(first_table));
  THORONG_TRY(ValueId sine, c.input(first_table + 1));
  THORONG_TRY(RotaryLayout layout, rotary_layout(c, x, heads));
  THORONG_TRY(int64_t interleaved, c.integer("interleaved", 0));
  Rotation rotation;
  rotation.interleaved = interleaved != 0;
  THORONG_TRY(rotation.size, c.integer("rotary_embedding_dim", 0));
  if (rotation.size == 0) rotation.size = layout.shape[3];
  if (rotation.size <= 0 || rotation.size > layout.shape[3] || rotation.size % 2 != 0) {
    return invalid_argument("rotary_embedding_dim must be even and at most the head size " +
                            std::to_string(layout.shape[3]) + ".");
  }
  int64_t half = rotation.size / 2;
  THORONG_TRY(rotation.cosine, table_rows(c, cosine, ids, layout, half));
  THORONG_TRY(rotation.sine, table_rows(c, sine, ids, layout, half));
  THORONG_TRY(x, c.reshape(x, layout.shape));
  THORONG_TRY(ValueId y, rotated(c, x, rotation));
  return c.set_output(0, c.reshape(y, layout.given));
}

Status import_rotary(ImportContext& c, const NodeProto&) {
  THORONG_TRY(int64_t heads, c.integer("num_heads", 0));
  THORONG_TRY(ValueId ids, c.tensor_or_none(3));
  return rotate_input(c, ids, 1, heads);
}

// com.microsoft: position_ids before the tables; one number is the first position of each sample.
Status import_microsoft_rotary(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId ids, c.input(1));
  THORONG_TRY(ValueId cosine, c.input(2));
  THORONG_TRY(int64_t heads, c.integer("num_heads", 0));
  THORONG_TRY(double scale, c.number("scale", 1));
  THORONG_TRY(int64_t packed, c.integer("is_packed_batching", 0));
  if (packed != 0 || scale != 1) {
    return unsupported("is_packed_batching and a scale other than 1 are not done.");
  }
  Shape shape = c.shape(x);
  if (heads == 0 && shape.size() == 3 && c.rank(cosine) == 2 && c.shape(cosine)[1] > 0) {
    heads = shape[2] / (2 * c.shape(cosine)[1]);
  }
  THORONG_TRY(RotaryLayout layout, rotary_layout(c, x, heads));
  if (ops::element_count(c.shape(ids)) == 1) {
    int64_t positions = layout.shape[layout.position];
    THORONG_TRY(ids, c.reshape(ids, {1, 1}));
    THORONG_TRY(ids, c.broadcast_to(ids, {1, positions}));
    THORONG_TRY(ValueId index, c.iota(c.format(ids), {1, positions}, 1));
    THORONG_TRY(ids, c.add("add", {ids, index}));
  }
  return rotate_input(c, ids, 2, heads);
}

}  // namespace

std::vector<ImportRule> import_rules_rotary_embedding() {
  return {{"", "RotaryEmbedding", 23, kAnyVersion, import_rotary},
          {kMicrosoft, "RotaryEmbedding", 1, kAnyVersion, import_microsoft_rotary}};
}

}  // namespace thorong::onnx
