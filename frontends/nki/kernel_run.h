// SPDX-License-Identifier: Apache-2.0
// One core's run of a kernel: each call of an instruction is appended to a program and executed at
// once, so that values exist while the kernel's Python runs; afterwards the program is allocated,
// scheduled and timed (finish.h).
//
// Buffers are virtual: each has host memory of its own, which goes back to the run's store when the
// last tensor on it dies. A run belongs to one thread at a time. Cores of one launch share HBM
// tensors and hand over to each other (launch.h).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "frontends/nki/checks.h"
#include "frontends/nki/tensor.h"
#include "thorong/chip/assume.h"
#include "thorong/isa/instruction.h"
#include "thorong/sim/machine.h"

namespace thorong::nki {

class Launch;
class MemoryStore;

struct RunOptions {
  std::string chip = "trainium2";
  std::vector<chip::Assumption> assumptions;
  int generation = 0;  // NeuronCore version; 0: the chip's
  bool timing_only = false;
  bool stochastic_rounding = false;
  bool precise = true;  // false: floats narrower than 32 bits are not rounded on chip
  uint64_t seed = 0;
  int threads = 0;
  CheckMode check = CheckMode::kStrict;
  int64_t max_instructions = 5000000;
  bool compiled =
      false;  // neuronxcc.nki: its compiler places tiles, and masks leave parts unwritten
};

// What a call passes for one parameter. A tile's `object` is its Tensor; the rest of the binding is
// filled in here.
using Value = isa::Argument;
inline const Tensor& tensor_of(const Value& value) {
  return *static_cast<const Tensor*>(value.object);
}

class KernelRun final : public isa::MachineState {
 public:
  static Result<std::shared_ptr<KernelRun>> create(const RunOptions& options, int core = 0,
                                                   std::shared_ptr<Launch> launch = nullptr);
  ~KernelRun() override;

  // nl.ndarray. address: first partition and byte within the partition (on chip), given by the
  // kernel.
  Result<Tensor> allocate(std::span<const int64_t> shape, Dtype dtype, Region region,
                          std::string name,
                          std::optional<std::pair<int64_t, int64_t>> address = std::nullopt,
                          std::string place = {});
  // An HBM tensor over the caller's row-major array.
  Result<Tensor> wrap(std::byte* data, std::shared_ptr<void> owner, std::span<const int64_t> shape,
                      Dtype dtype, std::string name, isa::BufferRole role);
  // Binds, checks, records and executes one instruction. `place`: from locate().
  Status call(uint16_t opcode, std::span<Value> values, int32_t place);
  // An entry of Program::operators: the kernel's line and the instruction. The same for the same
  // arguments.
  int32_t locate(const std::string& file, int line, uint16_t opcode);
  // Instructions of the sequencer (registers.cc). move: `value` is that of `source`, if there is
  // one.
  Status move_register(Register& target, int64_t value, const Register* source, int32_t place);
  Status load_register(Register& target, const Tensor& source, int32_t place);
  Status store_register(const Tensor& target, const Register& source, int32_t place);
  // The step of a loop that sets its index, or (index null) a condition; `read`: the registers that
  // decide. What is recorded later starts after it.
  Status branch(std::span<const Register* const> read, Register* index, int64_t value,
                int32_t place);

  const isa::Program& program() const { return program_; }
  isa::Program& program() { return program_; }
  const isa::CoreParameters& core() const { return core_; }
  const chip::Chip& chip() const { return chip_; }
  const RunOptions& options() const { return options_; }
  int core_id() const { return core_id_; }
  // Null where nothing is checked.
  Checker* checker() const { return checker_.get(); }
  // After the kernel's end: do its tiles fit, is all of what it returned written?
  Status check_end(std::span<const Tensor> returned);
  // Every later call fails with Code::kInterrupted; from any thread.
  void stop() { stopped_ = true; }
  int generation() const { return options_.generation; }
  const std::shared_ptr<Launch>& launch() const { return launch_; }
  // Addresses that the kernel gave, by buffer; -1: none.
  const std::vector<int64_t>& fixed_addresses() const { return fixed_; }
  bool halted() const { return halted_; }
  // Instructions between begin_order and end_order keep their order (nl.no_reorder); blocks may
  // nest.
  void begin_order();
  void end_order() { --order_depth_; }
  int order_depth() const { return order_depth_; }
  // The block of each instruction that was recorded in one, -1 outside; empty where no block was
  // used.
  std::span<const int32_t> chains();
  // `later` starts after `earlier` has ended, whatever they access (with_schedule, depends_on):
  // indices of instructions.
  Status add_edge(int64_t later, int64_t earlier);
  Status add_edge(const std::string& later, const std::string& earlier);  // by their names
  void name_last(std::string name);  // the instruction that was recorded last
  std::span<const std::pair<int32_t, int32_t>> edges() const { return edges_; }

  int cores() const;  // of its rank
  isa::LaunchPlace place() const;
  // Who comes to an instruction at which cores meet, by their numbers in the launch.
  std::vector<int64_t> who_meets(const isa::Instruction& instruction) const;
  // The program as it was recorded, for another order than that of program().
  void keep_record() { record_ = program_; }
  const isa::Program& record() const { return record_; }
  // The program is no longer in the order of its record (finish.h).
  bool ordered() const { return ordered_; }
  void set_ordered() { ordered_ = true; }

  isa::HostBuffer host_buffer(isa::BufferId buffer) const override;
  void bind(isa::BufferId, const std::byte*, int64_t) override {}
  numerics::Rounding rounding() const override;
  const ThreadPool& pool() const override { return *pool_; }
  void fault(const isa::Instruction& instruction, std::string message) override;
  float* scratch(int slot, size_t n) override;
  bool exchange(const isa::Instruction& instruction, const std::string& meeting, int from,
                std::vector<std::byte>& bytes) override;
  bool swap(const isa::Instruction& instruction, const std::string& meeting, Mail bytes,
            std::span<const int64_t> from, std::vector<Mail>& received) override;
  void note(size_t at, int64_t value) override { program_.integers[at] = value; }
  // Runs something that waits for other cores; set where a lock must be let go meanwhile.
  void set_waiting(std::function<void(const std::function<void()>&)> around) {
    around_waiting_ = std::move(around);
  }

 private:
  KernelRun(const RunOptions& options, chip::Chip chip, int core, std::shared_ptr<Launch> launch);
  Status check_shape(std::span<const int64_t> shape, Region region) const;
  Status check_room(const Storage& storage);
  Status give_memory(Storage& storage, Dtype dtype);
  Status bind(const isa::InstructionSpec& spec, std::span<Value> values,
              isa::Instruction& instruction);
  isa::BufferId buffer_of(const std::shared_ptr<Storage>& storage);
  Result<int32_t> operand(const Tensor& tensor);
  Status bind_value(const isa::InstructionSpec& spec, const isa::Parameter& parameter, Value& value,
                    isa::Instruction& instruction);
  Status bind_tile(const isa::InstructionSpec& spec, const isa::Parameter& parameter, Value& value,
                   isa::Instruction& instruction);
  Status bind_all(const isa::InstructionSpec& spec, std::span<Value> values,
                  isa::Instruction& instruction);
  bool infer_accumulate(Value& accumulate, const Value& destination);
  void note_written(const isa::InstructionSpec& spec, const isa::Instruction& instruction);
  Status may_go_on() const;
  // Records and executes what is bound and checked. `written`: a register.
  Status append(const isa::InstructionSpec& spec, const isa::Instruction& instruction,
                const Register* written = nullptr);
  Status execute(const isa::InstructionSpec& spec);
  Status sequence(uint16_t opcode, const Tensor* tensor, std::span<const int64_t> integers,
                  const Register* written, int32_t place);
  Register::Uses& uses(const Register& of);
  void add_register_edges(const Register* written);
  void take_turns(const isa::InstructionSpec& spec, const isa::Instruction& instruction);
  void wait_for_others(const std::function<void()>& wait) const;
  std::string line_of(const isa::Instruction& instruction) const;
  Status arrive(const isa::Instruction& instruction);
  void name_ranks(isa::Instruction& instruction);

  RunOptions options_;
  chip::Chip chip_;
  isa::CoreParameters core_;
  int core_id_;
  std::shared_ptr<Launch> launch_;
  std::unique_ptr<ThreadPool> pool_;
  std::shared_ptr<MemoryStore> memory_;
  isa::Program program_, record_;
  std::vector<Storage*> storages_;  // by buffer; looked at only while a call holds the storage
  std::vector<int64_t> fixed_;
  std::vector<std::vector<float>> scratch_;
  std::unordered_map<std::string, int32_t> places_;
  std::string fault_;
  const char* fault_check_ = "out-of-bounds";
  std::unique_ptr<Checker> checker_;
  std::atomic<bool> stopped_ = false;
  int64_t hbm_allocated_ = 0;
  std::vector<int32_t> chains_;
  std::vector<std::pair<int32_t, int32_t>> edges_;
  std::unordered_map<std::string, int64_t> named_;  // -1: several of the name
  const std::shared_ptr<const int> identity_ = std::make_shared<const int>(0);
  std::vector<const Register*> register_reads_;  // by the call that is being bound
  int32_t registers_ = 0, last_branch_ = -1;
  int32_t chain_ = -1;  // the last block's number
  int order_depth_ = 0;
  bool ordered_ = false;
  bool halted_ = false;  // after a fault nothing more is executed
  uint64_t executed_ = 0;
  size_t shared_allocations_ = 0;
  std::function<void(const std::function<void()>&)> around_waiting_;
};

}  // namespace thorong::nki
