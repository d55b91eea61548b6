// SPDX-License-Identifier: Apache-2.0
#include "thorong/chip/figure_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace thorong::chip {
namespace {

constexpr size_t kMaxTextBytes = 2000;

const std::vector<std::string>& kind_words() {
  static const std::vector<std::string> words = {"published", "measured",   "recalled",
                                                 "derived",   "calibrated", "assumed"};
  return words;
}

Kind kind_from_word(const std::string& word) {
  for (Kind kind :
       {Kind::kPublished, Kind::kMeasured, Kind::kRecalled, Kind::kDerived, Kind::kCalibrated}) {
    if (name(kind) == word) return kind;
  }
  return Kind::kAssumed;
}

std::optional<double> to_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  return first == std::string::npos
             ? ""
             : text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// One part of a source, between semicolons: its first word, up to a comma or colon, may be a short
// one.
std::string expand_source(const std::string& part, const FileContext& context) {
  const size_t end = part.find_first_of(",:");
  const auto found = context.sources.find(part.substr(0, end));
  if (found == context.sources.end()) return part;
  return end == std::string::npos ? found->second : found->second + part.substr(end);
}

// A value alone: number or word.
void set_value(const std::string& text, const ParameterSpec& spec, Figure& figure) {
  const std::optional<double> number = to_number(text);
  if (spec.values != Values::kWord && number) {
    figure.value = *number;
  } else {
    figure.text = text;
  }
}

// kind, source, derivation and uncertainty of the long form.
Status read_origin(const YamlNode& node, const std::string& path, FigureForm form,
                   const FileContext& context, Figure& figure) {
  const YamlNode* kind = node.find("kind");
  const YamlNode* source = node.find("source");
  if (form == FigureForm::kFull && kind == nullptr) {
    return error_at(
        node,
        "figure '" + path + "' lacks kind: say how sure it is, one of " + list_names(kind_words()),
        context);
  }
  if (source == nullptr && (form == FigureForm::kFull || kind != nullptr)) {
    return error_at(
        node, "figure '" + path + "' lacks source: say which document or whose estimate it is",
        context);
  }
  if (kind != nullptr) {
    THORONG_TRY(const std::string word,
                read_word(*kind, "kind of '" + path + "'", kind_words(), context));
    figure.kind = kind_from_word(word);
  }
  if (source != nullptr) {
    THORONG_TRY(figure.source, read_source(*source, "source of '" + path + "'", context));
  }
  if (const YamlNode* derivation = node.find("derivation")) {
    THORONG_TRY(figure.derivation, read_text(*derivation, "derivation of '" + path + "'", context));
  }
  if (const YamlNode* uncertainty = node.find("uncertainty")) {
    THORONG_TRY(figure.uncertainty,
                read_number(*uncertainty, "uncertainty of '" + path + "'", 0, 10, context));
  }
  if (figure.derivation.empty() &&
      (figure.kind == Kind::kDerived || figure.kind == Kind::kCalibrated)) {
    return error_at(node,
                    "figure '" + path + "' is " + std::string(name(figure.kind)) +
                        " and lacks derivation: state the arithmetic or the evidence",
                    context);
  }
  return ok_status();
}

}  // namespace

Status error_at(const YamlNode& node, const std::string& message, const FileContext& context) {
  return invalid_argument(message, place(context.where, node.line, node.column));
}

Status expect(const YamlNode& node, YamlNode::Type type, const std::string& what,
              const FileContext& context) {
  if (node.type == type) return ok_status();
  return error_at(node,
                  what + " must be " + std::string(describe(type)) + ", found " +
                      std::string(describe(node.type)),
                  context);
}

Status expect_keys(const YamlNode& node, const std::vector<std::string>& known,
                   const std::string& what, const FileContext& context) {
  THORONG_RETURN_IF_ERROR(expect(node, YamlNode::Type::kMap, what, context));
  for (const YamlKey& key : node.keys) {
    bool found = false;
    for (const std::string& candidate : known) found = found || candidate == key.text;
    if (found) continue;
    std::string hint = did_you_mean(key.text, known);
    if (hint.empty()) hint = "; it has " + list_names(known);
    bool variant = std::find(known.begin(), known.end(), "set") != known.end();
    if (variant && key.text != "set") hint += ". Figures of a block go under set: {BLOCK.KEY: ...}";
    return invalid_argument(what + " has no key '" + key.text.substr(0, 60) + "'" + hint,
                            place(context.where, key.line, key.column));
  }
  return ok_status();
}

Result<std::string> read_text(const YamlNode& node, const std::string& what,
                              const FileContext& context) {
  THORONG_RETURN_IF_ERROR(expect(node, YamlNode::Type::kScalar, what, context));
  std::string text = trimmed(node.text);
  if (text.empty()) return error_at(node, what + " is empty", context);
  if (text.size() > kMaxTextBytes) {
    return error_at(node,
                    what + " has " + std::to_string(text.size()) + " bytes; shorten it to " +
                        std::to_string(kMaxTextBytes),
                    context);
  }
  return text;
}

Result<std::string> read_word(const YamlNode& node, const std::string& what,
                              const std::vector<std::string>& words, const FileContext& context) {
  THORONG_TRY(std::string word, read_text(node, what, context));
  for (const std::string& candidate : words) {
    if (candidate == word) return word;
  }
  const std::string hint = did_you_mean(word, words);
  return error_at(node,
                  what + " cannot be '" + word.substr(0, 60) + "'" +
                      (hint.empty() ? ". " : hint + " ") + "Legal: " + list_names(words),
                  context);
}

Result<double> read_number(const YamlNode& node, const std::string& what, double min, double max,
                           const FileContext& context) {
  THORONG_TRY(const std::string text, read_text(node, what, context));
  const std::optional<double> value = to_number(text);
  if (!value)
    return error_at(node, what + " must be a number, found '" + text.substr(0, 60) + "'", context);
  if (*value < min || *value > max) {
    return error_at(node,
                    what + " is " + format_number(*value) + ", but must be from " +
                        format_number(min) + " to " + format_number(max),
                    context);
  }
  return *value;
}

Result<std::string> read_source(const YamlNode& node, const std::string& what,
                                const FileContext& context) {
  THORONG_TRY(const std::string text, read_text(node, what, context));
  std::string source;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(';', start), text.size());
    if (!source.empty()) source += "; ";
    source += expand_source(trimmed(text.substr(start, end - start)), context);
    start = end + 1;
  }
  std::vector<std::string> words;
  for (const auto& [word, meaning] : context.sources) words.push_back(word);
  const bool one_word =
      source == text && text.find(' ') == std::string::npos && !context.sources.contains(text);
  if (const std::string hint = did_you_mean(text, words); one_word && !hint.empty()) {
    return error_at(node, what + " names '" + text + "', which is not under sources:" + hint,
                    context);
  }
  return source;
}

Result<Figure> read_figure(const YamlNode& node, const ParameterSpec& spec, const std::string& path,
                           FigureForm form, const FileContext& context) {
  Figure figure;
  figure.file = context.where;
  figure.line = node.line;
  figure.source = "set in " + context.where;
  const YamlNode* value = &node;
  if (node.type == YamlNode::Type::kMap) {
    THORONG_RETURN_IF_ERROR(
        expect_keys(node, {"value", "unit", "kind", "source", "derivation", "uncertainty"},
                    "figure '" + path + "'", context));
    value = node.find("value");
    if (value == nullptr) return error_at(node, "figure '" + path + "' lacks value", context);
    THORONG_RETURN_IF_ERROR(read_origin(node, path, form, context, figure));
  } else if (form == FigureForm::kFull) {
    return error_at(
        node,
        "figure '" + path +
            "' must be a map {value:, unit:, kind:, source:}; only set: takes a bare value",
        context);
  }
  THORONG_TRY(const std::string text, read_text(*value, "value of '" + path + "'", context));
  set_value(text, spec, figure);
  const YamlNode* unit = node.type == YamlNode::Type::kMap ? node.find("unit") : nullptr;
  if (unit != nullptr) {
    THORONG_TRY(figure.unit, read_text(*unit, "unit of '" + path + "'", context));
  } else if (form == FigureForm::kShort) {
    figure.unit = spec.unit;
  }
  const std::string wrong = check_figure(spec, figure);
  if (!wrong.empty())
    return error_at(*value, "'" + path + "' " + wrong + " (" + spec.meaning + ")", context);
  return figure;
}

}  // namespace thorong::chip
