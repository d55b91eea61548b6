// SPDX-License-Identifier: Apache-2.0
// One record per access: a range (regions.h) of a buffer. A write that covers older records
// replaces them, because waiting for it implies waiting for them. When a buffer reuses the address
// of older ones, their records become a write over the whole new buffer.
#include "thorong/sim/semaphores.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/regions.h"

namespace thorong::sim {
namespace {

using isa::AccessPattern;
using isa::Buffer;
using isa::Instruction;
using isa::Program;
using isa::Queue;
using isa::Space;

struct Access {
  Range range{};
  Queue queue = Queue::kVector;
  int32_t count = 0;  // the queue's completed instructions after this one
  bool write = false;
  int32_t written = 0;  // Accesses::written when it was read
};

// Of one buffer. Reads mostly come again in the order in which they came before, so the place of
// the next one is a good guess.
struct Accesses {
  std::vector<Access> writes, reads;
  size_t next_read = 0;
  int32_t written = 0;  // how often
  int32_t pieces = 0;   // Piece entries that name the buffer
  size_t size() const { return writes.size() + reads.size(); }
};

constexpr int64_t kEverything = int64_t{1} << 60;

// Bytes up to `high` that buffer `id` used last.
struct Piece {
  int64_t high;
  isa::BufferId id;
};

using Counts = std::array<int32_t, isa::kQueues>;  // instructions of each queue; 0: none

// Writes the waits of instructions, in their order. What a queue has waited for it does not wait
// for again.
class Waits {
 public:
  explicit Waits(Program& program) : program_(program) { program.waits.clear(); }

  // The count of a queue's next instruction.
  int32_t next(Queue queue) { return ++counts_[static_cast<size_t>(queue)]; }

  void emit(Instruction& instruction, Counts needed) {
    auto queue = static_cast<size_t>(instruction.queue);
    instruction.first_wait = static_cast<int32_t>(program_.waits.size());
    bool in_order_results = instruction.queue <= Queue::kSync;
    for (size_t q = 0; q < isa::kQueues; ++q) {
      if (needed[q] == 0 || (q == queue && in_order_results)) continue;
      if (needed[q] == counts_[q] && q == queue) needed[q] = counts_[q] - 1;  // never for itself
      if (needed[q] <= waited_[queue][q]) continue;
      waited_[queue][q] = needed[q];
      program_.waits.push_back({static_cast<Queue>(q), needed[q]});
    }
    instruction.waits = static_cast<int32_t>(program_.waits.size()) - instruction.first_wait;
  }

 private:
  Program& program_;
  Counts counts_{};
  std::array<Counts, isa::kQueues> waited_{};
};

class Tracker {
 public:
  explicit Tracker(Program& program)
      : program_(program),
        waits_(program),
        accesses_(program.buffers.size()),
        live_(program.buffers.size()) {}

  void visit(Instruction& instruction) {
    needed_.fill(0);
    int32_t count = waits_.next(instruction.queue);
    bool is_call = instruction.extra >= 0 && instruction.operands[0] < 0 &&
                   (instruction.flags & isa::kListedOperands) == 0;
    if (is_call) {
      const isa::Call& call = *program_.calls[static_cast<size_t>(instruction.extra)];
      for (isa::BufferId id : call.inputs) access(id, whole(id), instruction.queue, count, false);
      for (isa::BufferId id : call.outputs) access(id, whole(id), instruction.queue, count, true);
    }
    for (int i = isa::kMaxOperands; i-- > 0;) {
      if (!program_.has_operand(instruction, i)) continue;
      const AccessPattern& pattern = program_.operand(instruction, i);
      // A matmul's PSUM destination is read too; waiting as for a write covers that.
      bool write = (isa::spec(instruction.opcode).writes >> i & 1) != 0;
      operand(pattern, instruction.queue, count, write);
    }
    for (int64_t listed : program_.listed_operands(instruction)) {
      operand(program_.patterns[static_cast<size_t>(listed)], instruction.queue, count, false);
    }
    for (int64_t listed : program_.listed_results(instruction))
      operand(program_.patterns[static_cast<size_t>(listed)], instruction.queue, count, true);
    waits_.emit(instruction, needed_);
  }

 private:
  // A pattern whose rows an index tile picks reads that tile too.
  void operand(const AccessPattern& pattern, Queue queue, int32_t count, bool write) {
    access(pattern.buffer, range_of(program_, pattern), queue, count, write);
    if (pattern.indirect < 0) return;
    const auto& indirect = program_.indirects[static_cast<size_t>(pattern.indirect)];
    operand(program_.patterns[static_cast<size_t>(indirect.index)], queue, count, false);
  }

  Range whole(isa::BufferId id) const {
    return whole_range(program_.buffers[static_cast<size_t>(id)]);
  }

  void need(const std::vector<Access>& records, const Range& range) {
    for (const Access& record : records) {
      if (!overlaps(record.range, range)) continue;
      int32_t& needed = needed_[static_cast<size_t>(record.queue)];
      needed = std::max(needed, record.count);
    }
  }

  // First touch of a buffer, or first since another was at its addresses: whatever used them before
  // must have finished. What sticks out of an older buffer on either side stays known.
  void open(isa::BufferId id) {
    const Buffer& buffer = program_.buffers[static_cast<size_t>(id)];
    auto& map = by_address_[static_cast<size_t>(buffer.space)];
    int64_t low = buffer.address, high = buffer.address + std::max<int64_t>(1, buffer.row_bytes);
    auto it = map.upper_bound(low);
    if (it != map.begin()) --it;
    std::array<int32_t, isa::kQueues> last{};
    while (it != map.end() && it->first < high) {
      auto [begin, old] = *it;
      if (old.high <= low) {
        ++it;
        continue;
      }
      if (old.id != id) live_[static_cast<size_t>(old.id)] = false;
      Accesses& before = accesses_[static_cast<size_t>(old.id)];
      for (const auto* records : {&before.writes, &before.reads}) {
        if (old.id == id) break;  // its own records say more
        for (const Access& a : *records) {
          int32_t& count = last[static_cast<size_t>(a.queue)];
          count = std::max(count, a.count);
        }
      }
      it = map.erase(it);
      --before.pieces;
      if (begin < low) map[begin] = {low, old.id}, ++before.pieces;
      if (old.high > high) map[high] = {old.high, old.id}, ++before.pieces;
      // Who waits for the new buffer's users waits for those of a buffer that has lost its place.
      if (before.pieces == 0 && old.id != id) before = {};
    }
    Accesses& records = accesses_[static_cast<size_t>(id)];
    for (size_t q = 0; q < isa::kQueues; ++q) {
      if (last[q] > 0)
        records.writes.push_back(
            {{0, kEverything, 0, kEverything, 0}, static_cast<Queue>(q), last[q], true});
    }
    ++records.written;
    map[low] = {high, id};
    ++records.pieces;
    live_[static_cast<size_t>(id)] = true;
  }

  void access(isa::BufferId id, const Range& range, Queue queue, int32_t count, bool write) {
    // Nobody writes a constant, and its address is its own.
    if (program_.buffers[static_cast<size_t>(id)].role == isa::BufferRole::kConstant) return;
    if (!live_[static_cast<size_t>(id)]) open(id);
    Accesses& records = accesses_[static_cast<size_t>(id)];
    if (!write) {
      read(records, {range, queue, count, false, records.written});
    } else {
      need(records.writes, range);
      need(records.reads, range);
      ++records.written;
      auto covered = [&](const Access& record) { return covers(range, record.range); };
      std::erase_if(records.writes, covered);
      std::erase_if(records.reads, covered);
      records.writes.push_back({range, queue, count, true});
    }
    constexpr size_t kMaxRecords = 256;
    if (records.size() > kMaxRecords) coarsen(records);
  }

  // The same read again takes the place of the earlier one; where nothing was written in between,
  // the queue has waited for all of that already.
  void read(Accesses& records, const Access& access) {
    std::vector<Access>& reads = records.reads;
    auto same = [&](const Access& record) {
      return record.queue == access.queue && equal(record.range, access.range);
    };
    auto found = reads.begin() + static_cast<std::ptrdiff_t>(
                                     records.next_read < reads.size() ? records.next_read : 0);
    if (found == reads.end() || !same(*found))
      found = std::find_if(reads.begin(), reads.end(), same);
    if (found == reads.end() || found->written != access.written)
      need(records.writes, access.range);
    if (found == reads.end()) {
      reads.push_back(access);
      return;
    }
    *found = access;
    records.next_read = static_cast<size_t>(found - reads.begin()) + 1;
  }

  // Too many records: keep one conservative access a queue.
  static void coarsen(Accesses& records) {
    std::array<Access, isa::kQueues> merged{};
    for (const auto* list : {&records.writes, &records.reads}) {
      for (const Access& r : *list) {
        Access& m = merged[static_cast<size_t>(r.queue)];
        if (m.count == 0) {
          m = r;
          continue;
        }
        m.range = hull(m.range, r.range);
        m.count = std::max(m.count, r.count), m.write = m.write || r.write;
      }
    }
    records.writes.clear(), records.reads.clear();
    ++records.written;
    for (const Access& m : merged) {
      if (m.count > 0) (m.write ? records.writes : records.reads).push_back(m);
    }
  }

  Program& program_;
  Waits waits_;
  std::vector<Accesses> accesses_;
  std::vector<bool> live_;
  std::array<std::map<int64_t, Piece>, 3> by_address_;  // by first byte
  Counts needed_{};
};

}  // namespace

void insert_semaphores(Program& program, const Dependencies& dependencies) {
  Waits waits(program);
  std::vector<int32_t> order(dependencies.nodes());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return dependencies.position[static_cast<size_t>(a)] <
           dependencies.position[static_cast<size_t>(b)];
  });
  std::vector<Counts> needed(dependencies.nodes());
  for (int32_t node : order) {
    auto n = static_cast<size_t>(node);
    Counts passed = needed[n];  // by a join; an instruction passes itself
    if (n < dependencies.instructions) {
      Instruction& instruction = program.instructions[n];
      int32_t count = waits.next(instruction.queue);
      waits.emit(instruction, needed[n]);
      passed = {};
      passed[static_cast<size_t>(instruction.queue)] = count;
    }
    for (int32_t follower : dependencies.followers(n)) {
      Counts& its = needed[static_cast<size_t>(follower)];
      for (size_t q = 0; q < isa::kQueues; ++q) its[q] = std::max(its[q], passed[q]);
    }
  }
}

void insert_semaphores(Program& program) {
  Tracker tracker(program);
  for (Instruction& instruction : program.instructions) tracker.visit(instruction);
}

}  // namespace thorong::sim
