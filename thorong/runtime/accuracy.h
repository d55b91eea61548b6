// SPDX-License-Identifier: Apache-2.0
// The same run in fp32 and in each narrower arithmetic of the chip, layer by layer: where the error
// enters, and which layers to keep in fp32.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "thorong/report/accuracy.h"
#include "thorong/runtime/session.h"

namespace thorong::runtime {

// A way to run: a cast, its type, the rounding.
struct AccuracyMode {
  std::string name;  // "matmult bf16"
  compiler::AutoCast auto_cast = compiler::AutoCast::kMatmult;
  numerics::Format type = numerics::Format::kBfloat16;
  bool stochastic_rounding = false;
};

// Those of these names, all without names: each type for operands of products and for everything,
// and bf16 with stochastic rounding.
Result<std::vector<AccuracyMode>> accuracy_modes(const std::vector<std::string>& names);

// The options of the program that measure_accuracy wants: no cast, round to nearest even.
Options without_cast(const Options& options);

// A layer is what the compiler makes one operator of: its result is looked at, and it alone is run
// again on fp32's own values, which tells the error that it adds itself. Inputs that are not given
// are random. `progress` is told what is being run.
Result<report::Accuracy> measure_accuracy(const Program& program,
                                          const std::map<std::string, ops::Tensor>& inputs,
                                          const std::vector<AccuracyMode>& modes,
                                          const std::function<void(const std::string&)>& progress,
                                          const std::atomic<bool>* interrupted = nullptr);

}  // namespace thorong::runtime
