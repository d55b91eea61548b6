// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/tile_builder.h"

#include <algorithm>
#include <cmath>

namespace thorong::compiler {
namespace {

// A large model has millions. Room that is not touched costs nothing, moving them does: long lists
// get room for four times as many rather than twice.
template <typename T>
void append(std::vector<T>& list, T element) {
  constexpr size_t kLong = size_t{1} << 16, kTimes = 4;
  if (list.size() == list.capacity() && list.size() >= kLong) list.reserve(kTimes * list.size());
  list.push_back(std::move(element));
}

}  // namespace

TileBuilder::TileBuilder(const isa::CoreParameters& core)
    : core_(core),
      sbuf_(0, core.sbuf_bytes_per_partition),
      lasting_(0, INT64_MAX / 4),
      scratch_(0, INT64_MAX / 4) {
  for (auto& recent : recent_) recent.fill(-1);
}

void TileBuilder::begin_operator(isa::OperatorInfo info) {
  operator_ = static_cast<int32_t>(program_.operators.size());
  program_.operators.push_back(std::move(info));
}

isa::Instruction TileBuilder::make(Opcode opcode, Queue queue,
                                   std::initializer_list<AccessPattern> operands,
                                   const Scalars& scalars) {
  isa::Instruction instruction;
  instruction.opcode = static_cast<uint16_t>(opcode);
  instruction.queue = queue;
  instruction.function0 = scalars.function0, instruction.function1 = scalars.function1;
  instruction.flags = scalars.flags;
  instruction.immediate0 = scalars.immediate0, instruction.immediate1 = scalars.immediate1;
  instruction.extra = scalars.extra;
  instruction.operator_index = operator_;
  size_t i = 0;
  for (const AccessPattern& operand : operands) {
    if (operand.buffer >= 0) instruction.operands[i] = add_pattern(operand, i);
    ++i;
  }
  return instruction;
}

// Products of one row of blocks share their moving tile, and those of one sum their bank.
int32_t TileBuilder::add_pattern(const AccessPattern& pattern, size_t operand) {
  std::array<int32_t, kRecent>& recent = recent_[operand];
  for (const int32_t index : recent) {
    if (index >= 0 && program_.patterns[static_cast<size_t>(index)] == pattern) return index;
  }
  const auto index = static_cast<int32_t>(program_.patterns.size());
  append(program_.patterns, pattern);
  recent[next_recent_[operand]++ % kRecent] = index;
  return index;
}

void TileBuilder::emit(Opcode opcode, Queue queue, std::initializer_list<AccessPattern> operands,
                       const Scalars& scalars) {
  append(program_.instructions, make(opcode, queue, operands, scalars));
}

double TileBuilder::estimate_s(Opcode opcode, Queue queue,
                               std::initializer_list<AccessPattern> operands,
                               const Scalars& scalars) {
  const size_t before = program_.patterns.size();
  const auto recent = recent_;
  const auto next_recent = next_recent_;
  isa::Instruction instruction = make(opcode, queue, operands, scalars);
  isa::Cost cost = isa::spec(instruction.opcode).cost(core_, program_, instruction);
  program_.patterns.resize(before);
  recent_ = recent, next_recent_ = next_recent;
  return cost.cycles / isa::clock_hz(core_, queue) + cost.occupied_s;
}

Queue TileBuilder::cheaper_engine(Opcode vector_opcode, const Scalars& vector_scalars,
                                  Opcode scalar_opcode, const Scalars& scalar_scalars,
                                  std::initializer_list<AccessPattern> vector_operands,
                                  std::initializer_list<AccessPattern> scalar_operands) {
  double vector = estimate_s(vector_opcode, Queue::kVector, vector_operands, vector_scalars);
  double scalar = estimate_s(scalar_opcode, Queue::kScalar, scalar_operands, scalar_scalars);
  return vector <= scalar ? Queue::kVector : Queue::kScalar;
}

void TileBuilder::copy(const AccessPattern& out, const AccessPattern& in) {
  Queue queue =
      cheaper_engine(Opcode::tensor_copy, {}, Opcode::tensor_copy, {}, {out, in}, {out, in});
  emit(Opcode::tensor_copy, queue, {out, in});
}

BufferId TileBuilder::add_buffer(isa::Buffer buffer) {
  append(program_.buffers, std::move(buffer));
  return static_cast<BufferId>(program_.buffers.size()) - 1;
}

BufferId TileBuilder::allocate_stream(Format format, int64_t elements) {
  int64_t bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
  auto address = sbuf_.allocate_oldest(bytes);
  if (!address) return -1;
  isa::Buffer buffer;
  buffer.format = format;
  buffer.partitions = static_cast<int32_t>(core_.partitions);
  buffer.row_bytes = bytes;
  buffer.address = *address;
  return add_buffer(std::move(buffer));
}

BufferId TileBuilder::allocate_resident(Format format, int64_t elements) {
  int64_t bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
  auto spare =
      static_cast<int64_t>(stream_share_ * static_cast<double>(core_.sbuf_bytes_per_partition));
  auto address = sbuf_.allocate_top(bytes, spare);
  if (!address) return -1;
  isa::Buffer buffer;
  buffer.format = format;
  buffer.partitions = static_cast<int32_t>(core_.partitions);
  buffer.row_bytes = bytes;
  buffer.address = *address;
  return add_buffer(std::move(buffer));
}

void TileBuilder::release(BufferId id) {
  const isa::Buffer& buffer = program_.buffers[static_cast<size_t>(id)];
  if (buffer.space == isa::Space::kHbm) {
    if (buffer.role == isa::BufferRole::kScratch) scratch_.free(buffer.address);
    return;
  }
  sbuf_.free(buffer.address);
}

AccessPattern TileBuilder::psum(int64_t partitions, int64_t elements, Format format) {
  isa::Buffer buffer;
  buffer.space = isa::Space::kPsum;
  buffer.format = format;
  buffer.partitions = static_cast<int32_t>(core_.partitions);
  buffer.row_bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
  THORONG_CHECK(buffer.row_bytes <= core_.psum_bank_bytes, "a PSUM tile is larger than a bank");
  buffer.address = psum_bank_ * core_.psum_bank_bytes;
  banks_touched_ = std::max(banks_touched_, psum_bank_ + 1);
  psum_bank_ = (psum_bank_ + 1) % core_.psum_banks;
  BufferId id = add_buffer(std::move(buffer));
  return dense(id, partitions, {elements});
}

BufferId TileBuilder::add_hbm(std::string name, isa::BufferRole role, Format format,
                              int64_t elements, int32_t index) {
  isa::Buffer buffer;
  buffer.name = std::move(name);
  buffer.space = isa::Space::kHbm;
  buffer.role = role;
  buffer.format = format;
  buffer.row_bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
  sim::AddressSpace& region = role == isa::BufferRole::kScratch ? scratch_ : lasting_;
  auto address = region.allocate_first_fit(std::max<int64_t>(1, buffer.row_bytes));
  THORONG_CHECK(address.has_value(), "HBM's address space is larger than any program");
  buffer.address = *address;
  buffer.index = index;
  return add_buffer(std::move(buffer));
}

BufferId TileBuilder::add_constant(std::string name, Format format, int64_t elements,
                                   std::shared_ptr<const void> owner, const std::byte* data) {
  BufferId id = add_hbm(std::move(name), isa::BufferRole::kConstant, format, elements);
  program_.buffers.back().constant_owner = std::move(owner);
  program_.buffers.back().constant = data;
  return id;
}

AccessPattern TileBuilder::dense(BufferId buffer, int64_t partitions,
                                 std::initializer_list<int64_t> sizes) const {
  AccessPattern ap;
  ap.buffer = buffer;
  ap.format = program_.buffers[static_cast<size_t>(buffer)].format;
  ap.partitions = static_cast<int32_t>(partitions);
  ap.rank = static_cast<uint8_t>(sizes.size());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    ap.size[i] = static_cast<int32_t>(sizes.begin()[i]);
    ap.step[i] = step;
    step *= sizes.begin()[i];
  }
  return ap;
}

void TileBuilder::finish() {
  // Scratch lies behind what lasts, whose size is known only now.
  for (isa::Buffer& buffer : program_.buffers) {
    if (buffer.space == isa::Space::kHbm && buffer.role == isa::BufferRole::kScratch)
      buffer.address += lasting_.peak();
  }
  program_.hbm_bytes = lasting_.peak() + scratch_.peak();
  program_.sbuf_peak_bytes = sbuf_.peak() * core_.partitions;
  program_.psum_peak_bytes = banks_touched_ * core_.psum_bank_bytes * core_.partitions;
}

}  // namespace thorong::compiler
