// SPDX-License-Identifier: Apache-2.0
// A list of accesses for each buffer. A write that covers older accesses replaces them: who waits
// for it waits for them. When a buffer takes over the addresses of older ones, a join of all their
// accesses becomes a write over the whole new buffer. Where addresses are given, the memory itself
// has the lists, one for each stretch of bytes whose users are the same.
#include "thorong/sim/dependencies.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/regions.h"

namespace thorong::sim {
namespace {

using isa::Buffer;
using isa::BufferId;
using isa::Space;

constexpr size_t kMostRecords = 192;  // of one list; older ones are joined
constexpr Range kEverywhere{0, int64_t{1} << 60, 0, int64_t{1} << 60, 0};

struct Access {
  Range range{};
  int32_t node = 0;
  bool write = false;
};

// Bytes up to `high` of a memory's partitions, and who used them.
struct Stretch {
  int64_t high = 0;
  std::vector<Access> reads, writes;
};

// Bytes up to `high` that buffer `id` used last.
struct Piece {
  int64_t high;
  BufferId id;
};

class Finder {
 public:
  Finder(const isa::Program& program, bool placed, std::span<const int64_t> fixed)
      : program_(program), placed_(placed), fixed_(fixed) {
    accesses_.resize(program.buffers.size());
    live_.resize(program.buffers.size());
    last_of_engine_.fill(-1);
    result_.instructions = program.instructions.size();
    result_.position.resize(result_.instructions);
    std::iota(result_.position.begin(), result_.position.end(), 0);
    noted_.resize(result_.instructions, -1);
  }

  Dependencies run(std::span<const Edge> edges) {
    for (auto [later, earlier] : edges) edges_.emplace_back(earlier, later);
    for (size_t i = 0; i < result_.instructions; ++i) visit(static_cast<int32_t>(i));
    size_t nodes = result_.position.size();
    result_.needed.assign(nodes, 0);
    result_.first_next.assign(nodes + 1, 0);
    for (auto [from, to] : edges_) {
      ++result_.needed[static_cast<size_t>(to)];
      ++result_.first_next[static_cast<size_t>(from) + 1];
    }
    std::partial_sum(result_.first_next.begin(), result_.first_next.end(),
                     result_.first_next.begin());
    result_.next.resize(edges_.size());
    std::vector<int64_t> at(result_.first_next.begin(), result_.first_next.end() - 1);
    for (auto [from, to] : edges_)
      result_.next[static_cast<size_t>(at[static_cast<size_t>(from)]++)] = to;
    return std::move(result_);
  }

 private:
  const Buffer& buffer(BufferId id) const { return program_.buffers[static_cast<size_t>(id)]; }

  void visit(int32_t i) {
    const isa::Instruction& instruction = program_.instructions[static_cast<size_t>(i)];
    const isa::InstructionSpec& spec = isa::spec(instruction.opcode);
    if (instruction.opcode == static_cast<uint16_t>(isa::Opcode::custom_op)) {
      const isa::Call& call = *program_.calls[static_cast<size_t>(instruction.extra)];
      for (BufferId id : call.inputs) access(i, id, whole_range(buffer(id)), false);
      for (BufferId id : call.outputs) access(i, id, whole_range(buffer(id)), true);
    }
    // From the last to the first, so that the destination comes after what is read.
    for (int64_t listed : program_.listed_operands(instruction))
      operand(i, program_.patterns[static_cast<size_t>(listed)], false);
    for (int64_t listed : program_.listed_results(instruction))
      operand(i, program_.patterns[static_cast<size_t>(listed)], true);
    for (int k = isa::kMaxOperands; k-- > 0;) {
      if (program_.has_operand(instruction, k))
        operand(i, program_.operand(instruction, k), (spec.writes >> k & 1) != 0);
    }
    // What an engine keeps between instructions belongs to the instructions on it, in order.
    if (spec.engine_state || isa::reduce_command(instruction) != isa::ReduceCommand::kIdle) {
      int32_t& last = last_of_engine_[static_cast<size_t>(instruction.queue)];
      if (last >= 0) edge(last, i);
      last = i;
    }
    // Only now: a join of what came before must not hold this instruction, which may still have to
    // wait for it.
    for (size_t list : touched_) {
      if (accesses_[list].size() > kMostRecords) join_older(accesses_[list], i);
    }
    touched_.clear();
  }

  void operand(int32_t node, const isa::AccessPattern& pattern, bool write) {
    // Host cells of another width than the buffer's lie elsewhere than its bytes say.
    bool other_width = placed_ && numerics::byte_size(pattern.format) !=
                                      numerics::byte_size(program_.buffer(pattern).format);
    access(node, pattern.buffer,
           other_width ? whole_range(program_.buffer(pattern)) : range_of(program_, pattern),
           write);
    if (pattern.indirect < 0) return;
    const auto& indirect = program_.indirects[static_cast<size_t>(pattern.indirect)];
    operand(node, program_.patterns[static_cast<size_t>(indirect.index)], false);
  }

  void access(int32_t node, BufferId id, Range range, bool write) {
    if (buffer(id).constant != nullptr && !write) return;
    auto list = static_cast<size_t>(id);
    if (list < fixed_.size() && fixed_[list] >= 0 && buffer(id).space != Space::kHbm) {
      range.low += fixed_[list], range.high += fixed_[list];
      access_memory(node, memory_[buffer(id).space == Space::kPsum ? 1 : 0], range, write);
      return;
    }
    if (placed_ && !live_[list]) take_over(node, id);
    auto& records = accesses_[list];
    bool replaces = false;
    for (const Access& record : records) {
      if ((!write && !record.write) || record.node == node) continue;
      if (overlaps(record.range, range)) edge(record.node, node);
      replaces = replaces || (write && covers(range, record.range));
    }
    if (replaces) {
      std::erase_if(records, [&](const Access& record) {
        return record.node != node && covers(range, record.range);
      });
    }
    records.push_back({range, node, write});
    touched_.push_back(list);
  }

  // Users of the same bytes, whatever buffers they had in mind.
  void access_memory(int32_t node, std::map<int64_t, Stretch>& memory, const Range& range,
                     bool write) {
    split(memory, range.low), split(memory, range.high);
    auto first = memory.lower_bound(range.low);
    bool only_this = write;
    size_t touched = 0;
    auto it = first;
    for (int64_t at = range.low; at < range.high; ++it, ++touched) {
      if (it == memory.end() || it->first > at) {
        int64_t end = it == memory.end() ? range.high : std::min(it->first, range.high);
        it = memory.emplace_hint(it, at, Stretch{end, {}, {}});
        if (touched == 0) first = it;
      }
      use(node, it->second, range, write);
      only_this = only_this && it->second.reads.empty() && it->second.writes.size() == 1;
      at = it->second.high;
    }
    if (!only_this || touched < 2) return;
    first->second.high = range.high;
    memory.erase(std::next(first), it);
  }

  static void split(std::map<int64_t, Stretch>& memory, int64_t at) {
    auto it = memory.upper_bound(at);
    if (it == memory.begin()) return;
    --it;
    if (it->first == at || it->second.high <= at) return;
    Stretch upper = it->second;
    it->second.high = at;
    memory.emplace_hint(std::next(it), at, std::move(upper));
  }

  // Within a stretch only the rows tell accesses apart.
  void use(int32_t node, Stretch& stretch, const Range& range, bool write) {
    auto wait = [&](std::vector<Access>& records) {
      size_t kept = 0;
      for (const Access& record : records) {
        bool other = record.node != node;
        if (other && record.range.first < range.last && range.first < record.range.last)
          edge(record.node, node);
        bool replaced =
            write && other && range.first <= record.range.first && record.range.last <= range.last;
        if (!replaced) records[kept++] = record;
      }
      records.resize(kept);
    };
    wait(stretch.writes);
    if (write) wait(stretch.reads);
    auto& records = write ? stretch.writes : stretch.reads;
    if (records.size() > kMostRecords) join_older(records, node - 1);
    records.push_back({range, node, write});
  }

  void edge(int32_t from, int32_t to) {
    if (noted_[static_cast<size_t>(from)] == to) return;
    noted_[static_cast<size_t>(from)] = to;
    edges_.emplace_back(from, to);
  }

  int32_t new_join(int32_t position) {
    result_.position.push_back(position);
    noted_.push_back(-1);
    return static_cast<int32_t>(result_.position.size()) - 1;
  }

  // The older half of the readers and of the writers become one node each.
  void join_older(std::vector<Access>& records, int32_t now) {
    std::vector<Access> newer(records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2),
                              records.end());
    for (bool write : {false, true}) {
      Access joined;
      bool any = false;
      for (size_t i = 0; i < records.size() / 2; ++i) {
        if (records[i].write != write) continue;
        if (!any) joined = {records[i].range, new_join(now), write};
        any = true;
        joined.range = hull(joined.range, records[i].range);
        edge(records[i].node, joined.node);
      }
      if (any) newer.insert(newer.begin(), joined);
    }
    records = std::move(newer);
  }

  // First touch of a buffer, or first since another was at its addresses: whatever used them before
  // must be done. What sticks out of an older buffer on either side stays known. HBM buffers that
  // are not scratch have memory of their own.
  void take_over(int32_t node, BufferId id) {
    live_[static_cast<size_t>(id)] = true;
    const Space space = buffer(id).space;
    if (space == Space::kHbm && buffer(id).role != isa::BufferRole::kScratch) return;
    auto& map = by_address_[static_cast<size_t>(space)];
    int64_t low = buffer(id).address, high = low + std::max<int64_t>(1, buffer(id).row_bytes);
    int32_t before = -1;
    auto it = map.upper_bound(low);
    if (it != map.begin()) --it;
    while (it != map.end() && it->first < high) {
      auto [begin, old] = *it;
      if (old.high <= low) {
        ++it;
        continue;
      }
      if (old.id != id) live_[static_cast<size_t>(old.id)] = false;
      for (const Access& record : accesses_[static_cast<size_t>(old.id)]) {
        if (record.node == node || old.id == id) continue;
        if (before < 0) before = new_join(node - 1);
        edge(record.node, before);
      }
      it = map.erase(it);
      if (begin < low) map[begin] = {low, old.id};
      if (old.high > high) map[high] = {old.high, old.id};
    }
    map[low] = {high, id};
    if (before >= 0) accesses_[static_cast<size_t>(id)].push_back({kEverywhere, before, true});
  }

  const isa::Program& program_;
  bool placed_;
  std::span<const int64_t> fixed_;
  std::vector<std::vector<Access>> accesses_;         // by buffer
  std::array<std::map<int64_t, Stretch>, 2> memory_;  // SBUF, PSUM as placed by hand, by first byte
  std::vector<bool> live_;                            // the last buffer at all of its addresses
  std::array<std::map<int64_t, Piece>, 3> by_address_;  // of each space, by first byte
  std::array<int32_t, isa::kQueues> last_of_engine_{};
  std::vector<std::pair<int32_t, int32_t>> edges_;
  std::vector<int32_t> noted_;   // of each node: its last follower
  std::vector<size_t> touched_;  // lists of accesses, by the instruction that is visited
  Dependencies result_;
};

}  // namespace

Dependencies find_dependencies(const isa::Program& program,
                               std::span<const int64_t> fixed_addresses,
                               std::span<const Edge> edges) {
  return Finder(program, false, fixed_addresses).run(edges);
}

Dependencies find_placed_dependencies(const isa::Program& program) {
  return Finder(program, true, {}).run({});
}

}  // namespace thorong::sim
