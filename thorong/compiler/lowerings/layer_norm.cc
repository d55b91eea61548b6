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
    AccessPattern target = tile.row(tile.target, i), x = tile.row(tile.x, i);
    if (scale && bias) {
      // ((x - mean) * scale) * rstd + bias: two passes instead of three.
      b.emit(Opcode::scalar_tensor_tensor, Queue::kVector, {target, x, mean, *scale},
             {.function0 = static_cast<uint8_t>(BinaryFunction::kSubtract),
              .function1 = static_cast<uint8_t>(BinaryFunction::kMultiply)});
      b.emit(Opcode::scalar_tensor_tensor, Queue::kVector, {target, target, variance, *bias},
             {.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply),
              .function1 = static_cast<uint8_t>(BinaryFunction::kAdd)});
      continue;
    }
    b.emit(Opcode::tensor_scalar, Queue::kVector, {target, x, mean, variance},
           {.function0 = static_cast<uint8_t>(BinaryFunction::kSubtract),
            .function1 = static_cast<uint8_t>(BinaryFunction::kMultiply),
            .flags = isa::kHasOp1});
    if (scale) {
      b.emit(Opcode::tensor_tensor, Queue::kVector, {target, target, *scale},
             {.function0 = static_cast<uint8_t>(BinaryFunction::kMultiply)});
    }
    if (bias) {
      b.emit(Opcode::tensor_tensor, Queue::kVector, {target, target, *bias},
             {.function0 = static_cast<uint8_t>(BinaryFunction::kAdd)});
    }
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
