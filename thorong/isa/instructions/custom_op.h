// SPDX-License-Identifier: Apache-2.0
// custom_op: an operator's reference meaning on whole HBM tensors, on GpSimd (or on the host of a
// chip without one). The cost is stated, not measured on hardware: every element read or written
// once at the engine's rate, plus operations.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct custom_op {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    const Call& call = *program.calls[static_cast<size_t>(instruction.extra)];
    std::vector<const std::byte*> inputs;
    std::vector<std::byte*> outputs;
    for (BufferId id : call.inputs) inputs.push_back(machine.host_buffer(id).data);
    for (BufferId id : call.outputs) outputs.push_back(machine.host_buffer(id).data);
    std::string error;
    if (!call.execute(inputs, outputs, &error))
      machine.fault(instruction, call.name + ": " + error);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const Call& call = *program.calls[static_cast<size_t>(instruction.extra)];
    auto sum = [&](const std::vector<BufferId>& ids) {
      double bytes = 0;
      for (BufferId id : ids)
        bytes += static_cast<double>(program.buffers[static_cast<size_t>(id)].row_bytes);
      return bytes;
    };
    double in = sum(call.inputs), out = sum(call.outputs), bytes = in + out;
    Cost cost;
    cost.events.hbm_bytes = bytes;
    if (instruction.queue == Queue::kHost) {  // which takes the inputs and gives the outputs back
      cost.occupied_s = host_copy_s(core, out, in);
      cost.events.host_bytes = bytes;
      return cost;
    }
    double work = call.elements + call.operations;
    cost.cycles = engine_cycles(core, Queue::kGpsimd, work / core.gpsimd_lanes);
    cost.events.gpsimd_ops = work;
    cost.events.dma_bytes = bytes;
    return cost;
  }

  static InstructionSpec spec() {
    return {"custom_op",
            "an operator's reference meaning on whole HBM tensors",
            "assumed: every element once at the engine's rate; no document states the cost",
            {},
            execute,
            cost};
  }
};

}  // namespace thorong::isa::instructions
