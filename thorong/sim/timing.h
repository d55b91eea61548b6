// SPDX-License-Identifier: Apache-2.0
// The timing layer (D3): when each instruction starts and ends, in integer picoseconds. In-order
// queues, semaphore waits, one shared DMA data path, port conflicts of the generation, the tensor
// clock's ramp, activation table loads. No values, no wall clock, no randomness.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"

namespace thorong::sim {

// kVendor: the overlap that the vendor's compiler reaches on compiled graphs (chip figure
// control.vendor_overlap, which contains the latencies of pipelines and semaphores between
// engines). kBest: all that the dependencies allow, with these latencies each; so it is no lower
// bound of kVendor for a program of few instructions.
enum class Schedule : uint8_t { kVendor, kBest };

struct InstructionTime {
  int64_t start_ps = 0;
  int64_t end_ps = 0;  // its work is done; when its queue goes on: released_ps
};

// The cost of each instruction of a program. Those of a loop are alike, so equal ones of an opcode
// that follow each other are kept once: a cost is larger than all else that timing says.
class CostList {
 public:
  const isa::Cost& operator[](size_t i) const { return kinds_[of_[i]]; }
  size_t size() const { return of_.size(); }
  void reserve(size_t instructions) { of_.reserve(instructions); }
  void add(uint16_t opcode, const isa::Cost& cost) {
    if (last_.size() <= opcode) last_.resize(opcode + size_t{1}, kNone);
    uint32_t& last = last_[opcode];
    if (last == kNone || kinds_[last] != cost) {
      last = static_cast<uint32_t>(kinds_.size());
      kinds_.push_back(cost);
    }
    of_.push_back(last);
  }
  // Which of the different costs an instruction has, and how many there are.
  uint32_t kind(size_t i) const { return of_[i]; }
  size_t kinds() const { return kinds_.size(); }
  bool has(uint16_t opcode) const { return opcode < last_.size() && last_[opcode] != kNone; }
  const isa::Cost& of_kind(size_t kind) const { return kinds_[kind]; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<isa::Cost> kinds_;
  std::vector<uint32_t> of_, last_;
};

// A transfer that began when its descriptors had been made, and the one whose descriptors kept the
// generator until then; -1: the generator was free.
struct Described {
  int32_t instruction, before;
};

struct Timing {
  std::vector<InstructionTime> instructions;  // parallel to the program's
  int64_t end_ps = 0;                         // completion of the last
  std::array<int64_t, isa::kQueues> busy_ps{};
  std::array<int64_t, isa::kQueues> count{};
  CostList costs;                    // parallel to the program's instructions
  std::vector<Described> described;  // in program order
};

// How long an instruction holds its queue (DMA: the data path), without what depends on the ones
// before it (clock ramp, table loads).
int64_t busy_ps(const isa::CoreParameters& core, isa::Queue queue, const isa::Cost& cost);
// How long it works; longer than it holds its queue where it takes a part of the array only.
int64_t work_ps(const isa::CoreParameters& core, isa::Queue queue, const isa::Cost& cost);
// When instruction i gave its queue to the next one.
int64_t released_ps(const Timing& timing, isa::Queue queue, size_t i);
// Until its result is visible to others after that.
int64_t latency_ps(const isa::Cost& cost);
// Before it can start.
int64_t descriptor_ps(const isa::Cost& cost);
bool is_dma(isa::Queue queue);

Timing simulate_timing(const isa::Program& program, const isa::CoreParameters& core,
                       Schedule schedule);
// Of the cores of one launch: where they meet (InstructionSpec::meets), each waits for the last.
// who[c][k]: the cores that come to core c's k-th meeting; without it, all come to each. Each of
// them has it in the same place among those with the others.
using Meetings = std::vector<std::vector<std::vector<int64_t>>>;
std::vector<Timing> simulate_timing(std::span<const isa::Program* const> programs,
                                    const isa::CoreParameters& core, Schedule schedule,
                                    const Meetings& who = {});

}  // namespace thorong::sim
