// SPDX-License-Identifier: Apache-2.0
// nc_transpose: PSUM[f, p] = in[p, f], through the tensor engine with an identity; values are not
// changed.
#pragma once

#include <array>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct nc_transpose {
  // A few rows at a time, so that each destination row gets whole cache lines. Cells of both sides
  // are Ts.
  template <typename T>
  static void transpose_cells(const Operand& out, const Operand& in, int64_t P, int64_t F) {
    constexpr int64_t kRows = 64 / sizeof(T);
    std::array<const T*, kRows> rows;
    for (int64_t first = 0; first < P; first += kRows) {
      int64_t count = std::min(kRows, P - first);
      for (int64_t r = 0; r < count; ++r) {
        auto* scratch =
            reinterpret_cast<T*>(thread_scratch(0, static_cast<size_t>(F * kRows))) + r * F;
        if (!in.dense) gather_raw(in, first + r, reinterpret_cast<std::byte*>(scratch));
        rows[static_cast<size_t>(r)] =
            in.dense ? reinterpret_cast<const T*>(in.at(first + r)) : scratch;
      }
      for (int64_t f = 0; f < F; ++f) {
        T* to = reinterpret_cast<T*>(out.at(f)) + first;
        for (int64_t r = 0; r < count; ++r) to[r] = rows[static_cast<size_t>(r)][f];
      }
    }
  }

  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    int64_t P = in.pattern->partitions, F = in.elements;
    bool in_place = out.dense && in.cell == out.cell && out.pattern->buffer != in.pattern->buffer;
    if (in_place && in.cell == Format::kFloat32) return transpose_cells<float>(out, in, P, F);
    if (in_place && numerics::byte_size(in.cell) == 2)
      return transpose_cells<uint16_t>(out, in, P, F);
    bool as_floats = numerics::fits_rows(in.cell) && numerics::fits_rows(out.cell) &&
                     (in.cell == Format::kFloat32 || out.cell == Format::kFloat32);
    if (!as_floats) return transpose_bits(out, in);
    float* columns = machine.scratch(2, static_cast<size_t>(P * F));
    float* line = machine.scratch(3, static_cast<size_t>(F));
    for (int64_t p = 0; p < P; ++p) {
      const float* row = load_row(in, p, line);
      for (int64_t f = 0; f < F; ++f) columns[f * P + p] = row[f];
    }
    for (int64_t f = 0; f < F; ++f) {
      float* values = columns + f * P;
      if (out.direct) {
        std::copy(values, values + P, out.row(f));
      } else {
        store_row(out, f, values, {});
      }
    }
  }

  // Cells of any width, bits as they are.
  static void transpose_bits(Operand& out, Operand& in) {
    auto P = static_cast<size_t>(in.pattern->partitions), F = static_cast<size_t>(in.elements);
    size_t from = numerics::byte_size(in.cell), to = numerics::byte_size(out.cell);
    std::vector<std::byte> row(F * from), columns(P * F * to), cell(to);
    for (size_t p = 0; p < P; ++p) {
      gather_raw(in, static_cast<int64_t>(p), row.data());
      for (size_t f = 0; f < F; ++f) {
        numerics::convert(in.cell, row.data() + f * from, out.cell,
                          columns.data() + (f * P + p) * to, 1);
      }
    }
    for (size_t f = 0; f < F; ++f)
      scatter_raw(out, static_cast<int64_t>(f), columns.data() + f * P * to);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern& in = program.operand(instruction, 1);
    if (instruction.queue == Queue::kVector)
      return streaming_cost(core, program, instruction, 1, true);  // blocks of 32 x 32
    auto P = static_cast<double>(in.partitions), F = static_cast<double>(in.free_elements());
    double times = in.format == Format::kFloat32 ? core.transpose_factor_float32 : 1;
    Cost cost;
    cost.cycles = std::max(P, std::min(core.tensor_min_issue_cycles, F)) * times;
    cost.latency_s = core.tensor_fixed_latency_cycles / core.tensor_hz;
    cost.events.mac_format = in.format;
    cost.events.macs = P * P * F * times;  // the data meet an identity of P columns
    count_operands(program, instruction, cost.events);
    return cost;
  }

  // Unless the call says otherwise, Vector takes what fits its blocks and what the tensor engine
  // cannot reach.
  static Status assemble(Binding& call) {
    bool chosen = call[2].kind == Argument::Kind::kName && call[2].code != 0;
    if (chosen) return ok_status();
    bool small = call.operand(1).partitions <= 32 && call.operand(1).free_elements() <= 32 &&
                 call.operand(0).format == call.operand(1).format;
    bool reach = call.space(0) == Space::kPsum && call.space(1) == Space::kSbuf;
    call.instruction.queue = small || !reach ? Queue::kVector : Queue::kTensor;
    return ok_status();
  }

  static Status check(const Binding& call) {
    const AccessPattern &out = call.operand(0), &in = call.operand(1);
    if (out.partitions != in.free_elements() || out.free_elements() != in.partitions) {
      return named("shape", invalid_argument("nc_transpose: expected dst of " +
                                             std::to_string(in.free_elements()) + " x " +
                                             std::to_string(in.partitions) + ", found " +
                                             describe(call, 0) + ". Give dst that shape."));
    }
    if (call.instruction.queue == Queue::kVector) {
      if (in.partitions <= 32 && in.free_elements() <= 32) return same_format(call, 0, 1);
      return named(
          "size-limit",
          invalid_argument(
              "nc_transpose: on the Vector Engine expected data of at most 32 x 32, found " +
              describe(call, 1) + ". Use the Tensor Engine: data in SBUF, dst in PSUM."));
    }
    THORONG_RETURN_IF_ERROR(
        limit_elements(call, 1, static_cast<int64_t>(call.core.columns), "the array's columns"));
    if (call.space(0) != Space::kPsum || call.space(1) != Space::kSbuf) {
      return named(
          "memory",
          invalid_argument(
              "nc_transpose: on the Tensor Engine expected data in SBUF and dst in PSUM, found " +
              describe(call, 1) + " and " + describe(call, 0) +
              ". Move them, or transpose 32 x 32 blocks on Vector."));
    }
    // A product with the identity; only cores from NeuronCore-v3 on pass values through unchanged.
    if (call.generation <= 2 && out.format == Format::kFloat32 && numerics::is_float(in.format))
      return ok_status();
    return same_format(call, 0, 1);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nc_transpose",
                         "PSUM[f, p] = in[p, f] through the tensor engine",
                         "NKI ISA API reference (nc_transpose): max(P, min(64, F)) tensor cycles",
                         {"psum", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kTensor;
    spec.engines = on(Queue::kTensor) | on(Queue::kVector);
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the transposed tile: PSUM, or SBUF too on Vector"},
        {"data", ParameterKind::kTile, 1, "",
         "the tile to transpose; free dimensions count as one"},
        {"engine", ParameterKind::kEngine, -1, "engine.unknown",
         "tensor (128 x 128 at most) or vector (32 x 32)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
