// SPDX-License-Identifier: Apache-2.0
// quantize_mx: groups of 8 partitions x 4 elements share a scale X = 2^(floor(log2(largest
// magnitude)) - (Emax - 1)); out packs the four elements in / X as fp8, the first in the lowest
// byte; scale[32 q + g, j] is the biased exponent of group g of the q-th 32 partitions. A group of
// zeros has the least scale, one with an infinity the largest, one with a NaN the code of NaN.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct quantize_mx {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand scale = machine.resolve(program, program.operand(instruction, 1));
    Operand in = machine.resolve(program, program.operand(instruction, 2));
    auto n = static_cast<size_t>(in.elements), words = n / 4;
    Format format =
        out.pattern->packed == Packed::kFloat8E5m2X4 ? Format::kFloat8E5m2 : Format::kFloat8E4m3fn;
    int largest_exponent = format == Format::kFloat8E5m2 ? 15 : 8;
    std::vector<float> rows(8 * n);
    std::vector<int64_t> codes(words), packed(words);
    for (int64_t p = 0; p < in.pattern->partitions; p += 8) {
      for (size_t r = 0; r < 8; ++r) {
        float* row = rows.data() + r * n;
        const float* loaded = load_row(in, p + static_cast<int64_t>(r), row);
        if (loaded != row) std::copy(loaded, loaded + n, row);
      }
      for (size_t j = 0; j < words; ++j)
        codes[j] = scale_code(rows.data() + 4 * j, n, largest_exponent);
      store_integers(scale, p / 32 * 32 + p % 32 / 8, codes.data());
      for (size_t r = 0; r < 8; ++r) {
        for (size_t j = 0; j < words; ++j)
          packed[j] = pack(rows.data() + r * n + 4 * j, codes[j], format);
        store_integers(out, p + static_cast<int64_t>(r), packed.data());
      }
    }
  }

  // E8M0's codes (OCP Microscaling Formats 1.0, 5.4.1): no infinity, and 2^(code - 127) otherwise.
  static constexpr int kLargestScale = 254, kNanScale = 255;

  static int64_t scale_code(const float* values, size_t stride, int largest_exponent) {
    float most = 0;
    for (size_t r = 0; r < 8; ++r) {
      for (size_t i = 0; i < 4; ++i) {
        float value = values[r * stride + i];
        if (std::isnan(value)) return kNanScale;
        most = std::max(most, std::fabs(value));
      }
    }
    if (most == 0) return 0;
    if (std::isinf(most)) return kLargestScale;
    return std::clamp(std::ilogb(most) - (largest_exponent - 1) + 127, 0, kLargestScale);
  }

  static int64_t pack(const float* values, int64_t code, Format format) {
    std::array<float, 4> scaled{};
    std::array<uint8_t, 4> bytes{};
    for (size_t i = 0; i < 4; ++i) scaled[i] = std::ldexp(values[i], 127 - static_cast<int>(code));
    numerics::narrow(format, scaled.data(), bytes.data(), 4);
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | int64_t{bytes[3]} << 24;
  }

  static Status check(const Binding& call) {
    const AccessPattern &out = call.operand(0), &scale = call.operand(1), &in = call.operand(2);
    bool formats = (in.format == Format::kBfloat16 || in.format == Format::kFloat16) &&
                   numerics::byte_size(scale.format) == 1 &&
                   (out.packed == Packed::kFloat8E4m3fnX4 || out.packed == Packed::kFloat8E5m2X4);
    bool sizes = in.partitions % 32 == 0 && in.free_elements() % 4 == 0 &&
                 out.partitions == in.partitions && 4 * out.free_elements() == in.free_elements() &&
                 scale.free_elements() == out.free_elements() &&
                 scale.partitions >= in.partitions / 32 * 32 - 28;
    if (formats && sizes) return ok_status();
    return invalid_argument(
        "quantize_mx: expected src of bfloat16 or float16 with partitions in multiples of 32 and "
        "elements in multiples of 4, dst of "
        "float8_e4m3fn_x4 or float8_e5m2_x4 with a quarter of the elements, and dst_scale of "
        "float8_e8m0fnu or uint8 with as many "
        "that spans the quadrants; found " +
        describe(call, 2) + ", " + describe(call, 0) + " and " + describe(call, 1) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    auto n = static_cast<double>(program.operand(instruction, 2).free_elements());
    Cost cost;
    cost.cycles = engine_cycles(core, instruction.queue, n * core.vector_quantize);
    count_ops(instruction.queue, n * program.operand(instruction, 2).partitions * 2, false,
              cost.events);
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "quantize_mx",
        "16-bit floats to MXFP8: packed elements and shared scales",
        "Trainium3 Architecture Guide for NKI (Vector Engine): four elements a partition and cycle",
        {"out", "scale", "in"},
        execute,
        cost};
    spec.writes = 0b11;
    spec.first_generation = 4;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the packed elements", kInSbuf},
        {"src", ParameterKind::kTile, 2, "", "bfloat16 or float16", kInSbuf},
        {"dst_scale", ParameterKind::kTile, 1, "", "the scales, float8_e8m0fnu or uint8", kInSbuf},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
