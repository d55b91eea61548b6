// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "thorong/isa/instruction_table.h"
#include "thorong/sim/work_list.h"

namespace thorong::sim {
namespace {

constexpr int64_t kLine = 64;
constexpr int64_t kPadded = 1024;             // rows of a multiple of so many bytes get a line more
constexpr int64_t kMostCellBytesPerByte = 4;  // fp32 cells of 8-bit formats

// Address space without memory behind it until touched, then in large pages where the host has
// them: a tile is 128 rows far from each other, more than the first level of the TLB holds.
Result<std::byte*> reserve(size_t bytes, const char* memory) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return resource_exhausted(
        "the host has no address space for the " + std::to_string(bytes) + " bytes of the chip's " +
            memory + ". Model a smaller one, lift the limit (ulimit -v), or use --timing-only.",
        memory);
  }
  ::madvise(data, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(data);
}

int64_t cell_bytes_per_byte(const isa::Buffer& buffer) {
  return static_cast<int64_t>(numerics::byte_size(isa::host_cell(buffer.format)) /
                              numerics::byte_size(buffer.format));
}

int64_t padded_row_bytes(const isa::Buffer& buffer) {
  int64_t bytes = buffer.row_bytes * cell_bytes_per_byte(buffer);
  bytes = (bytes + kLine - 1) / kLine * kLine;
  return bytes % kPadded == 0 ? bytes + kLine : bytes;
}

// Where the cells of a partition's first `bytes` bytes end, padding included.
int64_t padded_end(int64_t bytes, int64_t cells_per_byte) {
  return bytes * cells_per_byte + bytes * cells_per_byte / kPadded * kLine;
}

bool is_set(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

}  // namespace

Machine::Machine(const isa::CoreParameters& core, const ThreadPool& pool, MachineOptions options)
    : isa::MachineState(core.partitions),
      pool_(pool),
      options_(options),
      partitions_(core.partitions),
      sbuf_bytes_(core.sbuf_bytes_per_partition),
      psum_bytes_(core.psum_banks * core.psum_bank_bytes) {
  auto reserved = [&](int64_t bytes) {
    return static_cast<size_t>(partitions_ * padded_end(bytes, kMostCellBytesPerByte) + (1 << 20));
  };
  sbuf_reserved_ = reserved(sbuf_bytes_), psum_reserved_ = reserved(psum_bytes_);
}

Machine::~Machine() {
  if (sbuf_ != nullptr) ::munmap(sbuf_, sbuf_reserved_);
  if (psum_ != nullptr) ::munmap(psum_, psum_reserved_);
}

isa::HostBuffer Machine::place(const isa::Buffer& buffer) const {
  std::byte* memory = buffer.space == isa::Space::kPsum ? psum_ : sbuf_;
  return {memory + partitions_ * padded_end(buffer.address, cell_bytes_per_byte_),
          padded_row_bytes(buffer)};
}

Status Machine::load(const isa::Program& program) {
  buffers_.clear();
  hbm_.clear();
  own_.assign(program.buffers.size(), nullptr);
  parts_.clear();
  if (sbuf_ == nullptr) {
    THORONG_TRY(sbuf_, reserve(sbuf_reserved_, "sbuf"));
  }
  if (psum_ == nullptr) {
    THORONG_TRY(psum_, reserve(psum_reserved_, "psum"));
  }
  if (pool_.threads() > 1) prepare_threads(program);
  cell_bytes_per_byte_ = 1;
  for (const isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm)
      cell_bytes_per_byte_ = std::max(cell_bytes_per_byte_, cell_bytes_per_byte(buffer));
  }
  THORONG_RETURN_IF_ERROR(reserve_scratch(program));
  for (const isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm) {
      buffers_.push_back(place(buffer));
    } else if (buffer.role == isa::BufferRole::kConstant) {
      buffers_.push_back({const_cast<std::byte*>(buffer.constant), 0});
    } else if (buffer.role == isa::BufferRole::kScratch) {
      int64_t at = (buffer.address - scratch_begin_) * scratch_cell_bytes_per_byte_;
      buffers_.push_back({scratch_.get() + at, 0});
    } else {
      THORONG_TRY(std::byte * data, allocate(buffer));
      if (buffer.role == isa::BufferRole::kInput) own_[buffers_.size()] = data;
      buffers_.push_back({data, 0});
    }
  }
  return ok_status();
}

Status Machine::reserve_scratch(const isa::Program& program) {
  int64_t begin = INT64_MAX, end = 0, cells = 1;
  for (const isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm || buffer.role != isa::BufferRole::kScratch) continue;
    begin = std::min(begin, buffer.address);
    end = std::max(end, buffer.address + buffer.row_bytes);
    cells = std::max(cells, cell_bytes_per_byte(buffer));
  }
  scratch_.reset();
  scratch_begin_ = begin, scratch_cell_bytes_per_byte_ = cells;
  if (end <= begin) return ok_status();
  auto bytes = static_cast<size_t>((end - begin) * cells);
  THORONG_TRY(std::byte * data, reserve(bytes, "hbm"));
  scratch_ = {data, [bytes](std::byte* start) { ::munmap(start, bytes); }};
  return ok_status();
}

// Zeros for an input or an output.
Result<std::byte*> Machine::allocate(const isa::Buffer& buffer) {
  auto bytes = static_cast<size_t>(buffer.row_bytes * cell_bytes_per_byte(buffer));
  void* memory = std::calloc(bytes + kLine, 1);  // untouched, so that lent inputs cost nothing
  if (memory == nullptr) {
    return resource_exhausted("the host has no memory for a tensor of " + std::to_string(bytes) +
                              " bytes ('" + buffer.name +
                              "'). Run on a larger machine, or with --timing-only.");
  }
  hbm_.emplace_back(memory, std::free);
  size_t room = bytes + kLine;
  return static_cast<std::byte*>(std::align(kLine, bytes, memory, room));
}

std::byte* Machine::hbm_data(isa::BufferId buffer) {
  return buffers_[static_cast<size_t>(buffer)].data;
}

void Machine::lend(isa::BufferId input, const std::byte* cells) {
  THORONG_CHECK(own_[static_cast<size_t>(input)] != nullptr, "only inputs can be lent");
  bind(input, cells, 0);
}

void Machine::return_loans() {
  for (size_t b = 0; b < own_.size(); ++b) {
    if (own_[b] != nullptr) buffers_[b].data = own_[b];
  }
}

void Machine::bind(isa::BufferId buffer, const std::byte* data, int64_t row_stride_bytes) {
  buffers_[static_cast<size_t>(buffer)] = {const_cast<std::byte*>(data), row_stride_bytes};
}

numerics::Rounding Machine::rounding_of(size_t instruction) const {
  if (!options_.stochastic_rounding) return {};
  uint64_t count = executed_ + instruction;
  return {numerics::RoundingMode::kStochastic,
          numerics::make_key(options_.seed, options_.chip, options_.core, count), 0};
}

numerics::Rounding Machine::rounding() const { return rounding_of(current_); }

void Machine::add_fault(const isa::Instruction& instruction, size_t index, std::string message) {
  Fault fault{std::move(message), index, isa::spec(instruction.opcode).mnemonic, ""};
  if (instruction.operator_index >= 0) {
    fault.operator_name = program_->operators[static_cast<size_t>(instruction.operator_index)].name;
  }
  std::lock_guard<std::mutex> guard(faults_mutex_);
  if (!faults_.empty() && faults_.front().instruction <= index) return;
  faults_.assign(1, std::move(fault));
}

void Machine::fault(const isa::Instruction& instruction, std::string message) {
  add_fault(instruction, current_, std::move(message));
}

float* Machine::scratch(int slot, size_t n) {
  return isa::thread_scratch(isa::kMachineSlots + slot, n);
}

// The machine as one of several threads sees it, which executes one instruction or a part of it.
class Machine::Worker final : public isa::MachineState {
 public:
  explicit Worker(Machine& machine) : isa::MachineState(machine.engines), machine_(machine) {}

  void set(const WorkList::Item& item, const isa::Instruction& instruction) {
    item_ = item, faulted_ = false, executing = &instruction;
  }
  bool faulted() const { return faulted_; }

  isa::HostBuffer host_buffer(isa::BufferId buffer) const override {
    return machine_.host_buffer(buffer);
  }
  void bind(isa::BufferId buffer, const std::byte* data, int64_t stride) override {
    machine_.bind(buffer, data, stride);
  }
  numerics::Rounding rounding() const override {
    return machine_.rounding_of(static_cast<size_t>(item_.node));
  }
  const ThreadPool& pool() const override { return alone_; }
  isa::Part part() const override { return item_.part; }
  void fault(const isa::Instruction& instruction, std::string message) override {
    faulted_ = true;
    machine_.add_fault(instruction, static_cast<size_t>(item_.node), std::move(message));
  }
  float* scratch(int slot, size_t n) override { return machine_.scratch(slot, n); }

 private:
  Machine& machine_;
  ThreadPool alone_{1};
  WorkList::Item item_;
  bool faulted_ = false;
};

void Machine::prepare_threads(const isa::Program& program) {
  dependencies_ = find_placed_dependencies(program);
  parts_.assign(program.instructions.size(), 1);
  constexpr int64_t kWorthSplitting = 1 << 14;  // elements; below, meeting costs more than it saves
  constexpr int kMostParts = 64;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const isa::Instruction& instruction = program.instructions[i];
    if (!isa::spec(instruction.opcode).splits || (instruction.flags & isa::kBindView) != 0)
      continue;
    int64_t elements = 0;
    for (int k = 0; k < isa::kMaxOperands; ++k) {
      if (program.has_operand(instruction, k))
        elements = std::max(elements, program.operand(instruction, k).elements());
    }
    if (elements >= kWorthSplitting)
      parts_[i] = static_cast<uint8_t>(std::min(pool_.threads(), kMostParts));
  }
}

void Machine::execute_in_order(const isa::Program& program, const std::atomic<bool>* interrupted) {
  auto table = isa::instruction_table();
  for (current_ = 0; current_ < program.instructions.size() && faults_.empty(); ++current_) {
    const isa::Instruction& instruction = program.instructions[current_];
    executing = &instruction;
    table[instruction.opcode].execute(*this, program, instruction);
    if (is_set(interrupted)) {
      stopped_ = true;
      return;
    }
  }
}

void Machine::execute_side_by_side(const isa::Program& program,
                                   const std::atomic<bool>* interrupted) {
  auto table = isa::instruction_table();
  WorkList work(dependencies_, parts_);
  std::atomic<bool> stopped{false};
  std::exception_ptr thrown;
  std::once_flag once;
  pool_.parallel_for(pool_.threads(), 1, [&](int64_t first, int64_t last) {
    for (int64_t thread = first; thread < last; ++thread) {
      Worker worker(*this);
      WorkList::Item item;
      while ((item = work.next(item)).node >= 0) {
        const isa::Instruction& instruction = program.instructions[static_cast<size_t>(item.node)];
        worker.set(item, instruction);
        try {
          table[instruction.opcode].execute(worker, program, instruction);
        } catch (...) {  // the others must not wait for this thread
          std::call_once(once, [&] { thrown = std::current_exception(); });
          work.stop_after(-1);
        }
        if (worker.faulted()) work.stop_after(item.node);
        if (is_set(interrupted)) {
          stopped.store(true, std::memory_order_relaxed);
          work.stop_after(-1);
        }
      }
    }
  });
  if (thrown != nullptr) std::rethrow_exception(thrown);
  stopped_ = stopped.load();
  THORONG_CHECK(work.finished() || stopped_ || !faults_.empty(),
                "instructions of the program wait for each other");
}

Status Machine::run(const isa::Program& program, const std::atomic<bool>* interrupted) {
  program_ = &program;
  faults_.clear();
  stopped_ = false;
  if (!parts_.empty()) {
    execute_side_by_side(program, interrupted);
  } else {
    execute_in_order(program, interrupted);
  }
  if (!faults_.empty()) {
    const Fault& fault = faults_.front();
    return Status(Code::kMachineFault,
                  fault.message + " (instruction " + std::to_string(fault.instruction) + ", " +
                      fault.mnemonic + ")",
                  fault.operator_name);
  }
  if (stopped_) return Status(Code::kInterrupted, "interrupted; nothing was written.");
  executed_ += program.instructions.size();
  return ok_status();
}

}  // namespace thorong::sim
