// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/finish.h"

#include <algorithm>
#include <map>

#include "thorong/isa/named_check.h"
#include "thorong/runtime/session.h"
#include "thorong/sim/semaphores.h"

namespace thorong::nki {
namespace {

struct Life {
  size_t first = SIZE_MAX, last = 0;
  int32_t place = -1;  // the operator of the first use
};

std::vector<Life> lives(const isa::Program& program) {
  std::vector<Life> result(program.buffers.size());
  auto touch = [&](const isa::AccessPattern& pattern, size_t i, int32_t place) {
    Life& life = result[static_cast<size_t>(pattern.buffer)];
    if (life.first == SIZE_MAX) life.first = i, life.place = place;
    life.last = i;
  };
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const isa::Instruction& instruction = program.instructions[i];
    for (int32_t operand : instruction.operands) {
      if (operand < 0) continue;
      const isa::AccessPattern& pattern = program.patterns[static_cast<size_t>(operand)];
      touch(pattern, i, instruction.operator_index);
      if (pattern.indirect < 0) continue;
      const isa::Indirect& indirect = program.indirects[static_cast<size_t>(pattern.indirect)];
      touch(program.patterns[static_cast<size_t>(indirect.index)], i, instruction.operator_index);
    }
    for (int64_t listed : program.listed_operands(instruction)) {
      touch(program.patterns[static_cast<size_t>(listed)], i, instruction.operator_index);
    }
  }
  return result;
}

// First fit by address over the buffers that live at the same time.
class Space {
 public:
  Space(int64_t capacity, int64_t alignment, int64_t bank)
      : capacity_(capacity), alignment_(alignment), bank_(bank) {}

  void expire(size_t now) {
    std::erase_if(placed_, [&](const auto& entry) { return entry.second.second < now; });
  }
  // -1: no room.
  int64_t place(int64_t bytes, size_t last) {
    int64_t at = 0;
    for (const auto& [low, entry] : placed_) {
      at = aligned(at, bytes);
      if (at + bytes <= low) break;
      at = std::max(at, entry.first);
    }
    at = aligned(at, bytes);
    if (at + bytes > capacity_) return -1;
    keep(at, bytes, last);
    return at;
  }
  void keep(int64_t at, int64_t bytes, size_t last) {
    auto& entry = placed_[at];
    entry = {std::max(entry.first, at + bytes), std::max(entry.second, last)};
    peak_ = std::max(peak_, at + bytes);
  }
  int64_t peak() const { return peak_; }

 private:
  // Up to a bank's size a buffer stays within one bank.
  int64_t aligned(int64_t at, int64_t bytes) const {
    at = (at + alignment_ - 1) / alignment_ * alignment_;
    if (bank_ > 0 && (bytes > bank_ || at / bank_ != (at + bytes - 1) / bank_))
      at = (at + bank_ - 1) / bank_ * bank_;
    return at;
  }
  int64_t capacity_, alignment_, bank_, peak_ = 0;
  std::map<int64_t, std::pair<int64_t, size_t>> placed_;  // first byte -> end, last use
};

Status no_room(const isa::Program& program, const isa::Buffer& buffer, const Life& life,
               int64_t capacity) {
  std::string where =
      life.place >= 0 ? program.operators[static_cast<size_t>(life.place)].name : "";
  std::string label = buffer.name.empty() ? "a tile" : "tile '" + buffer.name + "'";
  return isa::named(
      buffer.space == isa::Space::kSbuf ? "sbuf-capacity" : "psum-capacity",
      resource_exhausted("expected room for " + label + " of " + std::to_string(buffer.row_bytes) +
                             " bytes a partition in " + std::string(isa::name(buffer.space)) +
                             " (" + std::to_string(capacity) +
                             " bytes), found none beside the tiles that live at this point. Use "
                             "smaller tiles, or let "
                             "earlier ones end before this one begins.",
                         where));
}

void place_in_hbm(isa::Program& program) {
  int64_t at = 0;
  for (isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm) continue;
    buffer.address = at;
    at += (buffer.row_bytes + 63) / 64 * 64;
  }
  program.hbm_bytes = at;
}

}  // namespace

Status assign_addresses(KernelRun& run) {
  isa::Program& program = run.program();
  const isa::CoreParameters& core = run.core();
  place_in_hbm(program);
  std::vector<Life> life = lives(program);
  std::vector<size_t> order;
  for (size_t b = 0; b < life.size(); ++b) {
    if (life[b].first != SIZE_MAX && program.buffers[b].space != isa::Space::kHbm)
      order.push_back(b);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return life[a].first < life[b].first; });
  constexpr int64_t kAlignment = 32;
  Space sbuf(core.sbuf_bytes_per_partition, kAlignment, 0),
      psum(core.psum_banks * core.psum_bank_bytes, 4, core.psum_bank_bytes);
  for (size_t b : order) {
    isa::Buffer& buffer = program.buffers[b];
    Space& space = buffer.space == isa::Space::kSbuf ? sbuf : psum;
    space.expire(life[b].first);
    int64_t fixed = run.fixed_addresses()[b];
    buffer.address = fixed >= 0 ? fixed : space.place(buffer.row_bytes, life[b].last);
    if (fixed >= 0) space.keep(fixed, buffer.row_bytes, life[b].last);
    if (buffer.address < 0) {
      int64_t capacity = buffer.space == isa::Space::kSbuf ? core.sbuf_bytes_per_partition
                                                           : core.psum_banks * core.psum_bank_bytes;
      return no_room(program, buffer, life[b], capacity);
    }
  }
  program.sbuf_peak_bytes = sbuf.peak() * core.partitions,
  program.psum_peak_bytes = psum.peak() * core.partitions;
  return ok_status();
}

Result<report::Result> finish(std::span<const std::shared_ptr<KernelRun>> runs,
                              const FinishOptions& options) {
  std::optional<report::Result> longest;
  double energy = 0;
  for (const std::shared_ptr<KernelRun>& run : runs) {
    THORONG_RETURN_IF_ERROR(assign_addresses(*run));
    sim::insert_semaphores(run->program());
    runtime::Program program;
    program.options.chip = run->options().chip;
    program.options.schedule = sim::Schedule::kBest;
    program.options.stochastic_rounding = run->options().stochastic_rounding;
    program.options.seed = run->options().seed;
    program.options.timing_only = run->options().timing_only;
    program.chip = run->chip(), program.core = run->core();
    program.timing = sim::simulate_timing(run->program(), run->core(), sim::Schedule::kBest);
    program.tiles = std::move(run->program());
    program.model_path = options.kernel_name, program.model_format = "nki";
    report::Result result = runtime::describe(program);
    run->program() = std::move(program.tiles);
    energy += result.energy_j;
    if (!longest || result.device_s > longest->device_s) longest = std::move(result);
  }
  report::Result& result = *longest;
  result.cores_used = static_cast<int>(runs.size());
  result.energy_j = energy;
  for (const auto& [name, tensor] : options.outputs) {
    report::Output output;
    output.name = name;
    output.type = {info(tensor.dtype).format, {tensor.sizes().begin(), tensor.sizes().end()}};
    if (!result.timing_only) {
      std::byte* data = nullptr;
      output.tensor = ops::Tensor::allocate(output.type, &data);
      read_bytes(tensor, data);
    }
    result.outputs.push_back(std::move(output));
  }
  return result;
}

}  // namespace thorong::nki
