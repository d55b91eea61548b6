// SPDX-License-Identifier: Apache-2.0
// topk: of the n elements that lie in a snake over each 16 partitions (element i in partition i %
// 16, column i / 16), the k largest in ascending order, and their numbers; every partition of the
// group gets the same. Of equal values the first wins. `extra`: Program::integers n.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct topk {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand indices = machine.resolve(program, program.operand(instruction, 1));
    Operand in = machine.resolve(program, program.operand(instruction, 2));
    auto n = static_cast<size_t>(program.integers[static_cast<size_t>(instruction.extra)]);
    auto k = static_cast<size_t>(out.elements);
    std::vector<float> row(static_cast<size_t>(in.elements)), snake(n), best(k);
    std::vector<int64_t> order(n), chosen(k);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      if (p % kGroup == 0) {
        for (int64_t q = 0; q < kGroup; ++q) {
          const float* values = load_row(in, p + q, row.data());
          for (size_t i = static_cast<size_t>(q); i < n; i += kGroup) snake[i] = values[i / kGroup];
        }
        for (size_t i = 0; i < n; ++i) order[i] = static_cast<int64_t>(i);
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
          return snake[static_cast<size_t>(a)] > snake[static_cast<size_t>(b)];
        });
        for (size_t i = 0; i < k; ++i)
          chosen[k - 1 - i] = order[i], best[k - 1 - i] = snake[static_cast<size_t>(order[i])];
      }
      std::vector<float> values = best;
      store_row(out, p, values.data(), machine.rounding());
      store_integers(indices, p, chosen.data());
    }
  }
  static constexpr int64_t kGroup = 16;

  static Status assemble(Binding& call) {
    call.attach(std::array<int64_t, 1>{call[3].integer});
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 2));
    int64_t n = call[3].integer, k = call.operand(0).free_elements();
    bool fits = call.operand(2).format == Format::kBfloat16 &&
                call.operand(0).format == Format::kBfloat16 &&
                call.operand(1).format == Format::kUint32 && n >= 8 && n < 65536 && k <= n &&
                k < 32768 && call.operand(2).free_elements() * kGroup >= n &&
                call.operand(0).partitions % kGroup == 0;
    if (fits) return ok_status();
    return invalid_argument(
        "topk: expected src and val_dst of bfloat16, idx_dst of uint32, 8 <= n < 65536, k <= n, at "
        "least n / 16 elements per partition and "
        "partitions in multiples of 16, found " +
        describe(call, 2) + ", " + describe(call, 0) + ", " + describe(call, 1) +
        " and n = " + std::to_string(n) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    auto n = static_cast<double>(program.integers[static_cast<size_t>(instruction.extra)]);
    auto k = static_cast<double>(program.operand(instruction, 0).free_elements());
    Cost cost = streaming_cost(core, program, instruction, 1, true);
    cost.cycles = core.gpsimd_start_cycles + 4 * n + k;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"topk",
                         "the k largest of n elements and their numbers",
                         "NKI ISA API reference (topk): 4 n + k for each partition",
                         {"out", "indices", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.writes = 0b11;
    spec.parameters = {
        {"val_dst", ParameterKind::kTile, 0, "", "a tile (partitions, k) of bfloat16", kInSbuf},
        {"idx_dst", ParameterKind::kTile, 1, "", "a tile (partitions, k) of uint32", kInSbuf},
        {"src", ParameterKind::kTile, 2, "", "bfloat16, n elements in a snake over 16 partitions",
         kInSbuf},
        {"n", ParameterKind::kInteger, -1, "", "the number of elements"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
