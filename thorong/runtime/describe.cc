// SPDX-License-Identifier: Apache-2.0
// From a program's timing and events to the figures of a Result: what follows without values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <set>

#include "thorong/chip/loader.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/report/memory_map.h"
#include "thorong/runtime/describe_memory.h"
#include "thorong/runtime/describe_waits.h"
#include "thorong/runtime/session.h"
#include "thorong/runtime/workload.h"
#include "thorong/sim/waits.h"
#include "thorong/version.h"

namespace thorong::runtime {
namespace {

using isa::Queue;
using report::EnergyComponent;

constexpr double kSeconds = 1e-12;  // a picosecond

size_t at(EnergyComponent c) { return static_cast<size_t>(c); }

struct OperatorSums {
  // Of the present stretch of the program: an operator that runs in strips has several, and its
  // time is their sum.
  int64_t start = INT64_MAX, any_start = INT64_MAX, end = 0;
  int64_t first_start = -1, time = 0;
  std::array<int64_t, isa::kQueues> busy{};
  double hbm_bytes = 0, product_flops = 0;
};

// Multiply-adds of a matrix product count twice; a transpose through the array is none.
double product_flops(const isa::Program& tiles, const isa::Instruction& instruction) {
  bool mx = instruction.opcode == static_cast<uint16_t>(isa::Opcode::nc_matmul_mx);
  bool plain = instruction.opcode == static_cast<uint16_t>(isa::Opcode::nc_matmul);
  if (!mx && (!plain || (instruction.flags & isa::kTransposeMode) != 0)) return 0;
  const isa::AccessPattern &stationary = tiles.operand(instruction, 1),
                           &moving = tiles.operand(instruction, 2);
  double macs = static_cast<double>(stationary.partitions) *
                static_cast<double>(stationary.free_elements()) *
                static_cast<double>(moving.free_elements());
  if (mx) macs *= 4;                                          // packed elements
  if ((instruction.flags & isa::kDoubleRow) != 0) macs /= 2;  // [K, 2, M] meets [K, 2, N]
  return 2 * macs;
}

// What bounds an operator: the resource that was busy for the largest part of its time.
void name_bound(const OperatorSums& sums, const isa::CoreParameters& core,
                report::OperatorUse& use) {
  std::array<std::pair<const char*, double>, 6> shares{
      {{"tensor", 0}, {"vector", 0}, {"scalar", 0}, {"gpsimd", 0}, {"dma", 0}, {"host", 0}}};
  for (size_t q = 0; q < isa::kQueues; ++q) {
    double busy = static_cast<double>(sums.busy[q]) * kSeconds;
    auto queue = static_cast<Queue>(q);
    if (queue == Queue::kSync) continue;  // only waits for the others
    size_t slot = queue == Queue::kTensor   ? 0
                  : queue == Queue::kVector ? 1
                  : queue == Queue::kScalar ? 2
                  : queue == Queue::kGpsimd ? 3
                  : sim::is_dma(queue)      ? 4
                                            : 5;
    shares[slot].second += busy;
  }
  auto most = std::max_element(shares.begin(), shares.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  use.engine = most->first;
  use.bound_share = use.time_s > 0 ? std::min(1.0, most->second / use.time_s) : 0;
  constexpr double kBusyEnough = 0.4;  // below, nothing was busy: the operator waited
  use.bound = use.bound_share < kBusyEnough ? "dependency" : most->first;
  if (use.bound == "dma" && sums.hbm_bytes / core.hbm_core_bytes_per_s > 0.8 * most->second)
    use.bound = "hbm";
  if (use.path == "host") use.bound = "host";
}

void end_stretch(OperatorSums& sums) {
  int64_t start = sums.start == INT64_MAX ? sums.any_start : sums.start;
  if (start == INT64_MAX) return;
  if (sums.first_start < 0) sums.first_start = start;
  sums.time += std::max<int64_t>(0, sums.end - start);
  sums.start = sums.any_start = INT64_MAX, sums.end = 0;
}

using FlopsByFormat = std::vector<double>;  // by the number of the format

FlopsByFormat add_instructions(const Program& program, report::Result& result,
                               std::vector<OperatorSums>& sums) {
  const isa::Program& tiles = program.tiles;
  FlopsByFormat flops_by(static_cast<size_t>(numerics::format_count()), 0);
  const sim::CostList& costs = program.timing.costs;
  std::vector<sim::EnergyParts> energies;  // of each kind of cost, without waits
  for (size_t kind = 0; kind < costs.kinds(); ++kind)
    energies.push_back(sim::instruction_energy(program.core, costs.of_kind(kind), 0));
  int32_t previous = -1;
  result.timeline.reserve(tiles.instructions.size());
  for (size_t i = 0; i < tiles.instructions.size(); ++i) {
    const isa::Instruction& instruction = tiles.instructions[i];
    const sim::InstructionTime& time = program.timing.instructions[i];
    const isa::Cost& cost = costs[i];
    sim::EnergyParts parts = energies[costs.kind(i)];
    if (instruction.waits > 0) {
      parts[static_cast<size_t>(sim::EnergyPart::kInstructions)] =
          sim::control_energy(program.core, instruction.waits);
    }
    for (size_t p = 0; p < parts.size(); ++p) result.energy_by[p] += parts[p];
    double host = cost.events.host_bytes * program.core.host_pj_byte * 1e-12;
    result.energy_by[at(EnergyComponent::kHostLink)] += host;
    result.hbm_traffic_bytes += static_cast<int64_t>(cost.events.hbm_bytes);
    report::TimelineEvent event{time.start_ps, time.end_ps, instruction.operator_index,
                                static_cast<uint16_t>(instruction.queue), instruction.opcode};
    event.hbm_bytes = static_cast<float>(cost.events.hbm_bytes);
    result.timeline.push_back(event);
    double flops = 0;
    if (instruction.queue == Queue::kTensor) {
      flops = product_flops(tiles, instruction);
      result.product_flops += flops;
      flops_by[static_cast<size_t>(cost.events.mac_format)] += flops;
    }
    if (instruction.operator_index < 0) continue;
    if (previous >= 0 && previous != instruction.operator_index)
      end_stretch(sums[static_cast<size_t>(previous)]);
    previous = instruction.operator_index;
    OperatorSums& sum = sums[static_cast<size_t>(instruction.operator_index)];
    sum.any_start = std::min(sum.any_start, time.start_ps);
    if (instruction.queue != Queue::kDmaLoad) sum.start = std::min(sum.start, time.start_ps);
    sum.end = std::max(sum.end, time.end_ps);
    sum.busy[static_cast<size_t>(instruction.queue)] += time.end_ps - time.start_ps;
    sum.product_flops += flops;
    sum.hbm_bytes += cost.events.hbm_bytes;
    report::OperatorUse& use = result.operators[static_cast<size_t>(instruction.operator_index)];
    ++use.instructions;
    for (size_t p = 0; p < parts.size(); ++p) use.energy_by[p] += parts[p];
    use.energy_by[at(EnergyComponent::kHostLink)] += host;
  }
  return flops_by;
}

// The peak that a run is held against: of the format that a model is cast to; of a kernel, which
// chooses formats itself, the one with most of its products.
void add_roofline(const Program& program, const FlopsByFormat& flops, report::Result& result) {
  numerics::Format format = numerics::Format::kFloat32;
  if (program.options.auto_cast != compiler::AutoCast::kNone)
    format = program.options.auto_cast_type;
  if (!program.core.fp32_operands) format = numerics::Format::kBfloat16;
  auto most = std::max_element(flops.begin(), flops.end());
  if (program.model_format == "nki" && *most > 0)
    format = static_cast<numerics::Format>(most - flops.begin());
  const isa::CoreParameters& core = program.core;
  double passes = core.passes_16bit;
  if (format == numerics::Format::kFloat32) passes = core.passes_float32;
  if (format == numerics::Format::kTfloat32) passes = core.passes_tfloat32;
  if (numerics::byte_size(format) == 1) passes = core.passes_float8;
  result.roofline.peak_flops_per_s = 2 * core.rows * core.columns * core.tensor_hz / passes;
  result.roofline.peak_format = std::string(numerics::name(format));
  result.roofline.hbm_bytes_per_s = core.hbm_core_bytes_per_s;
}

void add_operators(const Program& program, report::Result& result) {
  std::vector<OperatorSums> sums(program.tiles.operators.size());
  result.operators.resize(sums.size());
  add_roofline(program, add_instructions(program, result, sums), result);
  for (size_t i = 0; i < sums.size(); ++i) {
    const isa::OperatorInfo& info = program.tiles.operators[i];
    report::OperatorUse& use = result.operators[i];
    use.name = info.name, use.op = info.op, use.path = info.path, use.choice = info.choice;
    // The compiler knows an operator's work; of a kernel's line only its products are counted.
    use.flops = program.model_format == "nki" ? sums[i].product_flops : info.flops;
    for (double joules : use.energy_by) use.energy_j += joules;
    end_stretch(sums[i]);
    use.start_s = static_cast<double>(std::max<int64_t>(0, sums[i].first_start)) * kSeconds;
    use.time_s = static_cast<double>(sums[i].time) * kSeconds;
    use.hbm_bytes = sums[i].hbm_bytes;
    use.roofline_s = std::max(use.flops / result.roofline.peak_flops_per_s,
                              use.hbm_bytes / result.roofline.hbm_bytes_per_s);
    name_bound(sums[i], program.core, use);
  }
}

void add_engines(const Program& program, report::Result& result) {
  for (size_t q = 0; q < isa::kQueues; ++q) {
    report::EngineUse use;
    use.name = std::string(isa::name(static_cast<Queue>(q)));
    use.busy_s = static_cast<double>(program.timing.busy_ps[q]) * kSeconds;
    use.utilization = result.device_s > 0 ? use.busy_s / result.device_s : 0;
    use.instructions = program.timing.count[q];
    result.engines.push_back(use);
  }
}

double bytes_of(const std::vector<Signature>& tensors) {
  double bytes = 0;
  for (const Signature& s : tensors) bytes += static_cast<double>(s.type.bytes());
  return bytes;
}

// Samples of one run: the leading dimension of the first input.
double batch(const Program& program) {
  if (program.inputs.empty() || program.inputs[0].type.shape.empty()) return 1;
  return std::max<double>(1, static_cast<double>(program.inputs[0].type.shape[0]));
}

void add_totals(const Program& program, report::Result& result) {
  const isa::CoreParameters& core = program.core;
  result.device_s = static_cast<double>(program.timing.end_ps) * kSeconds;
  double most = result.roofline.peak_flops_per_s * result.device_s;
  result.mfu = most > 0 ? result.product_flops / most : 0;
  result.program_start_s = core.start_s, result.program_stop_s = core.stop_s;
  double in = bytes_of(program.inputs), out = bytes_of(program.outputs);
  double copies = isa::host_copy_s(core, in, out);
  result.host_s = core.dispatch_s + copies;
  result.latency_s = result.device_s + result.host_s;
  auto cores = static_cast<double>(core.cores);
  // All cores busy: each has its share of the memory, and the host link carries everybody's copies.
  double shared_hbm =
      static_cast<double>(result.hbm_traffic_bytes) * cores / core.hbm_chip_bytes_per_s;
  double period = std::max({result.device_s, shared_hbm, copies * cores});
  result.throughput_per_s = period > 0 ? cores * batch(program) / period : 0;
  result.energy_by[at(EnergyComponent::kStatic)] = core.static_w_per_core * result.device_s;
  result.energy_by[at(EnergyComponent::kHostLink)] += (in + out) * core.host_pj_byte * 1e-12;
  for (double joules : result.energy_by) result.energy_j += joules;
  result.average_power_w = result.latency_s > 0 ? result.energy_j / result.latency_s : 0;
}

void add_cost(const Program& program, report::Result& result) {
  if (program.chip.instances.empty()) {
    result.cost.reason = program.chip.price_reason.empty()
                             ? "the chip file names no instance with a price"
                             : program.chip.price_reason;
    return;
  }
  const auto smallest = std::min_element(
      program.chip.instances.begin(), program.chip.instances.end(),
      [](const auto& a, const auto& b) { return a.usd_per_hour < b.usd_per_hour; });
  result.cost.instance = smallest->name;
  result.cost.usd_per_hour = smallest->usd_per_hour;
  result.cost.price_kind = smallest->price_kind;
  if (result.throughput_per_s > 0) {
    result.cost.usd_per_million =
        smallest->usd_per_hour / 3600.0 / (result.throughput_per_s * smallest->chips) * 1e6;
  } else {
    result.cost.reason = "a run without work has no throughput";
  }
}

// What of the chip a program used, as far as single figures of its blocks depend on it.
struct Used {
  std::set<numerics::Format> mac_formats;
  bool dma_transpose = false, collective = false, registers = false;
  std::set<std::string> notes;  // InstructionSpec::not_modelled
  double to_host_bytes = 0;
};

Used used_by(const Program& program) {
  Used used;
  used.to_host_bytes = bytes_of(program.outputs);
  const sim::CostList& costs = program.timing.costs;
  for (size_t kind = 0; kind < costs.kinds(); ++kind) {
    const isa::Events& events = costs.of_kind(kind).events;
    if (events.macs > 0) used.mac_formats.insert(events.mac_format);
  }
  used.dma_transpose = costs.has(static_cast<uint16_t>(isa::Opcode::dma_transpose));
  auto table = isa::instruction_table();
  for (uint16_t opcode = 0; opcode < table.size(); ++opcode) {
    if (!costs.has(opcode)) continue;
    if (*table[opcode].not_modelled != 0) used.notes.insert(table[opcode].not_modelled);
    if (table[opcode].between_ranks) used.collective = true;
    if (table[opcode].engine == Queue::kSync) used.registers = true;
  }
  return used;
}

// Whether a figure of a block that took part had no part itself: an energy of a format that no
// product had, a rate of copies that were not made, a word or area that nothing computes with.
bool is_idle(const Used& used, const isa::CoreParameters& core, const std::string& path) {
  static const std::set<std::string> kNowhere = {
      "package.die_mm2", "package.area_budget_mm2", "package.technology_nm", "hbm.technology",
      // loads of stationary tiles are taken as hidden
      "tensor.load_speedup", "tensor.hidden_load_min_columns"};
  if (kNowhere.contains(path) || path.ends_with(".area_mm2")) return true;
  constexpr std::string_view kMac = "tensor.pj_per_mac_";
  if (path.starts_with(kMac)) {
    return std::none_of(used.mac_formats.begin(), used.mac_formats.end(), [&](auto format) {
      return numerics::name(format).starts_with(std::string_view(path).substr(kMac.size()));
    });
  }
  if (path.starts_with("control.register_")) return !used.registers;
  if (path.find("transpose") != std::string::npos && path.starts_with("dma."))
    return !used.dma_transpose;
  if (path.starts_with("dma.collective_")) return !used.collective;
  if (path.ends_with(".clock_ramp_fraction")) return core.clock_ramp_s <= 0;
  bool large = used.to_host_bytes > core.large_bytes;
  if (path == "host.bytes_per_second_to_host") return large;
  if (path == "host.bytes_per_second_to_host_large" || path == "host.large_bytes") return !large;
  return false;
}

// Which part of latency or energy goes through a figure's block: orders the list of assumed facts.
double weight(const report::Result& result, const std::string& path) {
  auto share = [&](double part, double whole) { return whole > 0 ? part / whole : 0; };
  auto engine = [&](const std::string& name) {
    double busy = 0;
    for (const auto& e : result.engines) {
      if (e.name.starts_with(name)) busy += e.busy_s;
    }
    return share(busy, result.latency_s);
  };
  auto energy = [&](EnergyComponent c) { return share(result.energy_by[at(c)], result.energy_j); };
  std::string block = path.substr(0, path.find('.')), key = path.substr(path.find('.') + 1);
  bool joules = key.find("pj") != std::string::npos;
  if (block == "tensor") return joules ? energy(EnergyComponent::kTensor) : engine("tensor");
  if (block == "vector") return joules ? energy(EnergyComponent::kVector) : engine("vector");
  if (block == "scalar") return joules ? energy(EnergyComponent::kScalar) : engine("scalar");
  if (block == "gpsimd") return joules ? energy(EnergyComponent::kGpsimd) : engine("gpsimd");
  if (block == "sbuf") return joules ? energy(EnergyComponent::kSbuf) : 0.001;
  if (block == "psum") return joules ? energy(EnergyComponent::kPsum) : 0.001;
  if (block == "hbm") return joules ? energy(EnergyComponent::kHbm) : engine("dma") * 0.5;
  if (block == "dma") return joules ? energy(EnergyComponent::kDma) : engine("dma") * 0.5;
  if (block == "host")
    return joules ? energy(EnergyComponent::kHostLink) : share(result.host_s, result.latency_s);
  if (block == "package") return energy(EnergyComponent::kStatic);
  if (key.starts_with("register_")) return engine("sync");
  if (key == "vendor_overlap") return result.schedule == "vendor" ? 0.5 : 0;
  return energy(EnergyComponent::kInstructions);
}

void add_assumed(const Program& program, const Used& used, report::Result& result) {
  for (const chip::Block& block : program.chip.blocks) {
    for (const auto& [key, figure] : block.parameters) {
      const bool given = figure.kind == chip::Kind::kGiven;
      if (!given && figure.kind != chip::Kind::kAssumed && figure.kind != chip::Kind::kCalibrated)
        continue;
      std::string path = block.name + "." + key;
      double effect = weight(result, path);
      const bool idle = effect <= 0.0005 || is_idle(used, program.core, path);
      if (idle && !given) continue;  // did not move this result
      result.assumed.push_back({path, chip::value_text(figure),
                                std::string(chip::name(figure.kind)), figure.source,
                                idle ? 0 : effect});
    }
  }
  // What the user gave comes first, whatever its effect.
  std::stable_sort(result.assumed.begin(), result.assumed.end(), [](const auto& a, const auto& b) {
    const bool a_given = a.kind == "given", b_given = b.kind == "given";
    return a_given != b_given ? a_given : a.effect > b.effect;
  });
}

void add_assumptions(const Program& program, report::Result& result) {
  if (program.chip.given.empty()) return;
  report::Assumptions given;
  for (const chip::GivenFact& fact : program.chip.given)
    given.facts.push_back({fact.fact, fact.value, fact.chip_value, fact.chip_kind});
  if (program.chip_end_ps.ok())
    given.device_s_of_chip = static_cast<double>(*program.chip_end_ps) * kSeconds;
  else
    given.not_timed_because = program.chip_end_ps.status().to_string();
  result.assumptions = std::move(given);
}

void add_not_modelled(const Program& program, const Used& used, report::Result& result) {
  result.not_modelled = program.chip.not_modelled;
  result.not_modelled.insert(result.not_modelled.end(), used.notes.begin(), used.notes.end());
  for (const std::string& note : program.graph.notes) result.not_modelled.push_back(note);
  const double needed = static_cast<double>(program.tiles.hbm_bytes) + program.core.microcode_bytes;
  if (needed > program.core.hbm_bytes) {
    result.not_modelled.insert(
        result.not_modelled.begin(),
        fmt::format("the model does not fit: it needs {:.1f} GB of device memory and the chip has "
                    "{:.1f} GB; the figures are those of a chip with enough",
                    needed / 1e9, program.core.hbm_bytes / 1e9));
  }
  if (!program.core.fp32_operands) {
    result.not_modelled.push_back(
        "This chip has no fp32 matrix product: float32 operands of matmuls and convolutions are "
        "cast to "
        "bfloat16, also with --auto-cast none. All figures below the engine level are assumed.");
  }
  if (program.timing.count[static_cast<size_t>(Queue::kTensor)] > 0) {
    result.not_modelled.push_back(
        "Loading stationary tiles into the array is taken as hidden behind the products before, "
        "also where a product stands alone.");
  }
  if (program.model_format == "nki") {
    result.not_modelled.push_back(
        "Waits: conflicts at the SBUF port that Vector and GpSimd share, conflicts at SBUF and "
        "PSUM banks, and full instruction queues and DMA rings take no time, so no wait is named "
        "after them. Descriptors take time where a hardware generator makes them; those of other "
        "transfers are taken as made before.");
  }
  std::map<std::string, int> elsewhere;
  for (const report::OperatorUse& use : result.operators) {
    if (use.path != "tile") ++elsewhere[use.op + " on " + use.path];
  }
  for (const auto& [what, count] : elsewhere) {
    result.not_modelled.push_back(fmt::format(
        "{} operator(s) {} have no tile program: reference meaning, assumed cost.", count, what));
  }
}

// One line when a cast would help: fp32 products take several passes through the array.
void add_hints(const Program& program, const Used& used, report::Result& result) {
  if (program.options.auto_cast == compiler::AutoCast::kNone &&
      program.options.auto_cast_type_given) {
    result.hints.push_back(
        fmt::format("--auto-cast-type {} has no effect without --auto-cast matmult or all.",
                    result.auto_cast_type));
  }
  if (program.options.auto_cast != compiler::AutoCast::kNone || !program.core.fp32_operands) return;
  if (!used.mac_formats.contains(numerics::Format::kFloat32)) return;
  double fp32_s = 0;
  auto matmul = static_cast<uint16_t>(isa::Opcode::nc_matmul);
  for (size_t i = 0; i < program.tiles.instructions.size(); ++i) {
    if (program.tiles.instructions[i].opcode != matmul) continue;
    if (program.timing.costs[i].events.mac_format == numerics::Format::kFloat32) {
      fp32_s += program.timing.costs[i].cycles / program.core.tensor_hz;
    }
  }
  double saved = fp32_s * (1 - program.core.passes_16bit / program.core.passes_float32);
  if (saved < 0.05 * result.latency_s) return;
  result.hints.push_back(
      fmt::format("--auto-cast matmult would save about {:.0f}% of the latency: fp32 matrix "
                  "products take {:.0f} "
                  "passes through the array.",
                  100 * saved / result.latency_s, program.core.passes_float32));
}

// What predictions of this kind of program have been worth on this chip, if published measurements
// tell. They were compared under the vendor's schedule, which is what those measurements ran under.
void add_expected_error(const Program& program, report::Result& result) {
  if (program.options.schedule != sim::Schedule::kVendor) return;
  const std::string kind = workload_kind(program.graph);
  for (const chip::PredictionError& error : program.chip.prediction_errors) {
    if (error.kind == kind)
      result.expected_error =
          report::ExpectedError{error.median, error.p90, error.rows, error.kind};
  }
}

}  // namespace

report::Result describe(const Program& program) {
  report::Result result;
  const Options& options = program.options;
  result.thorong_version = THORONG_VERSION;
  result.model_path = program.model_path, result.model_sha256 = program.model_sha256,
  result.model_format = program.model_format, result.graph_name = program.graph.name;
  result.chip = program.chip.name, result.chip_title = program.chip.title;
  result.schedule = options.schedule == sim::Schedule::kVendor ? "vendor" : "best";
  result.auto_cast = auto_cast_name(options.auto_cast),
  result.auto_cast_type = auto_cast_type_name(options.auto_cast_type);
  result.rounding = options.stochastic_rounding ? "stochastic" : "rne";
  result.seed = options.seed, result.timing_only = options.timing_only;
  result.import_s = program.import_s, result.compile_s = program.compile_s;
  result.from_cache = program.from_cache;
  // On large programs these two take as long as the rest, beside which they go on.
  constexpr size_t kLarge = 100000;
  const isa::Program& tiles = program.tiles;
  const bool alone = options.threads == 1 || tiles.instructions.size() < kLarge;
  const auto when = alone ? std::launch::deferred : std::launch::async | std::launch::deferred;
  auto starts =
      std::async(when, [&] { return sim::explain_starts(tiles, program.core, program.timing); });
  auto memory = std::async(when, [&] { return find_memory_use(program); });
  add_operators(program, result);
  describe_waits(program, starts.get(), result);
  add_totals(program, result);
  add_engines(program, result);
  add_cost(program, result);
  result.hbm_peak_bytes = tiles.hbm_bytes;
  result.hbm_capacity_bytes = static_cast<int64_t>(program.core.hbm_bytes);
  result.sbuf_capacity_bytes = program.core.partitions * program.core.sbuf_bytes_per_partition;
  result.psum_capacity_bytes =
      program.core.partitions * program.core.psum_banks * program.core.psum_bank_bytes;
  result.sbuf = {program.core.partitions, program.core.sbuf_bytes_per_partition, 0};
  result.psum = {program.core.partitions, program.core.psum_banks * program.core.psum_bank_bytes,
                 program.core.psum_bank_bytes};
  for (const auto& spec : isa::instruction_table())
    result.instruction_names.push_back(spec.mnemonic);
  const Used used = used_by(program);
  add_assumed(program, used, result);
  add_assumptions(program, result);
  add_not_modelled(program, used, result);
  add_hints(program, used, result);
  add_expected_error(program, result);
  MemoryUse use = memory.get();
  result.tiles = std::move(use.tiles), result.tile_names = std::move(use.names);
  // Of what is in use at one time: the placement, which knows no time, reaches further.
  result.sbuf_peak_bytes =
      report::memory_peak(result, report::Memory::kSbuf).used_bytes * program.core.partitions;
  result.psum_peak_bytes =
      report::memory_peak(result, report::Memory::kPsum).used_bytes * program.core.partitions;
  return result;
}

}  // namespace thorong::runtime
