// SPDX-License-Identifier: Apache-2.0
// The walk over the groups: inputs, each group by its lowering, outputs; lifetimes; the shared end
// of every lowering.
#include "thorong/compiler/codegen.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "thorong/compiler/elementwise_emitter.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {

Codegen::Codegen(const Graph& graph, const std::vector<Group>& groups,
                 const isa::CoreParameters& core, const CompileOptions& options)
    : graph_(graph),
      groups_(groups),
      options_(options),
      builder_(core),
      consumers_(graph.values.size()),
      base_(graph.values.size()),
      last_group_(graph.values.size(), -1),
      dying_(groups.size() + 1) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ValueId v : graph.nodes[n].inputs) {
      if (v >= 0) consumers_[static_cast<size_t>(v)].push_back(static_cast<int>(n));
    }
  }
  find_lifetimes();
}

// Once for all values: graphs that were unrolled have very many, and as many live at once.
void Codegen::find_lifetimes() {
  for (size_t v = 0; v < base_.size(); ++v) base_[v] = static_cast<ValueId>(v);
  for (const Node& node : graph_.nodes) {  // in topological order
    if (is_view(node)) base_[static_cast<size_t>(node.outputs[0])] = base_of(node.inputs[0]);
  }
  std::vector<int> end(base_.size(), 0);  // base value -> last group that writes or reads it
  for (size_t g = 0; g < groups_.size(); ++g) {
    auto visit = [&](int n) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      for (ValueId v : node.inputs) {
        if (v >= 0) last_group_[static_cast<size_t>(base_of(v))] = static_cast<int>(g);
        if (v >= 0) end[static_cast<size_t>(base_of(v))] = static_cast<int>(g);
      }
      for (ValueId v : node.outputs) end[static_cast<size_t>(base_of(v))] = static_cast<int>(g);
    };
    if (groups_[g].anchor >= 0) visit(groups_[g].anchor);
    for (int n : groups_[g].elementwise) visit(n);
  }
  for (ValueId v : graph_.outputs) {
    last_group_[static_cast<size_t>(base_of(v))] = static_cast<int>(groups_.size());
    end[static_cast<size_t>(base_of(v))] = static_cast<int>(groups_.size());
  }
  for (size_t v = 0; v < base_.size(); ++v) {
    if (graph_.is_constant(base_[v])) continue;
    dying_[static_cast<size_t>(end[static_cast<size_t>(base_[v])])].push_back(
        static_cast<ValueId>(v));
  }
}

// Whether loading the weights takes longer than the work on them: the products themselves, and at
// least as long again on the engines that take the results up.
bool Codegen::find_weights_bound() const {
  const isa::CoreParameters& core = builder_.core();
  double bytes = 0, multiply_adds = 0;
  std::set<ValueId> loaded;
  for (const Node& node : graph_.nodes) {
    if (node.op->name != "dot_general" && node.op->name != "convolution") continue;
    for (ValueId v : node.inputs) {
      if (v < 0 || !graph_.is_constant(base_of(v))) continue;
      if (recurring_.contains(v) && !loaded.insert(v).second) continue;
      bytes += static_cast<double>(graph_.type(v).elements()) *
               static_cast<double>(numerics::byte_size(matmul_format(graph_.type(v).format)));
    }
    multiply_adds += node.op->work(graph_, node).multiply_adds;
  }
  return bytes / (core.dma_engines * core.dma_engine_bytes_per_s) >
         2 * multiply_adds / (core.rows * core.columns * core.tensor_hz);
}

bool Codegen::is_view(const Node& node) const { return is_view_operator(node); }

const ops::Tensor* Codegen::constant(ValueId value) const {
  return graph_.is_constant(value) ? &graph_.value(value).constant : nullptr;
}

Format matmul_format(Format declared, const isa::CoreParameters& core,
                     const CompileOptions& options) {
  if (!numerics::is_float(declared)) return declared;
  bool wide = numerics::byte_size(declared) >= 4;
  if (wide && options.auto_cast != AutoCast::kNone) return options.auto_cast_type;
  if (wide && !core.fp32_operands) return Format::kBfloat16;
  return declared == Format::kFloat64 ? Format::kFloat32 : declared;
}

Format Codegen::matmul_format(Format declared) const {
  return compiler::matmul_format(declared, builder_.core(), options_);
}

// Whether the results of a reader are some of this operand's values as they are, so that rounding
// them before is the same as rounding them after: movements, and pooling by a maximum or minimum.
static bool moves_values(const Node& node, ValueId operand) {
  const std::string& op = node.op->name;
  if (is_view_operator(node) || op == "concatenate") return true;
  if (op == "take") return node.inputs[0] == operand && node.inputs[1] != operand;
  auto function = node.attributes.text("function");
  return op == "reduce_window" && (function == "maximum" || function == "minimum");
}

Format Codegen::storage_format(ValueId value) const {
  Format declared = graph_.type(value).format;
  if (declared != Format::kFloat32) return declared;
  if (options_.auto_cast == AutoCast::kAll) return options_.auto_cast_type;
  Format matmul = matmul_format(declared);
  if (matmul == declared) return declared;
  // Values that only matmuls read are written in the matmuls' format at once.
  const auto& readers = consumers_[static_cast<size_t>(value)];
  bool only_matmuls = !readers.empty() && !graph_.is_constant(value);
  for (int n : readers) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    bool matmul_reads = node.op->category == ops::Category::kContraction ||
                        node.op->category == ops::Category::kConvolution;
    if (moves_values(node, value)) matmul_reads = storage_format(node.outputs[0]) == matmul;
    only_matmuls = only_matmuls && matmul_reads;
  }
  for (ValueId v : graph_.outputs) only_matmuls = only_matmuls && v != value;
  return only_matmuls && graph_.value(value).producer >= 0 ? matmul : declared;
}

Status Codegen::run() {
  weights_bound_ = find_weights_bound();
  THORONG_RETURN_IF_ERROR(place_inputs());
  for (group_index_ = 0; group_index_ < groups_.size(); ++group_index_) {
    THORONG_RETURN_IF_ERROR(run_group(groups_[group_index_]));
    release_after(group_index_);
  }
  THORONG_RETURN_IF_ERROR(store_outputs());
  builder_.finish();
  return ok_status();
}

Status Codegen::place_inputs() {
  for (size_t i = 0; i < graph_.inputs.size(); ++i) {
    ValueId v = graph_.inputs[i];
    const ops::Value& value = graph_.value(v);
    BufferId buffer = builder_.add_hbm(value.name, isa::BufferRole::kInput, value.type.format,
                                       value.type.elements(), static_cast<int32_t>(i));
    placed_[v] = dense_hbm(buffer, value.type.format, value.type.shape);
  }
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    ValueId v = graph_.outputs[i];
    if (output_buffers_.contains(v)) continue;
    const ops::TensorType& type = graph_.type(v);
    output_buffers_[v] = builder_.add_hbm(graph_.output_names[i], isa::BufferRole::kOutput,
                                          type.format, type.elements(), static_cast<int32_t>(i));
  }
  return ok_status();
}

namespace {

// "convolution+add+relu": what a group does, for reports.
std::string describe(const Graph& graph, const Group& group) {
  std::string text;
  if (group.anchor >= 0) text = graph.nodes[static_cast<size_t>(group.anchor)].op->name;
  for (int n : group.elementwise)
    text += (text.empty() ? "" : "+") + graph.nodes[static_cast<size_t>(n)].op->name;
  return text;
}

double group_flops(const Graph& graph, const Group& group) {
  double flops = 0;
  auto add = [&](int n) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    if (node.op->work) {
      ops::Work work = node.op->work(graph, node);
      flops += 2 * work.multiply_adds + work.other_ops;
    } else if (node.op->category == ops::Category::kElementwise) {
      flops += static_cast<double>(graph.type(node.outputs[0]).elements());
    }
  };
  if (group.anchor >= 0) add(group.anchor);
  for (int n : group.elementwise) add(n);
  return flops;
}

}  // namespace

// Parts of one operator count as one in reports.
void Codegen::begin_operator(const Group& group, const Node& first) {
  std::string path = !group.by_reference ? "tile" : builder_.core().has_gpsimd ? "gpsimd" : "host";
  std::string text = describe(graph_, group);
  double flops = group_flops(graph_, group);
  auto known = first.copy_of < 0 ? copies_.end() : copies_.find({first.copy_of, text + path});
  if (known != copies_.end()) {
    builder_.resume_operator(known->second);
    builder_.current_operator().flops += flops;
    return;
  }
  builder_.begin_operator({first.name, text, path, flops, graph_.value(group.result).name});
  if (first.copy_of >= 0) copies_[{first.copy_of, text + path}] = builder_.operator_index();
}

// The strips of one operator choose alike.
void Codegen::explain(const std::string& choice) {
  std::string& text = builder_.current_operator().choice;
  if (text.find(choice) == std::string::npos) text += (text.empty() ? "" : "; ") + choice;
}

// Where the group's result went.
void Codegen::explain_place(const Group& group) {
  const auto placed = placed_.find(group.result);
  if (placed == placed_.end() || output_buffers_.contains(group.result)) return;
  const Shape& shape = graph_.type(group.result).shape;
  const int pdim = placed->second.pdim;
  if (pdim >= 0 && static_cast<size_t>(pdim) < shape.size()) {
    explain(fmt::format("dimension {} ({}) of the result on the partitions", pdim,
                        shape[static_cast<size_t>(pdim)]));
  }
  explain(placed->second.sbuf ? "result stays in SBUF" : "result goes to HBM");
}

Status Codegen::run_group(const Group& group) {
  const Node& first =
      graph_
          .nodes[static_cast<size_t>(group.anchor >= 0 ? group.anchor : group.elementwise.front())];
  bool nothing =
      first.op->name == "concatenate" &&
      std::all_of(first.inputs.begin(), first.inputs.end(), [&](ValueId v) { return in_place(v); });
  if (!nothing) begin_operator(group, first);
  if (graph_.type(group.result).elements() == 0) {
    placed_[group.result] =
        allocate(graph_.type(group.result).shape, -1, storage_format(group.result), "empty");
    return ok_status();
  }
  if (group.by_reference) {
    explain("no tiles for it: its plain meaning on whole tensors");
    return run_reference(group);
  }
  const char* op = group.anchor < 0 ? "elementwise" : first.op->name.c_str();
  Status status = find_lowering(op)->lower(*this, group, first);
  if (status.ok() && !nothing) explain_place(group);
  if (group.anchor < 0) return status;
  return status.at(first.name.empty() ? first.op->name : "node '" + first.name + "'");
}

int64_t Codegen::resident_elements(const Shape& shape, int pdim) const {
  int64_t blocks = pdim < 0 ? 1 : (shape[static_cast<size_t>(pdim)] + block() - 1) / block();
  return row_elements(shape, pdim) * std::max<int64_t>(1, blocks);
}

std::optional<Placed> Codegen::allocate_resident(const Shape& shape, int pdim, Format format) {
  BufferId buffer = builder_.allocate_resident(format, resident_elements(shape, pdim));
  if (buffer < 0) return std::nullopt;
  Placed placed = dense_tile(buffer, format, shape, pdim);
  placed.tile_step = row_elements(shape, pdim);
  return placed;
}

Placed Codegen::allocate(const Shape& shape, int pdim, Format format, const std::string& name) {
  if (auto resident = allocate_resident(shape, pdim, format)) return *resident;
  int64_t row = row_elements(shape, pdim);
  int64_t p_size = pdim < 0 ? 1 : shape[static_cast<size_t>(pdim)];
  Placed placed = dense_tile(-1, format, shape, pdim);
  placed.sbuf = false;
  placed.buffer = builder_.add_hbm(name, isa::BufferRole::kScratch, format, row * p_size);
  if (pdim >= 0) placed.step[static_cast<size_t>(pdim)] = row;
  placed.pdim = -1;
  return placed;
}

// A result that leaves the program only goes to its output at once; otherwise it is kept in SBUF
// while there is room.
Placed Codegen::place_result(ValueId value, int pdim) {
  const ops::TensorType& type = graph_.type(value);
  auto out = output_buffers_.find(value);
  if (out != output_buffers_.end() && consumers_[static_cast<size_t>(value)].empty()) {
    return dense_hbm(out->second, type.format, type.shape);
  }
  if (auto place = place_in_join(value, pdim)) return *place;
  Placed placed = allocate(type.shape, pdim, storage_format(value), graph_.value(value).name);
  if (!placed.sbuf) spilled_.push_back(value);
  return placed;
}

bool Codegen::joins(ValueId value) const {
  const auto& readers = consumers_[static_cast<size_t>(value)];
  if (readers.size() != 1 || output_buffers_.contains(value)) return false;
  return graph_.nodes[static_cast<size_t>(readers[0])].op->name == "concatenate";
}

// A value that only a concatenate reads is written into its place of that result, which gets its
// room with the first operand.
std::optional<Placed> Codegen::place_in_join(ValueId value, int pdim) {
  if (!joins(value)) return std::nullopt;
  int n = consumers_[static_cast<size_t>(value)][0];
  const Node& reader = graph_.nodes[static_cast<size_t>(n)];
  auto by_reference = [&](const Group& group) { return group.by_reference && group.anchor == n; };
  if (std::any_of(groups_.begin(), groups_.end(), by_reference)) return std::nullopt;
  ValueId result = reader.outputs[0];
  const Shape& shape = graph_.type(value).shape;
  int64_t dimension = reader.attributes.integer("dimension");
  auto d = static_cast<size_t>(dimension < 0 ? dimension + static_cast<int64_t>(shape.size())
                                             : dimension);
  int64_t at = 0;
  for (size_t i = 0; reader.inputs[i] != value; ++i) at += graph_.type(reader.inputs[i]).shape[d];
  // On the partitions, only whole blocks can stand behind each other.
  if (static_cast<int>(d) == pdim && at % block() != 0) return std::nullopt;
  auto known = joins_.find(result);
  if (known == joins_.end()) known = joins_.emplace(result, place_result(result, pdim)).first;
  Placed place = known->second;
  if (place.sbuf && place.pdim != pdim) return std::nullopt;
  place.shape = shape;
  if (place.sbuf && static_cast<int>(d) == pdim)
    place.offset += at / block() * place.tile_step;
  else
    place.offset += at * place.step[d];
  in_place_.insert(value);
  return place;
}

std::optional<Placed> Codegen::joined(ValueId result) const {
  auto it = joins_.find(result);
  return it == joins_.end() ? std::nullopt : std::optional<Placed>(it->second);
}

Status Codegen::begin_output(const Group& group, int pdim) {
  const ops::TensorType& type = graph_.type(group.result);
  output_pdim_ = pdim;
  row_cache_.clear();
  externals_.clear();
  output_ = place_result(group.result, pdim);
  placed_[group.result] = output_;
  std::set<ValueId> inside;
  if (group.anchor >= 0) inside.insert(anchor_value(graph_, group));
  for (int n : group.elementwise) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    for (ValueId v : node.inputs) {
      if (inside.contains(v) || externals_.contains(v)) continue;
      ValueId base = base_of(v);
      if (const ops::Tensor* tensor = constant(base);
          tensor != nullptr && tensor->type.elements() == 1)
        continue;
      if (graph_.type(v).shape.empty() &&
          !type.shape.empty()) {  // clamp's bounds: one number, loaded with each box
        THORONG_TRY(Placed scalar, to_hbm(v));
        scalar.shape = type.shape, scalar.step.assign(type.shape.size(), 0);
        externals_[v] = scalar;
        continue;
      }
      THORONG_TRY(Placed placed, acquire(v, pdim, storage_format(v)));
      externals_[v] = placed;
    }
    inside.insert(node.outputs[0]);
  }
  return ok_status();
}

std::optional<AccessPattern> Codegen::direct_target(const Group& group, const Box& box) {
  if (!group.elementwise.empty() || !output_.sbuf) return std::nullopt;
  return pattern(output_, box, output_pdim_, block());
}

Status Codegen::finish_box(const Group& group, const Box& box,
                           const std::optional<AccessPattern>& anchor) {
  StreamScope scope(builder_);
  ElementwiseEmitter emitter(*this, group, box, output_pdim_, scope);
  if (output_.sbuf) {
    auto target = pattern(output_, box, output_pdim_, block());
    if (target) return emitter.run(anchor, *target);
  }
  int64_t elements = free_elements(box, output_pdim_);
  BufferId buffer = scope.allocate(output_.format, elements);
  if (buffer < 0) return resource_exhausted("no SBUF left for a result on its way to HBM");
  int64_t partitions = output_pdim_ < 0 ? 1 : box[static_cast<size_t>(output_pdim_)].size;
  AccessPattern staged = builder_.dense(buffer, partitions, {elements});
  THORONG_RETURN_IF_ERROR(emitter.run(anchor, staged));
  // The staged tile as a Placed of the box's shape, stored dimension by dimension where more than
  // four remain.
  Placed from = dense_tile(buffer, output_.format, sizes(box), output_pdim_);
  return copy_box(output_, box, from, whole(from.shape));
}

auto Codegen::first_variant(ValueId value) -> Variants::iterator {
  return variants_.lower_bound({value, {std::numeric_limits<int>::min(), Format{}}});
}

void Codegen::release_after(size_t g) {
  std::erase_if(kept_, [&](const auto& entry) {
    if (entry.first != static_cast<int>(g)) return false;
    kept_bytes_ -= builder_.program().buffers[static_cast<size_t>(entry.second)].row_bytes;
    builder_.release(entry.second);
    return true;
  });
  for (const auto& [key, cached] : row_cache_) builder_.release(cached.first);
  row_cache_.clear();
  std::set<BufferId> freed;
  auto release = [&](ValueId v, BufferId id) {
    const isa::Buffer& buffer = builder_.program().buffers[static_cast<size_t>(id)];
    bool owned = buffer.role == isa::BufferRole::kScratch && !in_place_.contains(v);
    if (owned && freed.insert(id).second) builder_.release(id);
  };
  for (ValueId v : dying_[g]) {
    auto it = placed_.find(v);
    if (it == placed_.end()) continue;
    release(v, it->second.buffer);
    placed_.erase(it);
  }
  for (ValueId v : dying_[g]) {
    auto it = first_variant(v);
    while (it != variants_.end() && it->first.first == v) {
      release(v, it->second.buffer);
      it = variants_.erase(it);
    }
  }
  for (const Variant& key : constant_rows_)
    builder_.release(variants_.extract(key).mapped().buffer);
  constant_rows_.clear();
}

// A value that was copied into another layout and that nobody reads again gives its place back at
// once: the copy and the result of the present group need it.
void Codegen::release_original(ValueId value) {
  ValueId base = base_of(value);
  if (group_index_ >= groups_.size()) return;  // outputs are being stored
  if (last_group_[static_cast<size_t>(base)] != static_cast<int>(group_index_) ||
      graph_.value(base).producer < 0)
    return;
  const Group& group = groups_[group_index_];
  int reads = 0;
  auto count = [&](int n) {
    for (ValueId v : graph_.nodes[static_cast<size_t>(n)].inputs)
      reads += v >= 0 && base_of(v) == base;
  };
  if (group.anchor >= 0) count(group.anchor);
  for (int n : group.elementwise) count(n);
  if (reads != 1) return;
  std::set<BufferId> freed;
  for (ValueId v : dying_[group_index_]) {
    auto it = base_of(v) == base ? placed_.find(v) : placed_.end();
    if (it == placed_.end()) continue;
    BufferId buffer = it->second.buffer;
    if (builder_.program().buffers[static_cast<size_t>(buffer)].role != isa::BufferRole::kScratch)
      continue;
    if (freed.insert(buffer).second) builder_.release(buffer);
    placed_.erase(it);
  }
  // What was seen as a view of such a copy: its place is given back once.
  for (ValueId v : dying_[group_index_]) {
    auto it = base_of(v) == base ? first_variant(v) : variants_.end();
    while (it != variants_.end() && it->first.first == v)
      it = freed.contains(it->second.buffer) ? variants_.erase(it) : std::next(it);
  }
}

Status Codegen::store_outputs() {
  for (const auto& [value, buffer] : output_buffers_) {
    THORONG_TRY(Placed placed, place(value));
    if (placed.buffer == buffer) continue;
    const ops::TensorType& type = graph_.type(value);
    builder_.begin_operator({graph_.value(value).name, "store_output", "tile", 0});
    THORONG_RETURN_IF_ERROR(copy_to_hbm(placed, dense_hbm(buffer, type.format, type.shape)));
  }
  return ok_status();
}

int Codegen::preferred_pdim(ValueId value, const std::vector<int>& choices) const {
  THORONG_CHECK(!choices.empty(), "a lowering offers no partition dimension");
  // What only leaves the program is stored in rows: its innermost dimension on the partitions would
  // scatter single elements.
  ValueId leaves = value;
  while (joins(leaves))
    leaves =
        graph_.nodes[static_cast<size_t>(consumers_[static_cast<size_t>(leaves)][0])].outputs[0];
  if (consumers_[static_cast<size_t>(leaves)].empty()) {
    int innermost = static_cast<int>(graph_.type(value).shape.size()) - 1;
    auto row = std::find_if(choices.begin(), choices.end(), [&](int d) { return d != innermost; });
    return row == choices.end() ? choices[0] : *row;
  }
  // Follows readers until one says what it wants; depth bounded, first reader wins.
  std::function<int(ValueId, int)> wanted = [&](ValueId v, int depth) -> int {
    if (depth > 12) return -1;
    const Shape& shape = graph_.type(v).shape;
    for (int n : consumers_[static_cast<size_t>(v)]) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      const std::string& op = node.op->name;
      if (op == "dot_general") {
        bool lhs = node.inputs[0] == v;
        auto k = node.attributes.integers(lhs ? "lhs_contracting_dimensions"
                                              : "rhs_contracting_dimensions");
        if (k.size() == 1 && shape[static_cast<size_t>(k[0])] > 1) return static_cast<int>(k[0]);
      } else if (op == "convolution" || op == "reduce_window") {
        if (node.inputs[0] == v && shape.size() >= 3) return 1;
      } else if (op == "softmax" || op == "layer_norm" || op == "rms_norm" || op == "reduce") {
        auto reduced = node.attributes.integers("dimensions");
        if (op != "reduce") {
          int64_t axis = node.attributes.integer("axis", -1);
          reduced = {axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis};
        }
        int best = -1;
        for (size_t d = 0; d < shape.size(); ++d) {
          bool is_reduced =
              std::find(reduced.begin(), reduced.end(), static_cast<int64_t>(d)) != reduced.end();
          if (!is_reduced && shape[d] > 1 &&
              (best < 0 || shape[d] >= shape[static_cast<size_t>(best)]))
            best = static_cast<int>(d);
        }
        if (best >= 0) return best;
      } else if (op == "transpose") {
        auto permutation = node.attributes.integers("permutation");
        int below = wanted(node.outputs[0], depth + 1);
        if (below >= 0) return static_cast<int>(permutation[static_cast<size_t>(below)]);
      } else if (op == "reshape") {
        const Shape& out = graph_.type(node.outputs[0]).shape;
        int below = wanted(node.outputs[0], depth + 1);
        if (below < 0) continue;
        int64_t before = 1, seen = 1;
        for (int d = 0; d < below; ++d) before *= out[static_cast<size_t>(d)];
        for (size_t d = 0; d < shape.size(); seen *= shape[d], ++d) {
          if (seen == before && shape[d] == out[static_cast<size_t>(below)])
            return static_cast<int>(d);
        }
        // The inner part of a dimension that is split: heads of 32, 64 or 128 lie side by side on
        // the partitions of a block.
        int64_t inner = out[static_cast<size_t>(below)];
        if (below == 0 || inner % 32 != 0 || block() % inner != 0) continue;
        int64_t outer = out[static_cast<size_t>(below) - 1];
        seen = 1;
        for (size_t d = 0; d < shape.size(); seen *= shape[d], ++d) {
          if (seen == before / outer && shape[d] == outer * inner) return static_cast<int>(d);
        }
      } else if (op == "slice" || op == "concatenate" ||
                 node.op->category == ops::Category::kElementwise) {
        int below = wanted(node.outputs[0], depth + 1);
        if (below >= 0) return below;
      }
    }
    return -1;
  };
  int want = wanted(value, 0);
  if (std::find(choices.begin(), choices.end(), want) != choices.end()) return want;
  return choices[0];
}

}  // namespace thorong::compiler
