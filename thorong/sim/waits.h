// SPDX-License-Identifier: Apache-2.0
// Why each instruction began when it did, read off a program and its times; no figure depends on
// it. An engine is busy or it stalls, so busy times and stalls of a queue add up to its time.
#pragma once

#include <cstdint>
#include <vector>

#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/sim/timing.h"

namespace thorong::sim {

// What let an instruction begin at last.
enum class Hold : uint8_t {
  kNothing,      // it began at once
  kEngine,       // the instruction before it on its queue, or the last on its part of the array
  kOperand,      // an instruction that it waited for by semaphore
  kDataPath,     // another transfer on the shared DMA data path: bandwidth of the DMA engines
  kMeeting,      // the other cores
  kSchedule,     // the overlap that the vendor's compiler reaches (Schedule::kVendor)
  kHbm,          // as kDataPath, where HBM's rate decided how long the other transfer took
  kSemaphore,    // its operand was there when the queue became free, but not the signal
  kDescriptors,  // a generator that made its descriptors, or first those of another transfer
};

struct Start {
  Hold hold = Hold::kNothing;
  int32_t cause = -1;    // the instruction that held it back
  int64_t stall_ps = 0;  // how long the queue had been free
  // Parts of the stall in which the cause had ended: its result, then the signal was on the way.
  int64_t latency_ps = 0, semaphore_ps = 0;
  int64_t queued_ps = 0;  // kEngine: how long its operands had been there
};

// Parallel to the program's instructions.
std::vector<Start> explain_starts(const isa::Program& program, const isa::CoreParameters& core,
                                  const Timing& timing);

// The instructions that decide the end, in the order of their times: each held back the next.
std::vector<int32_t> critical_path(const Timing& timing, const std::vector<Start>& starts);

}  // namespace thorong::sim
