// SPDX-License-Identifier: Apache-2.0
// Strings: the host works on them while the model is imported; what they become as numbers are
// constants of the graph.
#include <locale.h>  // NOLINT: newlocale is POSIX
#include <re2/re2.h>
#include <wctype.h>  // NOLINT: towupper_l is POSIX

#include <algorithm>
#include <cwchar>
#include <map>
#include <set>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

using ops::Text;

// The texts broadcast to their common shape.
Result<std::pair<Text, Text>> broadcast_texts(ImportContext& c, const Text& a, const Text& b) {
  THORONG_TRY(const Shape shape, broadcast_shapes(a.shape, b.shape));
  size_t longest = 0;
  for (const Text* text : {&a, &b}) {
    for (const std::string& string : text->strings) longest = std::max(longest, string.size());
  }
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count(shape)));
  THORONG_RETURN_IF_ERROR(c.objects().check_strings(ops::element_count(shape), longest));
  auto widen = [&](const Text& text) {
    Text wide{shape, {}};
    const int64_t count = ops::element_count(shape);
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, from = 0, stride = 1;
      for (size_t d = 0; d < shape.size(); ++d) {  // from the last dimension
        const int64_t index = rest % shape[shape.size() - 1 - d];
        rest /= shape[shape.size() - 1 - d];
        if (d >= text.shape.size()) continue;
        const int64_t size = text.shape[text.shape.size() - 1 - d];
        if (size != 1) from += index * stride;
        stride *= size;
      }
      wide.strings.push_back(text.strings[static_cast<size_t>(from)]);
    }
    return wide;
  };
  return std::pair{widen(a), widen(b)};
}

Status import_string_concat(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const Text a, c.text_input(0));
  THORONG_TRY(const Text b, c.text_input(1));
  THORONG_TRY(auto both, broadcast_texts(c, a, b));
  for (size_t i = 0; i < both.first.strings.size(); ++i)
    both.first.strings[i] += both.second.strings[i];
  return c.set_output(0, c.objects().add_text(std::move(both.first)));
}

Status equal_texts(ImportContext& c) {
  THORONG_TRY(const Text a, c.text_input(0));
  THORONG_TRY(const Text b, c.text_input(1));
  THORONG_TRY(const auto both, broadcast_texts(c, a, b));
  std::vector<double> equal;
  for (size_t i = 0; i < both.first.strings.size(); ++i)
    equal.push_back(both.first.strings[i] == both.second.strings[i] ? 1 : 0);
  return c.set_output(0, c.constant({Format::kBool, both.first.shape}, equal));
}

// Of numbers or of strings.
Status import_equal(ImportContext& c, const NodeProto&) {
  if (c.has_input(0) && is_object(c.optional_input(0))) return equal_texts(c);
  THORONG_TRY(const ValueId a, c.input(0));
  THORONG_TRY(const ValueId b, c.input(1));
  THORONG_TRY(const auto both, c.broadcast_together(a, b));
  return c.set_output(0, c.compare("EQ", both.first, both.second));
}

// ---- StringSplit ----

// At runs of white space; what is left after `most` cuts stays whole.
std::vector<std::string> split_words(const std::string& text, int64_t most) {
  constexpr const char* kSpaces = " \t\n\v\f\r";
  std::vector<std::string> parts;
  size_t at = text.find_first_not_of(kSpaces);
  while (at != std::string::npos) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(text.substr(at, text.find_last_not_of(kSpaces) + 1 - at));
      break;
    }
    const size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kSpaces, end);
  }
  return parts;
}

std::vector<std::string> split_at(const std::string& text, const std::string& delimiter,
                                  int64_t most) {
  if (delimiter.empty()) return split_words(text, most);
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  size_t at = 0;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t end = text.find(delimiter, at);
    if (end == std::string::npos) break;
    parts.push_back(text.substr(at, end - at));
    at = end + delimiter.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

Status import_string_split(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const Text text, c.text_input(0));
  THORONG_TRY(const std::string delimiter, c.text("delimiter", ""));
  int64_t most = -1;
  if (c.has_attribute("maxsplit")) {
    THORONG_TRY(most, c.integer("maxsplit", -1));
  }
  std::vector<std::vector<std::string>> parts;
  size_t longest = 0;
  Integers counts;
  for (const std::string& string : text.strings) {
    parts.push_back(split_at(string, delimiter, most));
    longest = std::max(longest, parts.back().size());
    counts.push_back(static_cast<int64_t>(parts.back().size()));
  }
  Text result{text.shape, {}};
  result.shape.push_back(static_cast<int64_t>(longest));
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count(result.shape)));
  for (std::vector<std::string>& row : parts) {
    row.resize(longest);
    result.strings.insert(result.strings.end(), row.begin(), row.end());
  }
  THORONG_RETURN_IF_ERROR(c.set_output(0, c.objects().add_text(std::move(result))));
  return c.set_output(1, c.constant(text.shape, counts));
}

Status import_regex_full_match(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const Text text, c.text_input(0));
  THORONG_TRY(const std::string pattern, c.text("pattern", ""));
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 expression(pattern, options);
  if (!expression.ok()) {
    return invalid_argument("the pattern \"" + pattern +
                            "\" is no regular expression of RE2: " + expression.error() + ".");
  }
  std::vector<double> matches;
  for (const std::string& string : text.strings)
    matches.push_back(RE2::FullMatch(string, expression) ? 1 : 0);
  return c.set_output(0, c.constant({Format::kBool, text.shape}, matches));
}

// ---- StringNormalizer ----

// Upper and lower case of Unicode, whatever the user's language is.
class UnicodeCase {
 public:
  UnicodeCase() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~UnicodeCase() {
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  UnicodeCase(const UnicodeCase&) = delete;
  UnicodeCase& operator=(const UnicodeCase&) = delete;
  bool ok() const { return locale_ != nullptr; }

  // Bytes that are not UTF-8 stay as they are.
  std::string convert(const std::string& text, bool upper) const {
    const locale_t before = ::uselocale(locale_);
    std::string result;
    std::mbstate_t in{}, out{};
    for (size_t at = 0; at < text.size();) {
      wchar_t letter = 0;
      const size_t size = std::mbrtowc(&letter, text.data() + at, text.size() - at, &in);
      char bytes[16];
      const auto changed =
          static_cast<wchar_t>(upper ? ::towupper_l(static_cast<wint_t>(letter), locale_)
                                     : ::towlower_l(static_cast<wint_t>(letter), locale_));
      const bool known = size != 0 && size <= text.size() - at;
      const size_t written = known ? std::wcrtomb(bytes, changed, &out) : size_t{0};
      if (!known || written > sizeof bytes) {
        result += text[at++];
        in = out = {};
        continue;
      }
      result.append(bytes, written);
      at += size;
    }
    ::uselocale(before);
    return result;
  }

 private:
  locale_t locale_;
};

Status import_string_normalizer(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(Text text, c.text_input(0));
  THORONG_TRY(const std::string action, c.text("case_change_action", "NONE"));
  THORONG_TRY(const int64_t sensitive, c.integer("is_case_sensitive", 0));
  const bool row = text.shape.size() == 2 && text.shape[0] == 1;
  if (text.shape.size() != 1 && !row)
    return invalid_argument("the input must be [n] or [1, n], found " + ops::to_string(text.shape) +
                            ".");
  const UnicodeCase unicode;
  if (!unicode.ok())
    return unsupported("this machine has no locale C.UTF-8, which upper and lower case need.");
  auto compared = [&](const std::string& word) {
    return sensitive != 0 ? word : unicode.convert(word, false);
  };
  std::set<std::string> stops;
  if (const AttributeProto* words = node.attribute("stopwords"))
    for (const std::string& word : words->strings) stops.insert(compared(word));
  std::vector<std::string> kept;
  for (const std::string& word : text.strings) {
    if (stops.contains(compared(word))) continue;
    kept.push_back(action == "NONE" ? word : unicode.convert(word, action == "UPPER"));
  }
  if (kept.empty()) kept.emplace_back();  // the standard's result where nothing is left
  text.shape.back() = static_cast<int64_t>(kept.size());
  text.strings = std::move(kept);
  return c.set_output(0, c.objects().add_text(std::move(text)));
}

// ---- TfIdfVectorizer ----

using Numbers = std::map<std::string, int64_t>;

// Strings become their numbers in the pool; others the number behind the last.
Result<ValueId> number_strings(ImportContext& c, const Numbers& numbers, size_t behind) {
  THORONG_TRY(const Text text, c.text_input(0));
  Integers values;
  for (const std::string& string : text.strings) {
    const auto found = numbers.find(string);
    values.push_back(found == numbers.end() ? static_cast<int64_t>(behind) : found->second);
  }
  return c.constant(text.shape, values);
}

Status import_tf_idf(ImportContext& c, const NodeProto& node) {
  ops::Attributes attributes;
  for (const char* name : {"min_gram_length", "max_gram_length", "max_skip_count"}) {
    THORONG_TRY(const int64_t value, c.integer(name, 1));
    attributes.set(name, value);
  }
  for (const char* name : {"ngram_counts", "ngram_indexes"}) {
    THORONG_TRY(const Integers values, c.integers(name));
    attributes.set(name, values);
  }
  THORONG_TRY(const std::string mode, c.text("mode", "TF"));
  attributes.set("mode", mode);
  if (c.has_attribute("weights")) {
    THORONG_TRY(const auto weights, c.numbers("weights"));
    attributes.set("weights", weights);
  }
  THORONG_TRY(ValueId x, c.any_input(0));
  if (const AttributeProto* pool = node.attribute("pool_strings")) {
    Numbers first;
    Integers numbers;
    for (const std::string& word : pool->strings) {
      const auto place = static_cast<int64_t>(numbers.size());
      numbers.push_back(first.emplace(word, place).first->second);
    }
    attributes.set("pool", numbers);
    THORONG_TRY(x, number_strings(c, first, numbers.size()));
  } else {
    THORONG_TRY(x, c.input(0));
    THORONG_TRY(const Integers numbers, c.integers("pool_int64s"));
    attributes.set("pool", numbers);
  }
  return c.set_output(0, c.add("tf_idf", {x}, attributes));
}

}  // namespace

std::vector<ImportRule> import_rules_strings() {
  return {{"", "Equal", 7, kAnyVersion, import_equal},
          {"", "StringConcat", 20, kAnyVersion, import_string_concat},
          {"", "StringSplit", 20, kAnyVersion, import_string_split},
          {"", "RegexFullMatch", 20, kAnyVersion, import_regex_full_match},
          {"", "StringNormalizer", 10, kAnyVersion, import_string_normalizer},
          {"", "TfIdfVectorizer", 9, kAnyVersion, import_tf_idf}};
}

}  // namespace thorong::onnx
