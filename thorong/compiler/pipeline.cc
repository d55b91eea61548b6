// SPDX-License-Identifier: Apache-2.0
// The order of the passes. Order carries meaning: composites first, so that later passes see few operators; groups last, so
// that they see what remains.
#include <fmt/format.h>

#include "thorong/compiler/codegen.h"
#include "thorong/compiler/compile.h"
#include "thorong/compiler/passes/passes.h"
#include "thorong/sim/semaphores.h"

namespace thorong::compiler {

Result<isa::Program> compile(ops::Graph graph, const isa::CoreParameters& core, const CompileOptions& options) {
  ops::remove_dead_nodes(graph);
  THORONG_RETURN_IF_ERROR(decompose(graph));
  THORONG_RETURN_IF_ERROR(recognize_activations(graph));
  THORONG_RETURN_IF_ERROR(dilate_inputs(graph));
  ops::remove_dead_nodes(graph);
  std::vector<Group> groups = form_groups(graph);
  Codegen codegen(graph, groups, core, options);
  THORONG_RETURN_IF_ERROR(codegen.run());
  isa::Program program = codegen.take_program();
  auto needed = static_cast<double>(program.hbm_bytes) + core.microcode_bytes;
  if (needed > core.hbm_bytes) {
    return resource_exhausted(fmt::format("the model needs {:.2f} GB of device memory (weights, inputs, outputs, intermediates and "
                                          "microcode) and the chip has {:.2f} GB. Use a chip with more memory, a smaller batch, "
                                          "or --auto-cast all.", needed / 1e9, core.hbm_bytes / 1e9));
  }
  sim::insert_semaphores(program);
  return program;
}

}  // namespace thorong::compiler
