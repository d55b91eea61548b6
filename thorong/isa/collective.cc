// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/collective.h"

#include <algorithm>

#include "thorong/isa/alu.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa {
namespace {

const AccessPattern& pattern_of(const Program& program, int64_t index) {
  return program.patterns[static_cast<size_t>(index)];
}

// "ranks 0, 1, 2".
std::string list_ranks(std::span<const int64_t> ranks) {
  std::string text = ranks.size() == 1 ? "rank" : "ranks";
  for (size_t i = 0; i < ranks.size(); ++i) text += (i > 0 ? ", " : " ") + std::to_string(ranks[i]);
  return text;
}

constexpr size_t kHeader = 5;  // position, share, ranks, cores, extra

}  // namespace

Collective collective_of(const Program& program, const Instruction& instruction) {
  Collective result;
  result.reads = program.listed_operands(instruction);
  result.writes = program.listed_results(instruction);
  size_t at =
      static_cast<size_t>(instruction.extra) + 2 + result.reads.size() + result.writes.size();
  std::span<const int64_t> all = program.integers;
  result.position = all[at], result.share = all[at + 1];
  auto ranks = static_cast<size_t>(all[at + 2]), cores = static_cast<size_t>(all[at + 3]);
  auto extra = static_cast<size_t>(all[at + 4]);
  at += kHeader;
  result.group = all.subspan(at, ranks), result.peers = all.subspan(at + ranks, ranks);
  result.cores = all.subspan(at + 2 * ranks, cores);
  result.extra_at = at + 2 * ranks + cores;
  result.extra = all.subspan(result.extra_at, extra);
  return result;
}

std::string meeting_name(const Program& program, const Instruction& instruction) {
  const InstructionSpec& spec = isa::spec(instruction.opcode);
  if (spec.between_ranks) {
    // With the dtype: ranks that bring different ones do not meet.
    Collective call = collective_of(program, instruction);
    auto any = call.reads.empty() ? call.writes : call.reads;
    std::string dtype =
        any.empty() ? "" : " in " + std::string(numerics::name(pattern_of(program, any[0]).format));
    return spec.mnemonic + " of " + list_ranks(call.group) + dtype;
  }
  if (instruction.extra < 0) return spec.mnemonic;
  return spec.mnemonic + " of pipe " +
         std::to_string(program.integers[static_cast<size_t>(instruction.extra)]);
}

OwnRank own_rank(const LaunchPlace& place, int64_t named) {
  bool each = !place.given && place.cores > 1 && named == place.cores;
  if (each) return {place.core, place.cores, 1, 0};
  return {place.core / place.cores, place.ranks, place.cores, place.core % place.cores};
}

Status collective_error(const Binding& call, const std::string& text) {
  return named("collective",
               invalid_argument(spec(call.instruction.opcode).mnemonic + ": " + text));
}

namespace {

Status check_groups(const Binding& call, std::span<const int64_t> groups, const OwnRank& own) {
  std::vector<int64_t> seen;
  for (size_t at = 0; at < groups.size(); at += 1 + static_cast<size_t>(groups[at])) {
    for (int64_t i = 1; i <= groups[at]; ++i) {
      int64_t rank = groups[at + static_cast<size_t>(i)];
      if (std::find(seen.begin(), seen.end(), rank) != seen.end()) {
        return collective_error(call, "expected each rank once in replica_group, found rank " +
                                          std::to_string(rank) + " twice. Leave one of them out.");
      }
      if (rank < 0 || rank >= own.ranks) {
        int64_t most = 1 + *std::max_element(groups.begin(), groups.end());
        return collective_error(
            call, "expected ranks from 0 to " + std::to_string(own.ranks - 1) +
                      ", as many as the launch has, found rank " + std::to_string(rank) +
                      ". Run the kernel with ranks=" + std::to_string(std::max(most, rank + 1)) +
                      ": thorong.nki.run(kernel, ..., ranks=" +
                      std::to_string(std::max(most, rank + 1)) + ").");
      }
      seen.push_back(rank);
    }
  }
  if (std::find(seen.begin(), seen.end(), own.rank) != seen.end()) return ok_status();
  return collective_error(call, "expected a group with rank " + std::to_string(own.rank) +
                                    ", which calls this, found it in none. Add it to "
                                    "replica_group, or a group of it alone.");
}

// The group of a rank.
std::vector<int64_t> group_of(std::span<const int64_t> groups, int64_t rank) {
  for (size_t at = 0; at < groups.size(); at += 1 + static_cast<size_t>(groups[at])) {
    auto members = groups.subspan(at + 1, static_cast<size_t>(groups[at]));
    if (std::find(members.begin(), members.end(), rank) != members.end())
      return {members.begin(), members.end()};
  }
  return {};
}

int64_t count_ranks(std::span<const int64_t> groups) {
  int64_t count = 0;
  for (size_t at = 0; at < groups.size(); at += 1 + static_cast<size_t>(groups[at]))
    count += groups[at];
  return count;
}

}  // namespace

Status attach_collective(Binding& call, const CollectiveCall& parts) {
  OwnRank own = own_rank(call.place, count_ranks(parts.groups));
  THORONG_RETURN_IF_ERROR(check_groups(call, parts.groups, own));
  std::vector<int64_t> group = group_of(parts.groups, own.rank);
  bool hbm = false;
  for (const auto* list : {&parts.reads, &parts.writes}) {
    for (int32_t pattern : *list)
      hbm = hbm || call.program.buffer(pattern_of(call.program, pattern)).space == Space::kHbm;
  }
  std::vector<int64_t> list;
  auto append = [&](const auto& items) { list.insert(list.end(), items.begin(), items.end()); };
  for (const auto* patterns : {&parts.reads, &parts.writes}) {
    list.push_back(static_cast<int64_t>(patterns->size()));
    append(*patterns);
  }
  list.push_back(std::find(group.begin(), group.end(), own.rank) - group.begin());
  list.push_back(hbm ? own.cores : 1);
  list.push_back(static_cast<int64_t>(group.size()));
  list.push_back(static_cast<int64_t>(group.size()) * own.cores);
  list.push_back(static_cast<int64_t>(parts.extra.size()));
  append(group);
  for (int64_t rank : group) list.push_back(rank * own.cores + own.core);
  for (int64_t rank : group) {
    for (int64_t core = 0; core < own.cores; ++core) list.push_back(rank * own.cores + core);
  }
  append(parts.extra);
  call.attach(list);
  call.instruction.flags |= kListedOperands | kListedResults;
  return ok_status();
}

Status check_tensors(const Binding& call, std::span<const int32_t> srcs,
                     std::span<const int32_t> dsts, const TensorRule& rule) {
  if (srcs.size() != dsts.size()) {
    return collective_error(call, "expected as many dsts as srcs, found " +
                                      std::to_string(dsts.size()) + " and " +
                                      std::to_string(srcs.size()) + ". Give each source its dst.");
  }
  bool hbm = false, sbuf = false;
  for (auto list : {srcs, dsts}) {
    for (int32_t index : list) {
      const AccessPattern& pattern = pattern_of(call.program, index);
      (call.program.buffer(pattern).space == Space::kHbm ? hbm : sbuf) = true;
      if (pattern.indirect < 0) continue;
      return named("access-pattern",
                   invalid_argument(spec(call.instruction.opcode).mnemonic +
                                    ": expected tensors without an index tile, found one. Bring "
                                    "the rows together with dma_copy first."));
    }
  }
  const std::string& name = spec(call.instruction.opcode).mnemonic;
  if (hbm && sbuf) {
    return named("memory",
                 invalid_argument(name + ": expected all tensors in HBM or all in SBUF, found "
                                         "both. Copy one of them with dma_copy."));
  }
  if (sbuf && rule.hbm_only) {
    return named("memory",
                 invalid_argument(name + ": expected tensors in HBM, found one in SBUF. Store it "
                                         "to HBM with dma_copy first."));
  }
  if (srcs.size() > 1 && !rule.one_of_many && (sbuf || !rule.coalesces)) {
    return collective_error(
        call, std::string("expected one tensor") +
                  (rule.coalesces ? ", because several together are for HBM only" : "") +
                  ", found " + std::to_string(srcs.size()) + ". Call it for each of them.");
  }
  return ok_status();
}

Status check_same_dtype(const Binding& call, std::span<const int32_t> srcs,
                        std::span<const int32_t> dsts) {
  for (size_t i = 0; i < srcs.size(); ++i) {
    const AccessPattern &src = pattern_of(call.program, srcs[i]),
                        &dst = pattern_of(call.program, dsts[i]);
    if (src.format == dst.format && src.packed == dst.packed) continue;
    return named("dtype", invalid_argument(spec(call.instruction.opcode).mnemonic +
                                           ": expected src and dst of one dtype, found " +
                                           std::string(numerics::name(src.format)) + " and " +
                                           std::string(numerics::name(dst.format)) +
                                           ". Allocate dst with the dtype of src."));
  }
  return ok_status();
}

Status check_sizes(const Binding& call, std::span<const int32_t> srcs,
                   std::span<const int32_t> dsts, int64_t from, int64_t to) {
  for (size_t i = 0; i < srcs.size(); ++i) {
    int64_t src = pattern_of(call.program, srcs[i]).elements(),
            dst = pattern_of(call.program, dsts[i]).elements();
    if (src * to == dst * from && src % from == 0) continue;
    std::string wanted = std::to_string(src);
    if (from != to) wanted += (from == 1 ? " * " : " / ") + std::to_string(std::max(from, to));
    if (from > 1) wanted += ", a multiple of " + std::to_string(from) + ",";
    return named("shape",
                 invalid_argument(spec(call.instruction.opcode).mnemonic + ": expected a dst of " +
                                  wanted + " elements, as src and the ranks have it, found " +
                                  std::to_string(dst) + ". Correct the shape of one of them."));
  }
  return ok_status();
}

Status check_dimension(const Binding& call, const Argument& dimension, int64_t most) {
  if (dimension.integer >= 0 && dimension.integer <= most) return ok_status();
  return collective_error(
      call, std::string("expected collective_dim 0") + (most > 0 ? " or 1" : "") + ", found " +
                std::to_string(dimension.integer) + ". Bring that dimension to the front first" +
                (most > 0 ? "." : "; 1 is for all_gather in SBUF."));
}

Status check_reduction(const Binding& call, const Argument& op) {
  using numerics::BinaryFunction;
  for (auto each : {BinaryFunction::kAdd, BinaryFunction::kMinimum, BinaryFunction::kMaximum}) {
    if (alu(op.code) == alu(each)) return ok_status();
  }
  return named("operator",
               invalid_argument(spec(call.instruction.opcode).mnemonic +
                                ": expected op nl.add, nl.minimum or nl.maximum, found " +
                                std::string(name(alu(op.code))) +
                                ". Gather the tensors and combine them with tensor_tensor."));
}

Status check_priority(const Binding& call, const Argument& priority) {
  if (!priority.given()) return ok_status();
  if (call.generation < 4) {
    return named("generation",
                 Status(Code::kUnsupported, spec(call.instruction.opcode).mnemonic +
                                                ": priority needs NeuronCore-v4, and the chip has "
                                                "NeuronCore-v" +
                                                std::to_string(call.generation) +
                                                ". Leave it out, or choose trainium3."));
  }
  if (priority.integer >= 0 && priority.integer <= 3) return ok_status();
  return collective_error(call, "expected a priority from 0 to 3, found " +
                                    std::to_string(priority.integer) + ". 0 comes first.");
}

Status check_channels(const Binding& call, const Argument& channels, size_t tensors) {
  const std::vector<int64_t>& ids = channels.integers;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == static_cast<int64_t>(i)) continue;
    return collective_error(call, "expected channel_ids 0, 1, ... in order, found " +
                                      std::to_string(ids[i]) + " at position " + std::to_string(i) +
                                      ". Number the channels from 0.");
  }
  constexpr size_t kMost = 2;
  if (ids.empty() || ids.size() > kMost) {
    return collective_error(call, "expected one or two channels between ranks of a chip, found " +
                                      std::to_string(ids.size()) + ". Use fewer.");
  }
  if (ids.size() == tensors) return ok_status();
  return collective_error(call, "expected one tensor for each of " + std::to_string(ids.size()) +
                                    " channels, found " + std::to_string(tensors) +
                                    ". Give channel_ids and tensors alike.");
}

size_t padded_bytes(const AccessPattern& pattern) {
  return (static_cast<size_t>(pattern.bytes()) + 63) / 64 * 64;
}

Bytes read_tensors(MachineState& machine, const Program& program,
                   std::span<const int64_t> tensors) {
  size_t total = 0;
  for (int64_t tensor : tensors) total += padded_bytes(pattern_of(program, tensor));
  Bytes all(total), cells;
  std::byte* to = all.data();
  for (int64_t tensor : tensors) {
    Operand in = machine.resolve(program, pattern_of(program, tensor));
    auto n = static_cast<size_t>(in.elements);
    size_t row = n * numerics::byte_size(in.pattern->format);
    cells.resize(n * numerics::byte_size(in.cell));
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      std::byte* target = to + static_cast<size_t>(p) * row;
      if (in.cell == in.pattern->format) {
        gather_raw(in, p, target);
        continue;
      }
      gather_raw(in, p, cells.data());
      numerics::convert(in.cell, cells.data(), in.pattern->format, target, n);
    }
    to += padded_bytes(*in.pattern);
  }
  return all;
}

void write_tensor(MachineState& machine, const Program& program, int64_t tensor,
                  const std::byte* bytes) {
  Operand out = machine.resolve(program, pattern_of(program, tensor));
  auto n = static_cast<size_t>(out.elements);
  size_t row = n * numerics::byte_size(out.pattern->format);
  Bytes cells(n * numerics::byte_size(out.cell));
  for (int64_t p = 0; p < out.pattern->partitions; ++p, bytes += row) {
    if (out.cell == out.pattern->format) {
      scatter_raw(out, p, bytes);
      continue;
    }
    numerics::convert(out.pattern->format, bytes, out.cell, cells.data(), n);
    scatter_raw(out, p, cells.data());
  }
}

void write_rounded(MachineState& machine, const Program& program, int64_t tensor,
                   const float* values) {
  Operand out = machine.resolve(program, pattern_of(program, tensor));
  auto n = static_cast<size_t>(out.elements);
  std::vector<float> row(n);
  for (int64_t p = 0; p < out.pattern->partitions; ++p, values += n) {
    std::copy(values, values + n, row.data());
    store_row(out, p, row.data(), machine.rounding());
  }
}

bool swap_tensors(MachineState& machine, const Program& program, const Instruction& instruction,
                  Bytes sent, std::vector<MachineState::Mail>& received) {
  Collective call = collective_of(program, instruction);
  size_t own = sent.size();
  auto mail = std::make_shared<const Bytes>(std::move(sent));
  if (!machine.swap(instruction, meeting_name(program, instruction), mail, call.peers, received))
    return false;
  for (size_t i = 0; i < received.size(); ++i) {
    if (received[i]->size() == own) continue;
    machine.fault(instruction, "expected tensors of one size on all ranks, found " +
                                   std::to_string(own) + " bytes here and " +
                                   std::to_string(received[i]->size()) + " on rank " +
                                   std::to_string(call.group[i]) + ". Give all the same shapes");
    return false;
  }
  return true;
}

std::vector<float> reduce_ranks(uint8_t function, Format format,
                                std::span<const MachineState::Mail> ranks, size_t at, size_t n) {
  std::vector<float> sum(n), next(n);
  for (size_t r = 0; r < ranks.size(); ++r) {
    std::vector<float>& target = r == 0 ? sum : next;
    numerics::convert(format, ranks[r]->data() + at, Format::kFloat32, target.data(), n);
    if (r > 0) numerics::apply(binary(function), sum.data(), next.data(), sum.data(), n);
  }
  return sum;
}

double total_bytes(const Program& program, std::span<const int64_t> tensors) {
  double total = 0;
  for (int64_t tensor : tensors) total += static_cast<double>(pattern_of(program, tensor).bytes());
  return total;
}

CollectiveWork in_memory(const Program& program, const Collective& call, CollectiveWork work,
                         double touched) {
  auto any = call.writes.empty() ? call.reads : call.writes;
  bool hbm = !any.empty() && program.buffer(pattern_of(program, any[0])).space == Space::kHbm;
  (hbm ? work.hbm : work.sbuf) = touched;
  return work;
}

Cost collective_cost(const CoreParameters& core, const Program& program,
                     const Instruction& instruction, CollectiveWork work) {
  Collective call = collective_of(program, instruction);
  if (call.ranks() < 2) work.steps = 0;
  auto share = static_cast<double>(call.share);
  double rate = core.dma_engines * core.dma_engine_bytes_per_s * core.collective_fraction;
  Cost cost;
  cost.occupied_s = (work.copied + work.reduced / core.dma_compute_fraction) / share / rate;
  cost.occupied_s = std::max(cost.occupied_s, work.hbm / share / core.hbm_core_bytes_per_s);
  bool moves = work.copied + work.reduced > 0;
  if (moves) cost.latency_s = core.collective_start_s + work.steps * core.collective_hop_s;
  cost.events.hbm_bytes = work.hbm / share, cost.events.sbuf_bytes = work.sbuf / share;
  cost.events.dma_bytes = (work.copied + work.reduced) / share;
  cost.events.dma_descriptors = moves ? core.dma_engines * std::max(work.steps, 1.0) : 0;
  return cost;
}

InstructionSpec collective_spec(const char* name, const char* summary, const char* source) {
  InstructionSpec spec{name, summary, source, {"out", "in"}, nullptr, nullptr};
  spec.writes = 0;
  spec.engine = Queue::kDmaMove;
  spec.first_generation = 2;
  spec.meets = true, spec.between_ranks = true;
  return spec;
}

}  // namespace thorong::isa
