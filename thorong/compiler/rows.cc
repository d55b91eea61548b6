// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/rows.h"

namespace thorong::compiler {

bool accepts_rows(const Graph& graph, const Node& node) {
  const ops::TensorType& type = graph.type(node.inputs[0]);
  auto rank = static_cast<int64_t>(type.shape.size());
  int64_t axis = node.attributes.integer("axis", -1);
  if (axis < 0) axis += rank;
  bool floats = numerics::is_engine_float(type.format);
  return rank >= 2 && axis == rank - 1 && floats && type.shape.back() <= kLongestRow;
}

AccessPattern RowTile::row(const AccessPattern& tile, int64_t i) const {
  AccessPattern ap = tile;
  // Walk the outer dimensions of the pattern to the row's place; the innermost one is (part of) the
  // row.
  int64_t inner = 1;
  int d = ap.rank - 1;
  while (d >= 0 && inner * ap.size[static_cast<size_t>(d)] <= length)
    inner *= ap.size[static_cast<size_t>(d--)];
  int64_t rest = i;
  if (inner < length) {  // rows and length were merged into one dimension
    int64_t rows_here = ap.size[static_cast<size_t>(d)] * inner / length;
    ap.offset += rest % rows_here * (length / inner) * ap.step[static_cast<size_t>(d)];
    ap.size[static_cast<size_t>(d)] = static_cast<int32_t>(length / inner);
    rest /= rows_here;
    --d;
  }
  for (; d >= 0; --d) {
    auto k = static_cast<size_t>(d);
    ap.offset += rest % ap.size[k] * ap.step[k];
    rest /= ap.size[k];
    ap.size[k] = 1;
  }
  return ap;
}

Status for_row_tiles(Codegen& codegen, const Group& group, const Node& node,
                     const std::function<Status(const RowTile&, StreamScope&)>& body) {
  const Shape& shape = codegen.graph().type(node.inputs[0]).shape;
  std::vector<int> dims;
  for (int d = 0; d + 1 < static_cast<int>(shape.size()); ++d) dims.push_back(d);
  std::stable_sort(dims.begin(), dims.end(), [&](int a, int b) {
    auto use = [&](int d) { return std::min(shape[static_cast<size_t>(d)], codegen.block()); };
    return use(a) > use(b);
  });
  int resident = codegen.resident_pdim(node.inputs[0]);
  int pdim = std::find(dims.begin(), dims.end(), resident) != dims.end()
                 ? resident
                 : codegen.preferred_pdim(group.result, dims);
  THORONG_TRY(Placed x,
              codegen.acquire(node.inputs[0], pdim, codegen.storage_format(node.inputs[0])));
  THORONG_RETURN_IF_ERROR(codegen.begin_output(group, pdim));
  for (const Box& box :
       chunk_boxes(shape, pdim, codegen.block(),
                   std::max(shape.back(), std::min(kRowsChunk, kMostRows * shape.back())))) {
    StreamScope scope(codegen.builder());
    RowTile tile;
    tile.box = box;
    tile.length = shape.back();
    tile.rows = free_elements(box, pdim) / tile.length;
    tile.partitions = box[static_cast<size_t>(pdim)].size;
    THORONG_TRY(Placed brought, codegen.bring(x, box, pdim, x.format, scope));
    THORONG_TRY(tile.x, codegen.view(brought, box, pdim));
    auto direct = codegen.direct_target(group, box);
    if (direct) {
      tile.target = *direct;
    } else {
      BufferId buffer = scope.allocate(Format::kFloat32, tile.rows * tile.length);
      if (buffer < 0)
        return resource_exhausted("no SBUF left for rows of " + std::to_string(tile.length) +
                                  " elements");
      tile.target = codegen.builder().dense(buffer, tile.partitions, {tile.rows, tile.length});
    }
    THORONG_RETURN_IF_ERROR(body(tile, scope));
    if (!direct) THORONG_RETURN_IF_ERROR(codegen.finish_box(group, box, tile.target));
  }
  return ok_status();
}

Result<AccessPattern> shared_row(Codegen& codegen, ValueId value, const RowTile& tile,
                                 StreamScope& scope) {
  Result<Placed> source = codegen.constant(codegen.base(value)) != nullptr ? codegen.place(value)
                                                                           : codegen.to_hbm(value);
  if (!source.ok()) return source.status();
  Placed row = *source;
  int64_t step = row.step.empty() ? 0 : row.step.back();
  row.shape = {codegen.block(), tile.length};
  row.step = {0, step};
  Box box{{0, tile.partitions}, {0, tile.length}};
  Placed whole_row = row;
  if (row.sbuf) return internal_error("a shared row is expected in HBM");
  return codegen.fetch(whole_row, box, 0, codegen.storage_format(value), scope);
}

}  // namespace thorong::compiler
