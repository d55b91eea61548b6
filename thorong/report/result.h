// SPDX-License-Identifier: Apache-2.0
// The one result object of a run. Every view (table, JSON, HTML, trace, Python, advisor) reads it
// and nothing else. The meaning of each figure is the contract's; keys of the JSON are the names
// here.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/ops/graph.h"
#include "thorong/ops/structure.h"

namespace thorong::report {

// Components of energy_by, in the JSON's order.
enum class EnergyComponent {
  kTensor,
  kVector,
  kScalar,
  kGpsimd,
  kSbuf,
  kPsum,
  kHbm,
  kDma,
  kInstructions,
  kStatic,
  kHostLink
};
inline constexpr size_t kEnergyComponents = 11;
inline constexpr std::array<const char*, kEnergyComponents> kEnergyComponentNames = {
    "tensor", "vector", "scalar",       "gpsimd", "sbuf",     "psum",
    "hbm",    "dma",    "instructions", "static", "host_link"};

struct EngineUse {
  std::string name;  // tensor, vector, scalar, gpsimd, sync, dma0 ...
  double busy_s = 0;
  double utilization = 0;  // busy_s / device_s
  int64_t instructions = 0;
};

// One core of a launch of several; the timeline and all that follows from it are of shown_core.
struct CoreUse {
  double end_s = 0;
  std::vector<EngineUse> engines;
};

struct OperatorUse {
  std::string name;  // the program's name for it
  std::string op;    // operator or fused group, "convolution+relu"
  double start_s = 0, time_s = 0, energy_j = 0;
  std::string engine;    // the engine that was busy longest
  std::string path;      // tile, gpsimd, host
  std::string bound;     // tensor vector scalar gpsimd dma hbm dependency host
  std::string choice{};  // what the compiler chose for it, for people
  // For the roofline and "by how much":
  double flops = 0;  // 2 x multiply-adds, plus other operations
  double hbm_bytes = 0;
  double bound_share = 0;  // busy time of the bounding resource / time_s
  double roofline_s = 0;   // the least time that peak and HBM allow
  // For energy by line: energy_j by component, and how many instructions it is of. Of all cores.
  std::array<double, kEnergyComponents> energy_by{};
  int64_t instructions = 0;
};

// Stalls of one kind: an engine or DMA queue was free, and an instruction of `name` could not begin
// yet. critical_s: of the critical path, when none of its instructions was at work.
struct WaitUse {
  std::string name, op, engine;  // who waited: as in operators, and the instruction's mnemonic
  std::string waited_for;        // one of kHoldNames
  std::string cause_name, cause_op, cause_engine;  // the instruction that it waited for; or empty
  int64_t count = 0;
  double time_s = 0, critical_s = 0;
  // Parts of time_s in which the producer had ended: its result was on the way through a pipeline
  // or the DMA engines, or its semaphore was.
  double latency_s = 0, semaphore_s = 0;
  // Engine busy: no stall (time_s is 0), but instructions that were ready so much longer.
  double queued_s = 0;
};

// What the critical path is made of: an operator's instructions on it, and the stalls before them.
struct CriticalUse {
  std::string name, op, engine;
  int64_t count = 0;
  double busy_s = 0, wait_s = 0;  // of all of them: device_s
};

// One bar of the timeline. Kept small: a run has up to millions.
struct TimelineEvent {
  int64_t start_ps = 0;
  int64_t end_ps = 0;
  int32_t operator_index = -1;  // into Result::operators
  uint16_t engine = 0;          // into Result::engines
  uint16_t instruction = 0;     // into Result::instruction_names
  int32_t cause = -1;           // the event that held it back, or -1
  uint8_t hold = 0;             // into kHoldNames
  float hbm_bytes = 0;          // that it moves
};

// sim::Hold as a person reads it.
inline constexpr std::array<const char*, 9> kHoldNames = {
    "",         "engine busy",   "operand",   "dma bandwidth", "other core",
    "schedule", "hbm bandwidth", "semaphore", "descriptors"};

enum class Memory : uint8_t { kHbm, kSbuf, kPsum };

// A tensor's stay in a memory: bytes [address, address + bytes) of each of its partitions (in HBM:
// of the memory) from its first instruction's start to its last one's end.
struct TileUse {
  int64_t start_ps = 0, end_ps = 0;
  int64_t address = 0, bytes = 0;
  int32_t partitions = 1;
  int32_t name = -1;            // into Result::tile_names
  int32_t operator_index = -1;  // of its first instruction
  uint16_t engine = 0;          // the same one's
  Memory memory = Memory::kSbuf;

  int64_t total_bytes() const { return bytes * partitions; }
};

// A memory on the chip as one of its partitions sees it.
struct MemoryShape {
  int64_t partitions = 0, bytes = 0;  // bytes: of a partition
  int64_t bank_bytes = 0;             // PSUM; 0: no banks
};

// Bytes in use at a time; a list is a step function sorted by time (memory_map.h).
struct OccupancyPoint {
  int64_t time_ps = 0;
  int64_t bytes = 0;
};

struct Output {
  std::string name;
  ops::Tensor tensor;  // empty with --timing-only
  ops::TensorType type;
  std::string sha256;  // of the bytes; empty with --timing-only
  std::string file;    // with --out
};

struct OutputError {
  double max_abs = 0, max_rel = 0, rms = 0;
};

struct Assumed {
  std::string fact, value, kind, source;
  double effect =
      0;  // relative change of latency or energy for a change of 10 percent; the order of the list
};

// What the user set for this run in place of the chip file's figures, and what that did to the time
// on the device.
struct Assumptions {
  struct Fact {
    std::string fact, value;
    std::string chip_value, chip_kind;  // of the chip file; empty: it states none
  };
  std::vector<Fact> facts;
  double device_s_of_chip = 0;    // with the chip file's figures
  std::string not_timed_because;  // why that is not known; empty where it is
};

struct ExpectedError {
  double median = 0, p90 = 0;
  int rows = 0;
  std::string kind;
};

struct Cost {
  std::optional<std::string> instance;
  std::optional<double> usd_per_hour;
  std::optional<std::string> price_kind;
  std::optional<double> usd_per_million;
  std::string reason;  // why something above is null
};

struct Roofline {
  double peak_flops_per_s = 0;  // of one core, in the tensor engine's format of this run
  std::string peak_format;
  double hbm_bytes_per_s = 0;  // of one core
};

// The path of a model that was given as bytes.
constexpr std::string_view kBytesPath = "<bytes>";

struct Result {
  std::string thorong_version;
  std::string model_path, model_sha256, model_format;
  std::string graph_name;  // the title of a model without a file
  std::string chip, chip_title;
  int cores_used = 1;
  std::string schedule, auto_cast, auto_cast_type, rounding;
  uint64_t seed = 0;
  bool timing_only = false;

  double latency_s = 0, device_s = 0, host_s = 0, throughput_per_s = 0;
  // What a measurement of the device program alone has around device_s: start and stop on the
  // device.
  double program_start_s = 0, program_stop_s = 0;
  double energy_j = 0;
  std::array<double, kEnergyComponents> energy_by{};
  double average_power_w = 0;
  // Of matrix products, two for a multiply-add, on all cores; and their share of the peak
  // (roofline) in device_s.
  double product_flops = 0, mfu = 0;
  Cost cost;
  std::vector<EngineUse> engines;
  std::vector<CoreUse> cores;  // of a kernel on several
  int shown_core = 0;
  int64_t hbm_peak_bytes = 0, hbm_traffic_bytes = 0, sbuf_peak_bytes = 0, psum_peak_bytes = 0,
          host_overhead_bytes = 0;
  int64_t hbm_capacity_bytes = 0, sbuf_capacity_bytes = 0, psum_capacity_bytes = 0;
  std::vector<OperatorUse> operators;
  std::vector<WaitUse> waits;              // the most expensive first
  std::vector<CriticalUse> critical_path;  // the longest first
  std::vector<Output> outputs;
  ops::Structures output_structures;          // outputs that are no tensors
  std::map<std::string, OutputError> errors;  // with --against reference
  std::vector<std::string> random_inputs;
  std::vector<std::string> not_modelled;
  std::vector<Assumed> assumed;
  std::optional<Assumptions> assumptions;
  std::optional<ExpectedError> expected_error;
  std::vector<std::string> hints;  // "--auto-cast matmult would ..."
  double import_s = 0, compile_s = 0, run_s = 0;
  bool from_cache = false;  // the program was compiled by an earlier run

  Roofline roofline;
  std::vector<std::string> instruction_names;
  std::vector<TimelineEvent> timeline;
  std::vector<TileUse> tiles;
  std::vector<std::string> tile_names;
  MemoryShape sbuf, psum;
};

}  // namespace thorong::report
