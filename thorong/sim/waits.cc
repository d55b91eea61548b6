// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/waits.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "thorong/isa/instruction_table.h"

namespace thorong::sim {
namespace {

using isa::Instruction;
using isa::Queue;

class Explainer {
 public:
  Explainer(const isa::Program& program, const isa::CoreParameters& core, const Timing& timing)
      : program_(program),
        core_(core),
        timing_(timing),
        moment_ps_(static_cast<int64_t>(core.semaphore_s * 1e12) + 1) {}

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

  // When an instruction gives its queue to the next one.
  int64_t release(int32_t i) const {
    const InstructionTime& time = timing_.instructions[static_cast<size_t>(i)];
    bool ring = is_dma(program_.instructions[static_cast<size_t>(i)].queue);
    return ring ? time.start_ps : time.end_ps;
  }

  Start explain(size_t i) const {
    const Instruction& instruction = program_.instructions[i];
    int64_t start = timing_.instructions[i].start_ps;
    int32_t before = last_[static_cast<size_t>(instruction.queue)];
    int64_t free = before < 0 ? 0 : release(before);
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
    if (start > std::max(free, signalled)) {
      if (result.cause >= 0) result.hold = Hold::kOperand;
      name_other(instruction, start, result);
    } else if (result.cause >= 0) {
      split_operand(latest, free, start, result);
    }
    return result;
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
      auto found = transfer_ends_.find(start);
      if (found == transfer_ends_.end()) return;
      result.hold = bound_by_hbm(found->second) ? Hold::kHbm : Hold::kDataPath;
      result.cause = found->second;
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
    if (is_dma(instruction.queue)) transfer_ends_[end] = self;
    if (instruction.queue <= Queue::kGpsimd) last_compute_ = self;
  }

  const isa::Program& program_;
  const isa::CoreParameters& core_;
  const Timing& timing_;
  int64_t moment_ps_;
  std::array<std::vector<Completion>, isa::kQueues> completed_;
  std::array<int32_t, isa::kQueues> last_ = filled();
  std::unordered_map<int64_t, int32_t> transfer_ends_;
  int32_t last_compute_ = -1;

  static std::array<int32_t, isa::kQueues> filled() {
    std::array<int32_t, isa::kQueues> none{};
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
