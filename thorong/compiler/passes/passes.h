// SPDX-License-Identifier: Apache-2.0
// The graph passes; pipeline.cc states their order.
#pragma once

#include "thorong/base/result.h"
#include "thorong/compiler/options.h"
#include "thorong/isa/cost_model.h"
#include "thorong/ops/graph.h"

namespace thorong::compiler {

Status decompose(ops::Graph& graph);
Status fold_constants(ops::Graph& graph);
Status dilate_inputs(ops::Graph& graph);
Status recognize_activations(ops::Graph& graph);
Status move_scales(ops::Graph& graph, const isa::CoreParameters& core,
                   const CompileOptions& options);

}  // namespace thorong::compiler
