// SPDX-License-Identifier: Apache-2.0
// The order of the passes. Order carries meaning: composites first, so that later passes see few
// operators; groups last, so that they see what remains.
#include <fmt/format.h>

#include <algorithm>

#include "thorong/compiler/codegen.h"
#include "thorong/compiler/compile.h"
#include "thorong/compiler/passes/passes.h"
#include "thorong/compiler/recurrences.h"
#include "thorong/compiler/strip_search.h"
#include "thorong/sim/semaphores.h"

namespace thorong::compiler {
namespace {

// Shares of SBUF that are kept free of whole tensors, tried in this order.
constexpr double kStreamShares[] = {0.3, 0.6, 0.9};

// Each node of a group as a group of its own that runs by its reference meaning.
std::vector<Group> by_reference(const Group& group) {
  std::vector<int> nodes = group.elementwise;
  if (group.anchor >= 0) nodes.insert(nodes.begin(), group.anchor);
  std::vector<Group> parts;
  for (int n : nodes) {
    Group part;
    part.anchor = n;
    part.by_reference = true;
    parts.push_back(part);
  }
  return parts;
}

int64_t bytes_of(const ops::Graph& graph, const std::vector<ops::ValueId>& values) {
  int64_t bytes = 0;
  for (ops::ValueId v : values) bytes += graph.type(v).bytes();
  return bytes;
}

// Of a constant that may stay in SBUF.
int64_t most_kept_elements(const isa::CoreParameters& core, const CompileOptions& options) {
  const Format format = matmul_format(Format::kFloat32, core, options);
  const auto sbuf = static_cast<double>(core.partitions * core.sbuf_bytes_per_partition);
  return static_cast<int64_t>(kKeptShare * sbuf / static_cast<double>(numerics::byte_size(format)));
}

// Tiles of all groups. Where one does not fit SBUF, fewer values are kept there; where that does
// not help or a lowering gives up, the group runs by reference (D6: no refusal).
Result<Generated> generate(const ops::Graph& graph, std::vector<Group> groups,
                           const isa::CoreParameters& core, const CompileOptions& options) {
  size_t share = 0;
  const int64_t most = most_kept_elements(core, options);
  std::map<ops::ValueId, int> recurring = recurring_constants(graph, groups, most);
  std::optional<Generated> crowded;  // constants were kept, and values found no room
  while (true) {
    Codegen codegen(graph, groups, core, options);
    codegen.builder().set_stream_share(kStreamShares[share]);
    codegen.keep(recurring);
    Status status = codegen.run();
    if (status.ok()) {
      Generated generated{codegen.take_program(), codegen.spilled()};
      if (codegen.kept_some() && !generated.spilled.empty()) {
        crowded = std::move(generated);
        recurring.clear();
        continue;
      }
      if (crowded && bytes_of(graph, crowded->spilled) <= bytes_of(graph, generated.spilled))
        generated = *std::move(crowded);
      sim::insert_semaphores(generated.program);
      return generated;
    }
    if (codegen.kept_some()) {
      recurring.clear();
      continue;
    }
    bool full = status.code() == Code::kResourceExhausted;
    if (!full && status.code() != Code::kUnsupported) return status;
    if (full && share + 1 < std::size(kStreamShares)) {
      ++share;
      continue;
    }
    size_t failed = codegen.group_index();
    if (failed >= groups.size() || groups[failed].by_reference) return status;
    std::vector<Group> parts = by_reference(groups[failed]);
    for (Group& part : parts)
      part.result = graph.nodes[static_cast<size_t>(part.anchor)].outputs[0];
    auto at = groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(failed));
    groups.insert(at, parts.begin(), parts.end());
    if (!recurring.empty()) recurring = recurring_constants(graph, groups, most);
    share = 0;
  }
}

// A model that is timed without its weights may be larger than the memory: the question is how long
// it would take, and the report says that it does not fit. But a program has to end.
double memory_limit(const ops::Graph& graph, const isa::CoreParameters& core) {
  constexpr double kMostMemories = 16;
  const bool absent = std::any_of(graph.values.begin(), graph.values.end(),
                                  [](const ops::Value& value) { return value.constant.absent; });
  return core.hbm_bytes * (absent ? kMostMemories : 1);
}

Status check_memory(double bytes, double limit, const isa::CoreParameters& core) {
  double needed = bytes + core.microcode_bytes;
  if (needed <= limit) return ok_status();
  return resource_exhausted(fmt::format(
      "the model needs {:.2f} GB of device memory (weights, inputs, outputs, intermediates and "
      "microcode) and the chip has {:.2f} GB. Use a chip with more memory, a smaller batch, "
      "or --auto-cast all.",
      needed / 1e9, core.hbm_bytes / 1e9));
}

// What the model needs at least, before anything is generated: a model far too large would need a
// program far too large.
double least_bytes(const ops::Graph& graph, const CompileOptions& options) {
  double weights = 0, signature = 0;
  for (const ops::Value& value : graph.values)
    weights += value.constant ? static_cast<double>(value.type.bytes()) : 0;
  for (ops::ValueId v : graph.inputs) signature += static_cast<double>(graph.type(v).bytes());
  for (ops::ValueId v : graph.outputs) signature += static_cast<double>(graph.type(v).bytes());
  // Casting shrinks weights to a quarter at most.
  return signature + weights * (options.auto_cast == AutoCast::kNone ? 1.0 : 0.25);
}

}  // namespace

Result<isa::Program> compile(ops::Graph graph, const isa::CoreParameters& core,
                             const CompileOptions& options) {
  ops::remove_dead_nodes(graph);
  const double limit = memory_limit(graph, core);
  THORONG_RETURN_IF_ERROR(check_memory(least_bytes(graph, options), limit, core));
  THORONG_RETURN_IF_ERROR(decompose(graph));
  THORONG_RETURN_IF_ERROR(recognize_activations(graph));
  THORONG_RETURN_IF_ERROR(move_scales(graph, core, options));
  THORONG_RETURN_IF_ERROR(fold_constants(graph));
  THORONG_RETURN_IF_ERROR(dilate_inputs(graph));
  ops::remove_dead_nodes(graph);
  auto tiles = [&](const ops::Graph& candidate) {
    return generate(candidate, form_groups(candidate), core, options);
  };
  THORONG_TRY(isa::Program program, fastest_in_strips(graph, core, tiles));
  THORONG_RETURN_IF_ERROR(check_memory(static_cast<double>(program.hbm_bytes), limit, core));
  return program;
}

}  // namespace thorong::compiler
