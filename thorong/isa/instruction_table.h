// SPDX-License-Identifier: Apache-2.0
// All instructions, by opcode. Made from the sorted list of instructions/*.h at build time.
#pragma once

#include <span>
#include <string_view>

#include "thorong/isa/instruction.h"

namespace thorong::isa {

std::span<const InstructionSpec> instruction_table();
const InstructionSpec& spec(uint16_t opcode);

// Opcode constants: isa::kOpcodeMatmul ... are generated as enumerators named after the files.
enum class Opcode : uint16_t {
#define THORONG_ENTRY(stem) stem,
#include "thorong/isa/instructions.inc"
#undef THORONG_ENTRY
};

}  // namespace thorong::isa
