// SPDX-License-Identifier: Apache-2.0
// layer_norm over the last dimension: bn_stats and bn_aggr give mean and variance, one
// tensor_scalar normalises, scale and bias are rows on every partition.
#include "thorong/compiler/rows.h"

namespace thorong::compiler {
namespace {

using numerics::BinaryFunction;

constexpr int64_t kStatsRow = 512;  // elements of one bn_stats (NKI: BN_STATS_FMAX)

Status statistics(Codegen& codegen, const RowTile& tile, int64_t i, const AccessPattern& stats,
                  const AccessPattern& moments) {
  TileBuilder& b = codegen.builder();
  AccessPattern row = tile.row(tile.x, i);
  int64_t parts = stats.size[0] / 6, done = 0;
  int64_t size = (tile.length + parts - 1) / parts;
  int inner = row.rank - 1;
  for (int64_t part = 0; part < parts; ++part, done += size) {
    AccessPattern piece = row, out = stats;
    auto d = static_cast<size_t>(inner);
    piece.offset += done * row.step[d];
    piece.size[d] = static_cast<int32_t>(std::min(size, tile.length - done));
    out.offset += part * 6, out.size[0] = 6;
    b.emit(Opcode::bn_stats, Queue::kVector, {out, piece});
  }
  b.emit(Opcode::bn_aggr, Queue::kVector, {moments, stats});
  return ok_status();
}

// Where a row's values lie between two instructions: in the target, if it keeps them whole. A
// narrow one would round them before the bias is added, and the sum may be far smaller than they
// are.
Result<AccessPattern> unrounded(Codegen& codegen, const RowTile& tile, StreamScope& scope) {
  if (tile.target.format == Format::kFloat32) return tile.target;
  BufferId buffer = scope.allocate(Format::kFloat32, tile.rows * tile.length);
  if (buffer < 0) return resource_exhausted("no SBUF left for layer_norm");
  return codegen.builder().dense(buffer, tile.partitions, {tile.rows, tile.length});
}

struct RowPatterns {
  AccessPattern target, x, between, mean, rstd;
  std::optional<AccessPattern> scale, bias;
};

void normalise(TileBuilder& b, const RowPatterns& row) {
  const auto& [target, x, between, mean, rstd, scale, bias] = row;
  if (scale && bias) {
    // ((x - mean) * scale) * rstd + bias: two passes instead of three.
    b.emit(Opcode::scalar_tensor_tensor, Queue::kVector, {between, x, mean, *scale},
           {.function0 = static_cast<uint8_t>(BinaryFunction::kSubtract),
            .function1 = static_cast<uint8_t>(BinaryFunction::kMultiply)});
    b.emit(Opcode::scalar_tensor_tensor, Queue::kVector, {target, between, rstd, *bias},
           {.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply),
            .function1 = static_cast<uint8_t>(BinaryFunction::kAdd)});
    return;
  }
  b.emit(Opcode::tensor_scalar, Queue::kVector, {scale || bias ? between : target, x, mean, rstd},
         {.function0 = static_cast<uint8_t>(BinaryFunction::kSubtract),
          .function1 = static_cast<uint8_t>(BinaryFunction::kMultiply),
          .flags = isa::kHasOp1});
  if (!scale && !bias) return;
  b.emit(Opcode::tensor_tensor, Queue::kVector, {target, between, scale ? *scale : *bias},
         {.function0 =
              static_cast<uint8_t>(scale ? BinaryFunction::kMultiply : BinaryFunction::kAdd)});
}

Status tile_norm(Codegen& codegen, const Node& node, const RowTile& tile, StreamScope& scope) {
  TileBuilder& b = codegen.builder();
  int64_t parts = (tile.length + kStatsRow - 1) / kStatsRow;
  auto epsilon = static_cast<float>(node.attributes.number("epsilon", 1e-5));
  BufferId stats_buffer = scope.allocate(Format::kFloat32, tile.rows * parts * 6);
  BufferId moments_buffer = scope.allocate(Format::kFloat32, tile.rows * 2);
  if (stats_buffer < 0 || moments_buffer < 0)
    return resource_exhausted("no SBUF left for layer_norm");
  std::optional<AccessPattern> scale, bias;
  for (size_t operand = 1; operand < node.inputs.size() && operand <= 2; ++operand) {
    if (node.inputs[operand] < 0) continue;
    THORONG_TRY((operand == 1 ? scale : bias),
                shared_row(codegen, node.inputs[operand], tile, scope));
  }
  AccessPattern between = tile.target;
  if (scale || bias) {
    THORONG_TRY(between, unrounded(codegen, tile, scope));
  }
  for (int64_t i = 0; i < tile.rows; ++i) {
    AccessPattern stats = b.dense(stats_buffer, tile.partitions, {parts * 6});
    AccessPattern moments = b.dense(moments_buffer, tile.partitions, {2});
    stats.offset = i * parts * 6, moments.offset = i * 2;
    THORONG_RETURN_IF_ERROR(statistics(codegen, tile, i, stats, moments));
    AccessPattern mean = moments, variance = moments;
    mean.size[0] = 1, variance.size[0] = 1, variance.offset += 1;
    b.emit(Opcode::tensor_scalar, Queue::kVector, {variance, variance},
           {.function0 = static_cast<uint8_t>(BinaryFunction::kAdd),
            .function1 = static_cast<uint8_t>(BinaryFunction::kPower),
            .flags = isa::kHasOp1,
            .immediate0 = epsilon,
            .immediate1 = -0.5f});
    normalise(b, {tile.row(tile.target, i), tile.row(tile.x, i), tile.row(between, i), mean,
                  variance, scale, bias});
  }
  return ok_status();
}

// The row itself must be one run of one step, so that it can be cut for bn_stats.
Status lower(Codegen& codegen, const Group& group, const Node& node) {
  return for_row_tiles(codegen, group, node, [&](const RowTile& tile, StreamScope& scope) {
    return tile_norm(codegen, node, tile, scope);
  });
}

}  // namespace

Lowering lowering_layer_norm() {
  return {.op = "layer_norm", .lower = lower, .accepts = accepts_rows};
}

}  // namespace thorong::compiler
