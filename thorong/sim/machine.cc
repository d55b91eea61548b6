// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/machine.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "thorong/isa/instruction_table.h"

namespace thorong::sim {
namespace {

// Host bytes set aside for each simulated byte: fp32 cells of 8-bit formats need four, and padding one more.
constexpr int64_t kHostBytesPerByte = 5;
constexpr int64_t kLine = 64;

// Address space without memory behind it until touched.
std::byte* reserve(size_t bytes) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  THORONG_CHECK(data != MAP_FAILED, "the host refuses address space for the machine's memories");
  return static_cast<std::byte*>(data);
}

int64_t padded_row_bytes(const isa::Buffer& buffer) {
  auto device = static_cast<int64_t>(numerics::byte_size(buffer.format));
  auto cell = static_cast<int64_t>(numerics::byte_size(isa::host_cell(buffer.format)));
  int64_t bytes = (buffer.row_bytes * cell / device + kLine - 1) / kLine * kLine;
  return bytes % 1024 == 0 ? bytes + kLine : bytes;
}

}  // namespace

Machine::Machine(const isa::CoreParameters& core, const ThreadPool& pool, MachineOptions options)
    : pool_(pool), options_(options), partitions_(core.partitions), sbuf_bytes_(core.sbuf_bytes_per_partition),
      psum_bytes_(core.psum_banks * core.psum_bank_bytes), scratch_(4) {
  sbuf_reserved_ = static_cast<size_t>(partitions_ * sbuf_bytes_ * kHostBytesPerByte + (1 << 20));
  psum_reserved_ = static_cast<size_t>(partitions_ * psum_bytes_ * kHostBytesPerByte + (1 << 20));
  sbuf_ = reserve(sbuf_reserved_);
  psum_ = reserve(psum_reserved_);
}

Machine::~Machine() {
  ::munmap(sbuf_, sbuf_reserved_);
  ::munmap(psum_, psum_reserved_);
}

isa::HostBuffer Machine::place(const isa::Buffer& buffer) const {
  std::byte* memory = buffer.space == isa::Space::kPsum ? psum_ : sbuf_;
  return {memory + partitions_ * buffer.address * kHostBytesPerByte, padded_row_bytes(buffer)};
}

Status Machine::load(const isa::Program& program) {
  buffers_.clear();
  hbm_.clear();
  for (const isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm) {
      buffers_.push_back(place(buffer));
      continue;
    }
    if (buffer.role == isa::BufferRole::kConstant) {
      buffers_.push_back({const_cast<std::byte*>(buffer.constant), 0});
      continue;
    }
    size_t cells = static_cast<size_t>(buffer.row_bytes) / numerics::byte_size(buffer.format);
    size_t bytes = (cells * numerics::byte_size(isa::host_cell(buffer.format)) + 4095) / 4096 * 4096;
    auto* data = static_cast<std::byte*>(std::aligned_alloc(4096, std::max<size_t>(bytes, 4096)));
    if (data == nullptr) {
      return resource_exhausted("the host has no memory for a tensor of " + std::to_string(bytes) + " bytes ('" + buffer.name +
                                "'). Run on a larger machine, or with --timing-only.");
    }
    std::memset(data, 0, bytes);
    hbm_.emplace_back(data, std::free);
    buffers_.push_back({data, 0});
  }
  return ok_status();
}

std::byte* Machine::hbm_data(isa::BufferId buffer) { return buffers_[static_cast<size_t>(buffer)].data; }

void Machine::bind(isa::BufferId buffer, const std::byte* data, int64_t row_stride_bytes) {
  buffers_[static_cast<size_t>(buffer)] = {const_cast<std::byte*>(data), row_stride_bytes};
}

numerics::Rounding Machine::rounding() const {
  if (!options_.stochastic_rounding) return {};
  return {numerics::RoundingMode::kStochastic, numerics::make_key(options_.seed, options_.chip, options_.core, executed_), 0};
}

void Machine::fault(const isa::Instruction& instruction, std::string message) {
  Fault fault{std::move(message), current_, isa::spec(instruction.opcode).mnemonic, ""};
  if (instruction.operator_index >= 0) {
    fault.operator_name = program_->operators[static_cast<size_t>(instruction.operator_index)].name;
  }
  faults_.push_back(std::move(fault));
}

float* Machine::scratch(int slot, size_t n) {
  auto& memory = scratch_[static_cast<size_t>(slot)];
  if (memory.size() < n) memory.resize(n);
  return memory.data();
}

Status Machine::run(const isa::Program& program, const bool* interrupted) {
  program_ = &program;
  faults_.clear();
  auto table = isa::instruction_table();
  for (current_ = 0; current_ < program.instructions.size(); ++current_, ++executed_) {
    const isa::Instruction& instruction = program.instructions[current_];
    executing = &instruction;
    table[instruction.opcode].execute(*this, program, instruction);
    if (!faults_.empty()) {
      const Fault& fault = faults_.front();
      return Status(Code::kMachineFault,
                    fault.message + " (instruction " + std::to_string(fault.instruction) + ", " + fault.mnemonic + ")",
                    fault.operator_name);
    }
    if (interrupted != nullptr && *static_cast<const volatile bool*>(interrupted)) {
      return Status(Code::kInterrupted, "interrupted; nothing was written.");
    }
  }
  return ok_status();
}

}  // namespace thorong::sim
