// SPDX-License-Identifier: Apache-2.0
// nonzero_with_count: in partitions 0, 16, 32 ...: the indices of elements that are not zero, plus
// an offset; then padding; last their count. Other partitions stay. Program::integers at `extra`:
// offset, padding.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct nonzero_with_count {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    const int64_t* list = program.integers.data() + instruction.extra;
    auto n = static_cast<size_t>(in.elements);
    float* scratch = machine.scratch(0, n);
    std::vector<int64_t> row(n + 1);
    for (int64_t p = 0; p < in.pattern->partitions; p += 16) {
      const float* values = load_row(in, p, scratch);
      size_t count = 0;
      for (size_t i = 0; i < n; ++i) {
        if (values[i] != 0) row[count++] = static_cast<int64_t>(i) + list[0];
      }
      std::fill(row.begin() + static_cast<std::ptrdiff_t>(count), row.end(), list[1]);
      row[n] = static_cast<int64_t>(count);
      store_integers(out, p, row.data());
    }
  }

  static Status assemble(Binding& call) {
    call.attach(std::array<int64_t, 2>{call[2].integer, call[3].integer});
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    Format in = call.operand(1).format;
    bool fits = call.operand(0).free_elements() == call.operand(1).free_elements() + 1 &&
                call.operand(0).format == Format::kInt32 &&
                (in == Format::kFloat32 || in == Format::kInt32);
    if (fits) return ok_status();
    return invalid_argument(
        "nonzero_with_count: expected src of float32 or int32 and dst of int32 with one more "
        "element per partition, found " +
        describe(call, 1) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nonzero_with_count",
                         "indices and number of elements that are not zero",
                         "assumed: 150 + N; no public rule",
                         {"out", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.first_generation = 3;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "int32, one element more than src", kInSbuf},
        {"src", ParameterKind::kTile, 1, "", "float32 or int32", kInSbuf},
        {"index_offset", ParameterKind::kInteger, -1, "0", "added to every index"},
        {"padding_val", ParameterKind::kInteger, -1, "-1", "after the indices"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
