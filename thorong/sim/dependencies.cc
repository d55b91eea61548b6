// SPDX-License-Identifier: Apache-2.0
// A list of accesses for each buffer. A write that covers older accesses replaces them: who waits for it waits for them.
#include "thorong/sim/dependencies.h"

#include <algorithm>
#include <array>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/regions.h"

namespace thorong::sim {
namespace {

struct Access {
  Range range{};
  int32_t node = 0;
  bool write = false;
};

class Finder {
 public:
  Finder(const isa::Program& program, std::span<const int64_t> fixed) : program_(program), fixed_(fixed) {
    accesses_.resize(program.buffers.size() + 2);  // behind the buffers': SBUF and PSUM as placed by hand
    result_.instructions = program.instructions.size();
    result_.position.resize(result_.instructions);
    edges_.resize(result_.instructions);
  }

  Dependencies run() {
    for (size_t i = 0; i < result_.instructions; ++i) {
      result_.position[i] = static_cast<int32_t>(i);
      visit(static_cast<int32_t>(i));
    }
    result_.first.reserve(edges_.size() + 1);
    for (const auto& list : edges_) {
      result_.first.push_back(static_cast<int64_t>(result_.predecessors.size()));
      result_.predecessors.insert(result_.predecessors.end(), list.begin(), list.end());
    }
    result_.first.push_back(static_cast<int64_t>(result_.predecessors.size()));
    return std::move(result_);
  }

 private:
  void visit(int32_t i) {
    const isa::Instruction& instruction = program_.instructions[static_cast<size_t>(i)];
    unsigned writes = isa::spec(instruction.opcode).writes;
    bool is_call = instruction.extra >= 0 && instruction.operands[0] < 0 && !program_.calls.empty();
    if (is_call) {
      const isa::Call& call = *program_.calls[static_cast<size_t>(instruction.extra)];
      for (isa::BufferId id : call.inputs) access(i, id, whole_range(buffer(id)), false);
      for (isa::BufferId id : call.outputs) access(i, id, whole_range(buffer(id)), true);
    }
    for (int operand = isa::kMaxOperands; operand-- > 0;) {
      if (!program_.has_operand(instruction, operand)) continue;
      const isa::AccessPattern& pattern = program_.operand(instruction, operand);
      access(i, pattern.buffer, range_of(program_, pattern), (writes >> operand & 1) != 0);
      if (pattern.indirect < 0) continue;
      const auto& indirect = program_.indirects[static_cast<size_t>(pattern.indirect)];
      const isa::AccessPattern& index = program_.patterns[static_cast<size_t>(indirect.index)];
      access(i, index.buffer, range_of(program_, index), false);
    }
    // The accumulator registers of an engine belong to the instructions on it, in order.
    if (isa::reduce_command(instruction) == isa::ReduceCommand::kIdle) return;
    int32_t& last = accumulator_[static_cast<size_t>(instruction.queue)];
    if (last >= 0) add_edge(i, last);
    last = i;
  }

  const isa::Buffer& buffer(isa::BufferId id) const { return program_.buffers[static_cast<size_t>(id)]; }

  void access(int32_t node, isa::BufferId id, Range range, bool write) {
    auto list = static_cast<size_t>(id);
    if (list < fixed_.size() && fixed_[list] >= 0 && buffer(id).space != isa::Space::kHbm) {
      range.low += fixed_[list], range.high += fixed_[list];
      list = program_.buffers.size() + (buffer(id).space == isa::Space::kPsum ? 1 : 0);
    }
    auto& records = accesses_[list];
    size_t kept = 0;
    for (const Access& record : records) {
      if ((write || record.write) && record.node != node && overlaps(record.range, range)) add_edge(node, record.node);
      bool replaced = write && record.node != node && covers(range, record.range);
      if (!replaced) records[kept++] = record;
    }
    records.resize(kept);
    records.push_back({range, node, write});
    constexpr size_t kMostRecords = 192;
    if (records.size() > kMostRecords) join(records, node);
  }

  void add_edge(int32_t node, int32_t on) {
    auto& list = edges_[static_cast<size_t>(node)];
    if (std::find(list.begin(), list.end(), on) == list.end()) list.push_back(on);
  }

  // The older half of the readers and of the writers become one node each.
  void join(std::vector<Access>& records, int32_t now) {
    std::vector<Access> newer(records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2), records.end());
    for (bool write : {false, true}) {
      Access joined;
      bool any = false;
      for (size_t i = 0; i < records.size() / 2; ++i) {
        if (records[i].write != write) continue;
        if (!any) {
          joined = {records[i].range, static_cast<int32_t>(edges_.size()), write};
          edges_.emplace_back();
          result_.position.push_back(now);
          any = true;
        }
        joined.range = hull(joined.range, records[i].range);
        edges_[static_cast<size_t>(joined.node)].push_back(records[i].node);
      }
      if (any) newer.insert(newer.begin(), joined);
    }
    records = std::move(newer);
  }

  const isa::Program& program_;
  std::span<const int64_t> fixed_;
  std::vector<std::vector<Access>> accesses_;
  std::vector<std::vector<int32_t>> edges_;
  std::array<int32_t, isa::kQueues> accumulator_ = [] {
    std::array<int32_t, isa::kQueues> none{};
    none.fill(-1);
    return none;
  }();
  Dependencies result_;
};

}  // namespace

Dependencies find_dependencies(const isa::Program& program, std::span<const int64_t> fixed_addresses) {
  return Finder(program, fixed_addresses).run();
}

}  // namespace thorong::sim
