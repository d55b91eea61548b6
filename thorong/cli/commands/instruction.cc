// SPDX-License-Identifier: Apache-2.0
// thorong instruction NAME: how long one tile instruction takes on an idle core, what it draws, and
// by which rule. An engine whose clock ramps up after a pause is slower then; "warm" is the same
// instruction in a stream that keeps the engine busy.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "thorong/chip/loader.h"
#include "thorong/cli/run_options.h"
#include "thorong/compiler/tile_builder.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/report/units.h"
#include "thorong/sim/energy.h"

namespace thorong::cli {
namespace {

using compiler::AccessPattern;
using compiler::TileBuilder;

struct Request {
  std::string name, chip = "trainium1", dtype = "bf16", source = "sbuf", engine;
  int64_t elements = 512, partitions = 128;
  std::vector<std::string> assumptions;
  bool json = false;
};

Result<numerics::Format> format_of(const std::string& dtype) {
  static const std::map<std::string, std::string> kShort = {{"fp32", "float32"},
                                                            {"bf16", "bfloat16"},
                                                            {"fp16", "float16"},
                                                            {"tf32", "tfloat32"},
                                                            {"fp8", "float8_e4m3"}};
  auto it = kShort.find(dtype);
  auto format = numerics::parse_format(it == kShort.end() ? dtype : it->second);
  if (!format)
    return invalid_argument(
        "'" + dtype +
            "' is not a number format; try fp32, bf16, fp16, fp8 or a format's full name.",
        "--dtype");
  return *format;
}

Result<uint16_t> opcode_of(const std::string& name) {
  auto table = isa::instruction_table();
  std::string names;
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].mnemonic == name || table[i].mnemonic == "nc_" + name)
      return static_cast<uint16_t>(i);
    names += (names.empty() ? "" : ", ") + table[i].mnemonic;
  }
  return not_found("there is no instruction '" + name + "'. There are: " + names + ".",
                   "instruction");
}

// The engine of the instruction, or the one that is asked for if it is one of them.
Result<isa::Queue> queue_of(const Request& request, const isa::InstructionSpec& spec) {
  if (request.engine.empty()) return spec.engine;
  std::string names;
  for (size_t q = 0; q < isa::kQueues; ++q) {
    auto queue = static_cast<isa::Queue>(q);
    if (queue != spec.engine && (spec.engines & isa::on(queue)) == 0) continue;
    if (isa::name(queue) == request.engine) return queue;
    names += (names.empty() ? "" : " or ") + std::string(isa::name(queue));
  }
  return invalid_argument(
      fmt::format("{} runs on {}, not on '{}'.", spec.mnemonic, names, request.engine), "--engine");
}

// Why an instruction cannot be timed by itself; empty if it can.
std::string needs_more(const std::string& mnemonic) {
  static const std::map<std::string, std::string> kReasons = {
      {"custom_op", "an operator of a model"},
      {"dma_gather", "a table in HBM"},
      {"dma_compute", "a list of tensors"},
      {"local_gather", "an index and its limits"},
      {"topk", "the number of values"},
      {"quantize_mx", "packed elements and scales"},
      {"nc_matmul_mx", "packed elements and scales"},
      {"core_barrier", "a second core"},
      {"sendrecv", "a second core"}};
  auto it = kReasons.find(mnemonic);
  return it == kReasons.end() ? "" : it->second;
}

// Operands that do not have --elements elements a partition.
int64_t elements_of(const std::string& mnemonic, int operand, int64_t elements) {
  struct Row {
    std::string_view mnemonic;
    int operand;
    int64_t elements;
  };
  static constexpr Row kRows[] = {{"tensor_reduce", 0, 1},
                                  {"bn_stats", 0, 6},
                                  {"bn_aggr", 0, 2},
                                  {"max8", 0, 8},
                                  {"nc_find_index8", 0, 8},
                                  {"nc_find_index8", 2, 8},
                                  {"range_select", 2, 1},
                                  {"range_select", 3, 1},
                                  {"nc_match_replace8", 2, 8},
                                  {"set_rng_seed", 1, 1},
                                  {"register_load", 0, 1},
                                  {"register_store", 0, 1},
                                  {"scalar_tensor_tensor", 2, 1}};
  for (const Row& row : kRows) {
    if (row.mnemonic == mnemonic && row.operand == operand) return row.elements;
  }
  return elements;
}

// Whether a call must name a tile for this operand.
bool is_needed(const isa::InstructionSpec& spec, int operand) {
  if (spec.operands[static_cast<size_t>(operand)].empty()) return false;
  if (spec.parameters.empty()) return true;
  for (const isa::Parameter& parameter : spec.parameters) {
    bool tile = parameter.kind == isa::ParameterKind::kTile;
    // A column or a tile rather than a number, where it is the usual call.
    bool either =
        parameter.kind == isa::ParameterKind::kTileOrNumber &&
        (spec.mnemonic == "scalar_tensor_tensor" || spec.mnemonic == "tensor_copy_predicated");
    if ((tile || either) && parameter.slot == operand)
      return std::string_view(parameter.by_default).empty();
  }
  return false;
}

// One instruction on buffers of its own: the first source where the request says, the result in
// SBUF (of the tensor engine: PSUM).
Status emit(TileBuilder& builder, const Request& request, uint16_t opcode,
            numerics::Format format) {
  const isa::InstructionSpec& spec = isa::spec(opcode);
  const std::string& mnemonic = spec.mnemonic;
  if (std::string more = spec.between_ranks ? "other ranks" : needs_more(mnemonic); !more.empty())
    return unsupported(mnemonic + " needs " + more + "; time it in a model or kernel.",
                       "instruction");
  THORONG_TRY(isa::Queue queue, queue_of(request, spec));
  int64_t elements = request.elements, partitions = request.partitions;
  bool from_psum = request.source == "psum";
  bool computes =
      queue == isa::Queue::kVector || queue == isa::Queue::kScalar || queue == isa::Queue::kGpsimd;
  bool reads = computes && spec.operands.size() > 1 && is_needed(spec, 1);
  if (from_psum && !reads) {
    return invalid_argument(
        fmt::format("{} on {} reads no source in PSUM; leave --source out, or name an instruction "
                    "of vector, scalar or gpsimd that has a source.",
                    mnemonic, isa::name(queue)),
        "--source");
  }
  bool fits = 5 * elements * static_cast<int64_t>(numerics::byte_size(format)) <=
              builder.stream_capacity_bytes();
  bool bank = elements <= builder.psum_elements();
  if (!fits || ((from_psum || queue == isa::Queue::kTensor) && !bank)) {
    return out_of_range(
        fmt::format("{} elements a partition do not fit; a PSUM bank holds {} and SBUF {} bytes.",
                    elements, builder.psum_elements(), builder.stream_capacity_bytes()),
        "--elements");
  }
  auto sbuf = [&](int64_t n) {
    return builder.dense(builder.allocate_stream(format, n), partitions, {n});
  };
  auto op = static_cast<compiler::Opcode>(opcode);
  if (mnemonic == "nc_matmul") {
    AccessPattern stationary = sbuf(partitions), moving = sbuf(elements);
    builder.emit(op, queue, {builder.psum(partitions, elements), stationary, moving});
    return ok_status();
  }
  std::array<AccessPattern, isa::kMaxOperands> operands;  // absent: buffer -1
  for (int i = 0; i < static_cast<int>(spec.operands.size()); ++i) {
    if (!is_needed(spec, i)) continue;
    int64_t n = elements_of(mnemonic, i, elements);
    operands[static_cast<size_t>(i)] =
        i == 1 && from_psum ? builder.psum(partitions, n, format) : sbuf(n);
  }
  if (mnemonic == "nc_transpose")
    operands[0] =
        builder.psum(std::min<int64_t>(elements, builder.partitions()), partitions, format);
  if (mnemonic == "tensor_partition_reduce" || queue == isa::Queue::kSync)
    operands[0].partitions = 1;
  auto function =
      mnemonic == "tensor_reduce" ? numerics::BinaryFunction::kAdd : numerics::BinaryFunction{};
  builder.emit(op, queue,
               {operands[0], operands[1], operands[2], operands[3], operands[4], operands[5]},
               {.function0 = static_cast<uint8_t>(function)});
  return ok_status();
}

std::string note_on(const std::string& mnemonic, numerics::Format format,
                    const isa::CoreParameters& core) {
  bool cast = mnemonic == "nc_matmul" && format == numerics::Format::kFloat32;
  return cast && !core.fp32_operands
             ? "this chip has no fp32 product: the operands are cast to bfloat16"
             : "";
}

Status time_instruction(const Request& request) {
  THORONG_TRY(auto assumptions, chip::parse_assumptions(request.assumptions));
  THORONG_TRY(auto chip, chip::load(request.chip, assumptions));
  THORONG_TRY(auto format, format_of(request.dtype));
  THORONG_TRY(uint16_t opcode, opcode_of(request.name));
  if (request.source != "sbuf" && request.source != "psum")
    return invalid_argument("'" + request.source + "' is not sbuf or psum.", "--source");
  isa::CoreParameters core = isa::core_parameters(chip);
  if (request.partitions > core.partitions) {
    return out_of_range(fmt::format("the chip has {} partitions.", core.partitions),
                        "--partitions");
  }
  TileBuilder builder(core);
  THORONG_RETURN_IF_ERROR(emit(builder, request, opcode, format));
  sim::Timing timing = sim::simulate_timing(builder.program(), core, sim::Schedule::kBest);
  core.clock_ramp_s = 0;
  sim::Timing warm = sim::simulate_timing(builder.program(), core, sim::Schedule::kBest);
  const isa::Instruction& instruction = builder.program().instructions[0];
  double seconds =
      static_cast<double>(timing.instructions[0].end_ps - timing.instructions[0].start_ps) * 1e-12;
  double visible = static_cast<double>(timing.end_ps) * 1e-12, joules = 0;
  double warm_s =
      static_cast<double>(warm.instructions[0].end_ps - warm.instructions[0].start_ps) * 1e-12;
  double warm_visible_s = static_cast<double>(warm.end_ps) * 1e-12;
  for (double part : sim::instruction_energy(core, timing.costs[0], 0)) joules += part;
  const isa::InstructionSpec& spec = isa::spec(opcode);
  const double cycles = timing.costs[0].cycles;
  const double fixed = isa::fixed_cycles(core, instruction.queue);
  const std::string note = note_on(spec.mnemonic, format, core);
  if (request.json) {
    nlohmann::ordered_json json{{"instruction", spec.mnemonic},
                                {"chip", chip.name},
                                {"engine", isa::name(instruction.queue)},
                                {"cycles", timing.costs[0].cycles},
                                {"fixed_cycles", fixed},
                                {"time_s", seconds},
                                {"visible_s", visible},
                                {"warm_s", warm_s},
                                {"warm_visible_s", warm_visible_s},
                                {"energy_j", joules},
                                {"source", spec.source}};
    if (!note.empty()) json["note"] = note;
    for (const chip::GivenFact& fact : chip.given)
      json["assumptions"].push_back({{"fact", fact.fact},
                                     {"value", fact.value},
                                     {"chip_value", fact.chip_value},
                                     {"chip_kind", fact.chip_kind}});
    fmt::print("{}\n", json.dump());
    return ok_status();
  }
  const std::string of_them = fixed > 0 ? fmt::format(", {:.0f} of them fixed", fixed) : "";
  fmt::print(
      "{} on {}: {}\n\n  engine    {}\n  time      {:.1f} ns{}\n  visible   after "
      "{:.1f} ns\n  warm      {:.1f} ns, visible after {:.1f} ns\n  energy    {}\n  rule    "
      "  {}\n",
      spec.mnemonic, chip.title, spec.summary, isa::name(instruction.queue), seconds * 1e9,
      cycles > 0 ? fmt::format(" ({:.0f} cycles{})", cycles, of_them) : "", visible * 1e9,
      warm_s * 1e9, warm_visible_s * 1e9, report::human(joules, "J"), spec.source);
  if (!note.empty()) fmt::print("  note      {}\n", note);
  for (const chip::GivenFact& fact : chip.given)
    fmt::print("  assumed   {} = {} for this time\n", fact.fact, fact.value);
  return ok_status();
}

}  // namespace

void command_instruction(CLI::App& app, Exit& exit) {
  auto request = std::make_shared<Request>();
  CLI::App* command =
      app.add_subcommand("instruction", "Times one tile instruction on an idle core");
  command->add_option("name", request->name, "nc_matmul, activation, tensor_tensor, dma_copy, ...")
      ->required();
  command->add_option("--chip", request->chip, "A shipped chip or a chip file")
      ->type_name("NAME|FILE.yaml")
      ->capture_default_str();
  command
      ->add_option("--elements", request->elements, "Elements a partition (matmul: moving columns)")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--partitions", request->partitions, "Partitions")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--dtype", request->dtype, "fp32, bf16, fp16, fp8 or a format's full name")
      ->capture_default_str();
  command->add_option("--source", request->source, "Where the first source lies: sbuf or psum")
      ->capture_default_str();
  command->add_option("--engine", request->engine,
                      "vector, scalar or gpsimd, where several can do it");
  add_assume(*command, request->assumptions);
  command->add_flag("--json", request->json, "One JSON object on stdout");
  command->callback([request, &exit] {
    exit.json = request->json;
    exit.status = time_instruction(*request);
  });
}

}  // namespace thorong::cli
