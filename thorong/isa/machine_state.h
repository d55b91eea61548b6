// SPDX-License-Identifier: Apache-2.0
// What an instruction's meaning may touch: operand rows as fp32, rounding on the way back, host threads. Rows are handed out
// as pointers into the machine's memory where they lie there contiguously, else gathered into scratch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "thorong/base/parallel.h"
#include "thorong/isa/isa.h"

namespace thorong::isa {

// Where a buffer's cells lie on the host.
struct HostBuffer {
  std::byte* data = nullptr;
  int64_t row_stride_bytes = 0;  // between partitions; 0 for HBM
};

// One operand, resolved: address arithmetic done once an instruction.
struct Operand {
  const AccessPattern* pattern = nullptr;
  std::byte* base = nullptr;      // element (partition 0, index 0)
  int64_t row_stride_bytes = 0;   // between partitions
  Format cell = Format::kFloat32;
  int64_t elements = 0;           // of one row
  bool dense = false;             // the row's elements follow each other
  bool direct = false;            // dense fp32 cells: pointers can be used as they are

  float* row(int64_t partition) const { return reinterpret_cast<float*>(base + partition * row_stride_bytes); }
};

class MachineState {
 public:
  virtual ~MachineState() = default;
  virtual HostBuffer host_buffer(BufferId buffer) const = 0;
  // Renames `buffer` to other host memory (constants that a DMA would only copy).
  virtual void bind(BufferId buffer, const std::byte* data, int64_t row_stride_bytes) = 0;
  virtual numerics::Rounding rounding() const = 0;  // of the instruction being executed
  virtual const ThreadPool& pool() const = 0;
  virtual void fault(const Instruction& instruction, std::string message) = 0;
  // Host scratch of at least n floats, one per `slot`; valid until the next call with that slot. Not for worker threads.
  virtual float* scratch(int slot, size_t n) = 0;

  Operand resolve(const Program& program, const AccessPattern& pattern) const;
};

// The row as fp32: a direct pointer, or gathered (and widened) into `scratch`.
const float* load_row(const Operand& operand, int64_t partition, float* scratch);
// Where to compute a destination row: in place, or `scratch` (then store_row scatters it).
inline float* target_row(const Operand& operand, int64_t partition, float* scratch) {
  return operand.direct ? operand.row(partition) : scratch;
}
// Rounds `values` to the pattern's format and scatters them; `values` may be the row itself. `first_element` counts the
// destination's elements for stochastic rounding.
void store_row(const Operand& operand, int64_t partition, float* values, const numerics::Rounding& rounding);

// Rounds fp32 cells in place to the values of `format`.
void round_values(Format format, float* values, size_t n, const numerics::Rounding& rounding);

// Calls body(first, last) over partitions, on several threads when there is enough work (elements per partition given).
void for_partitions(const MachineState& machine, int64_t partitions, int64_t elements,
                    const std::function<void(int64_t, int64_t)>& body);

// A thread's own scratch rows.
float* thread_scratch(int slot, size_t n);

}  // namespace thorong::isa
