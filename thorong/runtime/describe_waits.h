// SPDX-License-Identifier: Apache-2.0
// Where a program waited, by operator (a kernel's line), and what its critical path is made of.
#pragma once

#include "thorong/report/result.h"
#include "thorong/runtime/session.h"
#include "thorong/sim/waits.h"

namespace thorong::runtime {

// Fills Result::waits, Result::critical_path and what held each event of the timeline, which has an
// event for each instruction. `starts`: sim::explain_starts() of the program.
void describe_waits(const Program& program, const std::vector<sim::Start>& starts,
                    report::Result& result);

}  // namespace thorong::runtime
