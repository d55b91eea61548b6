// SPDX-License-Identifier: Apache-2.0
// The result of `thorong accuracy` and its views. Errors are relative: the root of the mean square
// of the difference from fp32, over that of fp32's values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thorong/base/result.h"

namespace thorong::report {

struct LayerError {
  double total = 0;    // of the layer's result in this mode
  double own = 0;      // of the layer alone, run on fp32's values
  double max_abs = 0;  // the largest difference of the result
};

struct AccuracyLayer {
  std::string name, op;
  int64_t elements = 0;
  std::vector<LayerError> errors;  // parallel to the modes
};

struct OutputAccuracy {
  std::string name;
  std::vector<LayerError> errors;  // own is not used
};

struct AccuracyModeUse {
  std::string name;
  double device_s = 0, energy_j = 0;
  std::string refused;  // why the chip or the compiler has no such mode; then no errors
  // Layers that together make nine tenths of the squared own errors, the worst first.
  std::vector<size_t> keep_in_fp32;
};

struct Accuracy {
  std::string thorong_version, model_path, chip;
  double fp32_device_s = 0, fp32_energy_j = 0;
  std::vector<AccuracyModeUse> modes;
  std::vector<AccuracyLayer> layers;  // in the order of the program
  std::vector<OutputAccuracy> outputs;
  std::vector<std::string> random_inputs;
  std::vector<std::string> notes;
  std::vector<std::string> remarks;  // on fp32's own values
};

// `most`: layers that are shown, those of the largest own errors; 0: all.
std::string to_accuracy_table(const Accuracy& accuracy, size_t most, bool color);
std::string to_accuracy_json(const Accuracy& accuracy);
std::string to_accuracy_html(const Accuracy& accuracy);

}  // namespace thorong::report
