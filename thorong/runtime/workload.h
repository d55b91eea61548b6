// SPDX-License-Identifier: Apache-2.0
// Which published measurements a program is comparable with.
#pragma once

#include <string>

#include "thorong/ops/graph.h"

namespace thorong::runtime {

// "inference-encoder": attention and no convolutions; "inference-vit": both; "inference-cnn":
// mostly convolutions, no attention;
// "": none of these. The words are the kinds of bench/validation.
std::string workload_kind(const ops::Graph& graph);

}  // namespace thorong::runtime
