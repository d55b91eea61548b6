// SPDX-License-Identifier: Apache-2.0
// tf_idf: how often each n-gram of a list occurs in x ([n] or [rows, n] integers): float32
// [..., entries]. `pool` holds the n-grams one after the other, those of length 1 first; where
// length k begins is ngram_counts[k - 1]. An n-gram takes elements at distances of 1 to
// `max_skip_count` + 1. The i-th n-gram is counted at ngram_indexes[i]; `mode` TF gives the count,
// IDF the weight where it occurs, TFIDF their product.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Grams {
  std::map<std::vector<int64_t>, std::vector<size_t>> places;  // n-gram -> numbers in the pool
  std::vector<int64_t> indexes;
  int64_t entries = 0;
};

Result<Grams> read_grams(const Node& node) {
  const std::vector<int64_t> pool = node.attributes.integers("pool");
  const std::vector<int64_t> starts = node.attributes.integers("ngram_counts");
  Grams grams;
  grams.indexes = node.attributes.integers("ngram_indexes");
  const auto size = static_cast<int64_t>(pool.size());
  size_t number = 0;
  for (size_t n = 0; n < starts.size(); ++n) {
    const int64_t end = n + 1 < starts.size() ? starts[n + 1] : size;
    const auto length = static_cast<int64_t>(n + 1);
    if (starts[n] < 0 || end < starts[n] || end > size || (end - starts[n]) % length != 0) {  // C1
      return invalid_argument(
          fmt::format("ngram_counts must be ascending and cut the pool of {} into whole n-grams, "
                      "found {}",
                      size, to_string(starts)));
    }
    for (int64_t at = starts[n]; at < end; at += length)
      grams.places[{pool.begin() + at, pool.begin() + at + length}].push_back(number++);
  }
  if (number != grams.indexes.size()) {  // C2
    return invalid_argument(
        fmt::format("ngram_indexes needs an entry for each of {} n-grams, found {}", number,
                    grams.indexes.size()));
  }
  for (const int64_t index : grams.indexes) {
    if (index < 0 || index >= (int64_t{1} << 31))
      return out_of_range(fmt::format("ngram_indexes must lie in [0, 2^31), found {}", index));
    grams.entries = std::max(grams.entries, index + 1);
  }
  return grams;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  if (x.shape.empty() || x.shape.size() > 2 || numerics::is_float(x.format))  // C3
    return invalid_argument(
        fmt::format("x must be integers [n] or [rows, n], found {}", to_string(x)));
  const int64_t shortest = node.attributes.integer("min_gram_length", 1);
  const int64_t longest = node.attributes.integer("max_gram_length", 1);
  if (shortest < 1 || longest < shortest || node.attributes.integer("max_skip_count") < 0) {  // C4
    return invalid_argument(
        "min_gram_length must be at least 1, max_gram_length not less, max_skip_count not "
        "negative");
  }
  THORONG_TRY(const Grams grams, read_grams(node));
  TensorType out{Format::kFloat32, x.shape};
  out.shape.back() = grams.entries;
  return one_result(std::move(out));
}

// Occurrences of each n-gram of the pool in one row.
std::vector<double> count_row(const Node& node, const Grams& grams, const int64_t* row, int64_t n) {
  std::vector<double> counts(grams.indexes.size(), 0);
  const int64_t skips = node.attributes.integer("max_skip_count");
  const int64_t shortest = node.attributes.integer("min_gram_length", 1);
  const auto pool_longest = static_cast<int64_t>(node.attributes.integers("ngram_counts").size());
  const int64_t longest =
      std::min({node.attributes.integer("max_gram_length", 1), pool_longest, n});
  std::vector<int64_t> gram;
  for (int64_t length = shortest; length <= longest; ++length) {
    // One element has no distances; skips that reach beyond the row find nothing.
    const int64_t farthest = length == 1 ? 1 : std::min(skips + 1, (n - 1) / (length - 1));
    for (int64_t distance = 1; distance <= farthest; ++distance) {
      for (int64_t start = 0; start + (length - 1) * distance < n; ++start) {
        gram.clear();
        for (int64_t k = 0; k < length; ++k) gram.push_back(row[start + k * distance]);
        if (const auto found = grams.places.find(gram); found != grams.places.end()) {
          for (const size_t number : found->second) ++counts[number];
        }
      }
    }
  }
  return counts;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  THORONG_TRY(const Grams grams, read_grams(node));
  const Attribute* weights = nullptr;
  if (node.attributes.has("weights")) weights = &node.attributes.all().at("weights");
  const auto* list = weights == nullptr ? nullptr : std::get_if<std::vector<double>>(weights);
  const std::string mode = node.attributes.text("mode", "TF");
  const std::vector<int64_t> x = load<int64_t>(inputs[0]);
  const int64_t n = inputs[0].type.shape.back();
  const TensorType& out = result_type(graph, node);
  std::vector<double> results(static_cast<size_t>(out.elements()), 0);
  const int64_t rows = grams.entries == 0 ? 0 : out.elements() / grams.entries;
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<double> counts = count_row(node, grams, x.data() + r * n, n);
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      const double weight = list != nullptr && i < list->size() ? (*list)[i] : 1;
      double& entry = results[static_cast<size_t>(r * grams.entries + grams.indexes[i])];
      entry += mode == "TF" ? counts[i] : mode == "IDF" ? weight : weight * counts[i];
    }
  }
  store(out, results, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_tf_idf() {
  OperatorSpec spec;
  spec.name = "tf_idf";
  spec.summary = "How often each n-gram of a list occurs, or its weight.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
