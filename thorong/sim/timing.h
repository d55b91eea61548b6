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
  int64_t end_ps = 0;  // the queue is free again (DMA: the transfer has ended)
};

struct Timing {
  std::vector<InstructionTime> instructions;  // parallel to the program's
  int64_t end_ps = 0;                         // completion of the last
  std::array<int64_t, isa::kQueues> busy_ps{};
  std::array<int64_t, isa::kQueues> count{};
  std::vector<isa::Cost> costs;  // parallel to the program's instructions
};

// How long an instruction holds its queue (DMA: the data path), without what depends on the ones
// before it (clock ramp, table loads).
int64_t busy_ps(const isa::CoreParameters& core, isa::Queue queue, const isa::Cost& cost);
// Until its result is visible to others after that.
int64_t latency_ps(const isa::Cost& cost);
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
