// SPDX-License-Identifier: Apache-2.0
// Turns overlapping memory accesses into explicit semaphore waits (D3, D12).
//
// Before: instructions in program order, no waits. After: each instruction waits, by (queue,
// count), for the last conflicting accesses (read after write, write after read, write after write)
// of other queues. The hardware sees only the waits; the tracking of memory is the compiler's tool
// and, on traces of others, the race detector.
#pragma once

#include "thorong/isa/isa.h"
#include "thorong/sim/dependencies.h"

namespace thorong::sim {

// Fills program.waits and each instruction's first_wait/waits.
void insert_semaphores(isa::Program& program);
// The same where the dependencies of the program, in its present order, are known.
void insert_semaphores(isa::Program& program, const Dependencies& dependencies);

}  // namespace thorong::sim
