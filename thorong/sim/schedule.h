// SPDX-License-Identifier: Apache-2.0
// Orders a program and places its tiles. The order in which a kernel was traced, or a graph was
// lowered, is a set of dependencies and not a sequence: the vendor's compiler moves independent
// instructions across each other, loops overlap, and tiles are placed where they fit (D3).
//
//   before   instructions in trace order, tiles in SBUF and PSUM without an address
//   after    instructions in the order of their starts, tiles at addresses; no semaphores yet
//   (semaphores.h)
//
// A list scheduler: of the instructions whose operands are ready an engine takes the one with the
// longest way to the end behind it. A tile gets its place when its first instruction starts and
// gives it back when its last one has ended. How far the order may run ahead of the trace is cut by
// four until everything fits; in the end tiles are packed.
#pragma once

#include <span>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/sim/dependencies.h"

namespace thorong::sim {

struct ScheduleRequest {
  std::span<const int64_t>
      fixed_addresses;  // by buffer: the byte in the partition that the program asks for; -1: none
  std::span<const int32_t> chains;  // by instruction: instructions of one chain start in their
                                    // order; -1: none; may be empty
  std::span<const Edge> edges;      // waits that no memory asks for
};

// The new order, as indices into the old; `program` is in that order, with addresses and peaks.
// resource_exhausted: the tiles that live at one time in trace order do not fit; unsupported: they
// would, but no places were found (`where`: the operator that needs the room).
Result<std::vector<int32_t>> schedule(isa::Program& program, const isa::CoreParameters& core,
                                      const ScheduleRequest& request);

}  // namespace thorong::sim
