// SPDX-License-Identifier: Apache-2.0
// The vocabulary of tile instructions: memories, engines, access patterns, instructions, programs.
//
// A program is a stream of tile instructions in program order. Each instruction belongs to one
// queue (an engine's, or a DMA ring's); queues run in order and wait for each other through
// semaphores (Wait). Operands are access patterns: at most `partitions` rows of a buffer, each a
// strided box of up to four free dimensions (five with the partition). A buffer is an allocation
// with a physical address. The same stream is executed (functional), timed (timing) and charged
// (energy).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/numerics/format.h"
#include "thorong/numerics/functions.h"

namespace thorong::isa {

using numerics::Format;

enum class Space : uint8_t { kHbm, kSbuf, kPsum };
std::string_view name(Space space);

// Queues in which instructions run in order. DMA rings beyond the first few are added by number.
enum class Queue : uint8_t {
  kTensor,
  kVector,
  kScalar,
  kGpsimd,
  kSync,
  kDmaLoad,
  kDmaStore,
  kDmaMove,
  kHost
};
inline constexpr size_t kQueues = 9;
std::string_view name(Queue queue);

using BufferId = int32_t;
inline constexpr int kMaxFreeRank = 4;
// AccessPattern::partition_step of an SBUF source that a DMA reads once for every partition: the
// same row each time.
inline constexpr int64_t kRepeatRow = -1;

// How packed and scale types of the MX formats lie in an unsigned integer cell: four elements in a
// uint32 (8 bits each) or in a uint16 (4 bits each), the first in the lowest bits; a power of two
// in a uint8.
enum class Packed : uint8_t {
  kNone,
  kFloat8E4m3fnX4,
  kFloat8E5m2X4,
  kFloat4E2m1fnX4,
  kFloat8E8m0fnu
};

// Addresses that the machine learns from memory when it runs. Indices are read from pattern
// `index`, one for each partition, or one for all. An index beyond [0, limit) is a fault, or with
// skip_out_of_bounds the access does not happen.
struct Indirect {
  int32_t index = -1;  // into Program::patterns
  bool per_partition = false;
  bool skip_out_of_bounds = false;
  bool columns =
      false;  // Trainium3: free-dimension offsets in a snake over groups of `group` partitions
  int32_t group = 16;
  int64_t step = 0;  // elements of the operand for one of the index
  int64_t limit = 0;
};

// Elements of one operand. Element (p, i0..i3) is at
//   SBUF, PSUM: partition start_partition + p, element offset + sum(i * step) of the buffer's row
//   HBM:        element offset + p * partition_step + sum(i * step) of the buffer
// An indirect pattern adds index * step to that; per partition the index stands in place of p.
struct AccessPattern {
  BufferId buffer = -1;
  Format format = Format::kFloat32;
  uint8_t rank = 0;  // free dimensions in use, outermost first
  Packed packed = Packed::kNone;
  int32_t indirect = -1;        // into Program::indirects
  int32_t start_partition = 0;  // SBUF, PSUM
  int32_t partitions = 1;
  std::array<int32_t, kMaxFreeRank> size{1, 1, 1, 1};
  std::array<int64_t, kMaxFreeRank> step{0, 0, 0, 0};  // elements; 0 repeats
  int64_t offset = 0;                                  // elements
  int64_t partition_step = 0;  // HBM: elements, 0 repeats; SBUF: 0, or kRepeatRow

  // Elements of one partition.
  int64_t free_elements() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= size[static_cast<size_t>(i)];
    return n;
  }
  int64_t elements() const { return free_elements() * partitions; }
  int64_t bytes() const { return elements() * static_cast<int64_t>(numerics::byte_size(format)); }
  bool operator==(const AccessPattern&) const = default;
  // Elements that follow each other in memory, counted from the innermost dimension.
  int64_t contiguous_run() const;
};

// What a program's HBM buffer holds.
enum class BufferRole : uint8_t { kScratch, kConstant, kInput, kOutput };

struct Buffer {
  std::string name;
  Space space = Space::kSbuf;
  BufferRole role = BufferRole::kScratch;
  Format format = Format::kFloat32;  // of the elements as allocated
  int32_t partitions = 128;          // SBUF, PSUM
  int64_t row_bytes = 0;             // per partition (SBUF, PSUM) or in all (HBM)
  int64_t address = 0;               // bytes within each partition's row, or within HBM
  int32_t index = -1;                // inputs and outputs: number in the program's signature
  // Constants: the prepared values in host cells (see host_cell), kept alive by the program.
  std::shared_ptr<const void> constant_owner;
  const std::byte* constant = nullptr;
};

// How the host keeps elements: floats of at most 32 bits as fp32 (values representable in the
// format), others as they are. Narrowing gives the machine's byte image.
Format host_cell(Format format);

// A semaphore wait: the queue has completed at least `count` instructions.
struct Wait {
  Queue queue;
  int32_t count;
};

inline constexpr int kMaxOperands =
    6;  // [0] is the destination; InstructionSpec::writes names others that are written

struct Instruction {
  uint16_t opcode = 0;
  Queue queue = Queue::kVector;
  uint8_t function0 = 0,
          function1 = 0;  // isa::Alu or numerics::UnaryFunction, as the instruction says
  uint16_t flags = 0;
  float immediate0 = 0, immediate1 = 0;
  int32_t operator_index = -1;
  int32_t extra = -1;  // instruction-specific: index into Program::calls or Program::integers, ...
  std::array<int32_t, kMaxOperands> operands{-1, -1, -1, -1, -1, -1};  // into Program::patterns
  int32_t first_wait = 0;
  int32_t waits = 0;
};

// Instruction::flags.
inline constexpr uint16_t kAccumulate = 1;  // matmul: add to PSUM
inline constexpr uint16_t kReverse0 = 2;    // tensor_scalar: scalar op tensor
inline constexpr uint16_t kReverse1 = 4;
inline constexpr uint16_t kHasOp1 = 8;  // tensor_scalar: a second operation
inline constexpr uint16_t kBindView =
    16;  // dma_copy of what stays as it is: the destination may be renamed to the source's memory
inline constexpr uint16_t kNegate = 32;       // tensor_reduce: result times -1
inline constexpr uint16_t kIntegerWork = 64;  // integers as they are, not through fp32
inline constexpr uint16_t kGenerated =
    32;  // DMA: the descriptors are made while the program runs, by a hardware generator
inline constexpr uint16_t kReversePredicate = 128;
inline constexpr uint16_t kListedOperands =
    16384;  // further operands: their number and patterns in Program::integers at `extra`
inline constexpr uint16_t kListedResults =
    32768;  // after the listed operands: the number and patterns of operands that are written
inline constexpr int kReduceShift = 8;            // three bits: ReduceCommand
inline constexpr uint16_t kTransposeMode = 2048;  // nc_matmul: values pass unchanged
inline constexpr uint16_t kDoubleRow = 4096;      // nc_matmul: two 8-bit rows at a time

// What an instruction does with its engine's accumulator registers, one for each partition.
enum class ReduceCommand : uint8_t { kIdle, kReset, kReduce, kResetReduce, kLoadReduce };
inline ReduceCommand reduce_command(const Instruction& instruction) {
  return static_cast<ReduceCommand>((instruction.flags >> kReduceShift) & 7);
}

// Work done by reference meaning on gpsimd (or the host): supplied by the compiler, opaque here.
struct Call {
  std::string name;
  // inputs/outputs: dense row-major memory of the patterns' buffers, parallel to `inputs` and
  // `outputs`.
  virtual bool execute(const std::vector<const std::byte*>& inputs,
                       const std::vector<std::byte*>& outputs, std::string* error) const = 0;
  std::vector<BufferId> inputs, outputs;  // whole HBM buffers in their own formats
  double elements = 0;                    // that gpsimd reads and writes
  double operations = 0;
  virtual ~Call() = default;
};

struct OperatorInfo {
  std::string name;  // the program's
  std::string op;
  std::string path;  // tile, gpsimd, host
  double flops = 0;
  std::string result{};  // the program's name for what it makes; empty where it has none
  std::string choice{};  // what the compiler chose for it, for people
};

struct Program {
  std::vector<Buffer> buffers;
  std::vector<AccessPattern> patterns;
  std::vector<Indirect> indirects;
  std::vector<int64_t> integers;  // lists that instructions carry, from Instruction::extra on
  std::vector<Instruction> instructions;
  std::vector<Wait> waits;
  std::vector<std::shared_ptr<const Call>> calls;
  std::vector<OperatorInfo> operators;
  int64_t hbm_bytes = 0;  // weights, inputs, outputs and scratch as placed
  int64_t sbuf_peak_bytes = 0, psum_peak_bytes = 0;

  const AccessPattern& operand(const Instruction& instruction, int i) const {
    return patterns[static_cast<size_t>(instruction.operands[static_cast<size_t>(i)])];
  }
  bool has_operand(const Instruction& instruction, int i) const {
    return instruction.operands[static_cast<size_t>(i)] >= 0;
  }
  // Operands that an instruction with kListedOperands reads besides its own.
  std::span<const int64_t> listed_operands(const Instruction& instruction) const {
    if ((instruction.flags & kListedOperands) == 0) return {};
    auto at = static_cast<size_t>(instruction.extra);
    return std::span(integers).subspan(at + 1, static_cast<size_t>(integers[at]));
  }
  // Those that an instruction with kListedResults writes besides its own.
  std::span<const int64_t> listed_results(const Instruction& instruction) const {
    if ((instruction.flags & kListedResults) == 0) return {};
    auto at = static_cast<size_t>(instruction.extra);
    at += 1 + static_cast<size_t>(integers[at]);
    return std::span(integers).subspan(at + 1, static_cast<size_t>(integers[at]));
  }
  const Buffer& buffer(const AccessPattern& pattern) const {
    return buffers[static_cast<size_t>(pattern.buffer)];
  }
};

}  // namespace thorong::isa
