// SPDX-License-Identifier: Apache-2.0
// nc_matmul: PSUM[m, n] (+)= sum over k of stationary[k, m] * moving[k, n].
// Each instruction sums its rows from +0 in increasing k by fp32 fused multiply-add; the sum is
// written to PSUM or added to what is there with one further rounding (D4). fp32 operands take
// several passes through the array.
#pragma once

#include <array>
#include <bit>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/rows.h"
#include "thorong/numerics/functions.h"
#include "thorong/numerics/multiply_narrow.h"

namespace thorong::isa::instructions {

struct nc_matmul {
  static constexpr uint16_t kByCall =
      8192;  // a call of nki.isa, where 8-bit operands are not doubled unless it says so

  // Rows of an operand as one [K, n] block of fp32 with a row stride; packed into scratch unless
  // rows are contiguous.
  struct Block {
    const float* data;
    size_t stride;
    const uint16_t* narrow = nullptr;  // bfloat16 as it lies, in place of `data`
  };
  // The moving operand: bfloat16 is widened by the product itself.
  static Block moving_block(MachineState& machine, const Operand& operand, int64_t rows) {
    auto width = static_cast<int64_t>(sizeof(uint16_t));
    if (operand.cell != Format::kBfloat16 || !lies_in_rows(operand) ||
        rows > static_cast<int64_t>(numerics::kMostNarrowRows) ||
        operand.row_stride_bytes % width != 0)
      return block(machine, operand, rows, 1);
    return {nullptr, static_cast<size_t>(operand.row_stride_bytes / width),
            reinterpret_cast<const uint16_t*>(operand.at(0))};
  }
  static Block block(MachineState& machine, const Operand& operand, int64_t rows, int slot) {
    if (operand.direct && operand.rows == nullptr)
      return {operand.row(0), static_cast<size_t>(operand.row_stride_bytes) / 4};
    auto n = static_cast<size_t>(operand.elements);
    size_t stride = (n + 15) / 16 * 16 + 16;
    float* packed = machine.scratch(slot, stride * static_cast<size_t>(rows));
    if (lies_in_rows(operand)) {
      numerics::RowsOut to = numerics::rows_of(packed);
      to.stride = static_cast<int64_t>(stride * sizeof(float));
      numerics::apply(numerics::UnaryFunction::kCopy, rows_at(operand, 0), to,
                      static_cast<size_t>(rows), n);
      return {packed, stride};
    }
    for (int64_t k = 0; k < rows; ++k) {
      float* row = packed + static_cast<size_t>(k) * stride;
      const float* loaded = load_row(operand, k, row);
      if (loaded != row) std::copy(loaded, loaded + n, row);
    }
    return {packed, stride};
  }

  // One share of a product: rows [first, last) of PSUM, columns [begin, end).
  struct Share {
    int64_t first, last, begin, end;
  };
  // Columns are shared out where there are enough of them, since every share of rows brings all
  // columns together anew. Where PSUM has gaps, how to multiply is decided on all columns.
  static Share share(const MachineState& machine, const Operand& out, int64_t M, int64_t N) {
    constexpr int64_t kGrain = 48, kEnough = 2 * kGrain;
    if (out.direct && N >= kEnough * machine.part().count) {
      auto [begin, end] = machine.part().of(N, kGrain);
      return {0, M, begin, end};
    }
    auto [first, last] = machine.part().of(M, 8);
    return {first, last, 0, N};
  }

  // Windows of pictures and the like: fp32 columns that do not follow each other, in place. False
  // where that does not pay.
  static bool multiply_strided(const Operand& out, const Operand& stationary, const Operand& moving,
                               bool accumulate, const Share& part) {
    auto n = static_cast<size_t>(moving.elements);
    if (n > numerics::kMostStridedColumns) return false;
    std::array<int32_t, numerics::kMostStridedColumns> from, to;
    element_offsets(*moving.pattern, from.data());
    element_offsets(*out.pattern, to.data());
    auto stride = [](const Operand& operand) {
      return static_cast<size_t>(operand.row_stride_bytes) / 4;
    };
    auto columns = static_cast<size_t>(part.end - part.begin);
    return numerics::multiply_tile_strided(
        stationary.row(0) + part.first, stride(stationary), moving.row(0), stride(moving),
        {from.data() + part.begin, columns}, out.row(part.first), stride(out),
        {to.data() + part.begin, columns}, static_cast<size_t>(part.last - part.first),
        static_cast<size_t>(stationary.pattern->partitions), accumulate);
  }

  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand stationary = machine.resolve(program, program.operand(instruction, 1));
    Operand moving = machine.resolve(program, program.operand(instruction, 2));
    if ((instruction.flags & kDoubleRow) != 0)
      return execute_double(machine, instruction, out, stationary, moving);
    int64_t K = stationary.pattern->partitions, M = stationary.elements, N = moving.elements;
    bool accumulate = (instruction.flags & kAccumulate) != 0;
    Share part = share(machine, out, M, N);
    if (part.first >= part.last || part.begin >= part.end) return;
    bool in_cells = out.cell == Format::kFloat32 && out.pattern->format == Format::kFloat32 &&
                    moving.cell == Format::kFloat32;
    bool fixed = out.pattern->indirect < 0 && stationary.pattern->indirect < 0 &&
                 moving.pattern->indirect < 0;
    if (in_cells && fixed && stationary.direct && !(out.direct && moving.direct) &&
        multiply_strided(out, stationary, moving, accumulate, part)) {
      return;
    }
    Block s = block(machine, stationary, K, 0), m = moving_block(machine, moving, K);
    multiply(machine, instruction, out, s, m, K, M, N, part);
  }

  // Two rows of 8-bit values a partition: all rows of the first half, then those of the second.
  static void execute_double(MachineState& machine, const Instruction& instruction, Operand& out,
                             Operand& stationary, Operand& moving) {
    int64_t K = stationary.pattern->partitions, M = stationary.elements / 2,
            N = moving.elements / 2;
    auto halves = [&](const Operand& operand, int64_t n, int slot) -> Block {
      float* packed = machine.scratch(slot, static_cast<size_t>(2 * K * n));
      float* line = thread_scratch(0, static_cast<size_t>(2 * n));
      for (int64_t k = 0; k < K; ++k) {
        const float* row = load_row(operand, k, line);
        std::copy(row, row + n, packed + k * n);
        std::copy(row + n, row + 2 * n, packed + (K + k) * n);
      }
      return {packed, static_cast<size_t>(n)};
    };
    Share part = share(machine, out, M, N);
    if (part.first >= part.last || part.begin >= part.end) return;
    Block s = halves(stationary, M, 0), m = halves(moving, N, 1);
    multiply(machine, instruction, out, s, m, 2 * K, M, N, part);
  }

  static void multiply(MachineState& machine, const Instruction& instruction, Operand& out, Block s,
                       Block m, int64_t K, int64_t M, int64_t N, const Share& part) {
    bool accumulate = (instruction.flags & kAccumulate) != 0;
    bool in_place = out.direct && out.rows == nullptr && out.pattern->format == Format::kFloat32;
    // A strided or narrower destination is computed in scratch, then added and scattered row by
    // row: by one thread.
    if (!in_place && machine.part().index > 0) return;
    Share share = in_place ? part : Share{0, M, 0, N};
    size_t stride =
        in_place ? static_cast<size_t>(out.row_stride_bytes) / 4 : static_cast<size_t>(N);
    float* target = in_place ? out.row(0) : machine.scratch(2, static_cast<size_t>(M * N));
    auto rows = [&](int64_t first, int64_t last) {
      const float* left = s.data + share.first + first;
      float* to = target + static_cast<size_t>(share.first + first) * stride + share.begin;
      auto m_rows = static_cast<size_t>(last - first),
           columns = static_cast<size_t>(share.end - share.begin), depth = static_cast<size_t>(K);
      if (m.narrow != nullptr) {
        numerics::multiply_tile_narrow(left, s.stride, m.narrow + share.begin, m.stride, to, stride,
                                       m_rows, columns, depth, accumulate && in_place);
      } else {
        numerics::multiply_tile(left, s.stride, m.data + share.begin, m.stride, to, stride, m_rows,
                                columns, depth, accumulate && in_place);
      }
    };
    constexpr int64_t kWorthSplitting = 1 << 20;  // multiply-adds
    if (M * N * K < kWorthSplitting)
      rows(0, share.last - share.first);
    else
      machine.pool().parallel_for(share.last - share.first, 8, rows);
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

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern& stationary = program.operand(instruction, 1);
    const AccessPattern& moving = program.operand(instruction, 2);
    auto M = static_cast<double>(stationary.free_elements()),
         N = static_cast<double>(moving.free_elements());
    Format format = numerics::byte_size(stationary.format) > numerics::byte_size(moving.format)
                        ? stationary.format
                        : moving.format;
    double times = passes(core, format);
    Cost cost;
    if ((instruction.flags & kDoubleRow) != 0) M /= 2, N /= 2;
    bool plain_fp8 = numerics::byte_size(format) == 1 && (instruction.flags & kByCall) != 0;
    if (plain_fp8)
      times = (instruction.flags & kDoubleRow) != 0
                  ? 1
                  : core.passes_16bit;  // twice the rows in the same time
    if ((instruction.flags & kTransposeMode) != 0 && format == Format::kFloat32)
      times = core.transpose_factor_float32;
    cost.cycles = std::max(std::min(core.tensor_min_issue_cycles, M), N) * times;
    cost.latency_s = core.tensor_fixed_latency_cycles / core.tensor_hz;
    if (instruction.function1 != 0) occupy_part(core, instruction.function1, cost);
    cost.events.mac_format = format;
    cost.events.macs = static_cast<double>(stationary.partitions) * M * N * std::max(1.0, times);
    count_operands(program, instruction, cost.events);
    if ((instruction.flags & kAccumulate) != 0) {
      cost.events.psum_accumulate_bytes +=
          static_cast<double>(program.operand(instruction, 0).bytes());
    }
    return cost;
  }

  // The array's quarters, of rows in the low four bits and of columns in the high ones, that
  // tile_position and tile_size name.
  static uint8_t part_of_array(const Binding& call) {
    const std::vector<int64_t>&position = call[7].integers, &size = call[8].integers;
    if (position.size() != 2 || size.size() != 2) return 0;
    auto quarters = [](int64_t first, int64_t length, double all) {
      double quarter = all / 4;
      uint8_t bits = 0;
      for (int i = 0; i < 4; ++i) {
        if (i * quarter < static_cast<double>(first + length) &&
            (i + 1) * quarter > static_cast<double>(first))
          bits = static_cast<uint8_t>(bits | 1 << i);
      }
      return bits;
    };
    uint8_t rows = quarters(position[0], size[0], call.core.rows),
            columns = quarters(position[1], size[1], call.core.columns);
    return static_cast<uint8_t>(rows | columns << 4);
  }

  // Products on other parts of the array run beside this one: the queue goes on after this one's
  // share.
  static void occupy_part(const CoreParameters& core, uint8_t part, Cost& cost) {
    cost.array_parts = 0;
    for (int i = 0; i < 16; ++i) {
      if ((part >> (i / 4) & 1) != 0 && (part >> (4 + i % 4) & 1) != 0)
        cost.array_parts = static_cast<uint16_t>(cost.array_parts | 1 << i);
    }
    double share = std::popcount(cost.array_parts) / 16.0;
    cost.issue_cycles =
        std::min(cost.cycles, std::max(core.tensor_min_issue_cycles, cost.cycles * share));
  }

  // accumulate=None was decided by the caller, who knows what was written before (Argument::flag).
  static Status assemble(Binding& call) {
    call.instruction.flags |= kByCall;
    if (call[6].flag) call.instruction.flags |= kAccumulate;
    call.instruction.function1 = part_of_array(call);
    if (call[9].kind == Argument::Kind::kName && call[9].code == 1)
      call.instruction.flags |= kDoubleRow;
    return ok_status();
  }

  static Status check_formats(const Binding& call) {
    Format a = call.operand(1).format, b = call.operand(2).format;
    bool floats = numerics::is_float(a) && numerics::is_float(b);
    auto wide = [](Format format) {
      return format == Format::kFloat32 || format == Format::kTfloat32;
    };
    if (!floats || wide(a) != wide(b)) {
      return named("dtype", invalid_argument("nc_matmul: expected two float operands, both float32 "
                                             "or tfloat32 or neither, found " +
                                             describe(call, 1) + " and " + describe(call, 2) +
                                             ". Convert one with tensor_copy."));
    }
    bool fn = a == Format::kFloat8E4m3fn || b == Format::kFloat8E4m3fn;
    if (fn) THORONG_RETURN_IF_ERROR(generation_at_least(call, 4, "float8_e4m3fn"));
    Format out = call.operand(0).format;
    bool transpose = (call.instruction.flags & kTransposeMode) != 0;
    if (out == Format::kFloat32 || (out == Format::kBfloat16 && call.generation >= 4) ||
        (transpose && call.generation >= 3))
      return ok_status();
    return named(
        "dtype",
        invalid_argument(
            "nc_matmul: expected dst of float32 (or bfloat16 from NeuronCore-v4 on), found " +
            describe(call, 0) + ". Allocate dst as float32 and convert with tensor_copy."));
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 1, 2));
    THORONG_RETURN_IF_ERROR(check_formats(call));
    int64_t halves = (call.instruction.flags & kDoubleRow) != 0 ? 2 : 1;
    if (halves == 2) THORONG_RETURN_IF_ERROR(generation_at_least(call, 3, "double_row"));
    int64_t M = call.operand(1).free_elements() / halves,
            N = call.operand(2).free_elements() / halves;
    if (call.operand(0).partitions != M || call.operand(0).free_elements() != N) {
      return named("shape",
                   invalid_argument("nc_matmul: expected dst of " + std::to_string(M) + " x " +
                                    std::to_string(N) + ", found " + describe(call, 0) +
                                    ". dst has a partition for each column of stationary and an "
                                    "element for each of moving."));
    }
    THORONG_RETURN_IF_ERROR(limit_elements(
        call, 1, halves * static_cast<int64_t>(call.core.columns), "the array's columns"));
    auto most = static_cast<int64_t>(call.core.moving_max_columns);
    if (call.generation >= 4)
      most = call.core.psum_banks * call.core.psum_bank_bytes /
             static_cast<int64_t>(numerics::byte_size(call.operand(0).format));
    return limit_elements(call, 2, halves * most, "what dst's PSUM holds");
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "nc_matmul",
        "PSUM[m, n] (+)= sum of stationary[k, m] * moving[k, n] over the k partitions",
        "NKI ISA API reference (nc_matmul): max(min(64, N_stationary), N_moving) tensor cycles, x4 "
        "for fp32",
        {"psum", "stationary", "moving"},
        execute,
        cost};
    spec.splits = true;
    spec.engine = Queue::kTensor;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the product, in PSUM", kInPsum},
        {"stationary", ParameterKind::kTile, 1, "", "the stationary operand (K, M), in SBUF",
         kInSbuf},
        {"moving", ParameterKind::kTile, 2, "", "the moving operand (K, N), in SBUF", kInSbuf},
        {"is_stationary_onezero", ParameterKind::kFlag, 0, "False",
         "a hint: stationary holds ones and zeros only"},
        {"is_moving_onezero", ParameterKind::kFlag, 0, "False",
         "a hint: moving holds ones and zeros only"},
        {"is_transpose", ParameterKind::kFlag, kTransposeMode, "False",
         "transpose mode: values pass unchanged"},
        {"accumulate", ParameterKind::kChoice, -1, "None",
         "True: add to dst; False: overwrite; None: add unless it is the first"},
        {"tile_position", ParameterKind::kIntegers, -1, "()",
         "(first row, first column) in the array"},
        {"tile_size", ParameterKind::kIntegers, -1, "()",
         "(rows, columns) of the part of the array to use"},
        {"perf_mode", ParameterKind::kChoice, -1, "matmul_perf_mode.none",
         "double_row: two 8-bit rows at a time"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
