// SPDX-License-Identifier: Apache-2.0
// sendrecv: this core's `src` goes to the other core's `dst`, and the other's to ours, when both
// have come to it. Program::integers at `extra`: the pipe, the core to send to, the core to receive
// from.
#pragma once

#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/instructions/dma_copy.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct sendrecv {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    const int64_t* list = program.integers.data() + instruction.extra;
    size_t cell = numerics::byte_size(in.cell), row = cell * static_cast<size_t>(in.elements);
    std::vector<std::byte> bytes(row * static_cast<size_t>(in.pattern->partitions));
    for (int64_t p = 0; p < in.pattern->partitions; ++p)
      gather_raw(in, p, bytes.data() + static_cast<size_t>(p) * row);
    auto own = bytes.size();
    if (!machine.exchange(instruction, "sendrecv of pipe " + std::to_string(list[0]),
                          static_cast<int>(list[2]), bytes))
      return;
    if (bytes.size() != own || in.cell != out.cell) {
      machine.fault(instruction, "expected tiles of one shape and dtype on both cores, found " +
                                     std::to_string(own) + " bytes here and " +
                                     std::to_string(bytes.size()) + " from the other core");
      return;
    }
    for (int64_t p = 0; p < out.pattern->partitions; ++p)
      scatter_raw(out, p, bytes.data() + static_cast<size_t>(p) * row);
  }

  static Status assemble(Binding& call) {
    call.attach(std::array<int64_t, 3>{call[4].integer, call[2].integer, call[3].integer});
    bool by_gpsimd = call[5].kind == Argument::Kind::kName && call[5].code == 2;
    call.instruction.queue = by_gpsimd ? Queue::kGpsimd : Queue::kDmaMove;
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    return same_format(call, 0, 1);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    if (instruction.queue == Queue::kGpsimd) {
      Cost cost = streaming_cost(core, program, instruction, 1, true);
      cost.latency_s = core.semaphore_s;
      return cost;
    }
    Cost cost = dma_copy::cost(core, program, instruction);
    cost.latency_s += core.semaphore_s;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"sendrecv",
                         "tiles of two cores change places",
                         "Introduction to Direct Memory Access with NKI: as a transfer within "
                         "SBUF; Trainium2 Architecture Guide for NKI (GpSimd DMA)",
                         {"out", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kDmaMove;
    spec.first_generation = 3;
    spec.meets = true;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"src", ParameterKind::kTile, 1, "", "the tile to send", kInSbuf},
        {"dst", ParameterKind::kTile, 0, "", "where the other core's tile goes", kInSbuf},
        {"send_to_rank", ParameterKind::kInteger, -1, "", "the core to send to"},
        {"recv_from_rank", ParameterKind::kInteger, -1, "", "the core to receive from"},
        {"pipe_id", ParameterKind::kInteger, -1, "", "calls of one pipe meet"},
        {"dma_engine", ParameterKind::kChoice, -1, "dma_engine.dma",
         "dma, or gpsimd_dma for small tiles"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
