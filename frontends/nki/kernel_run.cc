// SPDX-License-Identifier: Apache-2.0
// Allocation, recording and execution. Binding of a call's arguments: bind_call.cc.
#include "frontends/nki/kernel_run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "frontends/nki/finish.h"
#include "frontends/nki/launch.h"
#include "frontends/nki/memory_store.h"
#include "thorong/chip/loader.h"
#include "thorong/isa/collective.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"

namespace thorong::nki {
namespace {

using numerics::Format;

constexpr int64_t kLine = 64;
constexpr int64_t kSideBySide = 256;  // bytes: shorter rows follow each other without a gap

// Whether an on-chip tile keeps its own bytes in place of fp32 cells. bfloat16 does: widening it is
// a shift, on the way to arithmetic that waits for memory, and tiles take half the cache. Unless
// narrow floats are to stay as precise as fp32.
bool keeps_bytes(Format format, bool precise) { return format == Format::kBfloat16 && precise; }

// Rows of 4 KiB multiples would meet in the same cache sets; those of a product's operands, which
// are read across, of 1 KiB multiples already (bytes are widened elsewhere before).
int64_t row_stride(int64_t bytes, bool cells) {
  if (bytes <= kSideBySide || (!cells && bytes % 4096 != 0)) return bytes;
  int64_t stride = (bytes + kLine - 1) / kLine * kLine;
  return stride % 1024 == 0 ? stride + kLine : stride;
}

// What a kernel must not rely on: NaN, or 4 in integers, as the vendor's simulator has it.
void fill_unwritten(std::byte* data, size_t bytes, Format cell) {
  auto size = numerics::byte_size(cell);
  double value = numerics::is_float(cell) ? std::numeric_limits<double>::quiet_NaN() : 4;
  numerics::store_from_double(cell, data, 0, value);
  for (size_t done = size; done < bytes; done *= 2)
    std::memcpy(data + done, data, std::min(done, bytes - done));
}

int chip_generation(const std::string& name) {
  if (name.find("trainium3") != std::string::npos) return 4;
  if (name.find("trainium2") != std::string::npos) return 3;
  return name == "inferentia1" ? 1 : 2;
}

}  // namespace

Result<std::shared_ptr<KernelRun>> KernelRun::create(const RunOptions& options, int core,
                                                     std::shared_ptr<Launch> launch) {
  THORONG_TRY(chip::Chip chip, chip::load(options.chip, options.assumptions));
  RunOptions known = options;
  if (known.generation == 0) known.generation = chip_generation(chip.name);
  return std::shared_ptr<KernelRun>(new KernelRun(known, std::move(chip), core, std::move(launch)));
}

KernelRun::KernelRun(const RunOptions& options, chip::Chip chip, int core,
                     std::shared_ptr<Launch> launch)
    : MachineState(isa::core_parameters(chip).partitions),
      options_(options),
      chip_(std::move(chip)),
      core_(isa::core_parameters(chip_)),
      core_id_(core),
      launch_(std::move(launch)),
      pool_(std::make_unique<ThreadPool>(options.threads)),
      memory_(std::make_shared<MemoryStore>()),
      scratch_(4) {
  if (options.check == CheckMode::kOff) return;
  Checker::Setup setup{options.check, options.generation,  core % cores(),
                       cores(),       options.timing_only, options.compiled};
  checker_ = std::make_unique<Checker>(
      setup, core_, launch_ != nullptr ? launch_->seen() : std::make_shared<Checker::Seen>());
}

KernelRun::~KernelRun() = default;

Status KernelRun::check_shape(std::span<const int64_t> shape, Region region) const {
  auto found = [&] {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i)
      text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + ")";
  };
  bool positive = std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size > 0; });
  if (shape.empty() || shape.size() > kMaxRank || !positive) {
    return isa::named("partition-limit",
                      invalid_argument("ndarray: expected one to " + std::to_string(kMaxRank) +
                                       " positive sizes, found " + found() + "."));
  }
  int64_t bytes = 8;
  for (int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      return isa::named("hbm-capacity",
                        resource_exhausted("ndarray: expected a size that fits the chip, found " +
                                           found() + ". Correct the shape."));
    }
  }
  bool on_chip = region == Region::kSbuf || region == Region::kPsum;
  if (!on_chip || shape[0] <= core_.partitions) return ok_status();
  return isa::named(
      "partition-limit",
      invalid_argument(
          "ndarray: expected at most " + std::to_string(core_.partitions) + " partitions in " +
          std::string(name(region)) + ", found shape " + found() +
          ". The first dimension lies along the partitions: split the tensor into tiles."));
}

// HBM: the tensors of a kernel live until its end.
Status KernelRun::check_room(const Storage& storage) {
  int64_t bytes = storage.partitions * storage.row_bytes;
  if (!storage.on_chip()) hbm_allocated_ += bytes;
  auto chip = static_cast<int64_t>(core_.hbm_bytes);
  static const int64_t host = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  if (hbm_allocated_ <= std::min(chip, host) && bytes <= host) return ok_status();
  return isa::named(
      "hbm-capacity",
      resource_exhausted("expected at most " +
                         (chip <= host ? std::to_string(chip) + " bytes in HBM of " + chip_.name
                                       : std::to_string(host) + " bytes on this machine") +
                         ", found " + std::to_string(std::max(hbm_allocated_, bytes)) + " with " +
                         (storage.name.empty() ? std::to_string(bytes) + " of this tensor"
                                               : "'" + storage.name + "'") +
                         ". Allocate less, or write to tensors again."));
}

Status KernelRun::give_memory(Storage& storage, Dtype dtype) {
  Format format = info(dtype).format;
  bool as_bytes = !storage.on_chip() || keeps_bytes(format, options_.precise);
  Format cell = as_bytes ? format : isa::host_cell(format);
  int64_t row =
      storage.row_bytes / info(dtype).bytes() * static_cast<int64_t>(numerics::byte_size(cell));
  int64_t stride = storage.on_chip() ? row_stride(row, !as_bytes) : 0;
  auto bytes = static_cast<size_t>(storage.on_chip() ? stride * storage.partitions : row);
  storage.host = {nullptr, stride, as_bytes};
  storage.memory = memory_->take(bytes);
  if (storage.memory == nullptr) {
    return resource_exhausted("the host has no memory for a tensor of " + std::to_string(bytes) +
                              " bytes. Run on a larger machine.");
  }
  storage.host.data = static_cast<std::byte*>(storage.memory.get());
  if (options_.timing_only) return ok_status();  // nobody reads it, so it takes no memory
  fill_unwritten(storage.host.data, bytes, cell);
  return ok_status();
}

Result<Tensor> KernelRun::allocate(std::span<const int64_t> shape, Dtype dtype, Region region,
                                   std::string label,
                                   std::optional<std::pair<int64_t, int64_t>> address,
                                   std::string place) {
  THORONG_RETURN_IF_ERROR(check_shape(shape, region));
  Tensor tensor;
  tensor.dtype = dtype, tensor.rank = static_cast<uint8_t>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape.begin());
  bool on_chip = region == Region::kSbuf || region == Region::kPsum;
  if (on_chip && tensor.rank == 1) tensor.shape[tensor.rank++] = 1;
  int64_t step = 1;
  for (size_t i = tensor.rank; i-- > 0; step *= tensor.shape[i]) tensor.strides[i] = step;
  bool shared = region == Region::kSharedHbm && launch_ != nullptr;
  if (shared) tensor.storage = launch_->shared(core_id_, shared_allocations_);
  if (tensor.storage == nullptr) {
    auto storage = std::make_shared<Storage>();
    storage->region = region, storage->dtype = dtype, storage->name = std::move(label);
    storage->shape.assign(shape.begin(), shape.end());
    storage->partitions = on_chip ? tensor.shape[0] : 1;
    storage->row_bytes = (on_chip ? step / tensor.shape[0] : step) * info(dtype).bytes();
    if (address) storage->address = address->second;
    if (region == Region::kSharedHbm) storage->role = isa::BufferRole::kOutput;
    if (address && on_chip) storage->first_partition = std::max<int64_t>(address->first, 0);
    THORONG_RETURN_IF_ERROR(check_room(*storage));
    if (checker_) THORONG_RETURN_IF_ERROR(checker_->allocated(storage, std::move(place)));
    THORONG_RETURN_IF_ERROR(give_memory(*storage, dtype));
    tensor.storage = std::move(storage);
    if (shared) launch_->set_shared(core_id_, shared_allocations_, tensor.storage);
  }
  shared_allocations_ += shared ? 1 : 0;
  return tensor;
}

Result<Tensor> KernelRun::wrap(std::byte* data, std::shared_ptr<void> owner,
                               std::span<const int64_t> shape, Dtype dtype, std::string label,
                               isa::BufferRole role) {
  if (shape.size() > kMaxRank) {
    return Status(Code::kUnsupported, "expected arrays of at most " + std::to_string(kMaxRank) +
                                          " dimensions, found " + std::to_string(shape.size()) +
                                          " for '" + label + "'. Reshape it.");
  }
  Tensor tensor;
  tensor.dtype = dtype;
  for (int64_t size : shape) tensor.shape[tensor.rank++] = size;
  if (tensor.rank == 0) tensor.shape[tensor.rank++] = 1;
  int64_t step = 1;
  for (size_t i = tensor.rank; i-- > 0; step *= tensor.shape[i]) tensor.strides[i] = step;
  auto storage = std::make_shared<Storage>();
  storage->region = launch_ != nullptr ? Region::kSharedHbm : Region::kPrivateHbm;
  storage->dtype = dtype, storage->name = std::move(label), storage->role = role;
  storage->shape.assign(tensor.sizes().begin(), tensor.sizes().end());
  storage->row_bytes = step * info(dtype).bytes();
  storage->host = {data, 0, true};
  storage->memory = std::move(owner);
  if (checker_) {
    if (launch_ != nullptr) storage->checks = launch_->checks_of(data);
    THORONG_RETURN_IF_ERROR(checker_->allocated(storage, {}));
  }
  tensor.storage = std::move(storage);
  return tensor;
}

isa::BufferId KernelRun::buffer_of(const std::shared_ptr<Storage>& storage) {
  auto core = static_cast<size_t>(core_id_);
  if (storage->buffers.size() <= core) storage->buffers.resize(core + 1, -1);
  isa::BufferId& id = storage->buffers[core];
  if (id >= 0) return id;
  id = static_cast<isa::BufferId>(program_.buffers.size());
  isa::Buffer& buffer = program_.buffers.emplace_back();
  buffer.name = storage->name;
  buffer.space = space_of(storage->region);
  buffer.role = storage->role;
  buffer.format = info(storage->dtype).format;
  buffer.partitions = static_cast<int32_t>(storage->partitions);
  buffer.row_bytes = storage->row_bytes;
  storages_.push_back(storage.get());
  fixed_.push_back(storage->address);
  return id;
}

Result<int32_t> KernelRun::operand(const Tensor& tensor) {
  if (tensor.unchecked) THORONG_RETURN_IF_ERROR(within_storage(tensor));
  THORONG_TRY(isa::AccessPattern pattern, access_pattern(tensor));
  pattern.buffer = buffer_of(tensor.storage);
  if (tensor.dynamic != nullptr) {
    const DynamicIndex& dynamic = *tensor.dynamic;
    if (dynamic.register_ != nullptr) {
      int64_t value = dynamic.register_->value;
      register_reads_.push_back(dynamic.register_.get());
      if (value < 0 || value >= dynamic.limit) {
        return out_of_range("a register gives the index " + std::to_string(value) +
                            ", expected 0 to " + std::to_string(dynamic.limit - 1) + " for " +
                            to_string(tensor) + ". Correct the register's value.");
      }
      pattern.offset += value * dynamic.step;
    } else {
      THORONG_TRY(int32_t index, operand(*dynamic.tile));
      pattern.indirect = static_cast<int32_t>(program_.indirects.size());
      program_.indirects.push_back(
          {index, dynamic.per_partition, false, dynamic.columns, 16, dynamic.step, dynamic.limit});
    }
  }
  program_.patterns.push_back(pattern);
  return static_cast<int32_t>(program_.patterns.size() - 1);
}

Status KernelRun::execute(const isa::InstructionSpec& spec) {
  if (options_.timing_only) return ok_status();
  const isa::Instruction& instruction = program_.instructions.back();
  executing = &instruction;
  spec.execute(*this, program_, instruction);
  ++executed_;
  if (fault_.empty()) return ok_status();
  halted_ = true;
  return isa::named(fault_check_, Status(Code::kMachineFault, spec.mnemonic + ": " + fault_ + "."));
}

int32_t KernelRun::locate(const std::string& file, int line, uint16_t opcode) {
  std::string key = file + ":" + std::to_string(line) + "\n" + std::to_string(opcode);
  auto [entry, fresh] =
      places_.try_emplace(std::move(key), static_cast<int32_t>(program_.operators.size()));
  if (fresh)
    program_.operators.push_back(
        {file + ":" + std::to_string(line), isa::spec(opcode).mnemonic, "tile", 0});
  return entry->second;
}

void KernelRun::begin_order() {
  if (order_depth_++ == 0) ++chain_;
}

std::span<const int32_t> KernelRun::chains() {
  if (!chains_.empty()) chains_.resize(program_.instructions.size(), -1);
  return chains_;
}

Status KernelRun::add_edge(int64_t later, int64_t earlier) {
  auto n = static_cast<int64_t>(program_.instructions.size());
  if (later < 0 || later >= n || earlier < 0 || earlier >= later) {
    return invalid_argument(
        "expected an instruction that comes after the one it depends on, found number " +
        std::to_string(later) + " after number " + std::to_string(earlier) + ". Exchange the two.");
  }
  edges_.emplace_back(static_cast<int32_t>(later), static_cast<int32_t>(earlier));
  return ok_status();
}

void KernelRun::name_last(std::string name) {
  auto [entry, fresh] =
      named_.try_emplace(std::move(name), static_cast<int64_t>(program_.instructions.size()) - 1);
  if (!fresh) entry->second = -1;  // not one instruction
}

Status KernelRun::add_edge(const std::string& later, const std::string& earlier) {
  std::array<int64_t, 2> at{};
  for (size_t i = 0; i < 2; ++i) {
    const std::string& name = i == 0 ? later : earlier;
    auto found = named_.find(name);
    if (found == named_.end() || found->second < 0) {
      return invalid_argument("with_schedule: expected one instruction with name='" + name +
                              "', found " + (found == named_.end() ? "none" : "several") +
                              ". Give the instruction that name, once.");
    }
    at[i] = found->second;
  }
  return add_edge(at[0], at[1]);
}

isa::HostBuffer KernelRun::host_buffer(isa::BufferId buffer) const {
  return storages_[static_cast<size_t>(buffer)]->host;
}

numerics::Rounding KernelRun::rounding() const {
  if (!options_.precise) return {numerics::RoundingMode::kNone, 0, 0};
  if (!options_.stochastic_rounding) return {};
  return {numerics::RoundingMode::kStochastic,
          numerics::make_key(options_.seed, 0, static_cast<uint32_t>(core_id_), executed_), 0};
}

void KernelRun::fault(const isa::Instruction&, std::string message) {
  if (fault_.empty()) fault_ = std::move(message);
}

float* KernelRun::scratch(int slot, size_t n) {
  auto& memory = scratch_[static_cast<size_t>(slot)];
  if (memory.size() < n) memory.resize(n);
  return memory.data();
}

void KernelRun::wait_for_others(const std::function<void()>& wait) const {
  if (around_waiting_)
    around_waiting_(wait);
  else
    wait();
}

// Hands the baton on where the instruction wrote what the cores share.
void KernelRun::take_turns(const isa::InstructionSpec& spec, const isa::Instruction& instruction) {
  if (launch_ == nullptr || launch_->cores() < 2) return;
  for (size_t i = 0; i < isa::kMaxOperands; ++i) {
    if ((spec.writes >> i & 1) == 0 || instruction.operands[i] < 0) continue;
    const isa::AccessPattern& pattern =
        program_.patterns[static_cast<size_t>(instruction.operands[i])];
    if (storages_[static_cast<size_t>(pattern.buffer)]->region != Region::kSharedHbm) continue;
    wait_for_others([&] { launch_->take_turns(core_id_); });
    return;
  }
}

std::string KernelRun::line_of(const isa::Instruction& instruction) const {
  int32_t at = instruction.operator_index;
  return at < 0 ? "" : program_.operators[static_cast<size_t>(at)].name;
}

bool KernelRun::exchange(const isa::Instruction& instruction, const std::string& meeting, int from,
                         std::vector<std::byte>& bytes) {
  fault_check_ = "deadlock";
  if (cores() < 2) return MachineState::exchange(instruction, meeting, from, bytes);
  if (from >= cores()) {
    fault(instruction, "expected a core from 0 to " + std::to_string(cores() - 1) + ", found " +
                           std::to_string(from));
    return false;
  }
  std::string why;
  bool met = false;
  int sender = from < 0 ? core_id_ : core_id_ / cores() * cores() + from;
  const bool tells = checker_ != nullptr && isa::spec(instruction.opcode).reach != isa::Reach::kAll;
  if (tells) checker_->send_lanes(bytes);
  wait_for_others([&] {
    launch_->post(core_id_, meeting, std::make_shared<const std::vector<std::byte>>(bytes));
    met = launch_->meet(core_id_, who_meets(instruction), meeting, line_of(instruction), &why);
    if (met) bytes = *launch_->collect(core_id_, sender, meeting);
  });
  if (!met)
    fault(instruction, "the cores never meet: this core waits at " + meeting + ", and " + why +
                           ". Let every core call it equally often");
  if (met && tells) checker_->receive_lanes(program_, instruction, storages_, bytes);
  if (met) fault_check_ = "sendrecv";  // of what comes after the meeting
  return met;
}

// To a collective: what it reads is read when all have come.
Status KernelRun::arrive(const isa::Instruction& instruction) {
  std::vector<int64_t> who = who_meets(instruction);
  if (who.size() < 2) return ok_status();
  std::string name = isa::meeting_name(program_, instruction), why;
  bool met = false;
  wait_for_others([&] { met = launch_->meet(core_id_, who, name, line_of(instruction), &why); });
  if (met) return ok_status();
  halted_ = true;
  return isa::named("deadlock",
                    Status(Code::kMachineFault,
                           isa::spec(instruction.opcode).mnemonic + ": the ranks never meet: " +
                               launch_->label(core_id_) + " waits at " + name + ", and " + why +
                               ". Let every core of the group call it equally often, in the "
                               "same order."));
}

// Reports say "all_reduce of ranks 0, 1".
void KernelRun::name_ranks(isa::Instruction& instruction) {
  if (instruction.operator_index < 0) return;
  isa::OperatorInfo& own = program_.operators[static_cast<size_t>(instruction.operator_index)];
  isa::OperatorInfo info = own;
  info.op = isa::meeting_name(program_, instruction);
  if (own.op == isa::spec(instruction.opcode).mnemonic) {  // the line's first group
    own.op = info.op;
    places_.emplace(info.name + "\n" + info.op, instruction.operator_index);
  }
  auto [entry, fresh] = places_.try_emplace(info.name + "\n" + info.op,
                                            static_cast<int32_t>(program_.operators.size()));
  if (fresh) program_.operators.push_back(info);
  instruction.operator_index = entry->second;
}

bool KernelRun::swap(const isa::Instruction& instruction, const std::string& meeting, Mail bytes,
                     std::span<const int64_t> from, std::vector<Mail>& received) {
  fault_check_ = "collective";
  std::vector<int64_t> who = who_meets(instruction);
  if (who.size() < 2) return MachineState::swap(instruction, meeting, bytes, from, received);
  std::string why;
  bool met = false;
  wait_for_others([&] {
    launch_->post(core_id_, meeting, std::move(bytes));
    met = launch_->meet(core_id_, who, meeting + " (its data)", line_of(instruction), &why);
    for (int64_t each : from)
      if (met) received.push_back(launch_->collect(core_id_, static_cast<int>(each), meeting));
  });
  if (!met) fault(instruction, "found no data from the others: " + why + ". Correct their error");
  return met;
}

int KernelRun::cores() const { return launch_ == nullptr ? 1 : launch_->cores(); }

isa::LaunchPlace KernelRun::place() const {
  if (launch_ == nullptr) return {};
  return {launch_->ranks(), launch_->cores(), core_id_, launch_->given()};
}

std::vector<int64_t> KernelRun::who_meets(const isa::Instruction& instruction) const {
  if (isa::spec(instruction.opcode).between_ranks) {
    auto cores = isa::collective_of(program_, instruction).cores;
    return {cores.begin(), cores.end()};
  }
  std::vector<int64_t> all;
  int first = core_id_ / cores() * cores();
  for (int i = 0; i < cores(); ++i) all.push_back(first + i);
  return all;
}

Status KernelRun::check_end(std::span<const Tensor> returned) {
  if (checker_ == nullptr) return ok_status();
  std::array<int64_t, 3> sums{};  // all of them fit: nothing to place
  for (const isa::Buffer& buffer : program_.buffers)
    sums[static_cast<size_t>(buffer.space)] += buffer.row_bytes;
  bool fits = sums[static_cast<size_t>(isa::Space::kSbuf)] <= core_.sbuf_bytes_per_partition / 2 &&
              sums[static_cast<size_t>(isa::Space::kPsum)] <= core_.psum_bank_bytes;
  if (Status status = fits ? ok_status() : order_and_place(*this, core_of_launch(*this));
      !status.ok() &&
      status.code() != Code::kUnsupported) {  // else there are places, though not ours
    THORONG_RETURN_IF_ERROR(
        checker_->found("sbuf-capacity", status.message(), status.where(), status.code()));
  }
  for (const Tensor& tensor : returned) {
    if (!options_.timing_only) THORONG_RETURN_IF_ERROR(checker_->returned(tensor));
  }
  return ok_status();
}

}  // namespace thorong::nki
