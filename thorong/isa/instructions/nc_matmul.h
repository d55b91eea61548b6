// SPDX-License-Identifier: Apache-2.0
// nc_matmul: PSUM[m, n] (+)= sum over k of stationary[k, m] * moving[k, n].
// Each instruction sums its rows from +0 in increasing k by fp32 fused multiply-add; the sum is written to PSUM or added to
// what is there with one further rounding (D4). fp32 operands take several passes through the array.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/numerics/functions.h"

namespace thorong::isa::instructions {

struct nc_matmul {
  // Rows of an operand as one [K, n] block of fp32 with a row stride; packed into scratch unless rows are contiguous.
  struct Block {
    const float* data;
    size_t stride;
  };
  static Block block(MachineState& machine, const Operand& operand, int64_t rows, int slot) {
    if (operand.direct) return {operand.row(0), static_cast<size_t>(operand.row_stride_bytes) / 4};
    auto n = static_cast<size_t>(operand.elements);
    size_t stride = (n + 15) / 16 * 16 + 16;
    float* packed = machine.scratch(slot, stride * static_cast<size_t>(rows));
    for (int64_t k = 0; k < rows; ++k) {
      float* row = packed + static_cast<size_t>(k) * stride;
      const float* loaded = load_row(operand, k, row);
      if (loaded != row) std::copy(loaded, loaded + n, row);
    }
    return {packed, stride};
  }

  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand stationary = machine.resolve(program, program.operand(instruction, 1));
    Operand moving = machine.resolve(program, program.operand(instruction, 2));
    int64_t K = stationary.pattern->partitions, M = stationary.elements, N = moving.elements;
    bool accumulate = (instruction.flags & kAccumulate) != 0;
    Block s = block(machine, stationary, K, 0), m = block(machine, moving, K, 1);
    // A strided or narrower destination is computed in scratch, then added and scattered row by row.
    bool in_place = out.direct && out.pattern->format == Format::kFloat32;
    size_t stride = in_place ? static_cast<size_t>(out.row_stride_bytes) / 4 : static_cast<size_t>(N);
    float* target = in_place ? out.row(0) : machine.scratch(2, static_cast<size_t>(M * N));
    auto rows = [&](int64_t first, int64_t last) {
      numerics::multiply_tile(s.data + first, s.stride, m.data, m.stride, target + static_cast<size_t>(first) * stride, stride,
                              static_cast<size_t>(last - first), static_cast<size_t>(N), static_cast<size_t>(K),
                              accumulate && in_place);
    };
    constexpr int64_t kWorthSplitting = 1 << 20;  // multiply-adds
    if (M * N * K < kWorthSplitting) rows(0, M);
    else machine.pool().parallel_for(M, 8, rows);
    if (in_place) return;
    numerics::Rounding rounding = machine.rounding();
    float* old = thread_scratch(0, static_cast<size_t>(N));
    for (int64_t row = 0; row < M; ++row) {
      float* sum = target + row * N;
      if (accumulate) {
        const float* there = load_row(out, row, old);
        numerics::apply(numerics::BinaryFunction::kAdd, there, sum, sum, static_cast<size_t>(N));
      }
      store_row(out, row, sum, rounding);
    }
  }

  static double passes(const CoreParameters& core, Format format) {
    if (format == Format::kFloat32) return core.passes_float32;
    if (format == Format::kTfloat32) return core.passes_tfloat32;
    if (numerics::byte_size(format) == 2) return core.passes_16bit;
    return numerics::is_float(format) ? core.passes_float8 : core.passes_int8;
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    const AccessPattern& stationary = program.operand(instruction, 1);
    const AccessPattern& moving = program.operand(instruction, 2);
    auto M = static_cast<double>(stationary.free_elements()), N = static_cast<double>(moving.free_elements());
    Format format = numerics::byte_size(stationary.format) > numerics::byte_size(moving.format) ? stationary.format
                                                                                                : moving.format;
    double times = passes(core, format);
    Cost cost;
    cost.cycles = std::max(std::min(core.tensor_min_issue_cycles, M), N) * times;
    cost.latency_s = core.tensor_fixed_latency_cycles / core.tensor_hz;
    cost.events.mac_format = format;
    cost.events.macs = static_cast<double>(stationary.partitions) * M * N * std::max(1.0, times);
    count_operands(program, instruction, cost.events);
    if ((instruction.flags & kAccumulate) != 0) {
      cost.events.psum_accumulate_bytes += static_cast<double>(program.operand(instruction, 0).bytes());
    }
    return cost;
  }

  static InstructionSpec spec() {
    return {"nc_matmul", "PSUM[m, n] (+)= sum of stationary[k, m] * moving[k, n] over the k partitions",
            "NKI ISA API reference (nc_matmul): max(min(64, N_stationary), N_moving) tensor cycles, x4 for fp32",
            {"psum", "stationary", "moving"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
