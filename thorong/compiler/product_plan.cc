// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/product_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thorong::compiler {
namespace {

std::pair<ProductSide, ProductSide> sides(const Graph& graph, const Node& node) {
  ProductSide lhs, rhs;
  lhs.value = node.inputs[0], rhs.value = node.inputs[1];
  lhs.batch = node.attributes.integers("lhs_batching_dimensions");
  rhs.batch = node.attributes.integers("rhs_batching_dimensions");
  lhs.contract = node.attributes.integers("lhs_contracting_dimensions");
  rhs.contract = node.attributes.integers("rhs_contracting_dimensions");
  int out = static_cast<int>(lhs.batch.size());
  for (ProductSide* side : {&lhs, &rhs}) {
    auto rank = static_cast<int64_t>(graph.type(side->value).shape.size());
    for (int64_t d = 0; d < rank; ++d) {
      auto has = [&](const std::vector<int64_t>& list) {
        return std::find(list.begin(), list.end(), d) != list.end();
      };
      if (has(side->batch) || has(side->contract)) continue;
      side->free.push_back(d);
      side->out.push_back(out++);
    }
  }
  return {lhs, rhs};
}

// Tensor cycles a batch index and K block if dimension i of `stationary` is on the partitions (i <
// 0: one column).
double cycles(const Codegen& codegen, const Graph& graph, const ProductSide& stationary, int i,
              const ProductSide& moving) {
  double columns = std::min(codegen.core().columns, codegen.core().rows), others = 1, m = 1, n = 1;
  for (size_t f = 0; f < stationary.free.size(); ++f) {
    auto size = static_cast<double>(
        graph.type(stationary.value).shape[static_cast<size_t>(stationary.free[f])]);
    (static_cast<int>(f) == i ? m : others) *= size;
  }
  for (int64_t f : moving.free)
    n *= static_cast<double>(graph.type(moving.value).shape[static_cast<size_t>(f)]);
  double blocks = std::ceil(m / columns), chunks = std::ceil(n / codegen.core().moving_max_columns);
  double chunk = std::ceil(n / chunks);
  return others * blocks * chunks *
         std::max(std::min(codegen.core().tensor_min_issue_cycles, std::min(m, columns)), chunk);
}

}  // namespace

ProductPlan plan_product(Codegen& codegen, const Group& group, const Node& node) {
  const Graph& graph = codegen.graph();
  auto [lhs, rhs] = sides(graph, node);
  struct Candidate {
    const ProductSide* stationary;
    const ProductSide* moving;
    int i;
    double cost;
  };
  std::vector<Candidate> candidates;
  for (auto [s, m] : {std::pair{&lhs, &rhs}, std::pair{&rhs, &lhs}}) {
    for (int i = 0; i < static_cast<int>(s->free.size()); ++i)
      candidates.push_back({s, m, i, cycles(codegen, graph, *s, i, *m)});
    if (s->free.empty()) candidates.push_back({s, m, -1, cycles(codegen, graph, *s, -1, *m)});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.cost < b.cost; });
  std::vector<int> dims;
  for (const Candidate& c : candidates) {
    if (c.i >= 0) dims.push_back(c.stationary->out[static_cast<size_t>(c.i)]);
  }
  const Candidate* best = &candidates[0];
  constexpr double kWorthRelayout = 1.6;  // a result in the readers' layout saves its transposition
  if (!dims.empty()) {
    int want = codegen.preferred_pdim(group.result, dims);
    for (const Candidate& c : candidates) {
      bool wanted = c.i >= 0 && c.stationary->out[static_cast<size_t>(c.i)] == want;
      if (wanted && c.cost <= kWorthRelayout * candidates[0].cost) best = &c;
    }
  }
  ProductPlan plan{*best->stationary, *best->moving, -1, -1, 0};
  if (best->i >= 0) {
    plan.d = static_cast<int>(best->stationary->free[static_cast<size_t>(best->i)]);
    plan.d_out = best->stationary->out[static_cast<size_t>(best->i)];
  }
  const Shape& shape = graph.type(lhs.value).shape;
  for (size_t k = 1; k < lhs.contract.size(); ++k) {
    if (shape[static_cast<size_t>(lhs.contract[k])] >
        shape[static_cast<size_t>(lhs.contract[plan.k])])
      plan.k = k;
  }
  return plan;
}

std::string describe_product(const Codegen& codegen, const Node& node, const ProductPlan& plan,
                             Format format) {
  const Graph& graph = codegen.graph();
  auto size = [&](const ProductSide& side, int64_t d) {
    return graph.type(side.value).shape[static_cast<size_t>(d)];
  };
  const int64_t columns = plan.d < 0 ? 1 : size(plan.stationary, plan.d);
  int64_t moving = 1, k = 1;
  for (const int64_t f : plan.moving.free) moving *= size(plan.moving, f);
  for (const int64_t c : plan.stationary.contract) k *= size(plan.stationary, c);
  const auto rows = std::min(codegen.block(), static_cast<int64_t>(codegen.core().rows));
  const auto block = std::min(codegen.block(), static_cast<int64_t>(codegen.core().columns));
  const int64_t at_once = std::min(moving, static_cast<int64_t>(codegen.core().moving_max_columns));
  const bool lhs = plan.stationary.value == node.inputs[0];
  const bool weights = graph.is_constant(codegen.base(plan.stationary.value));
  return fmt::format("{} stationary ({}{} columns in {}), {} of {} moving, K {} in {}, {}",
                     lhs ? "lhs" : "rhs", weights ? "weights, " : "", columns,
                     counted((columns + block - 1) / block, "block"), at_once, moving, k,
                     counted((k + rows - 1) / rows, "step"), numerics::name(format));
}

}  // namespace thorong::compiler
