// SPDX-License-Identifier: Apache-2.0
// What collectives between ranks share. A rank is one or two cores that run a kernel together; the
// ranks of a group meet, and each core exchanges with the core of its number in the other ranks.
// HBM tensors belong to a rank: its cores come to a collective over them together, and each moves
// its part.
//
// Program::integers at `extra`: the operands that are read and those that are written
// (Program::listed_operands, listed_results), then what `Collective` says.
//
// Reductions are in fp32, in the order of the group's list, and rounded once, to the destination.
// There is no wider integer datapath: integers pass through fp32 too.
//
// Cost on one chip, where every rank reaches every other in one step (the mesh algorithm's
// intra-chip part): the start of a communication core's program, a hop for each step, and the bytes
// of the busiest rank at the part of the DMA engines' rate that collectives reach.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "thorong/isa/instruction.h"

namespace thorong::isa {

struct Collective {
  std::span<const int64_t> reads, writes;  // into Program::patterns
  int64_t position = 0;                    // this rank's in the group
  int64_t share = 1;                       // cores that divide the work on the tensors
  std::span<const int64_t> group;          // ranks
  std::span<const int64_t> peers;          // the core of each rank that this one exchanges with
  std::span<const int64_t> cores;          // all that meet
  std::span<const int64_t> extra;          // the instruction's own
  size_t extra_at = 0;                     // where `extra` begins in Program::integers

  auto ranks() const { return static_cast<int64_t>(group.size()); }
};
Collective collective_of(const Program& program, const Instruction& instruction);
// "all_reduce of ranks 0, 1"; "sendrecv of pipe 0", "core_barrier".
std::string meeting_name(const Program& program, const Instruction& instruction);

// What assemble puts together. groups: each with its length before its ranks.
struct CollectiveCall {
  std::span<const int64_t> groups;
  std::vector<int32_t> reads, writes;
  std::vector<int64_t> extra = {};
};
Status attach_collective(Binding& call, const CollectiveCall& parts);
// Ranks of a call's launch: who this is, and how many there are. A launch without given ranks whose
// cores are as many as `named` ranks has a rank on each core.
struct OwnRank {
  int64_t rank = 0, ranks = 1, cores = 1, core = 0;  // core: its number in the rank
};
OwnRank own_rank(const LaunchPlace& place, int64_t named);

// Rules, each with its check's name.
struct TensorRule {
  bool hbm_only = false, coalesces = true;
  bool one_of_many = false;  // one tensor for each channel
};
Status check_tensors(const Binding& call, std::span<const int32_t> srcs,
                     std::span<const int32_t> dsts, const TensorRule& rule);
Status check_same_dtype(const Binding& call, std::span<const int32_t> srcs,
                        std::span<const int32_t> dsts);
// dsts[i] has srcs[i]'s elements times `to` over `from`.
Status check_sizes(const Binding& call, std::span<const int32_t> srcs,
                   std::span<const int32_t> dsts, int64_t from, int64_t to);
Status check_dimension(const Binding& call, const Argument& dimension, int64_t most);
Status check_reduction(const Binding& call, const Argument& op);
Status check_priority(const Binding& call, const Argument& priority);
// Consecutive from 0, at most two within a chip, a tensor each.
Status check_channels(const Binding& call, const Argument& channels, size_t tensors);
Status collective_error(const Binding& call, const std::string& text);

// Each tensor's elements in row-major order, in the dtype's own bytes; tensors begin at multiples
// of 64 bytes.
using Bytes = std::vector<std::byte>;
Bytes read_tensors(MachineState& machine, const Program& program, std::span<const int64_t> tensors);
size_t padded_bytes(const AccessPattern& pattern);
void write_tensor(MachineState& machine, const Program& program, int64_t tensor,
                  const std::byte* bytes);
void write_rounded(MachineState& machine, const Program& program, int64_t tensor,
                   const float* values);
// What each rank of the group has sent, in its order; false: a fault.
bool swap_tensors(MachineState& machine, const Program& program, const Instruction& instruction,
                  Bytes sent, std::vector<MachineState::Mail>& received);
// n elements at byte `at` of each rank's bytes, reduced.
std::vector<float> reduce_ranks(uint8_t function, Format format,
                                std::span<const MachineState::Mail> ranks, size_t at, size_t n);

// Bytes on the DMA engines of one rank.
struct CollectiveWork {
  double steps = 1;
  double copied = 0;   // moved as they are
  double reduced = 0;  // read by the arithmetic in the engines
  double hbm = 0, sbuf = 0;
};
Cost collective_cost(const CoreParameters& core, const Program& program,
                     const Instruction& instruction, CollectiveWork work);
double total_bytes(const Program& program, std::span<const int64_t> tensors);
// As much as read and written in the tensors' memory.
CollectiveWork in_memory(const Program& program, const Collective& call, CollectiveWork work,
                         double touched);

// A spec with what collectives have in common.
InstructionSpec collective_spec(const char* name, const char* summary, const char* source);

}  // namespace thorong::isa
