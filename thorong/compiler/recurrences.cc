// SPDX-License-Identifier: Apache-2.0
// Loops are unrolled: the weights of a recurrence are read by a chain of groups, each of which
// waits for the one before. They are loaded once and stay in SBUF where they fit.
#include <map>
#include <set>

#include "thorong/compiler/codegen.h"

namespace thorong::compiler {
namespace {

// Of a partition of SBUF: what constants of recurrences may take.
constexpr double kKeptShare = 0.5;
// Groups that are looked through for a dependence: the body of a recurrence is short.
constexpr size_t kBodyGroups = 64;

std::vector<int> nodes_of(const Group& group) {
  std::vector<int> nodes = group.elementwise;
  if (group.anchor >= 0) nodes.push_back(group.anchor);
  return nodes;
}

}  // namespace

// Whether group `later` uses what group `earlier` made, directly or through few groups between.
bool Codegen::depends(int later, int earlier) const {
  std::set<int> seen{later};
  std::vector<int> open{later};
  while (!open.empty() && seen.size() <= kBodyGroups) {
    const int group = open.back();
    open.pop_back();
    for (int n : nodes_of(groups_[static_cast<size_t>(group)])) {
      for (ValueId v : graph_.nodes[static_cast<size_t>(n)].inputs) {
        const int maker = v < 0 ? -1 : made_in_[static_cast<size_t>(base_of(v))];
        if (maker == earlier) return true;
        if (maker > earlier && seen.insert(maker).second) open.push_back(maker);
      }
    }
  }
  return false;
}

void Codegen::keep_recurring_constants() {
  made_in_.assign(graph_.values.size(), -1);
  std::map<ValueId, std::vector<int>> readers;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (int n : nodes_of(groups_[g])) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      for (ValueId v : node.outputs) made_in_[static_cast<size_t>(v)] = static_cast<int>(g);
      for (ValueId v : node.inputs) {
        if (v < 0 || !graph_.is_constant(base_of(v))) continue;
        std::vector<int>& groups = readers[base_of(v)];
        if (groups.empty() || groups.back() != static_cast<int>(g))
          groups.push_back(static_cast<int>(g));
      }
    }
  }
  for (const auto& [constant, groups] : readers) {
    if (groups.size() > 2 && depends(groups[1], groups[0]) && depends(groups[2], groups[1]))
      recurring_.insert(constant);
  }
}

Result<Placed> Codegen::keep_constant(ValueId value, const Placed& arranged, int pdim) {
  ValueId base = base_of(value);
  if (pdim < 0 || !recurring_.contains(base)) return arranged;
  int64_t blocks = (arranged.shape[static_cast<size_t>(pdim)] + block() - 1) / block();
  int64_t bytes = row_elements(arranged.shape, pdim) * blocks *
                  static_cast<int64_t>(numerics::byte_size(arranged.format));
  if (bytes == 0 || static_cast<double>(kept_bytes_ + bytes) >
                        kKeptShare * static_cast<double>(core().sbuf_bytes_per_partition))
    return arranged;
  std::optional<Placed> kept = allocate_resident(arranged.shape, pdim, arranged.format);
  if (!kept) return arranged;
  for (const Box& box : chunk_boxes(arranged.shape, pdim, block(), kCopyChunk))
    THORONG_RETURN_IF_ERROR(copy_box(*kept, box, arranged, box));
  kept_.emplace_back(last_group_[static_cast<size_t>(base)], kept->buffer);
  kept_bytes_ += bytes;
  keeps_ = true;
  explain("weights stay in SBUF");
  return *kept;
}

}  // namespace thorong::compiler
