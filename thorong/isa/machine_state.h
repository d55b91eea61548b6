// SPDX-License-Identifier: Apache-2.0
// What an instruction's meaning may touch: operand rows as fp32, rounding on the way back, host
// threads. Rows are handed out as pointers into the machine's memory where they lie there
// contiguously, else gathered into scratch.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thorong/base/parallel.h"
#include "thorong/isa/isa.h"

namespace thorong::isa {

// Where a buffer's cells lie on the host.
struct HostBuffer {
  std::byte* data = nullptr;
  int64_t row_stride_bytes = 0;  // between partitions; 0 for HBM
  bool bytes = false;            // the machine's own byte image, not host cells
};

// What the engines keep between instructions: accumulators for each partition, states of the random
// generators, the sequencer's registers.
struct EngineState {
  explicit EngineState(int64_t partitions)
      : vector_accumulators(static_cast<size_t>(partitions)),
        scalar_accumulators(vector_accumulators.size()),
        vector_random(vector_accumulators.size()),
        gpsimd_random(vector_accumulators.size()) {}
  std::vector<float> vector_accumulators, scalar_accumulators;
  uint64_t vector_seed = 0, vector_drawn = 0;  // rng, dropout on Vector
  std::vector<std::array<uint32_t, 24>> vector_random, gpsimd_random;
  std::vector<int64_t> registers;  // of the sequencer, by number
};

// One operand, resolved: address arithmetic done once an instruction.
struct Operand {
  const AccessPattern* pattern = nullptr;
  std::byte* base = nullptr;     // element (partition 0, index 0)
  int64_t row_stride_bytes = 0;  // between partitions
  Format cell = Format::kFloat32;
  int64_t elements = 0;           // of one row
  bool dense = false;             // the row's elements follow each other
  bool direct = false;            // dense fp32 cells: pointers can be used as they are
  const int64_t* rows = nullptr;  // indirect: byte offset of each partition's row, or kSkippedRow
  const int64_t* columns =
      nullptr;  // indirect along the row: element offsets, `elements` for each group of partitions
  int64_t column_group = 0;

  std::byte* at(int64_t partition) const {
    return base + (rows != nullptr ? rows[partition] : partition * row_stride_bytes);
  }
  float* row(int64_t partition) const { return reinterpret_cast<float*>(at(partition)); }
  bool skipped(int64_t partition) const {
    return rows != nullptr && rows[partition] == kSkippedRow;
  }
  static constexpr int64_t kSkippedRow = INT64_MIN;
};

// The share of an instruction's rows that a call of its meaning does. Several threads may do one
// each, in any order.
struct Part {
  int index = 0, count = 1;
  // The share of n items, cut at multiples of `grain`.
  std::pair<int64_t, int64_t> of(int64_t n, int64_t grain = 1) const {
    int64_t size = ((n + count - 1) / count + grain - 1) / grain * grain;
    return {std::min(n, index * size), std::min(n, (index + 1) * size)};
  }
};

class MachineState {
 public:
  explicit MachineState(int64_t partitions)
      : own_engines_(std::make_unique<EngineState>(partitions)), engines(*own_engines_) {}
  // Another view of a machine, for one of several threads: what the engines keep is the machine's.
  explicit MachineState(EngineState& shared) : engines(shared) {}
  virtual ~MachineState() = default;
  MachineState(const MachineState&) = delete;
  MachineState& operator=(const MachineState&) = delete;
  virtual HostBuffer host_buffer(BufferId buffer) const = 0;
  // Renames `buffer` to other host memory (what a DMA would only copy: kBindView).
  virtual void bind(BufferId buffer, const std::byte* data, int64_t row_stride_bytes) = 0;
  virtual numerics::Rounding rounding() const = 0;  // of the instruction being executed
  virtual const ThreadPool& pool() const = 0;
  // Which share of the instruction is asked for. Only instructions whose spec says `splits` are
  // asked for less than all.
  virtual Part part() const { return {}; }
  virtual void fault(const Instruction& instruction, std::string message) = 0;
  // Waits until all cores of the launch have come to the meeting of this name. `bytes`, what this
  // core sends, becomes what core `from` sent (-1: nothing is exchanged). False: they will not
  // come; a fault says why.
  virtual bool exchange(const Instruction& instruction, const std::string& meeting, int from,
                        std::vector<std::byte>& bytes);
  // Of a collective to whose meeting all have come: leaves `bytes` for the others, and appends what
  // each of the cores `from` has left to `received`. False: a fault says why.
  using Mail = std::shared_ptr<const std::vector<std::byte>>;
  virtual bool swap(const Instruction& instruction, const std::string& meeting, Mail bytes,
                    std::span<const int64_t> from, std::vector<Mail>& received);
  // Something that a collective's cost needs and only its data say: Program::integers[at].
  virtual void note(size_t at, int64_t value);
  // Host scratch of at least n floats, one per `slot`; valid until the next call with that slot.
  // Not for threads of pool().
  virtual float* scratch(int slot, size_t n) = 0;

  Operand resolve(const Program& program, const AccessPattern& pattern);

 private:
  std::unique_ptr<EngineState> own_engines_;  // before the reference to it

 public:
  EngineState& engines;
  const Instruction* executing = nullptr;  // whom resolve blames for an address beyond its limit

 private:
  void resolve_indirect(const Program& program, const AccessPattern& pattern, Operand& operand);
  std::array<std::vector<int64_t>, kMaxOperands> indices_;  // of the operands of one instruction
  size_t next_indices_ = 0;
};

// Where the elements of a row lie, in order, from the row's begin; `offsets` has room for all of
// them.
void element_offsets(const AccessPattern& pattern, int32_t* offsets);
// The row as fp32: a direct pointer, or gathered (and widened) into `scratch`.
const float* load_row(const Operand& operand, int64_t partition, float* scratch);
// Where to compute a destination row: in place, or `scratch` (then store_row scatters it).
inline float* target_row(const Operand& operand, int64_t partition, float* scratch) {
  return operand.direct ? operand.row(partition) : scratch;
}
// Rounds `values` to the pattern's format and scatters them; `values` may be the row itself.
// `first_element` counts the destination's elements for stochastic rounding.
void store_row(const Operand& operand, int64_t partition, float* values,
               const numerics::Rounding& rounding);

// Rounds fp32 cells in place to the values of `format`.
void round_values(Format format, float* values, size_t n, const numerics::Rounding& rounding);

// Calls body(first, last) over the partitions of machine.part(); if that is all, on several threads
// when there is enough work (elements per partition given).
void for_partitions(const MachineState& machine, int64_t partitions, int64_t elements,
                    const std::function<void(int64_t, int64_t)>& body);

// Rows as integers, without fp32 between: sign-extended on the way in, the low bits on the way
// back.
void load_integers(const Operand& operand, int64_t partition, int64_t* values);
void store_integers(const Operand& operand, int64_t partition, const int64_t* values);

// A thread's own scratch rows, slots 0 to kThreadSlots - 1; a meaning uses those before
// kMachineSlots.
inline constexpr int kMachineSlots = 8, kThreadSlots = 12;
float* thread_scratch(int slot, size_t n);

}  // namespace thorong::isa
