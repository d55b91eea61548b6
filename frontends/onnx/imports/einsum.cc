// SPDX-License-Identifier: Apache-2.0
// Einsum: operands are combined from left to right by dot_general; labels that nothing needs later
// are summed.
#include <algorithm>
#include <map>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// A label is a letter, or kEllipsis + the distance from the ellipsis' right end.
constexpr int kEllipsis = 256;
using Labels = std::vector<int>;

struct Term {
  ValueId value = kNoValue;
  Labels labels;
};

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

int64_t position(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) - labels.begin();
}

// One operand's text, like "b...ij"; `ellipsis` dimensions stand for the dots.
Result<Labels> parse_term(const std::string& text, size_t ellipsis) {
  Labels labels;
  for (size_t i = 0; i < text.size(); ++i) {
    char letter = text[i];
    if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
      labels.push_back(letter);
    } else if (text.compare(i, 3, "...") == 0) {
      for (size_t k = ellipsis; k-- > 0;) labels.push_back(kEllipsis + static_cast<int>(k));
      i += 2;
    } else {
      return invalid_argument("the equation has \"" + std::string(1, letter) +
                              "\" where a letter or \"...\" is expected.");
    }
  }
  return labels;
}

struct Equation {
  std::vector<std::string> operands;
  std::string output;
  bool has_output = false;
};

Equation split_equation(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Equation equation;
  if (size_t arrow = text.find("->"); arrow != std::string::npos) {
    equation.output = text.substr(arrow + 2);
    equation.has_output = true;
    text.resize(arrow);
  }
  size_t begin = 0;
  for (size_t comma = text.find(','); comma != std::string::npos; comma = text.find(',', begin)) {
    equation.operands.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  equation.operands.push_back(text.substr(begin));
  return equation;
}

// Without "->": the ellipsis, then the letters that occur once in the equation, sorted.
Labels implicit_output(const Equation& equation, size_t ellipsis) {
  std::map<char, int> counts;
  bool has_dots = false;
  for (const std::string& operand : equation.operands) {
    for (char letter : operand) {
      if (letter == '.') {
        has_dots = true;
      } else {
        ++counts[letter];
      }
    }
  }
  Labels output;
  for (size_t k = has_dots ? ellipsis : 0; k-- > 0;)
    output.push_back(kEllipsis + static_cast<int>(k));
  for (const auto& [letter, count] : counts) {
    if (count == 1) output.push_back(letter);
  }
  return output;
}

// Labels that occur twice in a term: the diagonal, as every (n + 1)th element of the two dimensions
// laid out as one.
Result<Term> take_diagonals(ImportContext& c, Term term) {
  for (size_t i = 0; i < term.labels.size(); ++i) {
    auto again = std::find(term.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                           term.labels.end(), term.labels[i]);
    if (again == term.labels.end()) continue;
    auto j = static_cast<size_t>(again - term.labels.begin());
    Shape shape = c.shape(term.value);
    if (shape[i] != shape[j]) return invalid_argument("a label repeats with different sizes.");
    int64_t size = shape[i];
    Integers permutation;
    Shape merged;
    Labels labels;
    for (size_t k = 0; k < shape.size(); ++k) {
      if (k == i || k == j) continue;
      permutation.push_back(static_cast<int64_t>(k));
      merged.push_back(shape[k]);
      labels.push_back(term.labels[k]);
    }
    permutation.push_back(static_cast<int64_t>(i));
    permutation.push_back(static_cast<int64_t>(j));
    merged.push_back(size * size);
    labels.push_back(term.labels[i]);
    THORONG_RETURN_IF_ERROR(c.check_generated(size));
    Integers indices;
    for (int64_t k = 0; k < size; ++k) indices.push_back(k * (size + 1));
    THORONG_TRY(term.value, c.transpose(term.value, permutation));
    THORONG_TRY(term.value, c.reshape(term.value, merged));
    THORONG_TRY(term.value, c.take_axis(term.value, labels.size() - 1, indices));
    term.labels = labels;
    i = static_cast<size_t>(-1);  // from the start
  }
  return term;
}

// Drops dimensions of size 1 whose label has another size elsewhere.
Status drop_broadcast(ImportContext& c, std::vector<Term>& terms) {
  std::map<int, int64_t> sizes;
  for (const Term& term : terms) {
    Shape shape = c.shape(term.value);
    for (size_t i = 0; i < shape.size(); ++i) {
      auto [entry, is_new] = sizes.emplace(term.labels[i], shape[i]);
      if (!is_new && entry->second == 1) entry->second = shape[i];
    }
  }
  for (Term& term : terms) {
    Shape shape = c.shape(term.value), kept;
    Labels labels;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 1 && sizes[term.labels[i]] != 1) continue;
      kept.push_back(shape[i]);
      labels.push_back(term.labels[i]);
    }
    THORONG_TRY(term.value, c.reshape(term.value, kept));
    term.labels = labels;
  }
  return ok_status();
}

Result<Term> sum_unneeded(ImportContext& c, Term term, const Labels& needed) {
  Integers axes;
  Labels labels;
  for (size_t i = 0; i < term.labels.size(); ++i) {
    if (contains(needed, term.labels[i]))
      labels.push_back(term.labels[i]);
    else
      axes.push_back(static_cast<int64_t>(i));
  }
  THORONG_TRY(term.value, c.reduce("add", term.value, axes, false));
  term.labels = labels;
  return term;
}

// `needed`: labels that the output or later operands read.
Result<Term> combine(ImportContext& c, Term lhs, Term rhs, const Labels& needed) {
  Labels lhs_needed = needed, rhs_needed = needed;
  lhs_needed.insert(lhs_needed.end(), rhs.labels.begin(), rhs.labels.end());
  rhs_needed.insert(rhs_needed.end(), lhs.labels.begin(), lhs.labels.end());
  THORONG_TRY(lhs, sum_unneeded(c, lhs, lhs_needed));
  THORONG_TRY(rhs, sum_unneeded(c, rhs, rhs_needed));
  Integers lhs_batch, rhs_batch, lhs_contract, rhs_contract;
  Term result;
  for (int label : lhs.labels) {
    if (!contains(rhs.labels, label)) continue;
    bool batch = contains(needed, label);
    (batch ? lhs_batch : lhs_contract).push_back(position(lhs.labels, label));
    (batch ? rhs_batch : rhs_contract).push_back(position(rhs.labels, label));
    if (batch) result.labels.push_back(label);
  }
  for (const Labels* labels : {&lhs.labels, &rhs.labels}) {
    const Labels& other = labels == &lhs.labels ? rhs.labels : lhs.labels;
    for (int label : *labels) {
      if (!contains(other, label)) result.labels.push_back(label);
    }
  }
  THORONG_TRY(result.value, c.add("dot_general", {lhs.value, rhs.value},
                                  make_attributes({{"lhs_batching_dimensions", lhs_batch},
                                                   {"rhs_batching_dimensions", rhs_batch},
                                                   {"lhs_contracting_dimensions", lhs_contract},
                                                   {"rhs_contracting_dimensions", rhs_contract}})));
  return result;
}

Result<std::vector<Term>> read_terms(ImportContext& c, const Equation& equation, size_t& ellipsis) {
  if (equation.operands.size() != c.input_count()) {
    return invalid_argument("the equation has " + std::to_string(equation.operands.size()) +
                            " operands, the node " + std::to_string(c.input_count()) + ".");
  }
  std::vector<Term> terms;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    Term term;
    THORONG_TRY(term.value, c.input(i));
    THORONG_TRY(Labels plain, parse_term(equation.operands[i], 0));
    size_t rank = c.rank(term.value), own = rank >= plain.size() ? rank - plain.size() : 0;
    THORONG_TRY(term.labels, parse_term(equation.operands[i], own));
    if (term.labels.size() != rank) {
      return invalid_argument("\"" + equation.operands[i] + "\" does not fit an operand of rank " +
                              std::to_string(rank) + ".");
    }
    ellipsis = std::max(ellipsis, own);
    THORONG_TRY(term, take_diagonals(c, term));
    terms.push_back(term);
  }
  return terms;
}

Status import_einsum(ImportContext& c, const NodeProto&) {
  THORONG_TRY(std::string text, c.text("equation", ""));
  Equation equation = split_equation(text);
  size_t ellipsis = 0;
  THORONG_TRY(auto terms, read_terms(c, equation, ellipsis));
  Labels output = implicit_output(equation, ellipsis);
  if (equation.has_output) {
    THORONG_TRY(output, parse_term(equation.output, ellipsis));
  }
  THORONG_RETURN_IF_ERROR(drop_broadcast(c, terms));
  Term result = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels needed = output;
    for (size_t k = i + 1; k < terms.size(); ++k) {
      needed.insert(needed.end(), terms[k].labels.begin(), terms[k].labels.end());
    }
    THORONG_TRY(result, combine(c, result, terms[i], needed));
  }
  THORONG_TRY(result, sum_unneeded(c, result, output));
  Integers permutation;
  for (int label : output) {
    if (!contains(result.labels, label))
      return invalid_argument("the output has a label that no operand has.");
    permutation.push_back(position(result.labels, label));
  }
  return c.set_output(0, c.transpose(result.value, permutation));
}

}  // namespace

std::vector<ImportRule> import_rules_einsum() {
  return {{"", "Einsum", 12, kAnyVersion, import_einsum}};
}

}  // namespace thorong::onnx
