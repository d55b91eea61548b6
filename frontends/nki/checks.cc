// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/checks.h"

#include <algorithm>
#include <cstring>

#include "thorong/isa/collective.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"

namespace thorong::nki {
namespace {

using isa::AccessPattern;
using isa::Opcode;
using isa::Queue;

std::string range(int64_t low, int64_t high) {
  return std::to_string(low) + " to " + std::to_string(high - 1);
}

std::string label(const Storage& storage) {
  std::string text = storage.name.empty() ? "a tensor" : "'" + storage.name + "'";
  text += " (" + std::string(info(storage.dtype).name) + "[";
  for (size_t i = 0; i < storage.shape.size(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(storage.shape[i]);
  return text + "] in " + std::string(name(storage.region)) + ")";
}

StorageChecks& checks_of(Storage& storage) { return *storage.checks; }

// What the instruction reads of it depends on values.
bool reads_some(const isa::Instruction& instruction) {
  auto is = [&](Opcode opcode) { return instruction.opcode == static_cast<uint16_t>(opcode); };
  return is(Opcode::local_gather) || is(Opcode::nc_n_gather) || is(Opcode::dma_gather) ||
         is(Opcode::nc_stream_shuffle);
}

// An operand of nc_matmul_mx that is no packed data. Of its partitions, four of each quadrant
// count.
bool mx_scales(const isa::Instruction& instruction, const AccessPattern& pattern) {
  return instruction.opcode == static_cast<uint16_t>(Opcode::nc_matmul_mx) &&
         pattern.packed == isa::Packed::kNone;
}

// All that the instruction reads of the tile was written.
bool reads_written(const isa::Instruction& instruction, const AccessPattern& pattern,
                   isa::Space space, Coverage& written) {
  Extent at = extent(pattern, space);
  if (!mx_scales(instruction, pattern)) return written.contains(at);
  for (Extent four = at; four.first < at.last; four.first += 32) {
    four.last = std::min(four.first + 4, at.last);
    if (!written.contains(four)) return false;
  }
  return true;
}

bool engine(Queue queue) {
  return queue == Queue::kTensor || queue == Queue::kVector || queue == Queue::kScalar ||
         queue == Queue::kGpsimd;
}

const std::string& mnemonic(const isa::Instruction& instruction) {
  return isa::spec(instruction.opcode).mnemonic;
}

Extent extent_in(const AccessPattern& pattern, const Storage& storage) {
  if (pattern.indirect < 0) return extent(pattern, space_of(storage.region));
  if (!storage.on_chip()) return box(0, 1, 0, storage.row_bytes);
  return box(pattern.start_partition, pattern.start_partition + pattern.partitions, 0,
             storage.row_bytes);
}

// A collective after which all cores that share HBM have written the same: those of one rank, or
// ranks of a core each that all get the same result.
bool writes_alike(const isa::Program& program, const isa::Instruction& instruction, int cores) {
  if (!isa::spec(instruction.opcode).between_ranks) return false;
  isa::Collective call = isa::collective_of(program, instruction);
  bool each_core = call.cores.size() == call.group.size();
  bool all = call.ranks() == cores;
  return !each_core || (all && (instruction.opcode == static_cast<uint16_t>(Opcode::all_reduce) ||
                                instruction.opcode == static_cast<uint16_t>(Opcode::all_gather)));
}

// A collective to which all cores of a rank come: a barrier between them. Those of some ranks of a
// core each are none, for the others go on meanwhile.
bool is_barrier(const isa::Program& program, const isa::Instruction& instruction, int cores) {
  return isa::spec(instruction.opcode).between_ranks &&
         isa::collective_of(program, instruction).cores.size() >= static_cast<size_t>(cores);
}

// Bytes of PSUM or SBUF that a tile takes, if the kernel placed it.
struct Placed {
  int64_t first, last, low, high;
};
Placed placed(const Storage& storage) {
  return {storage.first_partition, storage.first_partition + storage.partitions, storage.address,
          storage.address + storage.row_bytes};
}
bool meet(const Placed& a, const Placed& b) {
  return a.first < b.last && b.first < a.last && a.low < b.high && b.low < a.high;
}

bool all_zero(const Storage& storage, const Extent& at) {
  const DtypeInfo& dtype = info(storage.dtype);
  auto cell = static_cast<int64_t>(
      numerics::byte_size(storage.host.bytes ? dtype.format : isa::host_cell(dtype.format)));
  for (int64_t p = at.first; p < at.last; ++p) {
    const std::byte* row = storage.host.data + p * storage.host.row_stride_bytes;
    if (!std::all_of(row + at.low / dtype.bytes() * cell, row + at.high() / dtype.bytes() * cell,
                     [](std::byte value) { return value == std::byte{0}; }))
      return false;
  }
  return true;
}

}  // namespace

Status Checker::found(const char* check, std::string message, std::string where, Code code) {
  Status status = isa::named(check, Status(code, std::move(message), std::move(where)));
  if (setup_.mode == CheckMode::kStrict) return status;
  std::string name = isa::check_name(status);
  if (status.where().empty() || seen_->emplace(name, status.where()).second)
    findings_.push_back({std::move(name), status.message(), status.where()});
  return ok_status();
}

std::string Checker::place_of(const isa::Program& program,
                              const isa::Instruction& instruction) const {
  return instruction.operator_index < 0
             ? ""
             : program.operators[static_cast<size_t>(instruction.operator_index)].name;
}

template <typename F>
Status Checker::for_accesses(const isa::Program& program, const isa::Instruction& instruction,
                             std::span<Storage* const> storages, F&& f) {
  uint8_t writes = isa::spec(instruction.opcode).writes;
  auto visit = [&](int64_t index, bool is_written) -> Status {
    const AccessPattern& pattern = program.patterns[static_cast<size_t>(index)];
    return f(Access{program, instruction, pattern, *storages[static_cast<size_t>(pattern.buffer)],
                    is_written, storages});
  };
  auto with_index = [&](int64_t index, bool is_written) -> Status {
    const AccessPattern& pattern = program.patterns[static_cast<size_t>(index)];
    if (pattern.indirect >= 0) {
      THORONG_RETURN_IF_ERROR(
          visit(program.indirects[static_cast<size_t>(pattern.indirect)].index, false));
    }
    return visit(index, is_written);
  };
  for (size_t i = 0; i < isa::kMaxOperands; ++i) {
    if (instruction.operands[i] >= 0)
      THORONG_RETURN_IF_ERROR(with_index(instruction.operands[i], (writes >> i & 1) != 0));
  }
  for (int64_t listed : program.listed_operands(instruction))
    THORONG_RETURN_IF_ERROR(with_index(listed, false));
  for (int64_t listed : program.listed_results(instruction))
    THORONG_RETURN_IF_ERROR(with_index(listed, true));
  return ok_status();
}

Status Checker::allocated(const std::shared_ptr<Storage>& storage, std::string place) {
  if (storage->checks == nullptr) storage->checks = std::make_shared<StorageChecks>();
  StorageChecks& checks = *storage->checks;
  for (Coverage* each : {&checks.written, &checks.passed_on, &checks.started, &checks.consumed})
    each->shape(storage->partitions, storage->row_bytes, info(storage->dtype).bytes());
  checks.allocated = std::move(place);
  if (storage->role == isa::BufferRole::kInput || storage->role == isa::BufferRole::kConstant)
    checks.written.fill();
  if (!storage->on_chip()) return ok_status();
  bool sbuf = storage->region == Region::kSbuf;
  int64_t capacity =
      sbuf ? figures_.sbuf_bytes_per_partition : figures_.psum_banks * figures_.psum_bank_bytes;
  if (storage->row_bytes > capacity) {
    return found(sbuf ? "sbuf-capacity" : "psum-capacity",
                 "expected at most " + std::to_string(capacity) + " bytes a partition, found " +
                     std::to_string(storage->row_bytes) + " in " + label(*storage) +
                     ". Split the tensor into smaller tiles.",
                 "", Code::kResourceExhausted);
  }
  if (storage->address < 0) return ok_status();
  if (storage->address + storage->row_bytes > capacity ||
      storage->first_partition + storage->partitions > figures_.partitions ||
      (!sbuf && storage->address % 4 != 0)) {
    return found(
        "address",
        "expected bytes 0 to " + std::to_string(capacity - 1) +
            (sbuf ? "" : ", beginning at a multiple of 4,") + " of partitions 0 to " +
            std::to_string(figures_.partitions - 1) + ", found bytes " +
            range(storage->address, storage->address + storage->row_bytes) + " of partitions " +
            range(storage->first_partition, storage->first_partition + storage->partitions) +
            " for " + label(*storage) + ". Correct the address.");
  }
  return check_placed(storage);
}

Status Checker::check_placed(const std::shared_ptr<Storage>& storage) {
  std::erase_if(placed_, [](const auto& other) { return other.expired(); });
  for (const std::weak_ptr<Storage>& each : placed_) {
    std::shared_ptr<Storage> other = each.lock();
    if (other->region != storage->region || !meet(placed(*other), placed(*storage))) continue;
    checks_of(*other).neighbours.push_back(storage);
    checks_of(*storage).neighbours.push_back(other);
  }
  placed_.push_back(storage);
  return ok_status();
}

Status Checker::before(const isa::Program& program, const isa::Instruction& instruction,
                       std::span<Storage* const> storages, bool inferred) {
  auto is = [&](Opcode opcode) { return instruction.opcode == static_cast<uint16_t>(opcode); };
  partial_.clear(), origin_ = {};
  if (is(Opcode::core_barrier)) return ok_status();
  if (is_barrier(program, instruction, setup_.cores)) ++epoch_;  // and after it
  if (is(Opcode::sendrecv)) THORONG_RETURN_IF_ERROR(check_ranks(program, instruction));
  Status status = for_accesses(program, instruction, storages, [&](const Access& access) {
    THORONG_RETURN_IF_ERROR(check_access(access));
    if (!access.writes) return check_read(access);
    return access.storage.region == Region::kPsum ? check_psum(access, inferred) : ok_status();
  });
  return status.ok() ? check_state(instruction) : status;
}

Status Checker::check_access(const Access& access) {
  if (access.storage.on_chip() && engine(access.instruction.queue)) {
    THORONG_RETURN_IF_ERROR(check_start(access));
    if (access.pattern.packed != isa::Packed::kNone && setup_.generation < 4) {
      return found("dtype-generation",
                   mnemonic(access.instruction) + ": expected a dtype that NeuronCore-v" +
                       std::to_string(setup_.generation) + " has, found " + label(access.storage) +
                       ". Choose a chip of NeuronCore-v4, or another dtype.",
                   place_of(access.program, access.instruction));
    }
    if (access.storage.region == Region::kPsum) THORONG_RETURN_IF_ERROR(check_bank(access));
  }
  if (setup_.cores > 1 && access.storage.region == Region::kSharedHbm &&
      !writes_alike(access.program, access.instruction, setup_.cores))
    return check_race(access);
  return ok_status();
}

Status Checker::check_start(const Access& access) {
  int64_t n = access.pattern.partition_step == isa::kRepeatRow ? 1 : access.pattern.partitions;
  int64_t first = access.storage.first_partition + access.pattern.start_partition;
  int64_t multiple = n > 64 ? 128 : n > 32 ? 64 : 32;
  if (first % multiple == 0 || setup_.compiled) return ok_status();
  // MX scales lie in four partitions of each quadrant, from any multiple of four on.
  auto opcode = static_cast<Opcode>(access.instruction.opcode);
  bool mx = opcode == Opcode::quantize_mx || opcode == Opcode::nc_matmul_mx;
  if (mx && access.pattern.format == numerics::Format::kUint8 && first % 4 == 0 && first < 32)
    return ok_status();
  return found("start-partition",
               mnemonic(access.instruction) + ": expected " + std::to_string(n) +
                   " partitions to start at " +
                   (multiple == 128  ? "0"
                    : multiple == 64 ? "0 or 64"
                                     : "0, 32, 64 or 96") +
                   ", found " + std::to_string(first) + " in " + label(access.storage) +
                   ". Allocate a tile of its own for these partitions, or bring them there by "
                   "dma_copy.",
               place_of(access.program, access.instruction));
}

Status Checker::check_bank(const Access& access) {
  if (access.instruction.queue == Queue::kGpsimd) {
    return found("gpsimd-psum",
                 mnemonic(access.instruction) + ": expected operands in SBUF on GpSimd, found " +
                     label(access.storage) +
                     ". Choose Vector or Scalar, or copy it to SBUF with tensor_copy first.",
                 place_of(access.program, access.instruction));
  }
  if (!access.writes || access.instruction.queue != Queue::kTensor || setup_.generation >= 4)
    return ok_status();
  Extent at = extent(access.pattern, isa::Space::kPsum);
  int64_t bank = figures_.psum_bank_bytes, base = std::max<int64_t>(access.storage.address, 0);
  int64_t low = base + at.low, high = base + at.high();
  if (low / bank == (high - 1) / bank) return ok_status();
  return found("psum-bank",
               mnemonic(access.instruction) + ": expected a result within one PSUM bank of " +
                   std::to_string(bank) + " bytes, found bytes " + range(low, high) + " of " +
                   label(access.storage) + ". Let each matmul write to columns of one bank.",
               place_of(access.program, access.instruction));
}

Status Checker::check_read(const Access& access) {
  StorageChecks& checks = checks_of(access.storage);
  if (access.storage.region == Region::kPsum)
    checks.consumed.add(extent_in(access.pattern, access.storage));
  if (checks.written.full()) return ok_status();
  bool some = access.pattern.indirect >= 0 || setup_.compiled || reads_some(access.instruction);
  if (some ? !checks.written.empty()
           : reads_written(access.instruction, access.pattern, space_of(access.storage.region),
                           checks.written))
    return ok_status();
  std::string place = place_of(access.program, access.instruction);
  std::string reads = mnemonic(access.instruction) + ": expected to read what was written before, ";
  if (!checks.overwritten.empty()) {
    return found("overlap",
                 reads + "found " + label(access.storage) + " overwritten by " +
                     checks.overwritten +
                     ". Give the two tiles different addresses while both are in use.",
                 std::move(place));
  }
  reads += std::string("found ") + (checks.written.empty() ? "nothing" : "not all") + " of " +
           label(access.storage) + " written";
  const StorageChecks::Origin& origin = checks.unwritten;
  bool passed_on = checks.passed_on.intersects(extent_in(access.pattern, access.storage));
  if (passes_on(access)) {
    origin_ = passed_on ? origin : StorageChecks::Origin{std::move(reads), std::move(place)};
    return ok_status();
  }
  if (passed_on)
    return found_passed_on(
        checks, mnemonic(access.instruction) + " at " + place + " takes what came of it");
  std::string alias;
  for (const std::weak_ptr<Storage>& each : checks.neighbours) {
    std::shared_ptr<Storage> other = each.lock();
    if (other != nullptr && alias.empty() && !checks_of(*other).written.empty())
      alias = "; " + label(*other) + " on the same bytes was. Read that tile, or a view of it";
  }
  return found("unwritten",
               reads +
                   (alias.empty() ? ". Write it first (memset, dma_copy, an instruction's dst), or "
                                    "read the written part only"
                                  : alias) +
                   ".",
               std::move(place));
}

Status Checker::found_passed_on(const StorageChecks& checks, const std::string& taken) {
  return found("unwritten",
               checks.unwritten.reads + ", and " + taken +
                   ". Write it first (memset, dma_copy, an instruction's dst), or go on with the "
                   "written part only.",
               checks.unwritten.where);
}

// Whether the instruction may read what was not written wholly, because its results then are as
// unwritten (partial_). A caller's tensor may not become so.
bool Checker::passes_on(const Access& access) {
  const isa::Program& program = access.program;
  const isa::Instruction& instruction = access.instruction;
  const isa::InstructionSpec& spec = isa::spec(instruction.opcode);
  if (spec.reach == isa::Reach::kAll ||
      isa::reduce_command(instruction) != isa::ReduceCommand::kIdle)
    return false;
  isa::Space space = space_of(access.storage.region);
  Coverage& written = checks_of(access.storage).written;
  if (!written.intersects(extent(access.pattern, space))) return false;
  std::vector<Result> partial = partial_;  // by an operand before
  for (int i = 0, n = 0; i < static_cast<int>(isa::kMaxOperands); ++i) {
    if ((spec.writes >> i & 1) == 0 || !program.has_operand(instruction, i)) continue;
    const AccessPattern& result = program.operand(instruction, i);
    const Storage& to = *access.storages[static_cast<size_t>(result.buffer)];
    if (result.indirect >= 0 || to.role == isa::BufferRole::kInput) return false;
    if (partial_.empty()) partial.push_back({&result, Lanes(result, space_of(to.region))});
    Lanes& lanes = partial[static_cast<size_t>(n++)].lanes;
    if (!lanes.read(access.pattern, space, spec.reach, written)) return false;
  }
  partial_ = std::move(partial);
  return !partial_.empty();
}

void Checker::send_lanes(std::vector<std::byte>& bytes) const {
  size_t count = 0;
  if (!partial_.empty()) {
    for (bool written : partial_.front().lanes.elements()) bytes.push_back(std::byte{written});
    count = partial_.front().lanes.elements().size();
  }
  const auto* number = reinterpret_cast<const std::byte*>(&count);
  bytes.insert(bytes.end(), number, number + sizeof(count));
}

void Checker::receive_lanes(const isa::Program& program, const isa::Instruction& instruction,
                            std::span<Storage* const> storages, std::vector<std::byte>& bytes) {
  size_t count = 0;
  std::memcpy(&count, bytes.data() + bytes.size() - sizeof(count), sizeof(count));
  bytes.resize(bytes.size() - sizeof(count));
  std::vector<bool> written;
  for (size_t i = bytes.size() - count; i < bytes.size(); ++i)
    written.push_back(bytes[i] != std::byte{0});
  bytes.resize(bytes.size() - count);
  partial_.clear();
  const AccessPattern& result = program.operand(instruction, 0);
  if (static_cast<int64_t>(count) != result.elements()) return;  // nothing is missing
  Lanes lanes(result, space_of(storages[static_cast<size_t>(result.buffer)]->region));
  lanes.set_elements(std::move(written));
  partial_.push_back({&result, std::move(lanes)});
  origin_ = {mnemonic(instruction) +
                 ": expected to get what was written before, found that not all of what the other "
                 "core sends is written",
             place_of(program, instruction)};
}

// What a write to PSUM means for sums there.
Status Checker::check_psum(const Access& access, bool inferred) {
  StorageChecks& checks = checks_of(access.storage);
  Extent at = extent_in(access.pattern, access.storage);
  if (access.instruction.queue != Queue::kTensor) {
    if (setup_.generation >= 4)
      checks.started.add(at);
    else
      checks.started.remove(at);
    checks.consumed.remove(at);
    return ok_status();
  }
  if ((access.instruction.flags & isa::kAccumulate) == 0) {
    checks.started.add(at);
    checks.consumed.remove(at);
    return ok_status();
  }
  if (!checks.started.contains(at)) {
    bool valued = checks.written.intersects(at);
    checks.started.add(at);
    // Zeros before accumulate=None: adding to them and overwriting them is the same.
    if (inferred && valued && (setup_.timing_only || all_zero(access.storage, at)))
      return ok_status();
    return found(
        "accumulate",
        mnemonic(access.instruction) +
            ": expected to add to a sum that a matmul with accumulate=False began, found " +
            (valued ? "other values in " : "nothing in ") + label(access.storage) +
            ". Pass accumulate=False for the first matmul of a sum" +
            (valued ? ", and add other values afterwards with tensor_tensor." : "."),
        place_of(access.program, access.instruction));
  }
  if (inferred && checks.consumed.intersects(at)) {
    checks.consumed.remove(at);
    return found("accumulate-after-read",
                 mnemonic(access.instruction) +
                     ": expected a new sum, or one that is not complete, found that " +
                     label(access.storage) +
                     " was read since; accumulate=None adds to it all the same. Pass "
                     "accumulate=False to begin anew, or accumulate=True to go on.",
                 place_of(access.program, access.instruction));
  }
  return ok_status();
}

Status Checker::race(const Access& access, const StorageChecks::Accesses& other, bool other_wrote,
                     bool again) {
  int32_t place = other_wrote ? other.write_place : other.read_place;
  std::string there =
      place < 0 ? "" : " at " + other.program->operators[static_cast<size_t>(place)].name;
  std::string message =
      mnemonic(access.instruction) +
      ": expected a core_barrier between two cores' accesses to the same bytes, found that core " +
      std::to_string(setup_.core) + (access.writes ? " writes " : " reads ") +
      label(access.storage) + " where the other core " + (other_wrote ? "writes" : "reads") +
      there + ". Call core_barrier between the two, or divide the tensor.";
  if (access.writes && other_wrote && !setup_.timing_only) {
    Extent at = extent_in(access.pattern, access.storage);
    const std::byte* from = access.storage.host.data;
    suspects_.push_back({&access.storage, at, {from + at.low, from + at.high()}, message, again});
    return ok_status();
  }
  return found("race", std::move(message), place_of(access.program, access.instruction));
}

Status Checker::check_race(const Access& access) {
  StorageChecks& checks = checks_of(access.storage);
  auto cores = static_cast<size_t>(setup_.cores), self = static_cast<size_t>(setup_.core);
  if (checks.cores.size() < cores) {
    checks.cores.resize(cores);
    for (StorageChecks::Accesses& each : checks.cores) {
      for (Coverage* one : {&each.reads, &each.writes})
        one->shape(access.storage.partitions, access.storage.row_bytes,
                   info(access.storage.dtype).bytes());
    }
  }
  StorageChecks::Accesses& own = checks.cores[self];
  if (own.epoch != epoch_) own.reads.clear(), own.writes.clear(), own.epoch = epoch_;
  if (access.pattern.indirect >= 0) return ok_status();  // which bytes depends on values
  Extent at = extent(access.pattern, isa::Space::kHbm);
  bool again = access.writes && own.writes.contains(at);
  (access.writes ? own.writes : own.reads).add(at);
  (access.writes ? own.write_place : own.read_place) = access.instruction.operator_index;
  own.program = &access.program;
  for (size_t i = 0; i < cores; ++i) {
    StorageChecks::Accesses& other = checks.cores[i];
    if (i == self || other.epoch != epoch_) continue;
    if (other.writes.intersects(at)) THORONG_RETURN_IF_ERROR(race(access, other, true, again));
    if (access.writes && other.reads.intersects(at))
      THORONG_RETURN_IF_ERROR(race(access, other, false, again));
  }
  return ok_status();
}

Status Checker::check_state(const isa::Instruction& instruction) {
  auto command = isa::reduce_command(instruction);
  if (command == isa::ReduceCommand::kIdle) return ok_status();
  bool& reset = instruction.queue == Queue::kScalar ? scalar_reset_ : vector_reset_;
  bool known = std::exchange(reset, true);
  if (known || command != isa::ReduceCommand::kReduce) return ok_status();
  return found("accumulator",
               mnemonic(instruction) +
                   ": expected reduce_cmd.reduce after a reset of the engine's accumulators, found "
                   "none before. Pass reduce_cmd.reset_reduce for the first instruction of a sum.");
}

Status Checker::check_ranks(const isa::Program& program, const isa::Instruction& instruction) {
  const int64_t* list = program.integers.data() + instruction.extra;  // pipe, to, from
  auto other = [&](int64_t rank) {
    return rank >= 0 && rank < setup_.cores && rank != setup_.core;
  };
  if (setup_.cores < 2 || (other(list[1]) && other(list[2]))) return ok_status();
  return found("sendrecv",
               "sendrecv: expected the number of another core (of " + std::to_string(setup_.cores) +
                   ") to send to and to receive from, found " + std::to_string(list[1]) + " and " +
                   std::to_string(list[2]) + " on core " + std::to_string(setup_.core) +
                   ". With two cores both are 1 - nl.program_id(0).",
               place_of(program, instruction));
}

void Checker::note_write(const Access& access) {
  StorageChecks& checks = checks_of(access.storage);
  if (checks.written.full() && checks.neighbours.empty() && partial_.empty()) return;
  Extent at = extent_in(access.pattern, access.storage);
  auto partial = std::ranges::find(partial_, &access.pattern, &Result::pattern);
  if (partial == partial_.end()) {
    checks.written.add(at);
    checks.passed_on.remove(at);
  } else {
    partial->lanes.write(checks.written, checks.passed_on);
    checks.unwritten = origin_;
  }
  for (const std::weak_ptr<Storage>& each : checks.neighbours) {
    std::shared_ptr<Storage> other = each.lock();
    if (other == nullptr) continue;
    Placed here = placed(access.storage), there = placed(*other);
    Extent over = at;
    over.first += here.first - there.first, over.last += here.first - there.first;
    over.first = std::max<int64_t>(over.first, 0);
    over.low += here.low - there.low;
    StorageChecks& lost = checks_of(*other);
    if (over.first >= over.last || !lost.written.intersects(over)) continue;
    lost.written.remove(over);
    lost.overwritten =
        label(access.storage) + " at " + place_of(access.program, access.instruction);
  }
  if (checks.written.full()) checks.overwritten.clear();
}

Status Checker::after(const isa::Program& program, const isa::Instruction& instruction,
                      std::span<Storage* const> storages) {
  if (instruction.opcode == static_cast<uint16_t>(Opcode::core_barrier)) {
    ++epoch_;
    return ok_status();
  }
  Status status = for_accesses(program, instruction, storages, [&](const Access& access) {
    if (access.writes) note_write(access);
    return ok_status();
  });
  if (is_barrier(program, instruction, setup_.cores)) ++epoch_;
  for (Suspect& suspect : std::exchange(suspects_, {})) {
    bool same = std::memcmp(suspect.storage->host.data + suspect.extent.low, suspect.bytes.data(),
                            suspect.bytes.size()) == 0;
    if (same || !status.ok()) continue;
    std::string where = place_of(program, instruction);
    if (!suspect.again)
      status = found("race", std::move(suspect.message), std::move(where));
    else if (seen_->emplace("race", where).second)
      findings_.push_back({"race", std::move(suspect.message) + " [race]", std::move(where)});
  }
  return status;
}

Status Checker::returned(const Tensor& tensor) {
  StorageChecks& checks = checks_of(*tensor.storage);
  if (checks.written.full()) return ok_status();
  auto pattern = access_pattern(tensor);
  if (!pattern.ok() || pattern->indirect >= 0 || (setup_.compiled && !checks.written.empty()) ||
      checks.written.contains(extent_in(*pattern, *tensor.storage)))
    return ok_status();
  if (checks.passed_on.intersects(extent_in(*pattern, *tensor.storage)))
    return found_passed_on(checks,
                           "the kernel returns what came of it in " + label(*tensor.storage));
  int64_t all = tensor.storage->partitions * tensor.storage->row_bytes;
  return found("unwritten-output",
               "expected the kernel to write all of the tensor that it returns, found " +
                   std::to_string(checks.written.missing()) + " of " + std::to_string(all) +
                   " bytes of " + label(*tensor.storage) +
                   " unwritten. Store to the rest, or return a tensor of the size that is written.",
               checks.allocated);
}

}  // namespace thorong::nki
