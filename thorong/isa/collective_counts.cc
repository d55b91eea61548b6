// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/collective_counts.h"

#include <cstring>

#include "thorong/isa/raw_rows.h"

namespace thorong::isa {
namespace {

// Arguments of both functions.
enum Position : size_t { kSrcs, kDsts, kGroup, kMetadata, kKnown, kDisplacements, kPriority };

bool set(const Argument& flag) {
  return flag.kind == Argument::Kind::kBool ? flag.flag : flag.given() && flag.number != 0;
}

const AccessPattern& at(const Program& program, int64_t index) {
  return program.patterns[static_cast<size_t>(index)];
}

// Rows first to first + count of the metadata, `columns` wide, as a pattern of their own.
int32_t rows_of(Program& program, int32_t metadata, int64_t rows, int64_t first, int64_t count,
                int64_t columns) {
  AccessPattern part = at(program, metadata);
  if (part.partitions == rows && rows > 1) {  // HBM
    part.offset += first * part.partition_step;
    part.partitions = static_cast<int32_t>(count);
  } else if (part.rank == 2) {
    part.offset += first * part.step[0];
    part.size[0] = static_cast<int32_t>(count);
  } else {
    part.offset += first * columns * part.step[0];
    part.size[0] = static_cast<int32_t>(count * columns);
  }
  program.patterns.push_back(part);
  return static_cast<int32_t>(program.patterns.size() - 1);
}

std::vector<int64_t> integers_of(MachineState& machine, const Program& program, int64_t index) {
  Operand in = machine.resolve(program, at(program, index));
  std::vector<int64_t> all(static_cast<size_t>(in.elements * in.pattern->partitions));
  for (int64_t p = 0; p < in.pattern->partitions; ++p)
    load_integers(in, p, all.data() + p * in.elements);
  return all;
}

struct Counts {
  std::vector<int64_t> counts, begins;    // of what this rank sends to each
  std::vector<int64_t> received, places;  // of what it receives from each
};

// What a rank leaves for the others: a header of counts and displacements, then its tensor.
Bytes pack(const Counts& own, const Bytes& tensor) {
  Bytes sent((own.counts.size() + own.begins.size()) * sizeof(int64_t));
  std::memcpy(sent.data(), own.counts.data(), own.counts.size() * sizeof(int64_t));
  std::memcpy(sent.data() + own.counts.size() * sizeof(int64_t), own.begins.data(),
              own.begins.size() * sizeof(int64_t));
  sent.insert(sent.end(), tensor.begin(), tensor.end());
  return sent;
}

int64_t header(const Bytes& bytes, size_t i) {
  int64_t value;
  std::memcpy(&value, bytes.data() + i * sizeof(int64_t), sizeof value);
  return value;
}

}  // namespace

Status attach_counted(Binding& call) {
  THORONG_RETURN_IF_ERROR(check_tensors(call, call[kSrcs].patterns, call[kDsts].patterns,
                                        {.hbm_only = true, .coalesces = false}));
  int64_t rows = set(call[kDisplacements]) ? 4 : 3;
  const AccessPattern& metadata = at(call.program, call[kMetadata].pattern);
  int64_t columns = metadata.elements() / rows;
  CollectiveCall parts{call[kGroup].integers, call[kSrcs].patterns, call[kDsts].patterns};
  parts.extra = {at(call.program, call[kDsts].patterns[0]).elements(), set(call[kKnown]) ? 0 : 1};
  if (columns * rows == metadata.elements()) {
    auto part = [&](int64_t first, int64_t count) {
      return rows_of(call.program, call[kMetadata].pattern, rows, first, count, columns);
    };
    parts.reads.push_back(part(0, 2));
    if (rows == 4) parts.reads.push_back(part(3, 1));
    if (parts.extra[1] != 0) parts.writes.push_back(part(2, 1));
  }
  return attach_collective(call, parts);
}

Status check_counted(const Binding& call) {
  const auto &srcs = call[kSrcs].patterns, &dsts = call[kDsts].patterns;
  THORONG_RETURN_IF_ERROR(check_same_dtype(call, srcs, dsts));
  int64_t n = collective_of(call.program, call.instruction).ranks();
  int64_t rows = set(call[kDisplacements]) ? 4 : 3;
  const AccessPattern& metadata = at(call.program, call[kMetadata].pattern);
  bool hbm = call.program.buffer(metadata).space == Space::kHbm;
  std::vector<int64_t> wanted{rows, n},
      found(call[kMetadata].shape.begin(), call[kMetadata].shape.end());
  if (!hbm) wanted.insert(wanted.begin(), 1);
  if (metadata.format != Format::kUint32 || found != wanted) {
    auto text = [](const std::vector<int64_t>& shape) {
      std::string all;
      for (int64_t size : shape) all += (all.empty() ? "(" : ", ") + std::to_string(size);
      return all + ")";
    };
    return collective_error(call, "expected metadata_tensor as uint32 " + text(wanted) +
                                      " (rows x ranks), found " +
                                      std::string(numerics::name(metadata.format)) + " " +
                                      text(found) + ". Correct its shape or dtype.");
  }
  if (at(call.program, dsts[0]).elements() % n != 0) {
    return collective_error(call, "expected a dst with a slot of one size for each of " +
                                      std::to_string(n) + " ranks, found " +
                                      std::to_string(at(call.program, dsts[0]).elements()) +
                                      " elements. Make it a multiple.");
  }
  return check_priority(call, call[kPriority]);
}

void execute_counted(MachineState& machine, const Program& program, const Instruction& instruction,
                     bool gathers) {
  Collective call = collective_of(program, instruction);
  auto n = static_cast<size_t>(call.ranks());
  std::vector<int64_t> table = integers_of(machine, program, call.reads[1]);
  Counts own;
  for (size_t r = 0; r < n; ++r) {
    own.counts.push_back(table[gathers ? 0 : r]);
    own.begins.push_back(table[n + (gathers ? 0 : r)]);
  }
  Bytes tensor = read_tensors(machine, program, call.reads.first(1));
  const AccessPattern &src = at(program, call.reads[0]), &dst = at(program, call.writes[0]);
  int64_t slot = dst.elements() / call.ranks(), total = 0;
  std::vector<int64_t> places;
  if (call.reads.size() > 2) places = integers_of(machine, program, call.reads[2]);
  for (size_t r = 0; r < n; ++r) {
    if (own.begins[r] + own.counts[r] <= src.elements()) continue;
    return machine.fault(instruction, "expected chunks within src of " +
                                          std::to_string(src.elements()) + " elements, found " +
                                          std::to_string(own.counts[r]) + " from " +
                                          std::to_string(own.begins[r]) + " on for rank " +
                                          std::to_string(call.group[r]) +
                                          ". Correct the metadata's counts or displacements");
  }
  std::vector<MachineState::Mail> all;
  if (!machine.swap(instruction, meeting_name(program, instruction),
                    std::make_shared<const Bytes>(pack(own, tensor)), call.peers, all))
    return;
  Bytes result = read_tensors(machine, program, call.writes.first(1));
  size_t cell = numerics::byte_size(dst.format);
  auto self = static_cast<size_t>(call.position);
  for (size_t s = 0; s < n; ++s) {
    int64_t count = header(*all[s], self), begin = header(*all[s], n + self);
    int64_t to = places.empty() ? static_cast<int64_t>(s) * slot : places[s];
    int64_t room = places.empty() ? slot : dst.elements() - to;
    if (count > room) {
      return machine.fault(instruction,
                           "expected at most " + std::to_string(std::max<int64_t>(room, 0)) +
                               " elements from rank " + std::to_string(call.group[s]) +
                               ", as dst has room for, found " + std::to_string(count) +
                               ". Correct the sender's count, or make dst larger");
    }
    std::memcpy(result.data() + static_cast<size_t>(to) * cell,
                all[s]->data() + 2 * n * sizeof(int64_t) + static_cast<size_t>(begin) * cell,
                static_cast<size_t>(count) * cell);
    own.received.push_back(count), total += count;
  }
  write_tensor(machine, program, call.writes[0], result.data());
  machine.note(call.extra_at, total);
  if (call.extra[1] == 0) return;
  Operand counts = machine.resolve(program, at(program, call.writes[1]));
  store_integers(counts, 0, own.received.data());
}

Cost counted_cost(const CoreParameters& core, const Program& program,
                  const Instruction& instruction) {
  Collective call = collective_of(program, instruction);
  const AccessPattern& dst = at(program, call.writes[0]);
  double bytes =
      static_cast<double>(call.extra[0]) * static_cast<double>(numerics::byte_size(dst.format));
  CollectiveWork work{2, bytes, 0};  // the counts, then the data
  work.hbm = 2 * bytes;
  return collective_cost(core, program, instruction, work);
}

InstructionSpec counted_spec(const char* name, const char* summary) {
  InstructionSpec spec = collective_spec(
      name, summary,
      "Intra-node Collective Communications (mesh): two steps (counts, data), the bytes received");
  spec.operands = {"out", "in", "metadata"};
  spec.cost = counted_cost;
  spec.parameters = {
      {"srcs", ParameterKind::kTiles, -1, "", "the tensor to send from", kInHbm | kInSbuf},
      {"dsts", ParameterKind::kTiles, -1, "", "the tensor to receive into", kInHbm | kInSbuf},
      {"replica_group", ParameterKind::kIntegers, -1, "", "the groups of ranks"},
      {"metadata_tensor", ParameterKind::kTile, -1, "", "counts and displacements, uint32",
       kInHbm | kInSbuf},
      {"recv_counts_known", ParameterKind::kFlag, 0, "False", "row 2 is left alone"},
      {"has_rdispls", ParameterKind::kFlag, 0, "False", "row 3 says where chunks are put"},
      {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
      {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
  spec.assemble = attach_counted;
  spec.check = check_counted;
  return spec;
}

}  // namespace thorong::isa
