// SPDX-License-Identifier: Apache-2.0
// How a product lies on the tensor engine: which side is stationary, and which of its dimensions
// are on the output's and on the array's partitions.
#pragma once

#include <string>
#include <vector>

#include "thorong/compiler/codegen.h"

namespace thorong::compiler {

struct ProductSide {
  ValueId value = -1;
  std::vector<int64_t> batch, contract, free;
  std::vector<int> out;  // output dimension of each free dimension
};

struct ProductPlan {
  ProductSide stationary, moving;
  int d = -1;  // free dimension of `stationary` on the output's partitions; -1: none
  int d_out = -1;
  size_t k = 0;  // which contracting pair is on the partitions
};

// By the modelled tensor cycles and what the readers of the result want on their partitions.
ProductPlan plan_product(Codegen& codegen, const Group& group, const Node& node);

// "rhs stationary (4 blocks of 128 columns), lhs moves (512 of 2048 at a time), K 768 in 6 steps,
// bfloat16".
std::string describe_product(const Codegen& codegen, const Node& node, const ProductPlan& plan,
                             Format format);

}  // namespace thorong::compiler
