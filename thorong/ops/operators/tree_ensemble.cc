// SPDX-License-Identifier: Apache-2.0
// tree_ensemble: decision trees on the rows of x [N, F]. Each row goes from every root to a leaf;
// the leaves' votes are gathered by `function` for each of `targets` targets. Results: the scores
// [N, targets] in x's format, 0 where no leaf voted; and whether any did (bool [N, targets]).
//
// Node i tests feature features[i] by modes[i] with values[i] and goes on at true_ids[i] or
// false_ids[i]; NaN goes to true_ids[i] where missing_true[i] is not 0. Mode 6 tests whether the
// feature is one of members[member_first[i]] ... members[member_first[i] + member_count[i] - 1].
// Votes are three parallel lists: vote_nodes (ascending), vote_targets, vote_weights.
//
// C1: x is a matrix of floats. C2: lists of nodes are equally long, of votes too. C3: ids,
// features, targets and members lie in range. C4: no way from a root comes back to a node.
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

enum Mode : int64_t {
  kLessEqual,
  kLess,
  kGreaterEqual,
  kGreater,
  kEqual,
  kNotEqual,
  kMember,
  kLeaf
};

struct Forest {
  std::vector<int64_t> roots, modes, features, true_ids, false_ids, missing_true;
  std::vector<int64_t> member_first, member_count, vote_nodes, vote_targets;
  std::vector<double> values, members, vote_weights;
  int64_t targets = 0;
};

std::vector<double> numbers(const Node& node, const char* key) {
  auto it = node.attributes.all().find(key);
  if (it == node.attributes.all().end()) return {};
  const auto* list = std::get_if<std::vector<double>>(&it->second);
  return list != nullptr ? *list : std::vector<double>();
}

Forest read_forest(const Node& node) {
  const Attributes& a = node.attributes;
  Forest forest;
  forest.roots = a.integers("roots");
  forest.modes = a.integers("modes");
  forest.features = a.integers("features");
  forest.true_ids = a.integers("true_ids");
  forest.false_ids = a.integers("false_ids");
  forest.missing_true = a.integers("missing_true");
  forest.member_first = a.integers("member_first", std::vector<int64_t>(forest.modes.size(), 0));
  forest.member_count = a.integers("member_count", std::vector<int64_t>(forest.modes.size(), 0));
  forest.vote_nodes = a.integers("vote_nodes");
  forest.vote_targets = a.integers("vote_targets");
  forest.values = numbers(node, "values");
  forest.members = numbers(node, "members");
  forest.vote_weights = numbers(node, "vote_weights");
  forest.targets = a.integer("targets");
  return forest;
}

bool all_within(const std::vector<int64_t>& values, int64_t limit) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v >= 0 && v < limit; });
}

Status check_lists(const Forest& f, int64_t features) {
  const size_t n = f.modes.size();
  const bool nodes = f.features.size() == n && f.values.size() == n && f.true_ids.size() == n &&
                     f.false_ids.size() == n && f.missing_true.size() == n &&
                     f.member_first.size() == n && f.member_count.size() == n;
  const bool votes =
      f.vote_targets.size() == f.vote_nodes.size() && f.vote_weights.size() == f.vote_nodes.size();
  if (!nodes || !votes || f.targets < 1 || f.targets > int64_t{1} << 31) {  // C2
    return invalid_argument(
        "the lists of nodes (or of votes) of a tree ensemble differ in length, or it has no "
        "targets");
  }
  const auto count = static_cast<int64_t>(n);
  bool fits = all_within(f.roots, count) && all_within(f.vote_nodes, count) &&
              all_within(f.vote_targets, f.targets) &&
              std::is_sorted(f.vote_nodes.begin(), f.vote_nodes.end());
  for (size_t i = 0; fits && i < n; ++i) {
    if (f.modes[i] == kLeaf) continue;
    const auto members = static_cast<int64_t>(f.members.size());
    fits = f.modes[i] >= 0 && f.modes[i] < kLeaf && all_within({f.features[i]}, features) &&
           all_within({f.true_ids[i], f.false_ids[i]}, count) && f.member_first[i] >= 0 &&
           f.member_first[i] <= members && f.member_count[i] >= 0 &&
           f.member_count[i] <= members - f.member_first[i];
  }
  if (fits) return ok_status();
  return invalid_argument(fmt::format(  // C3
      "a tree ensemble names a node, feature, mode, member or target that does not exist; x has {} "
      "features, the ensemble {} nodes and {} targets",
      features, n, f.targets));
}

// C4, by a walk that keeps the nodes of the current way.
Status check_ways(const Forest& f) {
  std::vector<uint8_t> state(f.modes.size(), 0);  // 1: on the way, 2: done
  std::vector<std::pair<int64_t, int>> way;
  for (const int64_t root : f.roots) {
    if (state[static_cast<size_t>(root)] == 2) continue;
    way.emplace_back(root, 0);
    state[static_cast<size_t>(root)] = 1;
    while (!way.empty()) {
      const auto i = static_cast<size_t>(way.back().first);
      const int branch = way.back().second++;
      if (f.modes[i] == kLeaf || branch == 2) {
        state[i] = 2;
        way.pop_back();
        continue;
      }
      const int64_t next = branch == 0 ? f.true_ids[i] : f.false_ids[i];
      if (state[static_cast<size_t>(next)] == 1) {
        return invalid_argument(
            fmt::format("node {} of a tree ensemble leads back to node {}", i, next));
      }
      if (state[static_cast<size_t>(next)] == 2) continue;
      state[static_cast<size_t>(next)] = 1;
      way.emplace_back(next, 0);
    }
  }
  return ok_status();
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));
  if (x.shape.size() != 2) {  // C1
    return invalid_argument(
        fmt::format("a tree ensemble wants a matrix [rows, features], found {}", to_string(x)));
  }
  const Forest forest = read_forest(node);
  THORONG_RETURN_IF_ERROR(check_lists(forest, x.shape[1]));
  THORONG_RETURN_IF_ERROR(check_ways(forest));
  THORONG_TRY(Types types, one_result({x.format, {x.shape[0], forest.targets}}));
  types.push_back({Format::kBool, types[0].shape});
  return types;
}

bool test(const Forest& f, size_t i, double x) {
  const double value = f.values[i];
  if (std::isnan(x) && f.missing_true[i] != 0) return true;
  switch (f.modes[i]) {
    case kLessEqual:
      return x <= value;
    case kLess:
      return x < value;
    case kGreaterEqual:
      return x >= value;
    case kGreater:
      return x > value;
    case kEqual:
      return x == value;
    case kNotEqual:
      return x != value;
    default: {
      const auto first = f.members.begin() + f.member_first[i];
      return std::find(first, first + f.member_count[i], x) != first + f.member_count[i];
    }
  }
}

int64_t find_leaf(const Forest& f, int64_t root, const double* x) {
  auto i = static_cast<size_t>(root);
  while (f.modes[i] != kLeaf) {
    const bool yes = test(f, i, x[f.features[i]]);
    i = static_cast<size_t>(yes ? f.true_ids[i] : f.false_ids[i]);
  }
  return static_cast<int64_t>(i);
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const Forest f = read_forest(node);
  const bool average = node.attributes.text("function", "add") == "average";
  THORONG_TRY(const Combine function,
              parse_combine(average ? "add" : node.attributes.text("function", "add")));
  const std::vector<double> x = load<double>(inputs[0]);
  const TensorType& type = result_type(graph, node);
  const auto targets = static_cast<size_t>(f.targets);
  std::vector<double> scores(static_cast<size_t>(type.elements()), 0);
  std::vector<int64_t> voted(scores.size(), 0);
  for (size_t row = 0; row < scores.size() / targets; ++row) {
    const double* features = x.data() + static_cast<int64_t>(row) * inputs[0].type.shape[1];
    for (const int64_t root : f.roots) {
      const int64_t leaf = find_leaf(f, root, features);
      auto vote = std::lower_bound(f.vote_nodes.begin(), f.vote_nodes.end(), leaf);
      for (; vote != f.vote_nodes.end() && *vote == leaf; ++vote) {
        const auto v = static_cast<size_t>(vote - f.vote_nodes.begin());
        const size_t at = row * targets + static_cast<size_t>(f.vote_targets[v]);
        scores[at] =
            voted[at] != 0 ? combine(function, scores[at], f.vote_weights[v]) : f.vote_weights[v];
        voted[at] = 1;
      }
    }
  }
  if (average) {
    for (double& score : scores) score /= static_cast<double>(std::max<size_t>(1, f.roots.size()));
  }
  store(type, scores, outputs[0]);
  store(result_type(graph, node, 1), voted, outputs[1]);
  return ok_status();
}

// The depth of a balanced tree of so many nodes, for each row and tree.
Work work(const Graph& graph, const Node& node) {
  const auto trees = static_cast<double>(node.attributes.integers("roots").size());
  const auto nodes = static_cast<double>(node.attributes.integers("modes").size());
  const auto rows = static_cast<double>(operand_type(graph, node, 0).shape[0]);
  return {0, rows * trees * (1 + std::log2(1 + nodes / std::max(1.0, trees)))};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_tree_ensemble() {
  OperatorSpec spec;
  spec.name = "tree_ensemble";
  spec.summary = "The gathered votes of decision trees on each row.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
