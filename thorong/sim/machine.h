// SPDX-License-Identifier: Apache-2.0
// The functional layer: one core's memories on the host, and the execution of a program's
// instructions in program order.
//
// A buffer at address a of SBUF, of rows of w bytes, lies on the host as a block of its own: rows
// follow each other with a stride of w plus padding (a stride that is a multiple of 4 KiB would map
// all rows to the same cache sets). The block's place is a function of a and of the program's
// widest cells, so reuse of an address reuses host memory; scratch in HBM likewise. Floats are kept
// as fp32 cells (isa::host_cell).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "thorong/base/parallel.h"
#include "thorong/base/result.h"
#include "thorong/isa/cost_model.h"
#include "thorong/isa/machine_state.h"
#include "thorong/sim/dependencies.h"

namespace thorong::sim {

// What stopped the simulated machine: an answer, not an error of ours.
struct Fault {
  std::string message;
  size_t instruction = 0;  // index in the program
  std::string mnemonic;
  std::string operator_name;
};

struct MachineOptions {
  uint64_t seed = 0;
  bool stochastic_rounding = false;
  uint32_t chip = 0, core = 0;
};

class Machine final : public isa::MachineState {
 public:
  Machine(const isa::CoreParameters& core, const ThreadPool& pool, MachineOptions options);
  ~Machine() override;

  // Gives host memory to SBUF and PSUM, and to the program's HBM buffers: constants as the program
  // holds them, the rest zero-filled. Error: the host has not that much.
  Status load(const isa::Program& program);
  // Cells of an input or output buffer (host_cell of its format).
  std::byte* hbm_data(isa::BufferId buffer);
  // Has an input's cells read where the caller has them, until return_loans(); nothing writes to
  // them.
  void lend(isa::BufferId input, const std::byte* cells);
  void return_loans();
  // Runs all instructions, with the results that program order gives; with several threads those
  // that do not depend on each other side by side. Stops at the first fault in program order.
  // `interrupted` is polled between instructions.
  Status run(const isa::Program& program, const std::atomic<bool>* interrupted = nullptr);
  // The executed-instruction count, which keys the random bits of stochastic rounding; set back to
  // repeat a run exactly.
  uint64_t executed() const { return executed_; }
  void set_executed(uint64_t count) { executed_ = count; }
  const std::vector<Fault>& faults() const { return faults_; }

  isa::HostBuffer host_buffer(isa::BufferId buffer) const override {
    return buffers_[static_cast<size_t>(buffer)];
  }
  void bind(isa::BufferId buffer, const std::byte* data, int64_t row_stride_bytes) override;
  numerics::Rounding rounding() const override;
  const ThreadPool& pool() const override { return pool_; }
  void fault(const isa::Instruction& instruction, std::string message) override;
  float* scratch(int slot, size_t n) override;

 private:
  class Worker;
  void execute_in_order(const isa::Program& program, const std::atomic<bool>* interrupted);
  void execute_side_by_side(const isa::Program& program, const std::atomic<bool>* interrupted);
  void prepare_threads(const isa::Program& program);
  void add_fault(const isa::Instruction& instruction, size_t index, std::string message);
  numerics::Rounding rounding_of(size_t instruction) const;
  isa::HostBuffer place(const isa::Buffer& buffer) const;
  Status reserve_scratch(const isa::Program& program);
  Result<std::byte*> allocate(const isa::Buffer& buffer);

  const ThreadPool& pool_;
  MachineOptions options_;
  int64_t partitions_, sbuf_bytes_, psum_bytes_;
  int64_t cell_bytes_per_byte_ = 1;  // of SBUF's and PSUM's buffers, the most
  std::byte* sbuf_ = nullptr;        // reserved address space; pages appear when touched
  std::byte* psum_ = nullptr;
  size_t sbuf_reserved_ = 0, psum_reserved_ = 0;
  std::vector<isa::HostBuffer> buffers_;
  std::vector<std::byte*> own_;  // by buffer, of inputs: the memory that the machine has for them
  std::vector<std::unique_ptr<void, void (*)(void*)>> hbm_;  // inputs and outputs
  std::shared_ptr<std::byte> scratch_;                       // of HBM: reserved address space too
  int64_t scratch_begin_ = 0, scratch_cell_bytes_per_byte_ = 1;
  std::vector<Fault> faults_;  // none or the first
  std::mutex faults_mutex_;
  bool stopped_ = false;       // interrupted
  Dependencies dependencies_;  // of the loaded program, with several threads only
  std::vector<uint8_t> parts_;
  uint64_t executed_ = 0;  // instructions since the machine began: loops do not repeat random bits
  const isa::Program* program_ = nullptr;
  size_t current_ = 0;  // instruction, when they run in order
};

}  // namespace thorong::sim
