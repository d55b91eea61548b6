// SPDX-License-Identifier: Apache-2.0
// tensor_reduce: out[p, i] = reduction over the `extra` innermost dimensions of in[p, i, ...],
// times -1 with kNegate. The order of a reduction is numerics::reduce's: sixteen interleaved
// partial results.
#pragma once

#include <algorithm>
#include <functional>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/integer_rows.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct tensor_reduce {
  // Windows that lie side by side, as pooling has them: the lines of windows, and where a window's
  // elements lie.
  struct Windows {
    bool usable = false;
    size_t length = 0, step = 0;
    std::vector<int32_t> starts, offsets;
  };
  // What numerics::reduce_windows knows.
  static bool in_windows(Alu op) {
    using numerics::BinaryFunction;
    return op == alu(BinaryFunction::kAdd) || op == alu(BinaryFunction::kMultiply) ||
           op == alu(BinaryFunction::kMaximum) || op == alu(BinaryFunction::kMinimum);
  }
  static Windows windows(const Operand& in, size_t group) {
    Windows result;
    const AccessPattern& pattern = *in.pattern;
    int reduced = 0;
    for (size_t n = 1; n < group && reduced < pattern.rank; ++reduced) {
      n *= static_cast<size_t>(pattern.size[static_cast<size_t>(pattern.rank - 1 - reduced)]);
    }
    int kept = pattern.rank - reduced;
    if (in.cell != Format::kFloat32 || pattern.indirect >= 0 || reduced < 1 || kept < 1)
      return result;
    auto inner = static_cast<size_t>(kept - 1);
    constexpr int32_t kWorthwhile = 4;  // windows of a line
    if (pattern.size[inner] < kWorthwhile || pattern.step[inner] < 1 || pattern.step[inner] > 2)
      return result;
    result.usable = true;
    result.length = static_cast<size_t>(pattern.size[inner]),
    result.step = static_cast<size_t>(pattern.step[inner]);
    AccessPattern lines = pattern, window = pattern;
    lines.rank = static_cast<uint8_t>(inner);
    window.rank = static_cast<uint8_t>(reduced);
    for (size_t d = 0; d < static_cast<size_t>(reduced); ++d) {
      window.size[d] = pattern.size[d + inner + 1], window.step[d] = pattern.step[d + inner + 1];
    }
    result.starts.resize(static_cast<size_t>(lines.free_elements()));
    result.offsets.resize(static_cast<size_t>(window.free_elements()));
    element_offsets(lines, result.starts.data());
    element_offsets(window, result.offsets.data());
    return result;
  }

  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    if ((instruction.flags & kIntegerWork) != 0) {
      if (machine.part().index == 0)
        reduce_integers(out, in, alu(instruction.function0));  // by one thread
      return;
    }
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements), results = static_cast<size_t>(out.elements);
    size_t group = n / results;
    bool negate = (instruction.flags & kNegate) != 0;
    Alu op = alu(instruction.function0);
    Windows side_by_side = in_windows(op) ? windows(in, group) : Windows{};
    bool whole = in_windows(op) && !side_by_side.usable && lies_in_rows(in);
    for_partitions(machine, in.pattern->partitions, in.elements, [&](int64_t first, int64_t last) {
      if (whole) return reduce_rows(out, in, op, negate, rounding, first, last);
      float* scratch_in = thread_scratch(0, n);
      float* scratch_out = thread_scratch(1, results);
      for (int64_t p = first; p < last; ++p) {
        if (side_by_side.usable) {
          float* line = scratch_out;
          for (int32_t start : side_by_side.starts) {
            numerics::reduce_windows(binary_of(op), in.row(p) + start, side_by_side.step,
                                     side_by_side.offsets, line, side_by_side.length);
            line += side_by_side.length;
          }
          if (negate)
            std::transform(scratch_out, scratch_out + results, scratch_out, std::negate<float>());
          store_row(out, p, scratch_out, rounding);
          continue;
        }
        const float* row = load_row(in, p, scratch_in);
        for (size_t i = 0; i < results; ++i) {
          float value = reduce(op, row + i * group, group);
          scratch_out[i] = negate ? -value : value;
        }
        store_row(out, p, scratch_out, rounding);
      }
    });
  }

  // Rows that lie in memory one after the other: all of a part at once, or those of a partition.
  static void reduce_rows(const Operand& out, const Operand& in, Alu op, bool negate,
                          const numerics::Rounding& rounding, int64_t first, int64_t last) {
    auto results = static_cast<size_t>(out.elements),
         partitions = static_cast<size_t>(last - first);
    auto group = static_cast<size_t>(in.elements) / results;
    float* values = thread_scratch(1, results * partitions);
    numerics::Rows rows = rows_at(in, first);
    if (results == 1) {
      numerics::reduce(binary_of(op), rows, values, partitions, group);
    } else {
      rows.stride = static_cast<int64_t>(group * numerics::byte_size(in.cell));
      for (size_t p = 0; p < partitions; ++p) {
        rows.data = in.at(first + static_cast<int64_t>(p));
        numerics::reduce(binary_of(op), rows, values + p * results, results, group);
      }
    }
    if (negate) std::transform(values, values + results * partitions, values, std::negate<float>());
    store_short_rows(out, first, last, values, rounding);
  }

  static void reduce_integers(Operand& out, Operand& in, Alu op) {
    std::array<Operand*, 1> inputs{&in};
    auto group = static_cast<size_t>(in.elements / out.elements);
    map_integer_rows(out, inputs, [&](const int64_t* const* rows, int64_t* target, size_t n) {
      for (size_t i = 0; i < n; ++i) {
        int64_t value = rows[0][i * group];
        for (size_t k = 1; k < group; ++k)
          value = apply_integer(op, value, rows[0][i * group + k], bits_of(in));
        target[i] = value;
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    bool narrow = is_16bit(program.operand(instruction, 0).format) &&
                  is_16bit(program.operand(instruction, 1).format);
    return streaming_cost(core, program, instruction,
                          narrow ? core.vector_reduce_16bit : core.vector_reduce, false);
  }

  static Status assemble(Binding& call) {
    if (is_bitwise(alu(call.instruction.function0))) call.instruction.flags |= kIntegerWork;
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(reduces(call, alu(call.instruction.function0)));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    std::vector<int64_t> axes = call[3].integers;
    auto rank = static_cast<int64_t>(call[2].shape.size());
    for (int64_t& axis : axes) axis += axis < 0 ? rank : 0;
    std::sort(axes.begin(), axes.end());
    int64_t reduced = 1;
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] < 1 || axes[i] != rank - static_cast<int64_t>(axes.size() - i)) {
        return invalid_argument(
            "tensor_reduce: expected axes that are the last free dimensions of data (rank " +
            std::to_string(rank) + "), found axis " + std::to_string(axes[i]) +
            ". Move the reduced dimension to the end with permute; axis 0 are partitions, which "
            "tensor_partition_reduce or a matmul with ones adds up.");
      }
      reduced *= call[2].shape[static_cast<size_t>(axes[i])];
    }
    int64_t expected = call.operand(1).free_elements() / std::max<int64_t>(1, reduced);
    if (call.operand(0).free_elements() != expected) {
      return named("shape", invalid_argument(
                                "tensor_reduce: expected " + std::to_string(expected) +
                                " results per partition, found " + describe(call, 0) +
                                ". Give dst the shape of data without the reduced dimensions."));
    }
    if (!is_bitwise(alu(call.instruction.function0))) return ok_status();
    THORONG_RETURN_IF_ERROR(integers(call, 0));
    return integers(call, 1);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_reduce",
                         "out[p, i] = reduction over the innermost dimensions of in[p, i, ...]",
                         "NKI ISA API reference (tensor_reduce): N, N/2 in bf16",
                         {"out", "in"},
                         execute,
                         cost};
    spec.splits = true;
    spec.reach = Reach::kPartition;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the reduced tile"},
                       {"op", ParameterKind::kOperator, 0, "",
                        "nl.add, nl.maximum, nl.minimum, nl.multiply, a bitwise operator ..."},
                       {"data", ParameterKind::kTile, 1, "", "the tile to reduce"},
                       {"axis", ParameterKind::kIntegers, -1, "",
                        "the last free dimensions, as an int or a list of ints"},
                       {"negate", ParameterKind::kFlag, kNegate, "False", "True: results times -1"},
                       {"keepdims", ParameterKind::kFlag, 0, "False",
                        "True: reduced dimensions stay with size one"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
