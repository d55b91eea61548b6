// SPDX-License-Identifier: Apache-2.0
// One pass over the instructions finds when each buffer is first and last in use; whatever needs
// sorting waits until a view asks (report/memory_map.h).
#include "thorong/runtime/describe_memory.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "thorong/isa/instruction_table.h"

namespace thorong::runtime {
namespace {

static_assert(static_cast<int>(report::Memory::kHbm) == static_cast<int>(isa::Space::kHbm));
static_assert(static_cast<int>(report::Memory::kSbuf) == static_cast<int>(isa::Space::kSbuf));
static_assert(static_cast<int>(report::Memory::kPsum) == static_cast<int>(isa::Space::kPsum));

struct Life {
  int64_t first_ps = std::numeric_limits<int64_t>::max(), last_ps = 0;
  int32_t instruction = -1;  // the first
};

class Lives {
 public:
  explicit Lives(const Program& program)
      : tiles_(program.tiles), timing_(program.timing), lives_(program.tiles.buffers.size()) {}

  std::vector<Life> find() {
    for (size_t i = 0; i < tiles_.instructions.size(); ++i) {
      const isa::Instruction& instruction = tiles_.instructions[i];
      for (int32_t operand : instruction.operands) note(operand, i);
      for (int64_t operand : tiles_.listed_operands(instruction))
        note(static_cast<int32_t>(operand), i);
      for (int64_t operand : tiles_.listed_results(instruction))
        note(static_cast<int32_t>(operand), i);
      if (instruction.opcode != static_cast<uint16_t>(isa::Opcode::custom_op)) continue;
      const isa::Call& call = *tiles_.calls[static_cast<size_t>(instruction.extra)];
      for (isa::BufferId id : call.inputs) extend(id, i);
      for (isa::BufferId id : call.outputs) extend(id, i);
    }
    return std::move(lives_);
  }

 private:
  void note(int32_t operand, size_t i) {
    if (operand < 0) return;
    const isa::AccessPattern& pattern = tiles_.patterns[static_cast<size_t>(operand)];
    extend(pattern.buffer, i);
    if (pattern.indirect < 0) return;
    int32_t index = tiles_.indirects[static_cast<size_t>(pattern.indirect)].index;
    if (index >= 0) extend(tiles_.patterns[static_cast<size_t>(index)].buffer, i);
  }
  void extend(isa::BufferId buffer, size_t i) {
    Life& life = lives_[static_cast<size_t>(buffer)];
    const sim::InstructionTime& time = timing_.instructions[i];
    if (time.start_ps < life.first_ps) {
      life.first_ps = time.start_ps;
      life.instruction = static_cast<int32_t>(i);
    }
    life.last_ps = std::max(life.last_ps, time.end_ps);
  }

  const isa::Program& tiles_;
  const sim::Timing& timing_;
  std::vector<Life> lives_;
};

// Numbers of names, each name once.
class Names {
 public:
  explicit Names(std::vector<std::string>& names) : names_(names) {}
  int32_t number(const std::string& name) {
    if (name.empty()) return -1;
    auto [at, added] = known_.try_emplace(name, static_cast<int32_t>(names_.size()));
    if (added) names_.push_back(name);
    return at->second;
  }

 private:
  std::vector<std::string>& names_;
  std::unordered_map<std::string_view, int32_t> known_;  // of names that the program keeps
};

}  // namespace

MemoryUse find_memory_use(const Program& program) {
  const isa::Program& tiles = program.tiles;
  const std::vector<Life> lives = Lives(program).find();
  MemoryUse found;
  Names names(found.names);
  found.tiles.reserve(lives.size());
  for (size_t b = 0; b < lives.size(); ++b) {
    if (lives[b].instruction < 0) continue;
    const isa::Buffer& buffer = tiles.buffers[b];
    const isa::Instruction& first = tiles.instructions[static_cast<size_t>(lives[b].instruction)];
    bool hbm = buffer.space == isa::Space::kHbm;
    // Weights, inputs and outputs lie in HBM for the whole run.
    bool always = hbm && buffer.role != isa::BufferRole::kScratch;
    report::TileUse use;
    use.start_ps = always ? 0 : lives[b].first_ps;
    use.end_ps = always ? program.timing.end_ps : lives[b].last_ps;
    use.address = buffer.address, use.bytes = buffer.row_bytes;
    use.partitions = hbm ? 1 : buffer.partitions;
    use.name = names.number(buffer.name);
    use.operator_index = first.operator_index, use.engine = static_cast<uint16_t>(first.queue);
    use.memory = static_cast<report::Memory>(buffer.space);
    found.tiles.push_back(use);
  }
  return found;
}

}  // namespace thorong::runtime
