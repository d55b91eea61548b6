// SPDX-License-Identifier: Apache-2.0
// One record per access: bytes [low, high) of rows [first, last) of a buffer. A write that covers older records replaces them,
// because waiting for it implies waiting for them. When a buffer reuses the address of older ones, their records become a
// write over the whole new buffer.
#include "thorong/sim/semaphores.h"

#include <algorithm>
#include <map>

#include "thorong/isa/instruction_table.h"

namespace thorong::sim {
namespace {

using isa::AccessPattern;
using isa::Buffer;
using isa::Instruction;
using isa::Program;
using isa::Queue;
using isa::Space;

// A rectangle: bytes [low, high) of rows [first, last). Rows are partitions in SBUF and PSUM; in HBM they are `pitch` bytes
// apart (0: one row, the whole buffer), so that tiles side by side in one tensor are known to be apart.
struct Range {
  int64_t low, high;
  int64_t first, last;
  int64_t pitch;
  int64_t linear_low() const { return first * pitch + low; }
  int64_t linear_high() const { return (last - 1) * pitch + high; }
};

struct Access {
  Range range{};
  Queue queue = Queue::kVector;
  int32_t count = 0;             // the queue's completed instructions after this one
  bool write = false;
};

Range range_of(const Program& program, const AccessPattern& pattern) {
  auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
  if (pattern.indirect >= 0) {  // anywhere
    const Buffer& buffer = program.buffer(pattern);
    return {0, buffer.row_bytes, 0, buffer.space == Space::kHbm ? 1 : buffer.partitions, 0};
  }
  bool hbm = program.buffer(pattern).space == Space::kHbm;
  int64_t pitch = hbm && pattern.partition_step > 0 ? pattern.partition_step : 0;
  int64_t row = pitch > 0 ? pattern.offset / pitch : 0, low = pattern.offset - row * pitch, high = low;
  for (size_t i = 0; i < pattern.rank; ++i) {
    int64_t span = pattern.step[i] * (pattern.size[i] - 1);
    (span < 0 ? low : high) += span;
  }
  if (!hbm) {
    int32_t rows = pattern.partition_step == isa::kRepeatRow ? 1 : pattern.partitions;
    return {low * size, (high + 1) * size, pattern.start_partition, pattern.start_partition + rows, 0};
  }
  if (pitch > 0 && low >= 0 && high < pitch) return {low * size, (high + 1) * size, row, row + pattern.partitions, pitch * size};
  int64_t span = pattern.partition_step * (pattern.partitions - 1);
  low += row * pitch, high += row * pitch;
  (span < 0 ? low : high) += span;
  return {low * size, (high + 1) * size, 0, 1, 0};
}

bool overlaps(const Range& a, const Range& b) {
  if (a.pitch == b.pitch) return a.low < b.high && b.low < a.high && a.first < b.last && b.first < a.last;
  return a.linear_low() < b.linear_high() && b.linear_low() < a.linear_high();
}
bool covers(const Range& r, const Range& a) {
  return r.pitch == a.pitch && r.low <= a.low && a.high <= r.high && r.first <= a.first && a.last <= r.last;
}
bool equal(const Range& a, const Range& b) { return covers(a, b) && covers(b, a); }

constexpr int64_t kEverything = int64_t{1} << 60;

// Bytes up to `high` that buffer `id` used last.
struct Piece {
  int64_t high;
  isa::BufferId id;
};

class Tracker {
 public:
  explicit Tracker(Program& program) : program_(program), accesses_(program.buffers.size()), live_(program.buffers.size()) {}

  void visit(Instruction& instruction) {
    needed_.fill(0);
    auto queue = static_cast<size_t>(instruction.queue);
    int32_t count = ++counts_[queue];
    bool is_call = instruction.extra >= 0 && instruction.operands[0] < 0;
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
      access(pattern.buffer, range_of(program_, pattern), instruction.queue, count, write);
      if (pattern.indirect < 0) continue;
      const auto& indirect = program_.indirects[static_cast<size_t>(pattern.indirect)];
      const AccessPattern& index = program_.patterns[static_cast<size_t>(indirect.index)];
      access(index.buffer, range_of(program_, index), instruction.queue, count, false);
    }
    for (int64_t listed : program_.listed_operands(instruction)) {
      const AccessPattern& pattern = program_.patterns[static_cast<size_t>(listed)];
      access(pattern.buffer, range_of(program_, pattern), instruction.queue, count, false);
    }
    emit(instruction);
  }

 private:
  Range whole(isa::BufferId id) const {
    const Buffer& buffer = program_.buffers[static_cast<size_t>(id)];
    return {0, buffer.row_bytes, 0, buffer.space == Space::kHbm ? 1 : buffer.partitions, 0};
  }

  void need(const Access& access) {
    int32_t& needed = needed_[static_cast<size_t>(access.queue)];
    needed = std::max(needed, access.count);
  }

  // First touch of a buffer: whatever used its addresses before must have finished. What sticks out of an older buffer on
  // either side stays known.
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
      for (const Access& a : accesses_[static_cast<size_t>(old.id)]) {
        last[static_cast<size_t>(a.queue)] = std::max(last[static_cast<size_t>(a.queue)], a.count);
      }
      it = map.erase(it);
      if (begin < low) map[begin] = {low, old.id};
      if (old.high > high) map[high] = {old.high, old.id};
    }
    for (size_t q = 0; q < isa::kQueues; ++q) {
      if (last[q] > 0) accesses_[static_cast<size_t>(id)].push_back({{0, kEverything, 0, kEverything, 0}, static_cast<Queue>(q), last[q], true});
    }
    map[low] = {high, id};
    live_[static_cast<size_t>(id)] = true;
  }

  void access(isa::BufferId id, const Range& range, Queue queue, int32_t count, bool write) {
    if (!live_[static_cast<size_t>(id)]) open(id);
    auto& records = accesses_[static_cast<size_t>(id)];
    for (const Access& record : records) {
      if ((write || record.write) && overlaps(record.range, range)) need(record);
    }
    std::erase_if(records, [&](const Access& record) {
      bool same = record.queue == queue && !record.write && !write && equal(record.range, range);
      return same || (write && covers(range, record.range));
    });
    records.push_back({range, queue, count, write});
    constexpr size_t kMaxRecords = 256;
    if (records.size() > kMaxRecords) coarsen(records);
  }

  // Too many records: keep one conservative write a queue.
  static void coarsen(std::vector<Access>& records) {
    std::array<Access, isa::kQueues> merged{};
    for (const Access& r : records) {
      Access& m = merged[static_cast<size_t>(r.queue)];
      if (m.count == 0) {
        m = r;
        continue;
      }
      if (m.range.pitch != r.range.pitch) {
        m.range = {std::min(m.range.linear_low(), r.range.linear_low()), std::max(m.range.linear_high(), r.range.linear_high()), 0, 1, 0};
      } else {
        m.range = {std::min(m.range.low, r.range.low), std::max(m.range.high, r.range.high), std::min(m.range.first, r.range.first),
                   std::max(m.range.last, r.range.last), m.range.pitch};
      }
      m.count = std::max(m.count, r.count), m.write = m.write || r.write;
    }
    records.clear();
    for (const Access& m : merged) {
      if (m.count > 0) records.push_back(m);
    }
  }

  void emit(Instruction& instruction) {
    auto queue = static_cast<size_t>(instruction.queue);
    instruction.first_wait = static_cast<int32_t>(program_.waits.size());
    bool in_order_results = instruction.queue <= Queue::kSync;
    for (size_t q = 0; q < isa::kQueues; ++q) {
      if (needed_[q] == 0 || (q == queue && in_order_results)) continue;
      if (needed_[q] == counts_[q] && q == queue) needed_[q] = counts_[q] - 1;  // never for itself
      if (needed_[q] <= waited_[queue][q]) continue;
      waited_[queue][q] = needed_[q];
      program_.waits.push_back({static_cast<Queue>(q), needed_[q]});
    }
    instruction.waits = static_cast<int32_t>(program_.waits.size()) - instruction.first_wait;
  }

  Program& program_;
  std::vector<std::vector<Access>> accesses_;
  std::vector<bool> live_;
  std::array<std::map<int64_t, Piece>, 3> by_address_;  // by first byte
  std::array<int32_t, isa::kQueues> counts_{};
  std::array<int32_t, isa::kQueues> needed_{};
  std::array<std::array<int32_t, isa::kQueues>, isa::kQueues> waited_{};
};

}  // namespace

void insert_semaphores(Program& program) {
  program.waits.clear();
  Tracker tracker(program);
  for (Instruction& instruction : program.instructions) tracker.visit(instruction);
}

}  // namespace thorong::sim
