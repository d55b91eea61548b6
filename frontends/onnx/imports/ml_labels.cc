// SPDX-License-Identifier: Apache-2.0
// LabelEncoder (ai.onnx.ml): each element's value by a list of keys. Numbers are compared with all
// keys in the graph. Strings exist only while a model is imported: there the host looks them up,
// and numbers that become strings must follow from the given inputs.
#include <cmath>
#include <map>

#include "frontends/onnx/ml_scores.h"

namespace thorong::onnx {
namespace {

// Keys, values or the default: strings, or numbers in a tensor of one dimension.
struct LabelList {
  bool given = false;
  std::vector<std::string> strings;
  ops::Tensor numbers;
  bool textual() const { return !numbers; }
  int64_t count() const {
    return textual() ? static_cast<int64_t>(strings.size()) : numbers.type.elements();
  }
};

LabelList numbers_list(Format format, const std::vector<double>& values) {
  LabelList list;
  list.given = true;
  list.numbers = ops::Tensor::from_doubles({format, {static_cast<int64_t>(values.size())}}, values);
  return list;
}

LabelList integers_list(const Integers& values) {
  LabelList list;
  list.given = true;
  list.numbers = ops::Tensor::from_int64s(values);
  return list;
}

// The attribute prefix_tensor, prefix_int64s, prefix_floats or prefix_strings.
Result<LabelList> read_labels(const NodeProto& node, const std::string& prefix) {
  LabelList list;
  list.given = true;
  if (const AttributeProto* a = node.attribute(prefix + "_tensor"); a != nullptr && a->tensor) {
    if (a->tensor->data_type == kStringDataType) {
      list.strings = a->tensor->strings;
      return list;
    }
    if (!a->tensor->data.ok()) return a->tensor->data.status();
    list.numbers = *a->tensor->data;
    list.numbers.type.shape = {list.numbers.type.elements()};
    return list;
  }
  if (const AttributeProto* a = node.attribute(prefix + "_int64s")) return integers_list(a->ints);
  if (const AttributeProto* a = node.attribute(prefix + "_floats"))
    return numbers_list(Format::kFloat32, a->floats);
  if (const AttributeProto* a = node.attribute(prefix + "_strings")) {
    list.strings = a->strings;
    return list;
  }
  return LabelList{};
}

// What elements without a key become: of the values' kind.
Result<LabelList> read_default(const NodeProto& node, const LabelList& values) {
  THORONG_TRY(LabelList tensor, read_labels(node, "default"));
  if (tensor.given) {
    if (tensor.textual() != values.textual() || tensor.count() != 1)
      return invalid_argument("default_tensor must hold one element of the values' type.");
    return tensor;
  }
  if (values.textual()) {
    const AttributeProto* a = node.attribute("default_string");
    tensor.strings = {a == nullptr ? "_Unused" : a->s};
    return tensor;
  }
  if (numerics::is_float(values.numbers.type.format)) {
    const AttributeProto* a = node.attribute("default_float");
    return numbers_list(values.numbers.type.format, {a == nullptr ? -0.0 : a->f});
  }
  const AttributeProto* a = node.attribute("default_int64");
  return integers_list({a == nullptr ? -1 : a->i});
}

// The values at these places of a list that ends with the default.
Status set_values(ImportContext& c, const LabelList& values, const LabelList& fallback,
                  const Shape& shape, const Integers& places) {
  if (values.textual()) {
    ops::Text text{shape, {}};
    for (int64_t place : places) {
      bool found = place < values.count();
      text.strings.push_back(found ? values.strings[static_cast<size_t>(place)]
                                   : fallback.strings[0]);
    }
    return c.set_output(0, c.objects().add_text(std::move(text)));
  }
  THORONG_TRY(ValueId list, c.constant(values.numbers));
  THORONG_TRY(ValueId last, c.constant(fallback.numbers));
  THORONG_TRY(last, c.convert(last, c.format(list)));
  THORONG_TRY(list, c.concatenate({list, last}, 0));
  THORONG_TRY(ValueId indices, c.constant(shape, places));
  return c.set_output(0, c.add("take", {list, indices}, make_attributes({{"axis", int64_t{0}}})));
}

Status encode_text(ImportContext& c, const LabelList& keys, const LabelList& values,
                   const LabelList& fallback) {
  THORONG_TRY(ops::Text text, c.text_input(0));
  if (!keys.textual())
    return invalid_argument("the input holds strings, but the keys are numbers.");
  std::map<std::string, int64_t> places;
  for (size_t i = 0; i < keys.strings.size(); ++i)
    places[keys.strings[i]] = static_cast<int64_t>(i);  // the last of equal keys
  Integers found;
  for (const std::string& string : text.strings) {
    auto place = places.find(string);
    found.push_back(place == places.end() ? values.count() : place->second);
  }
  return set_values(c, values, fallback, text.shape, found);
}

// bool [..., K]: whether x [...] is key k; NaN is equal to NaN.
Result<ValueId> match_keys(ImportContext& c, ValueId x, const LabelList& keys) {
  Shape shape = c.shape(x);
  Integers own = counting(shape.size());
  shape.push_back(keys.count());
  THORONG_TRY(ValueId list, c.constant(keys.numbers));
  THORONG_TRY(list, c.convert(list, c.format(x)));
  bool any_nan = false;
  if (numerics::is_float(c.format(x))) {
    for (double key : keys.numbers.to_doubles()) any_nan = any_nan || std::isnan(key);
  }
  ValueId x_nan = kNoValue, key_nan = kNoValue;
  if (any_nan) {
    THORONG_TRY(x_nan, c.add("is_nan", {x}));
    THORONG_TRY(key_nan, c.add("is_nan", {list}));
    THORONG_TRY(x_nan, c.broadcast_in(x_nan, shape, own));
    THORONG_TRY(key_nan, c.broadcast_to(key_nan, shape));
  }
  THORONG_TRY(ValueId wide, c.broadcast_in(x, shape, own));
  THORONG_TRY(list, c.broadcast_to(list, shape));
  THORONG_TRY(ValueId match, c.compare("EQ", wide, list));
  if (!any_nan) return match;
  THORONG_TRY(ValueId both, c.add("and", {x_nan, key_nan}));
  return c.add("or", {match, both});
}

Status encode_numbers(ImportContext& c, const LabelList& keys, const LabelList& values,
                      const LabelList& fallback) {
  THORONG_TRY(ValueId x, c.input(0));
  if (keys.textual()) return invalid_argument("the input holds numbers, but the keys are strings.");
  const Shape shape = c.shape(x);
  auto last = static_cast<int64_t>(shape.size());
  THORONG_TRY(ValueId match, match_keys(c, x, keys));
  THORONG_TRY(match, c.convert(match, Format::kFloat32));
  THORONG_TRY(ValueId found, c.reduce("maximum", match, {last}, false));
  THORONG_TRY(found, c.convert(found, Format::kBool));
  THORONG_TRY(ValueId place, c.add("arg_reduce", {match},
                                   make_attributes({{"dimension", last},
                                                    {"function", std::string("maximum")},
                                                    {"select_last", int64_t{1}}})));
  if (values.textual()) {
    const ValueId wanted[] = {found, place};
    THORONG_TRY(auto known, c.known_tensors(wanted));
    Integers places = known[1].to_int64s();
    const Integers any = known[0].to_int64s();
    for (size_t i = 0; i < places.size(); ++i) {
      if (any[i] == 0) places[i] = values.count();
    }
    return set_values(c, values, fallback, shape, places);
  }
  THORONG_TRY(ValueId list, c.constant(values.numbers));
  THORONG_TRY(ValueId y, c.add("take", {list, place}, make_attributes({{"axis", int64_t{0}}})));
  THORONG_TRY(ValueId other, c.constant(fallback.numbers));
  THORONG_TRY(other, c.convert(other, c.format(list)));
  THORONG_TRY(other, c.reshape(other, {}));
  THORONG_TRY(other, c.broadcast_to(other, shape));
  return c.set_output(0, c.add("select", {found, y, other}));
}

// Version 1 has one list of strings; numbers are places in it.
Result<std::pair<LabelList, LabelList>> read_first_version(const NodeProto& node, bool textual) {
  LabelList words, numbers;
  if (const AttributeProto* a = node.attribute("classes_strings")) words.strings = a->strings;
  words.given = !words.strings.empty();
  numbers = integers_list(counting(words.strings.size()));
  return textual ? std::pair{words, numbers} : std::pair{numbers, words};
}

Status import_label_encoder(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, c.any_input(0));
  std::pair<LabelList, LabelList> lists;
  if (c.version() < 2) {
    THORONG_TRY(lists, read_first_version(node, is_object(x)));
  } else {
    THORONG_TRY(lists.first, read_labels(node, "keys"));
    THORONG_TRY(lists.second, read_labels(node, "values"));
  }
  const auto& [keys, values] = lists;
  if (!keys.given || !values.given || keys.count() != values.count() || keys.count() == 0) {
    return invalid_argument("expected keys and as many values, found " +
                            std::to_string(keys.count()) + " and " +
                            std::to_string(values.count()) + ".");
  }
  THORONG_TRY(LabelList fallback, read_default(node, values));
  return is_object(x) ? encode_text(c, keys, values, fallback)
                      : encode_numbers(c, keys, values, fallback);
}

}  // namespace

std::vector<ImportRule> import_rules_ml_labels() {
  return {{kMl, "LabelEncoder", 1, kAnyVersion, import_label_encoder}};
}

}  // namespace thorong::onnx
