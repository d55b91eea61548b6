// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/accuracy.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "thorong/ops/extract.h"
#include "thorong/runtime/inputs.h"
#include "thorong/version.h"

namespace thorong::runtime {
namespace {

using numerics::Format;
using ops::ValueId;
using Tensors = std::vector<ops::Tensor>;

struct Layer {
  std::string name, op;
  ValueId result = -1;  // in the graph as imported
};

// Layers whose results are floats of the imported graph, in the program's order.
std::vector<Layer> find_layers(const Program& program) {
  const ops::Graph& graph = program.graph;
  std::map<std::string, ValueId> by_name;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const ops::Value& value = graph.values[v];
    if (value.producer >= 0 && !value.name.empty() && numerics::is_float(value.type.format))
      by_name.emplace(value.name, static_cast<ValueId>(v));
  }
  std::vector<Layer> layers;
  std::set<ValueId> seen;
  for (const isa::OperatorInfo& info : program.tiles.operators) {
    const auto found = by_name.find(info.result);
    if (found == by_name.end() || !seen.insert(found->second).second) continue;
    layers.push_back({info.name, info.op, found->second});
  }
  return layers;
}

// Of those that are finite.
double root_mean_square(const std::vector<double>& values) {
  double squares = 0;
  size_t finite = 0;
  for (const double value : values) {
    if (std::isfinite(value)) squares += value * value, ++finite;
  }
  return finite == 0 ? 0 : std::sqrt(squares / static_cast<double>(finite));
}

report::LayerError relative_error(const ops::Tensor& value, const ops::Tensor& reference) {
  const report::OutputError found = compare_tensors(value, reference);
  const double scale = root_mean_square(reference.to_doubles());
  report::LayerError error;
  error.max_abs = found.max_abs;
  error.total = found.rms == 0                      ? 0
                : scale > 0 && std::isfinite(scale) ? found.rms / scale
                                                    : HUGE_VAL;
  return error;
}

Options in_mode(Options options, const AccuracyMode& mode) {
  options.auto_cast = mode.auto_cast;
  options.auto_cast_type = mode.type;
  options.stochastic_rounding = mode.stochastic_rounding;
  options.against_reference = false;
  options.repeat = 1;
  return options;
}

class Measurement {
 public:
  Measurement(const Program& program, Tensors inputs, Options options)
      : program_(program), inputs_(std::move(inputs)), options_(std::move(options)) {
    layers_ = find_layers(program);
    watched_ = program.graph;
    for (const Layer& layer : layers_)
      add_output(layer.result, program.graph.value(layer.result).name);
  }

  Status run_fp32(report::Accuracy& accuracy) {
    THORONG_TRY(fp32_,
                run_part(in_mode(options_, {"", compiler::AutoCast::kNone}), watched_, inputs_));
    const report::Result result = describe(program_);
    accuracy.fp32_device_s = result.device_s, accuracy.fp32_energy_j = result.energy_j;
    for (const Layer& layer : layers_) {
      accuracy.layers.push_back(
          {layer.name, layer.op, program_.graph.type(layer.result).elements(), {}});
    }
    for (const std::string& name : program_.graph.output_names) {
      const std::string odd = not_finite_text(name, fp32_[accuracy.outputs.size()]);
      if (!odd.empty()) accuracy.remarks.push_back("fp32: " + odd + ", left out of the errors");
      accuracy.outputs.push_back({name, {}});
    }
    return ok_status();
  }

  Status run_mode(const AccuracyMode& mode, report::Accuracy& accuracy) {
    report::AccuracyModeUse use;
    use.name = mode.name;
    const Options options = in_mode(options_, mode);
    auto watched = run_part(options, watched_, inputs_);
    if (watched.status().code() == Code::kInterrupted) return watched.status();
    if (watched.ok()) {
      THORONG_RETURN_IF_ERROR(time_mode(options, use));
      THORONG_RETURN_IF_ERROR(add_errors(options, *watched, accuracy));
      use.keep_in_fp32 = worst(accuracy, accuracy.modes.size());
    } else {
      use.refused = watched.status().to_string();
      for (auto& layer : accuracy.layers) layer.errors.emplace_back();
      for (auto& output : accuracy.outputs) output.errors.emplace_back();
    }
    accuracy.modes.push_back(std::move(use));
    return ok_status();
  }

 private:
  void add_output(ValueId value, const std::string& name) {
    const auto found = std::find(watched_.outputs.begin(), watched_.outputs.end(), value);
    places_.push_back(static_cast<size_t>(found - watched_.outputs.begin()));
    if (found != watched_.outputs.end()) return;
    watched_.outputs.push_back(value);
    watched_.output_names.push_back(name);
  }

  // Without the layers' results as outputs: what the model itself would take.
  Status time_mode(Options options, report::AccuracyModeUse& use) {
    options.timing_only = true;
    THORONG_TRY(const auto program, compile_graph(options, program_.graph));
    const report::Result result = describe(*program);
    use.device_s = result.device_s, use.energy_j = result.energy_j;
    return ok_status();
  }

  Status add_errors(const Options& options, const Tensors& watched, report::Accuracy& accuracy) {
    for (size_t i = 0; i < layers_.size(); ++i) {
      report::LayerError error = relative_error(watched[places_[i]], fp32_[places_[i]]);
      THORONG_TRY(error.own, own_error(options, i));
      accuracy.layers[i].errors.push_back(error);
    }
    for (size_t i = 0; i < accuracy.outputs.size(); ++i)
      accuracy.outputs[i].errors.push_back(relative_error(watched[i], fp32_[i]));
    return ok_status();
  }

  // The layer alone, on the values that fp32 gave.
  Result<double> own_error(const Options& options, size_t layer) {
    const ValueId result = layers_[layer].result;
    std::map<ValueId, size_t> known;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (i != layer) known[layers_[i].result] = places_[i];
    }
    const ops::Part part = ops::extract_part(program_.graph, {&result, 1},
                                             [&](ValueId id) { return known.contains(id); });
    Tensors inputs;
    for (const ValueId id : part.inputs) {
      if (const auto found = known.find(id); found != known.end()) {
        inputs.push_back(fp32_[found->second]);
        continue;
      }
      const auto& all = program_.graph.inputs;
      inputs.push_back(
          inputs_[static_cast<size_t>(std::find(all.begin(), all.end(), id) - all.begin())]);
    }
    THORONG_TRY(const Tensors results, run_part(options, part.graph, inputs));
    return relative_error(results[0], fp32_[places_[layer]]).total;
  }

  static std::vector<size_t> worst(const report::Accuracy& accuracy, size_t mode) {
    constexpr double kShare = 0.9;
    std::vector<size_t> order(accuracy.layers.size());
    std::iota(order.begin(), order.end(), size_t{0});
    auto own = [&](size_t i) { return accuracy.layers[i].errors[mode].own; };
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return own(a) > own(b); });
    double all = 0, sum = 0;
    for (const size_t i : order) all += own(i) * own(i);
    size_t count = 0;
    while (count < order.size() && all > 0 && sum < kShare * all) {
      sum += own(order[count]) * own(order[count]);
      ++count;
    }
    order.resize(count);
    return order;
  }

  const Program& program_;
  Tensors inputs_;
  Options options_;
  std::vector<Layer> layers_;
  ops::Graph watched_;          // the model with the layers' results as outputs
  std::vector<size_t> places_;  // of the layers' results among them
  Tensors fp32_;
};

std::vector<AccuracyMode> all_modes() {
  std::vector<AccuracyMode> modes;
  const std::pair<const char*, Format> types[] = {{"bf16", Format::kBfloat16},
                                                  {"fp16", Format::kFloat16},
                                                  {"tf32", Format::kTfloat32},
                                                  {"fp8_e4m3", Format::kFloat8E4m3}};
  for (const auto& [name, type] : types)
    modes.push_back({std::string("matmult ") + name, compiler::AutoCast::kMatmult, type, false});
  for (const auto& [name, type] : types) {
    if (type == Format::kTfloat32) continue;  // a type of the array alone
    modes.push_back({std::string("all ") + name, compiler::AutoCast::kAll, type, false});
  }
  modes.push_back({"all bf16 stochastic", compiler::AutoCast::kAll, Format::kBfloat16, true});
  return modes;
}

}  // namespace

Result<std::vector<AccuracyMode>> accuracy_modes(const std::vector<std::string>& names) {
  const std::vector<AccuracyMode> all = all_modes();
  if (names.empty()) return all;
  std::vector<AccuracyMode> chosen;
  for (const std::string& name : names) {
    const size_t before = chosen.size();
    std::string known;
    for (const AccuracyMode& mode : all) {
      if (mode.name == name) chosen.push_back(mode);
      known += (known.empty() ? "" : ", ") + mode.name;
    }
    if (chosen.size() == before)
      return invalid_argument("'" + name + "' is not one of " + known + ".", "--modes");
  }
  return chosen;
}

Options without_cast(const Options& options) {
  return in_mode(options, {"", compiler::AutoCast::kNone});
}

Result<report::Accuracy> measure_accuracy(const Program& program,
                                          const std::map<std::string, ops::Tensor>& given,
                                          const std::vector<AccuracyMode>& modes,
                                          const std::function<void(const std::string&)>& progress,
                                          const std::atomic<bool>* interrupted) {
  report::Accuracy accuracy;
  accuracy.thorong_version = THORONG_VERSION;
  accuracy.model_path = program.model_path, accuracy.chip = program.chip.name;
  accuracy.notes = program.graph.notes;
  std::map<std::string, ops::Tensor> known = program.known_inputs;
  known.insert(given.begin(), given.end());
  Options options = program.options;
  if (interrupted != nullptr) options.interrupted = interrupted;
  THORONG_TRY(Tensors inputs,
              complete_inputs(program.inputs, known, options.seed, false, &accuracy.random_inputs));
  Measurement measurement(program, std::move(inputs), options);
  progress("fp32 ...");
  THORONG_RETURN_IF_ERROR(measurement.run_fp32(accuracy));
  for (const AccuracyMode& mode : modes) {
    progress(mode.name + " ...");
    THORONG_RETURN_IF_ERROR(measurement.run_mode(mode, accuracy));
  }
  return accuracy;
}

}  // namespace thorong::runtime
