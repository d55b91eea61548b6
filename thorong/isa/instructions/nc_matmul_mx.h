// SPDX-License-Identifier: Apache-2.0
// nc_matmul_mx: PSUM[m, n] (+)= sum over partitions k and packed elements q of stationary[k, m][q]
// * moving[k, n][q], each multiplied by the power of two of its group of 8 partitions. Summed like
// nc_matmul, q within k.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/instructions/nc_matmul.h"
#include "thorong/isa/instructions/quantize_mx.h"

namespace thorong::isa::instructions {

struct nc_matmul_mx {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand stationary = machine.resolve(program, program.operand(instruction, 1));
    Operand moving = machine.resolve(program, program.operand(instruction, 2));
    Operand stationary_scale = machine.resolve(program, program.operand(instruction, 3));
    Operand moving_scale = machine.resolve(program, program.operand(instruction, 4));
    int64_t K = stationary.pattern->partitions, M = stationary.elements, N = moving.elements;
    float* s = machine.scratch(0, static_cast<size_t>(4 * K * M));
    float* m = machine.scratch(1, static_cast<size_t>(4 * K * N));
    unpack(stationary, stationary_scale, s);
    unpack(moving, moving_scale, m);
    nc_matmul::multiply(machine, instruction, out, {s, static_cast<size_t>(M)},
                        {m, static_cast<size_t>(N)}, 4 * K, M, N, {0, M, 0, N});
  }

  // Row 4 p + q: element q of each word of partition p, times its scale.
  static void unpack(const Operand& operand, const Operand& scale, float* rows) {
    auto n = static_cast<size_t>(operand.elements);
    std::vector<int64_t> words(n), codes(static_cast<size_t>(scale.elements));
    for (int64_t p = 0; p < operand.pattern->partitions; ++p) {
      load_integers(operand, p, words.data());
      load_integers(scale, p / 32 * 32 + p % 32 / 8, codes.data());
      for (size_t i = 0; i < n; ++i) {
        for (size_t q = 0; q < 4; ++q) {
          rows[(static_cast<size_t>(p) * 4 + q) * n + i] =
              codes[i] == quantize_mx::kNanScale
                  ? std::numeric_limits<float>::quiet_NaN()
                  : std::ldexp(element(operand.pattern->packed, words[i], q),
                               static_cast<int>(codes[i]) - 127);
        }
      }
    }
  }

  static float element(Packed packed, int64_t word, size_t q) {
    if (packed == Packed::kFloat4E2m1fnX4) {
      static constexpr std::array<float, 8> kValues = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
      int64_t bits = word >> (4 * q) & 15;
      float value = kValues[static_cast<size_t>(bits & 7)];
      return (bits & 8) != 0 ? -value : value;
    }
    auto byte = static_cast<uint8_t>(word >> (8 * q));
    float value = 0;
    numerics::widen(packed == Packed::kFloat8E5m2X4 ? Format::kFloat8E5m2 : Format::kFloat8E4m3fn,
                    &byte, &value, 1);
    return value;
  }

  static Status assemble(Binding& call) {
    if (call[7].flag) call.instruction.flags |= kAccumulate;
    return ok_status();
  }

  static bool is_mx(const Binding& call, int data, int scale) {
    Packed packed = call.operand(data).packed;
    bool four = packed == Packed::kFloat8E4m3fnX4 || packed == Packed::kFloat8E5m2X4 ||
                packed == Packed::kFloat4E2m1fnX4;
    return four && numerics::byte_size(call.operand(scale).format) == 1 &&
           call.operand(scale).free_elements() >= call.operand(data).free_elements();
  }

  static Status check(const Binding& call) {
    const AccessPattern &out = call.operand(0), &stationary = call.operand(1),
                        &moving = call.operand(2);
    bool sizes = stationary.partitions == moving.partitions && stationary.partitions % 32 == 0 &&
                 stationary.free_elements() % 2 == 0 &&
                 out.partitions == stationary.free_elements() &&
                 out.free_elements() == moving.free_elements();
    bool formats = is_mx(call, 1, 3) && is_mx(call, 2, 4) &&
                   (out.format == Format::kFloat32 || out.format == Format::kBfloat16);
    if (sizes && formats)
      return limit_elements(call, 1, static_cast<int64_t>(call.core.columns),
                            "the array's columns");
    return invalid_argument(
        "nc_matmul_mx: expected packed x4 operands on the same partitions in multiples of 32, an "
        "even number of stationary elements, scales "
        "of float8_e8m0fnu or uint8, and dst of float32 or bfloat16 with their product's shape; "
        "found " +
        describe(call, 1) + ", " + describe(call, 2) + ", " + describe(call, 3) + ", " +
        describe(call, 4) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern &stationary = program.operand(instruction, 1),
                        &moving = program.operand(instruction, 2);
    auto M = static_cast<double>(stationary.free_elements()),
         N = static_cast<double>(moving.free_elements());
    Cost cost;
    cost.cycles = std::max(std::min(core.tensor_min_issue_cycles, M), N);
    cost.latency_s = core.tensor_fixed_latency_cycles / core.tensor_hz;
    cost.events.mac_format = Format::kFloat8E4m3fn;
    cost.events.macs = 4 * static_cast<double>(stationary.partitions) * M * N;
    count_operands(program, instruction, cost.events);
    if ((instruction.flags & kAccumulate) != 0)
      cost.events.psum_accumulate_bytes +=
          static_cast<double>(program.operand(instruction, 0).bytes());
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nc_matmul_mx",
                         "PSUM[m, n] (+)= product of MX operands",
                         "Trainium3 Architecture Guide for NKI (Tensor Engine): four times the "
                         "bf16 rate, 512 elements of contraction",
                         {"psum", "stationary", "moving", "stationary_scale", "moving_scale"},
                         execute,
                         cost};
    spec.engine = Queue::kTensor;
    spec.first_generation = 4;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the product, in PSUM", kInPsum},
        {"stationary", ParameterKind::kTile, 1, "", "packed x4 elements", kInSbuf},
        {"moving", ParameterKind::kTile, 2, "", "packed x4 elements", kInSbuf},
        {"stationary_scale", ParameterKind::kTile, 3, "", "the scales of stationary", kInSbuf},
        {"moving_scale", ParameterKind::kTile, 4, "", "the scales of moving", kInSbuf},
        {"tile_position", ParameterKind::kIntegers, -1, "None",
         "(first row, first column) in the array"},
        {"tile_size", ParameterKind::kIntegers, -1, "None",
         "(rows, columns) of the part of the array to use"},
        {"accumulate", ParameterKind::kChoice, -1, "None",
         "True: add to dst; False: overwrite; None: add unless it is the first"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
