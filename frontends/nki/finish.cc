// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/finish.h"

#include <algorithm>
#include <map>

#include "frontends/nki/launch.h"
#include "thorong/chip/loader.h"
#include "thorong/isa/collective.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/isa/named_check.h"
#include "thorong/runtime/session.h"
#include "thorong/sim/schedule.h"
#include "thorong/sim/semaphores.h"
#include "thorong/sim/waits.h"

namespace thorong::nki {
namespace {

void place_in_hbm(isa::Program& program) {
  int64_t at = 0;
  for (isa::Buffer& buffer : program.buffers) {
    if (buffer.space != isa::Space::kHbm) continue;
    buffer.address = at;
    at += (buffer.row_bytes + 63) / 64 * 64;
  }
  program.hbm_bytes = at;
}

// The instructions at which the cores of a launch meet, in order.
std::vector<size_t> meetings(const isa::Program& program) {
  std::vector<size_t> result;
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    if (isa::spec(program.instructions[i].opcode).meets) result.push_back(i);
  }
  return result;
}

std::string line_of(const isa::Program& program, size_t i) {
  int32_t place = program.instructions[i].operator_index;
  return place >= 0 ? program.operators[static_cast<size_t>(place)].name : "";
}

// The meetings of each core, and who comes to them.
struct AllMeetings {
  std::vector<std::vector<size_t>> at;  // instructions
  sim::Meetings who;
};

AllMeetings all_meetings(std::span<const std::shared_ptr<KernelRun>> runs) {
  AllMeetings all;
  for (const auto& run : runs) {
    all.at.push_back(meetings(run->program()));
    auto& who = all.who.emplace_back();
    for (size_t i : all.at.back()) who.push_back(run->who_meets(run->program().instructions[i]));
  }
  return all;
}

// "core 1 has ended", "rank 1 waits at all_gather of ranks 0, 1 (kernel.py:12)".
std::string stands(std::span<const std::shared_ptr<KernelRun>> runs, const AllMeetings& all,
                   std::span<const size_t> held, size_t core) {
  const isa::Program& program = runs[core]->program();
  std::string label = runs[core]->launch()->label(static_cast<int>(core));
  if (held[core] >= all.at[core].size()) return label + " has ended";
  size_t i = all.at[core][held[core]];
  return label + " waits at " + isa::meeting_name(program, program.instructions[i]) + " (" +
         line_of(program, i) + ")";
}

// All cores come to the same meetings; otherwise one waits for ever. Where values are computed, the
// kernel has stopped there already.
Status check_meetings(std::span<const std::shared_ptr<KernelRun>> runs, const AllMeetings& all) {
  std::vector<size_t> held(runs.size());
  auto name = [&](size_t core) {
    const isa::Program& program = runs[core]->program();
    if (held[core] >= all.at[core].size()) return std::string();
    return isa::meeting_name(program, program.instructions[all.at[core][held[core]]]);
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t c = 0; c < runs.size(); ++c) {
      if (held[c] >= all.at[c].size()) continue;
      std::vector<int64_t> cores = all.who[c][held[c]];
      bool met = std::all_of(cores.begin(), cores.end(), [&](int64_t each) {
        return name(static_cast<size_t>(each)) == name(c);
      });
      if (!met) continue;
      for (int64_t each : cores) ++held[static_cast<size_t>(each)];
      moved = true;
    }
  }
  for (size_t c = 0; c < runs.size(); ++c) {
    if (held[c] >= all.at[c].size()) continue;
    std::string others;
    for (int64_t each : all.who[c][held[c]]) {
      auto other = static_cast<size_t>(each);
      if (name(other) != name(c))
        others += (others.empty() ? "" : ", ") + stands(runs, all, held, other);
    }
    return isa::named(
        "deadlock",
        Status(Code::kMachineFault,
               "the cores never meet: " + runs[c]->launch()->label(static_cast<int>(c)) +
                   " waits at " + name(c) + ", and " + others +
                   ". Let every core call it equally often, in the same order.",
               line_of(runs[c]->program(), all.at[c][held[c]])));
  }
  return ok_status();
}

}  // namespace

namespace {

// A pair of cores gets less of the memory that it shares than two cores alone would.
isa::CoreParameters core_of_launch(const chip::Chip& chip, const isa::LaunchPlace& place) {
  isa::CoreParameters core = isa::core_parameters(chip);
  auto all = static_cast<double>(place.ranks * place.cores);  // they share the chip's memory
  core.hbm_core_bytes_per_s = std::min(core.hbm_core_bytes_per_s, core.hbm_chip_bytes_per_s / all);
  if (place.cores == 2) {
    core.hbm_core_bytes_per_s =
        std::min(core.hbm_core_bytes_per_s,
                 chip.value_or("hbm.bytes_per_second_per_pair", 2 * core.hbm_core_bytes_per_s) / 2);
    core.start_s += chip.value_or("control.pair_s", 0);
  }
  return core;
}

// `program`: what the run recorded.
Status order_and_place(KernelRun& run, const isa::CoreParameters& core, isa::Program& program) {
  place_in_hbm(program);
  std::vector<sim::Edge> edges(run.edges().begin(), run.edges().end());
  std::vector<size_t> meets = meetings(program);
  for (size_t k = 1; k < meets.size(); ++k)
    edges.emplace_back(static_cast<int32_t>(meets[k]), static_cast<int32_t>(meets[k - 1]));
  sim::ScheduleRequest request{run.fixed_addresses(), run.chains(), edges};
  THORONG_TRY(std::vector<int32_t> order, sim::schedule(program, core, request));
  std::vector<int32_t> now_at(order.size());
  for (size_t k = 0; k < order.size(); ++k)
    now_at[static_cast<size_t>(order[k])] = static_cast<int32_t>(k);
  for (auto& [later, earlier] : edges) {
    later = now_at[static_cast<size_t>(later)];
    earlier = now_at[static_cast<size_t>(earlier)];
  }
  std::vector<int64_t> addresses;
  for (const isa::Buffer& buffer : program.buffers)
    addresses.push_back(buffer.space == isa::Space::kHbm ? -1 : buffer.address);
  sim::insert_semaphores(program, sim::find_dependencies(program, addresses, edges));
  return ok_status();
}

}  // namespace

isa::CoreParameters core_of_launch(const KernelRun& run) {
  return core_of_launch(run.chip(), run.place());
}

Status order_and_place(KernelRun& run, const isa::CoreParameters& core) {
  if (!run.chip().given.empty()) run.keep_record();
  THORONG_RETURN_IF_ERROR(order_and_place(run, core, run.program()));
  run.set_ordered();
  return ok_status();
}

namespace {

// The end of a launch on the chip file's own figures: the same records, ordered, placed and timed
// anew.
Result<int64_t> end_without_assumptions(std::span<const std::shared_ptr<KernelRun>> runs,
                                        const AllMeetings& meetings) {
  THORONG_TRY(const chip::Chip chip, chip::load(runs[0]->options().chip));
  const isa::CoreParameters core = core_of_launch(chip, runs[0]->place());
  std::vector<isa::Program> programs;
  std::vector<const isa::Program*> all;
  programs.reserve(runs.size());
  for (const std::shared_ptr<KernelRun>& run : runs) {
    programs.push_back(run->record());
    THORONG_RETURN_IF_ERROR(order_and_place(*run, core, programs.back()));
    all.push_back(&programs.back());
  }
  int64_t end = 0;
  for (const sim::Timing& timing :
       sim::simulate_timing(all, core, sim::Schedule::kBest, meetings.who))
    end = std::max(end, timing.end_ps);
  return end;
}

report::Result describe_core(KernelRun& run, const isa::CoreParameters& core, sim::Timing timing,
                             const FinishOptions& options) {
  runtime::Program program;
  program.chip_end_ps = options.chip_end_ps;
  program.options.chip = run.options().chip;
  program.options.schedule = sim::Schedule::kBest;
  program.options.stochastic_rounding = run.options().stochastic_rounding;
  program.options.seed = run.options().seed;
  program.options.timing_only = run.options().timing_only;
  program.chip = run.chip(), program.core = core;
  program.timing = std::move(timing);
  program.tiles = std::move(run.program());
  program.model_path = options.kernel_name, program.model_format = "nki";
  report::Result result = runtime::describe(program);
  run.program() = std::move(program.tiles);
  return result;
}

// By the line of a meeting: what held back the core that came last there, and the longest that the
// shown core waited for it.
using Latecomers = std::map<std::string, std::pair<int64_t, report::WaitUse>>;

// The core's meeting that is the shown core's k-th: both come to equally many of the same cores
// before it.
size_t same_meeting(const AllMeetings& all, size_t shown, size_t k, size_t core) {
  const auto& mine = all.who[shown];
  auto before = std::count(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(k), mine[k]);
  const auto& theirs = all.who[core];
  for (size_t i = 0; i < theirs.size(); ++i) {
    if (theirs[i] == mine[k] && before-- == 0) return all.at[core][i];
  }
  return all.at[core].back();  // check_meetings has seen that there is one
}

Latecomers find_latecomers(std::span<const std::shared_ptr<KernelRun>> runs, const AllMeetings& all,
                           const isa::CoreParameters& core, const std::vector<sim::Timing>& timings,
                           size_t shown) {
  if (all.at[shown].empty()) return {};
  std::vector<std::vector<sim::Start>> starts;
  for (size_t c = 0; c < runs.size(); ++c)
    starts.push_back(sim::explain_starts(runs[c]->program(), core, timings[c]));
  Latecomers result;
  for (size_t k = 0; k < all.at[shown].size(); ++k) {
    size_t here = all.at[shown][k];
    const sim::Start& waited = starts[shown][here];
    if (waited.hold != sim::Hold::kMeeting) continue;
    for (int64_t each : all.who[shown][k]) {
      auto c = static_cast<size_t>(each);
      if (c == shown) continue;
      size_t there = same_meeting(all, shown, k, c);
      const sim::Start& came = starts[c][there];
      if (came.hold == sim::Hold::kMeeting) continue;
      auto cause = came.cause >= 0 ? static_cast<size_t>(came.cause) : there;
      auto& [stall_ps, use] = result[line_of(runs[shown]->program(), here)];
      if (waited.stall_ps > stall_ps) {  // of several at one line the longest names the cause
        const isa::Instruction& instruction = runs[c]->program().instructions[cause];
        use.cause_name = line_of(runs[c]->program(), cause);
        use.cause_op = isa::spec(instruction.opcode).mnemonic;
        use.cause_engine = runs[c]->launch()->label(static_cast<int>(c)) + ", " +
                           std::string(isa::name(instruction.queue));
        stall_ps = waited.stall_ps;
      }
      break;
    }
  }
  return result;
}

void name_latecomers(const Latecomers& latecomers, report::Result& result) {
  const char* kOther = report::kHoldNames[static_cast<size_t>(sim::Hold::kMeeting)];
  for (report::WaitUse& use : result.waits) {
    auto found = latecomers.find(use.name);
    if (use.waited_for != kOther || found == latecomers.end()) continue;
    const report::WaitUse& cause = found->second.second;
    use.cause_name = cause.cause_name, use.cause_op = cause.cause_op;
    use.cause_engine = cause.cause_engine;
  }
}

// What another core's instructions of the same lines cost.
void add_energy_of_lines(report::Result& result, const report::Result& other) {
  std::map<std::pair<std::string, std::string>, size_t> known;
  for (size_t i = 0; i < result.operators.size(); ++i)
    known.try_emplace({result.operators[i].name, result.operators[i].op}, i);
  for (const report::OperatorUse& theirs : other.operators) {
    auto [at, added] = known.try_emplace({theirs.name, theirs.op}, result.operators.size());
    if (added) {  // a line that only the other core came to
      report::OperatorUse use;
      use.name = theirs.name, use.op = theirs.op, use.path = theirs.path;
      use.engine = theirs.engine, use.bound = theirs.bound;
      result.operators.push_back(std::move(use));
    }
    report::OperatorUse& use = result.operators[at->second];
    use.energy_j += theirs.energy_j;
    use.instructions += theirs.instructions;
    for (size_t part = 0; part < use.energy_by.size(); ++part)
      use.energy_by[part] += theirs.energy_by[part];
  }
}

// One result of all cores of a launch: the timeline of the core that ends last, the energy of all,
// each with its static part for as long as the launch takes.
report::Result join(std::span<const std::shared_ptr<KernelRun>> runs, const AllMeetings& all,
                    const isa::CoreParameters& core, std::vector<sim::Timing> timings,
                    const FinishOptions& options) {
  size_t last = 0;
  int64_t end_ps = 0;
  for (size_t c = 0; c < timings.size(); ++c) {
    if (timings[c].end_ps > end_ps) last = c;
    end_ps = std::max(end_ps, timings[c].end_ps);
  }
  Latecomers latecomers;
  if (runs.size() > 1) latecomers = find_latecomers(runs, all, core, timings, last);
  std::vector<double> ends;
  for (sim::Timing& timing : timings) {
    ends.push_back(static_cast<double>(timing.end_ps) * 1e-12);
    timing.end_ps = end_ps;
  }
  report::Result result = describe_core(*runs[last], core, std::move(timings[last]), options);
  name_latecomers(latecomers, result);
  result.shown_core = static_cast<int>(last);
  for (size_t c = 0; c < runs.size() && runs.size() > 1; ++c) {
    result.cores.push_back({ends[c], result.engines});
    if (c == last) continue;
    report::Result other = describe_core(*runs[c], core, std::move(timings[c]), options);
    for (size_t part = 0; part < result.energy_by.size(); ++part)
      result.energy_by[part] += other.energy_by[part];
    result.cores.back().engines = other.engines;
    result.energy_j += other.energy_j;
    result.hbm_traffic_bytes += other.hbm_traffic_bytes;
    result.product_flops += other.product_flops;
    result.mfu += other.mfu;
    add_energy_of_lines(result, other);
  }
  result.mfu /= static_cast<double>(runs.size());
  result.average_power_w = result.latency_s > 0 ? result.energy_j / result.latency_s : 0;
  result.cores_used = static_cast<int>(runs.size());
  return result;
}

void note_collectives(std::span<const std::shared_ptr<KernelRun>> runs, report::Result& result) {
  bool any = false, counted = false;
  for (const std::shared_ptr<KernelRun>& run : runs) {
    for (const isa::Instruction& instruction : run->program().instructions) {
      any = any || isa::spec(instruction.opcode).between_ranks;
      counted = counted || instruction.opcode == static_cast<uint16_t>(isa::Opcode::all_to_all_v);
    }
  }
  if (any)
    result.not_modelled.push_back(
        "Collectives are those of ranks on one chip: links between chips (NeuronLink, EFA) and "
        "conflicts of ranks on the chip's network are not modelled.");
  if (counted)
    result.not_modelled.push_back(
        "all_to_all_v is documented for groups that span chips or instances only; here its ranks "
        "are on one.");
}

}  // namespace

Result<report::Result> finish(std::span<const std::shared_ptr<KernelRun>> runs,
                              FinishOptions options) {
  const AllMeetings all = all_meetings(runs);
  THORONG_RETURN_IF_ERROR(check_meetings(runs, all));
  const isa::CoreParameters core = core_of_launch(*runs[0]);
  std::vector<const isa::Program*> programs;
  for (const std::shared_ptr<KernelRun>& run : runs) {
    if (!run->ordered()) THORONG_RETURN_IF_ERROR(order_and_place(*run, core));
    programs.push_back(&run->program());
  }
  std::vector<sim::Timing> timings =
      sim::simulate_timing(programs, core, sim::Schedule::kBest, all.who);
  if (!runs[0]->chip().given.empty()) options.chip_end_ps = end_without_assumptions(runs, all);
  report::Result result = join(runs, all, core, std::move(timings), options);
  note_collectives(runs, result);
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
