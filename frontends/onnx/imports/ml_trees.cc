// SPDX-License-Identifier: Apache-2.0
// TreeEnsemble, TreeEnsembleRegressor and TreeEnsembleClassifier (ai.onnx.ml): the operator
// tree_ensemble, which walks the trees, and what is made of its scores. The trees come as nodes
// that are numbered within a tree (the two older operators) or as inner nodes and leaves apart.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "frontends/onnx/ml_scores.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kMemberMode = 6, kLeafMode = 7;

struct Vote {
  int64_t node = 0, target = 0;
  double weight = 0;
};

struct TreeNodes {
  Integers roots, modes, features, true_ids, false_ids, missing_true, member_first, member_count;
  std::vector<double> values, members;
  std::vector<Vote> votes;
  size_t count() const { return modes.size(); }
};

// The attribute `name`, or the tensor `name`_as_tensor.
Result<std::vector<double>> numbers_or_tensor(const ImportContext& c, const NodeProto& node,
                                              const std::string& name) {
  const AttributeProto* tensor = node.attribute(name + "_as_tensor");
  if (tensor == nullptr || !tensor->tensor) return c.numbers(name);
  if (!tensor->tensor->data.ok()) return tensor->tensor->data.status();
  return tensor->tensor->data->to_doubles();
}

Result<ops::Tensor> tensor_attribute(const NodeProto& node, const char* name) {
  const AttributeProto* attribute = node.attribute(name);
  if (attribute == nullptr || !attribute->tensor)
    return invalid_argument(std::string("the tensor attribute ") + name + " is missing.");
  return attribute->tensor->data;
}

Status check_length(const char* name, size_t found, size_t expected) {
  if (found == expected) return ok_status();
  return invalid_argument(std::string(name) + " has " + std::to_string(found) +
                          " entries; expected " + std::to_string(expected) + ".");
}

Result<int64_t> mode_number(const std::string& name) {
  constexpr std::array<const char*, 6> kNames = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                                 "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
  if (name == "LEAF") return kLeafMode;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<int64_t>(i);
  }
  return invalid_argument("nodes_modes has \"" + name + "\"; expected BRANCH_LEQ, BRANCH_LT, " +
                          "BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF.");
}

// Nodes by tree and number.
using NodePlaces = std::map<std::pair<int64_t, int64_t>, int64_t>;

Result<int64_t> find_place(const NodePlaces& places, int64_t tree, int64_t number) {
  auto found = places.find({tree, number});
  if (found != places.end()) return found->second;
  return invalid_argument("tree " + std::to_string(tree) + " has no node " +
                          std::to_string(number) + ".");
}

// That every node lies on a way from a root.
Status check_reached(const Integers& trees, const TreeNodes& nodes) {
  std::vector<bool> reached(nodes.count(), false);
  Integers open = nodes.roots;
  while (!open.empty()) {
    auto i = static_cast<size_t>(open.back());
    open.pop_back();
    if (reached[i]) continue;
    reached[i] = true;
    if (nodes.modes[i] == kLeafMode) continue;
    open.push_back(nodes.true_ids[i]);
    open.push_back(nodes.false_ids[i]);
  }
  auto lost = std::find(reached.begin(), reached.end(), false);
  if (lost == reached.end()) return ok_status();
  return invalid_argument("tree " +
                          std::to_string(trees[static_cast<size_t>(lost - reached.begin())]) +
                          " has nodes that its root does not lead to.");
}

// Children as places, and the node of each tree that is no child.
Status link_nodes(const NodePlaces& places, const Integers& trees, TreeNodes& nodes) {
  std::vector<bool> is_child(nodes.count(), false);
  for (size_t i = 0; i < nodes.count(); ++i) {
    if (nodes.modes[i] == kLeafMode) continue;
    for (Integers* ids : {&nodes.true_ids, &nodes.false_ids}) {
      THORONG_TRY((*ids)[i], find_place(places, trees[i], (*ids)[i]));
      is_child[static_cast<size_t>((*ids)[i])] = true;
    }
  }
  std::set<int64_t> rooted;
  for (size_t i = 0; i < nodes.count(); ++i) {
    if (is_child[i]) continue;
    if (!rooted.insert(trees[i]).second) {
      return invalid_argument("tree " + std::to_string(trees[i]) +
                              " has more than one node that is no other's child.");
    }
    nodes.roots.push_back(static_cast<int64_t>(i));
  }
  return check_reached(trees, nodes);
}

// The nodes_ attributes of the older operators, and votes from those with `prefix` (class, target).
Result<TreeNodes> read_numbered(const ImportContext& c, const NodeProto& node,
                                const std::string& prefix) {
  TreeNodes nodes;
  THORONG_TRY(Integers trees, c.integers("nodes_treeids"));
  THORONG_TRY(Integers numbers, c.integers("nodes_nodeids"));
  THORONG_TRY(nodes.features, c.integers("nodes_featureids"));
  THORONG_TRY(nodes.true_ids, c.integers("nodes_truenodeids"));
  THORONG_TRY(nodes.false_ids, c.integers("nodes_falsenodeids"));
  THORONG_TRY(nodes.values, numbers_or_tensor(c, node, "nodes_values"));
  const AttributeProto* modes = node.attribute("nodes_modes");
  size_t n = modes == nullptr ? 0 : modes->strings.size();
  THORONG_TRY(nodes.missing_true, c.integers("nodes_missing_value_tracks_true", Integers(n, 0)));
  THORONG_RETURN_IF_ERROR(check_length("nodes_treeids", trees.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_nodeids", numbers.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_truenodeids", nodes.true_ids.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_falsenodeids", nodes.false_ids.size(), n));
  NodePlaces places;
  for (size_t i = 0; i < n; ++i) {
    THORONG_TRY(int64_t mode, mode_number(modes->strings[i]));
    nodes.modes.push_back(mode);
    if (!places.emplace(std::pair{trees[i], numbers[i]}, static_cast<int64_t>(i)).second) {
      return invalid_argument("tree " + std::to_string(trees[i]) + " has node " +
                              std::to_string(numbers[i]) + " twice.");
    }
  }
  THORONG_RETURN_IF_ERROR(link_nodes(places, trees, nodes));
  THORONG_TRY(Integers vote_trees, c.integers(prefix + "_treeids"));
  THORONG_TRY(Integers vote_nodes, c.integers(prefix + "_nodeids"));
  THORONG_TRY(Integers targets, c.integers(prefix + "_ids"));
  THORONG_TRY(auto weights, numbers_or_tensor(c, node, prefix + "_weights"));
  THORONG_RETURN_IF_ERROR(
      check_length("the list of nodes that vote", vote_nodes.size(), vote_trees.size()));
  THORONG_RETURN_IF_ERROR(check_length("the list of targets", targets.size(), vote_trees.size()));
  THORONG_RETURN_IF_ERROR(check_length("the list of weights", weights.size(), vote_trees.size()));
  for (size_t i = 0; i < vote_trees.size(); ++i) {
    THORONG_TRY(int64_t place, find_place(places, vote_trees[i], vote_nodes[i]));
    nodes.votes.push_back({place, targets[i], weights[i]});
  }
  return nodes;
}

// The members of the set tests, which NaN separates, in the order of the nodes.
Status read_members(const NodeProto& node, TreeNodes& nodes) {
  nodes.member_first.assign(nodes.count(), 0);
  nodes.member_count.assign(nodes.count(), 0);
  const AttributeProto* attribute = node.attribute("membership_values");
  if (attribute == nullptr) return ok_status();
  THORONG_TRY(ops::Tensor tensor, tensor_attribute(node, "membership_values"));
  std::vector<double> values = tensor.to_doubles();
  size_t next = 0;
  for (size_t i = 0; i < nodes.count(); ++i) {
    if (nodes.modes[i] != kMemberMode) continue;
    nodes.member_first[i] = static_cast<int64_t>(nodes.members.size());
    while (next < values.size() && values[next] == values[next]) {
      nodes.members.push_back(values[next++]);
      ++nodes.member_count[i];
    }
    ++next;
  }
  return ok_status();
}

// The attributes of TreeEnsemble: leaf i becomes node (number of inner nodes) + i.
Result<TreeNodes> read_apart(const ImportContext& c, const NodeProto& node) {
  TreeNodes nodes;
  THORONG_TRY(nodes.roots, c.integers("tree_roots"));
  THORONG_TRY(nodes.features, c.integers("nodes_featureids"));
  size_t n = nodes.features.size();
  THORONG_TRY(nodes.true_ids, c.integers("nodes_truenodeids"));
  THORONG_TRY(nodes.false_ids, c.integers("nodes_falsenodeids"));
  THORONG_TRY(Integers true_leafs, c.integers("nodes_trueleafs"));
  THORONG_TRY(Integers false_leafs, c.integers("nodes_falseleafs"));
  THORONG_TRY(nodes.missing_true, c.integers("nodes_missing_value_tracks_true", Integers(n, 0)));
  THORONG_TRY(ops::Tensor modes, tensor_attribute(node, "nodes_modes"));
  THORONG_TRY(ops::Tensor splits, tensor_attribute(node, "nodes_splits"));
  THORONG_TRY(ops::Tensor weights, tensor_attribute(node, "leaf_weights"));
  THORONG_TRY(Integers targets, c.integers("leaf_targetids"));
  nodes.modes = modes.to_int64s();
  nodes.values = splits.to_doubles();
  std::vector<double> leaf_weights = weights.to_doubles();
  THORONG_RETURN_IF_ERROR(check_length("nodes_modes", nodes.modes.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_splits", nodes.values.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_truenodeids", nodes.true_ids.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_falsenodeids", nodes.false_ids.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_trueleafs", true_leafs.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("nodes_falseleafs", false_leafs.size(), n));
  THORONG_RETURN_IF_ERROR(check_length("leaf_weights", leaf_weights.size(), targets.size()));
  auto leaves = static_cast<int64_t>(targets.size()), inner = static_cast<int64_t>(n);
  for (size_t i = 0; i < n; ++i) {
    bool fits = nodes.modes[i] >= 0 && nodes.modes[i] <= kMemberMode;
    for (auto [ids, leafs] :
         {std::pair{&nodes.true_ids, &true_leafs}, {&nodes.false_ids, &false_leafs}}) {
      int64_t id = (*ids)[i];
      fits = fits && id >= 0 && id < ((*leafs)[i] != 0 ? leaves : inner);
      if ((*leafs)[i] != 0 && fits) (*ids)[i] += inner;
    }
    if (!fits) {
      return invalid_argument("node " + std::to_string(i) +
                              " has a mode, child or leaf that does not exist.");
    }
  }
  THORONG_RETURN_IF_ERROR(read_members(node, nodes));
  for (size_t i = 0; i < targets.size(); ++i) {
    nodes.votes.push_back({inner + static_cast<int64_t>(i), targets[i], leaf_weights[i]});
    nodes.modes.push_back(kLeafMode);
  }
  for (Integers* list : {&nodes.features, &nodes.true_ids, &nodes.false_ids, &nodes.missing_true,
                         &nodes.member_first, &nodes.member_count}) {
    list->resize(nodes.count(), 0);
  }
  nodes.values.resize(nodes.count(), 0);
  return nodes;
}

// Scores [N, targets] and whether a leaf voted.
Result<std::vector<ValueId>> add_trees(ImportContext& c, ValueId x, TreeNodes nodes,
                                       int64_t targets, const char* function) {
  std::stable_sort(nodes.votes.begin(), nodes.votes.end(),
                   [](const Vote& a, const Vote& b) { return a.node < b.node; });
  Integers vote_nodes, vote_targets;
  std::vector<double> vote_weights;
  for (const Vote& vote : nodes.votes) {
    vote_nodes.push_back(vote.node);
    vote_targets.push_back(vote.target);
    vote_weights.push_back(vote.weight);
  }
  if (nodes.member_first.empty()) {
    nodes.member_first.assign(nodes.count(), 0);
    nodes.member_count.assign(nodes.count(), 0);
  }
  return c.add_many("tree_ensemble", {x},
                    make_attributes({{"targets", targets},
                                     {"function", std::string(function)},
                                     {"roots", nodes.roots},
                                     {"modes", nodes.modes},
                                     {"features", nodes.features},
                                     {"values", nodes.values},
                                     {"true_ids", nodes.true_ids},
                                     {"false_ids", nodes.false_ids},
                                     {"missing_true", nodes.missing_true},
                                     {"member_first", nodes.member_first},
                                     {"member_count", nodes.member_count},
                                     {"members", nodes.members},
                                     {"vote_nodes", vote_nodes},
                                     {"vote_targets", vote_targets},
                                     {"vote_weights", vote_weights}}));
}

Status import_tree_ensemble(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t targets, c.integer("n_targets", 1));
  THORONG_TRY(int64_t function, c.integer("aggregate_function", 1));
  THORONG_TRY(int64_t transform, c.integer("post_transform", 0));
  constexpr std::array<const char*, 4> kFunctions = {"average", "add", "minimum", "maximum"};
  constexpr std::array<const char*, 5> kTransforms = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO",
                                                      "PROBIT"};
  if (function < 0 || function > 3 || transform < 0 || transform > 4) {
    return invalid_argument("aggregate_function must lie in 0 to 3 and post_transform in 0 to 4.");
  }
  THORONG_TRY(TreeNodes nodes, read_apart(c, node));
  THORONG_TRY(auto scores, add_trees(c, x, std::move(nodes), targets,
                                     kFunctions[static_cast<size_t>(function)]));
  return c.set_output(0, ml_transform(c, scores[0], kTransforms[static_cast<size_t>(transform)]));
}

Status import_tree_regressor(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(int64_t targets, c.integer("n_targets", 1));
  THORONG_TRY(std::string name, c.text("aggregate_function", "SUM"));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(auto base, numbers_or_tensor(c, node, "base_values"));
  const std::map<std::string, const char*> functions = {
      {"AVERAGE", "average"}, {"SUM", "add"}, {"MIN", "minimum"}, {"MAX", "maximum"}};
  auto function = functions.find(name);
  if (function == functions.end()) {
    return invalid_argument("aggregate_function \"" + name +
                            "\" is none of AVERAGE, SUM, MIN and MAX.");
  }
  THORONG_TRY(TreeNodes nodes, read_numbered(c, node, "target"));
  THORONG_TRY(auto results, add_trees(c, x, std::move(nodes), targets, function->second));
  ValueId scores = results[0];
  if (!base.empty()) {
    THORONG_TRY(scores, ml_with_row(c, "add", scores, base));
  }
  return c.set_output(0, ml_transform(c, scores, transform));
}

// Two classes whose votes all go to one of them are one score: of the second class whatever they
// name. Where no weight is negative it is a probability, compared with 1/2.
Status import_one_score(ImportContext& c, const NodeProto& node, ValueId scores, int64_t voted,
                        bool positive, const std::vector<double>& base) {
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(ValueId score, c.slice_axis(scores, 1, voted, voted + 1));
  if (!base.empty()) {
    if (base.size() != 1 || voted != 0)
      return unsupported("base values of two classes that are one score are not done.");
    THORONG_TRY(score, ml_with_row(c, "add", score, base));
  }
  THORONG_TRY(ValueId indices, ml_exceeds(c, score, positive ? 0.5 : 0));
  THORONG_RETURN_IF_ERROR(
      ml_set_labels(c, node, indices, "classlabels_int64s", "classlabels_strings"));
  if (voted == 0) return c.set_output(1, ml_two_scores(c, score, transform, positive));
  return c.set_output(1, ml_transform(c, scores, transform));
}

Status import_tree_classifier(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(int64_t classes, ml_label_count(node, "classlabels_int64s", "classlabels_strings"));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(auto base, numbers_or_tensor(c, node, "base_values"));
  THORONG_TRY(TreeNodes nodes, read_numbered(c, node, "class"));
  std::set<int64_t> voted;
  bool positive = true;
  for (const Vote& vote : nodes.votes) {
    voted.insert(vote.target);
    positive = positive && vote.weight >= 0;
  }
  THORONG_TRY(auto results, add_trees(c, x, std::move(nodes), classes, "add"));
  ValueId scores = results[0];
  if (classes == 2 && voted.size() == 1)
    return import_one_score(c, node, scores, *voted.begin(), positive, base);
  // A class without a vote is not the best one, even if the others have negative scores.
  THORONG_TRY(ValueId none, c.full_like(scores, -std::numeric_limits<double>::infinity()));
  ValueId compared = kNoValue;
  if (base.empty()) {
    THORONG_TRY(compared, c.add("select", {results[1], scores, none}));
  } else {
    THORONG_TRY(scores, ml_with_row(c, "add", scores, base));
    compared = scores;
  }
  THORONG_TRY(ValueId indices, ml_best(c, compared));
  THORONG_RETURN_IF_ERROR(
      ml_set_labels(c, node, indices, "classlabels_int64s", "classlabels_strings"));
  return c.set_output(1, ml_transform(c, scores, transform));
}

}  // namespace

std::vector<ImportRule> import_rules_ml_trees() {
  return {{kMl, "TreeEnsemble", 5, kAnyVersion, import_tree_ensemble},
          {kMl, "TreeEnsembleRegressor", 1, kAnyVersion, import_tree_regressor},
          {kMl, "TreeEnsembleClassifier", 1, kAnyVersion, import_tree_classifier}};
}

}  // namespace thorong::onnx
