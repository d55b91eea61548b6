// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/isa.h"

#include "thorong/isa/instruction_table.h"
#include "thorong/isa/instructions_includes.inc"

namespace thorong::isa {

std::string_view name(Space space) {
  switch (space) {
    case Space::kHbm:
      return "hbm";
    case Space::kSbuf:
      return "sbuf";
    case Space::kPsum:
      return "psum";
  }
  return "";
}

std::string_view name(Queue queue) {
  static constexpr std::array<std::string_view, kQueues> kNames = {
      "tensor", "vector", "scalar", "gpsimd", "sync", "dma_load", "dma_store", "dma_move", "host"};
  return kNames[static_cast<size_t>(queue)];
}

int64_t AccessPattern::contiguous_run() const {
  int64_t run = 1;
  for (int i = rank; i-- > 0;) {
    auto d = static_cast<size_t>(i);
    if (size[d] == 1) continue;
    if (step[d] != run) return run;
    run *= size[d];
  }
  return run;
}

Format host_cell(Format format) {
  return numerics::is_float(format) && numerics::byte_size(format) <= 4 ? Format::kFloat32 : format;
}

std::span<const InstructionSpec> instruction_table() {
  static const std::vector<InstructionSpec> table = {
#define THORONG_ENTRY(stem) instructions::stem::spec(),
#include "thorong/isa/instructions.inc"
#undef THORONG_ENTRY
  };
  return table;
}

const InstructionSpec& spec(uint16_t opcode) {
  auto table = instruction_table();
  THORONG_CHECK(opcode < table.size(), "opcode beyond the instruction table");
  return table[opcode];
}

}  // namespace thorong::isa
