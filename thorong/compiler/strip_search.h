// SPDX-License-Identifier: Apache-2.0
// Which parts of a graph run in strips: candidates are compiled and timed, and the fastest program
// is taken. Programs whose values all fit SBUF are taken as they are.
#pragma once

#include <functional>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/isa/cost_model.h"
#include "thorong/ops/graph.h"

namespace thorong::compiler {

struct Generated {
  isa::Program program;               // with semaphores
  std::vector<ops::ValueId> spilled;  // results of groups that went to HBM
};
using Generate = std::function<Result<Generated>(const ops::Graph&)>;

Result<isa::Program> fastest_in_strips(const ops::Graph& graph, const isa::CoreParameters& core,
                                       const Generate& generate);

}  // namespace thorong::compiler
