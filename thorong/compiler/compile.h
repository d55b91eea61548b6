// SPDX-License-Identifier: Apache-2.0
// Graph -> tile program for one core of a chip: the passes in their order (pipeline.cc).
#pragma once

#include "thorong/base/result.h"
#include "thorong/compiler/options.h"
#include "thorong/isa/cost_model.h"
#include "thorong/ops/graph.h"

namespace thorong::compiler {

// The program, with semaphores. Errors: resource_exhausted when the model does not fit the chip's
// memory (how much it needs).
Result<isa::Program> compile(ops::Graph graph, const isa::CoreParameters& core,
                             const CompileOptions& options);

}  // namespace thorong::compiler
