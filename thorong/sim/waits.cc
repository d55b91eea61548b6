// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/waits.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "thorong/isa/instruction_table.h"

namespace thorong::sim {
namespace {

using isa::Instruction;
using isa::Queue;

// The last transfer that ended at a time. A table of its own size with the next free place for
// equal hashes: there is an entry for every transfer of a program.
class TransferEnds {
 public:
  explicit TransferEnds(size_t most) {
    size_t size = 16;
    while (size < 2 * most) size *= 2;
    entries_.assign(size, {-1, -1});
    mask_ = size - 1;
  }
  void set(int64_t end, int32_t instruction) { entries_[place(end)] = {end, instruction}; }
  // -1: none.
  int32_t find(int64_t end) const { return entries_[place(end)].second; }

 private:
  size_t place(int64_t end) const {
    constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;
    size_t at = (static_cast<uint64_t>(end) * kSpread >> 20) & mask_;
    while (entries_[at].first != -1 && entries_[at].first != end) at = (at + 1) & mask_;
    return at;
  }
  std::vector<std::pair<int64_t, int32_t>> entries_;
  size_t mask_ = 0;
};

class Explainer {
 public:
  Explainer(const isa::Program& program, const isa::CoreParameters& core, const Timing& timing)
      : program_(program),
        core_(core),
        timing_(timing),
        moment_ps_(static_cast<int64_t>(core.semaphore_s * 1e12) + 1),
        transfer_ends_(transfers(timing)) {
    for (size_t q = 0; q < isa::kQueues; ++q)
      completed_[q].reserve(static_cast<size_t>(timing.count[q]));
  }

  std::vector<Start> run() {
    std::vector<Start> starts(program_.instructions.size());
    for (size_t i = 0; i < starts.size(); ++i) {
      starts[i] = explain(i);
      note(i);
    }
    return starts;
  }

 private:
  // The latest completion on a queue so far, and whose it is.
  struct Completion {
    int64_t visible_ps = 0;
    int32_t instruction = -1;
  };

  Start explain(size_t i) {
    const Instruction& instruction = program_.instructions[i];
    int64_t start = timing_.instructions[i].start_ps;
    int32_t before = last_[static_cast<size_t>(instruction.queue)];
    int64_t free =
        before < 0 ? 0 : released_ps(timing_, instruction.queue, static_cast<size_t>(before));
    Completion latest = latest_of(instruction);
    // The semaphore itself takes a moment; whatever is later than that has another cause.
    int64_t signalled = latest.instruction < 0 ? 0 : latest.visible_ps + moment_ps_;
    Start result;
    result.stall_ps = start - free;
    if (result.stall_ps <= 0) {
      if (before < 0) return result;
      result.hold = Hold::kEngine, result.cause = before;
      result.queued_ps = std::max<int64_t>(0, start - std::min(start, signalled));
      return result;
    }
    result.cause = latest.instruction;
    if (held_by_descriptors(i, result)) return result;
    if (start > std::max(free, signalled)) {
      if (result.cause >= 0) result.hold = Hold::kOperand;
      if (!held_by_array(i, signalled, result)) name_other(instruction, start, result);
    } else if (result.cause >= 0) {
      split_operand(latest, free, start, result);
    }
    return result;
  }

  // The cause stays what the transfer was asked for after, unless the generator was at work.
  bool held_by_descriptors(size_t i, Start& result) {
    const std::vector<Described>& all = timing_.described;
    while (next_described_ < all.size() &&
           static_cast<size_t>(all[next_described_].instruction) < i)
      ++next_described_;
    if (next_described_ == all.size() || static_cast<size_t>(all[next_described_].instruction) != i)
      return false;
    result.hold = Hold::kDescriptors;
    int32_t before = all[next_described_].before;
    // Not a transfer that its ring still held when this one began.
    if (before >= 0 && timing_.instructions[static_cast<size_t>(before)].start_ps <=
                           timing_.instructions[i].start_ps)
      result.cause = before;
    return true;
  }

  bool held_by_array(size_t i, int64_t signalled, Start& result) const {
    if (program_.instructions[i].queue != Queue::kTensor) return false;
    int64_t start = timing_.instructions[i].start_ps;
    for (size_t part = 0; part < last_on_part_.size(); ++part) {
      int32_t last = last_on_part_[part];
      if (last < 0 || (timing_.costs[i].array_parts >> part & 1) == 0) continue;
      if (timing_.instructions[static_cast<size_t>(last)].end_ps != start) continue;
      result.hold = Hold::kEngine, result.cause = last;
      result.queued_ps = start - signalled;
      return true;
    }
    return false;
  }

  // What was the last of an instruction's operands.
  Completion latest_of(const Instruction& instruction) const {
    Completion latest;
    for (int32_t w = 0; w < instruction.waits; ++w) {
      const isa::Wait& wait = program_.waits[static_cast<size_t>(instruction.first_wait + w)];
      const Completion& done =
          completed_[static_cast<size_t>(wait.queue)][static_cast<size_t>(wait.count - 1)];
      if (done.visible_ps >= latest.visible_ps) latest = done;
    }
    return latest;
  }

  void split_operand(const Completion& latest, int64_t free, int64_t start, Start& result) const {
    int64_t ended = timing_.instructions[static_cast<size_t>(latest.instruction)].end_ps;
    int64_t seen = std::clamp(latest.visible_ps, free, start);
    result.latency_ps = seen - std::min(seen, std::max(ended, free));
    result.semaphore_ps = start - seen;
    result.hold = latest.visible_ps <= free ? Hold::kSemaphore : Hold::kOperand;
  }

  void name_other(const Instruction& instruction, int64_t start, Start& result) const {
    if (isa::spec(instruction.opcode).meets) {
      result.hold = Hold::kMeeting, result.cause = -1;
    } else if (is_dma(instruction.queue)) {
      int32_t found = transfer_ends_.find(start);
      if (found < 0) return;
      result.hold = bound_by_hbm(found) ? Hold::kHbm : Hold::kDataPath;
      result.cause = found;
    } else if (last_compute_ >= 0) {
      result.hold = Hold::kSchedule, result.cause = last_compute_;
    }
  }

  // Whether a transfer took as long as HBM needs for its bytes.
  bool bound_by_hbm(int32_t i) const {
    const isa::Cost& cost = timing_.costs[static_cast<size_t>(i)];
    constexpr double kAlmost = 1 - 1e-9;
    return cost.events.hbm_bytes > 0 &&
           cost.events.hbm_bytes / core_.hbm_core_bytes_per_s >= cost.occupied_s * kAlmost;
  }

  void note(size_t i) {
    const Instruction& instruction = program_.instructions[i];
    auto q = static_cast<size_t>(instruction.queue);
    auto self = static_cast<int32_t>(i);
    int64_t end = timing_.instructions[i].end_ps;
    Completion done{end + latency_ps(timing_.costs[i]), self};
    if (!completed_[q].empty() && completed_[q].back().visible_ps > done.visible_ps)
      done = completed_[q].back();
    completed_[q].push_back(done);
    last_[q] = self;
    for (size_t part = 0; instruction.queue == Queue::kTensor && part < last_on_part_.size();
         ++part)
      if ((timing_.costs[i].array_parts >> part & 1) != 0) last_on_part_[part] = self;
    if (is_dma(instruction.queue)) transfer_ends_.set(end, self);
    if (instruction.queue <= Queue::kGpsimd) last_compute_ = self;
  }

  const isa::Program& program_;
  const isa::CoreParameters& core_;
  const Timing& timing_;
  int64_t moment_ps_;
  std::array<std::vector<Completion>, isa::kQueues> completed_;
  std::array<int32_t, isa::kQueues> last_ = filled<isa::kQueues>();
  std::array<int32_t, 16> last_on_part_ = filled<16>();  // Cost::array_parts
  size_t next_described_ = 0;
  TransferEnds transfer_ends_;
  int32_t last_compute_ = -1;

  static size_t transfers(const Timing& timing) {
    int64_t sum = 0;
    for (size_t q = 0; q < isa::kQueues; ++q)
      sum += is_dma(static_cast<Queue>(q)) ? timing.count[q] : 0;
    return static_cast<size_t>(sum);
  }
  template <size_t kCount>
  static std::array<int32_t, kCount> filled() {
    std::array<int32_t, kCount> none{};
    none.fill(-1);
    return none;
  }
};

}  // namespace

std::vector<Start> explain_starts(const isa::Program& program, const isa::CoreParameters& core,
                                  const Timing& timing) {
  return Explainer(program, core, timing).run();
}

std::vector<int32_t> critical_path(const Timing& timing, const std::vector<Start>& starts) {
  int32_t last = -1;
  int64_t end = -1;
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t visible = timing.instructions[i].end_ps + latency_ps(timing.costs[i]);
    if (visible > end) end = visible, last = static_cast<int32_t>(i);
  }
  std::vector<int32_t> path;
  for (; last >= 0; last = starts[static_cast<size_t>(last)].cause) path.push_back(last);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace thorong::sim
