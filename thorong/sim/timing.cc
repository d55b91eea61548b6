// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/timing.h"

#include <algorithm>
#include <cmath>

#include "thorong/isa/instruction_table.h"

namespace thorong::sim {
namespace {

using isa::CoreParameters;
using isa::Cost;
using isa::Instruction;
using isa::Program;
using isa::Queue;

// D4: a duration of c cycles at f Hz takes ceil(c x 10^12 / f) picoseconds.
int64_t picoseconds(double cycles, double hz) {
  return static_cast<int64_t>(std::ceil(cycles * 1e12 / hz));
}
int64_t picoseconds(double seconds) { return static_cast<int64_t>(std::ceil(seconds * 1e12)); }

// Which lookup table an instruction on Scalar needs; 0: none, or it is in every table.
int function_table(const Instruction& instruction) {
  using numerics::UnaryFunction;
  if (!isa::spec(instruction.opcode).table) return 0;
  switch (static_cast<UnaryFunction>(instruction.function0)) {
    case UnaryFunction::kCopy:
    case UnaryFunction::kRelu:
    case UnaryFunction::kSquare:
    case UnaryFunction::kAbs:
    case UnaryFunction::kNegate:
      return 0;
    default:
      return 1 + instruction.function0;
  }
}

// Of an instruction that works so long: until its queue goes on.
int64_t held_of(const Cost& cost, int64_t work) {
  if (cost.issue_cycles <= 0) return work;
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(work) * cost.issue_cycles / cost.cycles));
}

class Clockwork {
 public:
  Clockwork(const Program& program, const CoreParameters& core, Schedule schedule)
      : program_(program), core_(core), schedule_(schedule) {
    semaphore_ps_ = picoseconds(core.semaphore_s);
    ramp_ps_ = picoseconds(core.clock_ramp_s);
    size_t n = program.instructions.size();
    timing_.instructions.resize(n), timing_.costs.reserve(n);
    for (size_t q = 0; q < isa::kQueues; ++q) completed_[q].reserve(n / 4);
    generators_.resize(static_cast<size_t>(core.dma_descriptor_generators));
  }

  // Runs up to the next instruction at which cores meet; false: there is none.
  bool run_to_meeting() {
    while (next_ < program_.instructions.size()) {
      if (isa::spec(program_.instructions[next_].opcode).meets) return true;
      step(next_++, 0);
    }
    return false;
  }
  // When the instruction at which this core stands could start.
  int64_t arrival() const {
    const Instruction& instruction = program_.instructions[next_];
    return std::max(queue_free_[static_cast<size_t>(instruction.queue)], waited(instruction));
  }
  void meet(int64_t when) { step(next_++, when); }
  Timing take() { return std::move(timing_); }

 private:
  // not_before: other cores come to it then.
  void step(size_t i, int64_t not_before) {
    const Instruction& instruction = program_.instructions[i];
    auto q = static_cast<size_t>(instruction.queue);
    const Cost cost = isa::spec(instruction.opcode).cost(core_, program_, instruction);
    timing_.costs.add(instruction.opcode, cost);
    int64_t ready = std::max(waited(instruction), not_before);
    InstructionTime& time = timing_.instructions[i];
    int64_t visible, held;
    if (is_dma(instruction.queue)) {
      int64_t occupied = held = picoseconds(cost.occupied_s);
      Described made{static_cast<int32_t>(i), -1};
      int64_t described = describe(cost, ready, made);
      time.start_ps = take_data_path(std::max(queue_free_[q], described), occupied);
      if (time.start_ps == described && described > ready) timing_.described.push_back(made);
      time.end_ps = time.start_ps + occupied;
      queue_free_[q] = time.start_ps;
      visible = time.end_ps + picoseconds(cost.latency_s);
    } else {
      time.start_ps = std::max(queue_free_[q], ready);
      bool compute = instruction.queue <= Queue::kGpsimd;
      if (compute && schedule_ == Schedule::kVendor)
        time.start_ps = std::max(time.start_ps, token_free_);
      if (instruction.queue == Queue::kTensor)
        time.start_ps = std::max(time.start_ps, array_free(cost.array_parts));
      int64_t work = duration(instruction, cost, time.start_ps);
      time.end_ps = time.start_ps + work;
      held = held_of(cost, work);
      queue_free_[q] = time.start_ps + held;
      if (instruction.queue == Queue::kTensor) take_array(cost.array_parts, time.end_ps);
      if (compute) token_free_ = token(time);
      // The vendor's overlap was calibrated on sums of busy times: pipeline and semaphore latencies
      // are in it already.
      bool latency = !compute || schedule_ == Schedule::kBest;
      visible = time.end_ps + (latency ? picoseconds(cost.latency_s) : 0);
    }
    int64_t before = completed_[q].empty() ? 0 : completed_[q].back();
    completed_[q].push_back(std::max(before, visible));
    timing_.busy_ps[q] += held;
    ++timing_.count[q];
    timing_.end_ps = std::max(timing_.end_ps, visible);
  }

  int64_t array_free(uint16_t parts) const {
    int64_t free = 0;
    for (size_t i = 0; i < array_free_.size(); ++i) {
      if ((parts >> i & 1) != 0) free = std::max(free, array_free_[i]);
    }
    return free;
  }

  void take_array(uint16_t parts, int64_t until) {
    for (size_t i = 0; i < array_free_.size(); ++i) {
      if ((parts >> i & 1) != 0) array_free_[i] = until;
    }
  }

  // When a transfer that is asked for at `ready` has its descriptors.
  int64_t describe(const Cost& cost, int64_t ready, Described& made) {
    if (cost.descriptor_s <= 0) return ready;
    auto generator = std::min_element(
        generators_.begin(), generators_.end(),
        [](const Generator& a, const Generator& b) { return a.free_ps < b.free_ps; });
    if (generator->free_ps > ready) made.before = generator->last;
    *generator = {std::max(generator->free_ps, ready) + picoseconds(cost.descriptor_s),
                  made.instruction};
    return generator->free_ps;
  }

  // The earliest time from `earliest` on at which the DMA data path is free for so long. A transfer
  // that waits (a store for its data) leaves a gap that transfers of other rings may fill, although
  // they come later in program order.
  int64_t take_data_path(int64_t earliest, int64_t length) {
    for (size_t g = 0; g < gaps_.size(); ++g) {
      auto [begin, end] = gaps_[g];
      int64_t start = std::max(begin, earliest);
      if (start + length > end) continue;
      gaps_.erase(gaps_.begin() + static_cast<std::ptrdiff_t>(g));
      if (start > begin)
        gaps_.insert(gaps_.begin() + static_cast<std::ptrdiff_t>(g++), {begin, start});
      if (start + length < end)
        gaps_.insert(gaps_.begin() + static_cast<std::ptrdiff_t>(g), {start + length, end});
      return start;
    }
    int64_t start = std::max(earliest, data_path_free_);
    if (start > data_path_free_) gaps_.emplace_back(data_path_free_, start);
    constexpr size_t kMostGaps = 64;  // older ones are hardly ever usable
    if (gaps_.size() > kMostGaps) gaps_.erase(gaps_.begin());
    data_path_free_ = start + length;
    return start;
  }

  int64_t waited(const Instruction& instruction) const {
    int64_t ready = 0;
    for (int32_t w = 0; w < instruction.waits; ++w) {
      const isa::Wait& wait = program_.waits[static_cast<size_t>(instruction.first_wait + w)];
      int64_t done =
          completed_[static_cast<size_t>(wait.queue)][static_cast<size_t>(wait.count - 1)];
      bool between_engines = wait.queue <= Queue::kGpsimd && instruction.queue <= Queue::kGpsimd;
      bool counted = between_engines && schedule_ == Schedule::kVendor;
      ready = std::max(ready, done + (counted ? 0 : semaphore_ps_));
    }
    return ready;
  }

  // The earliest start of the next compute instruction under the vendor's schedule.
  int64_t token(const InstructionTime& time) const {
    auto overlapped = static_cast<int64_t>(core_.vendor_overlap *
                                           static_cast<double>(time.end_ps - time.start_ps));
    return std::max(token_free_, time.end_ps - overlapped);
  }

  int64_t duration(const Instruction& instruction, const Cost& cost, int64_t start) {
    if (instruction.queue == Queue::kHost) return picoseconds(cost.occupied_s);
    int64_t ps = picoseconds(cost.cycles, isa::clock_hz(core_, instruction.queue));
    if (instruction.queue == Queue::kTensor && ramp_ps_ > 0) ps = ramped(start, ps);
    if (instruction.queue == Queue::kScalar) {
      int table = function_table(instruction);
      if (table != 0 && table != loaded_table_) {
        loaded_table_ = table;
        ps += picoseconds(core_.scalar_table_load_s);
      }
    }
    return ps;
  }

  // After a pause as long as the ramp the tensor clock starts at a fraction of its rate for that
  // long.
  int64_t ramped(int64_t start, int64_t ps) {
    if (start - tensor_end_ > ramp_ps_ || tensor_end_ == 0) ramp_left_ps_ = ramp_ps_;
    if (ramp_left_ps_ > 0) {
      auto slow =
          static_cast<int64_t>(std::ceil(static_cast<double>(ps) / core_.clock_ramp_fraction));
      if (slow <= ramp_left_ps_) {
        ramp_left_ps_ -= slow;
        ps = slow;
      } else {
        ps += static_cast<int64_t>(static_cast<double>(ramp_left_ps_) *
                                   (1 - core_.clock_ramp_fraction));
        ramp_left_ps_ = 0;
      }
    }
    tensor_end_ = start + ps;
    return ps;
  }

  struct Generator {  // of descriptors
    int64_t free_ps = 0;
    int32_t last = -1;
  };

  const Program& program_;
  const CoreParameters& core_;
  Schedule schedule_;
  Timing timing_;
  size_t next_ = 0;
  std::array<std::vector<int64_t>, isa::kQueues> completed_;  // running maximum of completion times
  std::array<int64_t, isa::kQueues> queue_free_{};
  std::vector<Generator> generators_;
  std::array<int64_t, 16> array_free_{};           // Cost::array_parts
  std::vector<std::pair<int64_t, int64_t>> gaps_;  // of the data path, in order of time
  int64_t data_path_free_ = 0, token_free_ = 0, semaphore_ps_ = 0;
  int64_t ramp_ps_ = 0, ramp_left_ps_ = 0, tensor_end_ = 0;
  int loaded_table_ = -1;
};

}  // namespace

bool is_dma(Queue queue) {
  return queue == Queue::kDmaLoad || queue == Queue::kDmaStore || queue == Queue::kDmaMove;
}

int64_t busy_ps(const CoreParameters& core, Queue queue, const Cost& cost) {
  if (is_dma(queue)) {
    return picoseconds(
        std::max(cost.occupied_s, cost.descriptor_s / core.dma_descriptor_generators));
  }
  if (cost.issue_cycles > 0) return picoseconds(cost.issue_cycles, isa::clock_hz(core, queue));
  return work_ps(core, queue, cost);
}

int64_t work_ps(const CoreParameters& core, Queue queue, const Cost& cost) {
  if (is_dma(queue) || queue == Queue::kHost) return picoseconds(cost.occupied_s);
  return picoseconds(cost.cycles, isa::clock_hz(core, queue));
}

int64_t released_ps(const Timing& timing, Queue queue, size_t i) {
  const InstructionTime& time = timing.instructions[i];
  if (is_dma(queue)) return time.start_ps;
  return time.start_ps + held_of(timing.costs[i], time.end_ps - time.start_ps);
}

int64_t latency_ps(const Cost& cost) { return picoseconds(cost.latency_s); }

int64_t descriptor_ps(const Cost& cost) { return picoseconds(cost.descriptor_s); }

Timing simulate_timing(const Program& program, const CoreParameters& core, Schedule schedule) {
  const Program* one = &program;
  return std::move(simulate_timing(std::span(&one, 1), core, schedule)[0]);
}

namespace {

// Lets the cores of a meeting to which all have come go on; false: there is none.
bool hold_meeting(std::vector<Clockwork>& clocks, const Meetings& who, std::vector<size_t>& held) {
  std::vector<char> stands(clocks.size());
  std::vector<Clockwork*> here;
  for (size_t c = 0; c < clocks.size(); ++c) {
    stands[c] = clocks[c].run_to_meeting() ? 1 : 0;
    if (stands[c] != 0) here.push_back(&clocks[c]);
  }
  if (who.empty()) {
    int64_t when = 0;
    for (Clockwork* clock : here) when = std::max(when, clock->arrival());
    for (Clockwork* clock : here) clock->meet(when);
    return !here.empty();
  }
  for (size_t c = 0; c < clocks.size(); ++c) {
    if (stands[c] == 0) continue;
    const std::vector<int64_t>& cores = who[c][held[c]];
    int64_t when = 0;
    bool all = true;
    for (int64_t each : cores) {
      auto i = static_cast<size_t>(each);
      all = all && stands[i] != 0 && who[i][held[i]] == cores;
      if (all) when = std::max(when, clocks[i].arrival());
    }
    if (!all) continue;
    for (int64_t each : cores) {
      clocks[static_cast<size_t>(each)].meet(when);
      ++held[static_cast<size_t>(each)];
    }
    return true;
  }
  return false;
}

}  // namespace

std::vector<Timing> simulate_timing(std::span<const Program* const> programs,
                                    const CoreParameters& core, Schedule schedule,
                                    const Meetings& who) {
  std::vector<Clockwork> clocks;
  clocks.reserve(programs.size());
  for (const Program* program : programs) clocks.emplace_back(*program, core, schedule);
  std::vector<size_t> held(programs.size());
  while (hold_meeting(clocks, who, held)) {
  }
  std::vector<Timing> result;
  for (Clockwork& clock : clocks) result.push_back(clock.take());
  return result;
}

}  // namespace thorong::sim
