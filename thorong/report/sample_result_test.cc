// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/sample_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace thorong::report {
namespace {

constexpr size_t kVector = 1, kFirstDma = 5, kQueues = 8;

struct Kind {
  const char* op;
  double intensity;  // FLOP a byte of HBM
  double flops;
};
constexpr Kind kKinds[] = {{"convolution+batch_norm+relu", 180, 2.4e8},
                           {"convolution+add+relu", 90, 1.1e8},
                           {"dot_general+add", 2, 4.1e6},
                           {"reduce_window_max", 0.6, 1.2e6},
                           {"softmax", 3, 9e4},
                           {"reshape", 0, 0}};

class Sampler {
 public:
  Result make(int operators) {
    describe();
    for (const char* name : {"tensor", "vector", "scalar", "gpsimd", "sync"})
      result_.engines.push_back({name});
    for (size_t q = 0; q < kQueues; ++q) result_.engines.push_back({fmt::format("dma{}", q)});
    result_.instruction_names = {"matmul", "tensor_tensor",  "activation",
                                 "iota",   "semaphore_wait", "dma_copy"};
    for (int i = 0; i < operators; ++i) add_operator(i);
    finish();
    return std::move(result_);
  }

 private:
  double uniform(double low, double high) {
    return low +
           (high - low) * static_cast<double>(random_() & 0xffffff) / static_cast<double>(0xffffff);
  }

  void describe() {
    result_.thorong_version = "0.1.0";
    result_.model_path = "models/resnet50.onnx";
    result_.model_sha256 = std::string(64, 'a');
    result_.model_format = "onnx";
    result_.chip = "trainium1";
    result_.chip_title = "AWS Trainium1";
    result_.schedule = "overlap";
    result_.auto_cast = "matmult";
    result_.auto_cast_type = "bfloat16";
    result_.rounding = "nearest_even";
    result_.hbm_capacity_bytes = int64_t{16} << 30;
    result_.sbuf = {128, 192 << 10, 0}, result_.psum = {128, 16 << 10, 2 << 10};
    result_.tile_names = {"weights", "sum"};
    result_.sbuf_capacity_bytes = 24 << 20;
    result_.psum_capacity_bytes = 2 << 20;
    result_.roofline = {92e12, "bfloat16", 410e9};
    result_.cost = {"trn1.2xlarge", 1.34, "on_demand", 0.0812, ""};
    result_.not_modelled = {"Refresh of HBM rows: at most 4 % of HBM bandwidth.",
                            "Thermal throttling; the chip is taken to run at its stated clock."};
    result_.assumed = {
        {"dma.descriptor_overhead_ns", "48", "calibrated", "facts/dma.yaml, fitted over 9 kernels",
         0.021},
        {"tensor.weight_load_cycles", "128", "stated", "public architecture guide", 0.008},
        {"energy.hbm_pj_per_bit", "3.9", "assumed", "HBM2e literature, no vendor figure", 0.004}};
    result_.expected_error = ExpectedError{0.12, 0.31, 9, "latency"};
    result_.hints = {"--auto-cast all would run 38 % faster; look at the outputs' errors first."};
    result_.random_inputs = {"data"};
    result_.import_s = 0.21;
    result_.compile_s = 0.84;
    result_.run_s = 2.6;
  }

  void add_event(size_t engine, int64_t start, int64_t length, int op) {
    const auto instruction = static_cast<uint16_t>(std::min(engine, kFirstDma));
    result_.timeline.push_back(
        {start, start + length, op, static_cast<uint16_t>(engine), instruction});
    result_.engines[engine].busy_s += static_cast<double>(length) * 1e-12;
    ++result_.engines[engine].instructions;
  }

  void add_tile(Memory memory, double size, int64_t capacity, int64_t start, int64_t length,
                int op) {
    TileUse tile;
    tile.memory = memory, tile.partitions = memory == Memory::kHbm ? 1 : 128;
    tile.bytes = static_cast<int64_t>(size);
    tile.address = static_cast<int64_t>(result_.tiles.size() % 7) * capacity / 8;
    tile.bytes = std::min(tile.bytes, capacity - tile.address);
    tile.start_ps = start, tile.end_ps = start + length;
    tile.operator_index = op, tile.engine = static_cast<uint16_t>(result_.tiles.size() % 6);
    tile.name = static_cast<int32_t>(result_.tiles.size() % 3) - 1;
    result_.tiles.push_back(tile);
  }

  void add_operator(int index) {
    const Kind& kind = kKinds[index == 0 ? 0 : static_cast<size_t>(random_() % 9) * 6 / 10];
    const int64_t begin = now_;
    const int steps = 12 + static_cast<int>(random_() % 60);
    for (int step = 0; step < steps; ++step) {
      const auto length = static_cast<int64_t>(uniform(90000, 480000));
      if (kind.intensity > 1) add_event(0, now_, length, index);
      add_event(kVector, now_ + length / 3, length / 2, index);
      if (step % 3 == 0) add_event(2, now_ + length / 2, length / 3, index);
      if (step % 17 == 0) add_event(3, now_, length / 5, index);
      for (size_t q = 0; q < kQueues; ++q) {
        if ((random_() & 3) != 0) {
          const auto late = static_cast<int64_t>(static_cast<double>(length) * uniform(0.05, 0.3));
          add_event(kFirstDma + q, now_ + late, length / 2, index);
        }
      }
      add_tile(Memory::kSbuf, uniform(0.02, 0.4) * (192 << 10), 192 << 10, now_, length, index);
      add_tile(Memory::kPsum, 2048, 16 << 10, now_, length / 2, index);
      now_ += length + static_cast<int64_t>(uniform(0, 40000));
    }
    add_tile(Memory::kHbm, (110 << 20) | (index % 7) << 20, 1LL << 34, begin, now_ - begin, index);
    finish_operator(index, kind, begin);
  }

  void finish_operator(int index, const Kind& kind, int64_t begin) {
    const double time = static_cast<double>(now_ - begin) * 1e-12;
    const double intensity = kind.intensity * uniform(0.4, 2);
    const double flops = std::min(kind.flops * uniform(0.4, 2),
                                  uniform(0.3, 0.9) * time * std::min(92e12, 410e9 * intensity));
    const double bytes = intensity > 0 ? flops / intensity : 0;
    const char* bound = kind.intensity > 100  ? "tensor"
                        : kind.intensity > 10 ? "dma"
                        : kind.intensity > 1  ? "hbm"
                                              : "vector";
    OperatorUse use{fmt::format("/layer{}/block.{}/{}", index / 12 + 1, index % 12, index),
                    kind.op,
                    static_cast<double>(begin) * 1e-12,
                    time,
                    time * uniform(35, 80),
                    bound,
                    "tile",
                    bound};
    use.flops = flops;
    use.hbm_bytes = bytes;
    use.bound_share = uniform(0.45, 0.99);
    use.roofline_s = std::min(time, std::max(flops / 92e12, bytes / 410e9));
    result_.operators.push_back(std::move(use));
  }

  void finish() {
    result_.device_s = static_cast<double>(now_) * 1e-12;
    result_.host_s = 1.1e-4;
    result_.latency_s = result_.device_s + result_.host_s;
    result_.throughput_per_s = 2 / result_.device_s;
    for (EngineUse& engine : result_.engines) engine.utilization = engine.busy_s / result_.device_s;
    const double parts[kEnergyComponents] = {31, 9, 3, .4, 8, 4, 21, 6, 1.5, 24, 2};
    for (size_t i = 0; i < kEnergyComponents; ++i) {
      result_.energy_by[i] = parts[i] * result_.device_s;
      result_.energy_j += result_.energy_by[i];
    }
    result_.average_power_w = result_.energy_j / result_.latency_s;
    result_.hbm_peak_bytes = 117 << 20;
    result_.hbm_traffic_bytes = 187 << 20;
    result_.sbuf_peak_bytes = static_cast<int64_t>(0.93 * (24 << 20));
    result_.psum_peak_bytes = 2 << 20;
    result_.host_overhead_bytes = 61 << 20;
    Output output;
    output.name = "logits/0";
    output.tensor = ops::Tensor::from_doubles({ops::Format::kFloat32, {1, 4}}, {0.1, 2, -3, 4});
    output.type = output.tensor.type;
    output.sha256 = std::string(64, 'b');
    result_.outputs.push_back(std::move(output));
    result_.errors["logits/0"] = {1.2e-3, 4.1e-4, 2.2e-4};
  }

  std::mt19937 random_{7};
  Result result_;
  int64_t now_ = 500000;
};

}  // namespace

Result sample_result(int operators) { return Sampler().make(operators); }

}  // namespace thorong::report
