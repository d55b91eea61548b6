// SPDX-License-Identifier: Apache-2.0
#include "thorong/chip/chip_reader.h"

#include <algorithm>
#include <utility>

#include "thorong/chip/block_spec.h"
#include "thorong/chip/figure_reader.h"

namespace thorong::chip {
namespace {

constexpr std::string_view kSchema = "thorong-chip/1";
using Type = YamlNode::Type;

std::vector<std::string> block_names(const Chip& chip) {
  std::vector<std::string> names;
  for (const Block& block : chip.blocks) names.push_back(block.name);
  return names;
}

std::vector<std::string> parameter_names(const BlockSpec& spec) {
  std::vector<std::string> names;
  for (const ParameterSpec& parameter : spec.parameters) names.push_back(parameter.key);
  return names;
}

// An identifier: letters, digits, '_', '-' and '.'.
bool is_name(const std::string& text) {
  if (text.empty() || text.size() > 64) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Result<std::string> read_name(const YamlNode& node, const std::string& what,
                              const FileContext& context) {
  THORONG_TRY(const std::string text, read_text(node, what, context));
  if (is_name(text)) return text;
  return error_at(node,
                  what + " must be at most 64 letters, digits, '_', '-' and '.', found '" +
                      text.substr(0, 60) + "'",
                  context);
}

Status read_sources(const YamlNode& root, FileContext& context) {
  const YamlNode* sources = root.find("sources");
  if (sources == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*sources, Type::kMap, "sources", context));
  for (size_t i = 0; i < sources->items.size(); ++i) {
    THORONG_TRY(
        context.sources[sources->keys[i].text],
        read_text(sources->items[i], "sources." + sources->keys[i].text.substr(0, 60), context));
  }
  return ok_status();
}

// name, title, generation.
Status read_header(const YamlNode& root, bool has_base, const FileContext& context, Chip& chip) {
  if (const YamlNode* schema = root.find("schema")) {
    THORONG_TRY(const std::string text, read_text(*schema, "schema", context));
    if (text != kSchema) {
      return error_at(*schema,
                      "schema is '" + text.substr(0, 60) + "'; this version reads '" +
                          std::string(kSchema) + "'",
                      context);
    }
  }
  const std::string base = chip.title;
  if (const YamlNode* name = root.find("name")) {
    THORONG_TRY(chip.name, read_name(*name, "name", context));
  } else {
    const size_t slash = context.where.find_last_of('/');
    const std::string file =
        slash == std::string::npos ? context.where : context.where.substr(slash + 1);
    chip.name = file.substr(0, file.rfind('.'));
  }
  chip.title = has_base ? "variant of " + base : chip.name;
  if (const YamlNode* title = root.find("title")) {
    THORONG_TRY(chip.title, read_text(*title, "title", context));
  }
  if (const YamlNode* generation = root.find("generation")) {
    THORONG_TRY(chip.generation,
                read_word(*generation, "generation", {"v1", "v2", "v3", "v4"}, context));
  } else if (!has_base) {
    return error_at(
        root, "lacks generation: v1, v2, v3 or v4, the NeuronCore that it is closest to", context);
  }
  return ok_status();
}

Status read_connections(const YamlNode& node, const BlockSpec& spec, const FileContext& context,
                        Block& block) {
  std::vector<std::string> ports;
  for (const PortSpec& port : spec.ports) {
    if (port.direction == Direction::kUses) ports.push_back(port.name);
  }
  THORONG_RETURN_IF_ERROR(expect_keys(node, ports, "connect of '" + block.name + "'", context));
  for (size_t i = 0; i < node.items.size(); ++i) {
    THORONG_TRY(block.connections[node.keys[i].text],
                read_name(node.items[i], block.name + "." + node.keys[i].text, context));
  }
  return ok_status();
}

Status read_parameters(const YamlNode& node, const BlockSpec& spec, const FileContext& context,
                       Block& block) {
  THORONG_RETURN_IF_ERROR(
      expect_keys(node, parameter_names(spec), "parameters of '" + block.name + "'", context));
  for (size_t i = 0; i < node.items.size(); ++i) {
    const std::string& key = node.keys[i].text;
    THORONG_TRY(Figure figure, read_figure(node.items[i], *spec.find_parameter(key),
                                           block.name + "." + key, FigureForm::kFull, context));
    figure.line = node.keys[i].line;
    block.parameters[key] = std::move(figure);
  }
  return ok_status();
}

Result<Block> read_block(const YamlNode& node, const FileContext& context) {
  THORONG_RETURN_IF_ERROR(
      expect_keys(node, {"name", "type", "parameters", "connect"}, "a block", context));
  Block block;
  block.line = node.line;
  const YamlNode* name = node.find("name");
  const YamlNode* type = node.find("type");
  if (name == nullptr) return error_at(node, "a block lacks name", context);
  THORONG_TRY(block.name, read_name(*name, "name of a block", context));
  if (type == nullptr) return error_at(node, "block '" + block.name + "' lacks type", context);
  std::vector<std::string> types;
  for (const BlockSpec& spec : block_specs()) types.push_back(spec.type);
  THORONG_TRY(block.type, read_word(*type, "type of block '" + block.name + "'", types, context));
  const BlockSpec& spec = *find_block_spec(block.type);
  if (const YamlNode* parameters = node.find("parameters")) {
    THORONG_RETURN_IF_ERROR(read_parameters(*parameters, spec, context, block));
  }
  if (const YamlNode* connect = node.find("connect")) {
    THORONG_RETURN_IF_ERROR(read_connections(*connect, spec, context, block));
  }
  return block;
}

Status read_blocks(const YamlNode& root, const FileContext& context, Chip& chip) {
  const YamlNode* blocks = root.find("blocks");
  if (blocks == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*blocks, Type::kList, "blocks", context));
  for (const YamlNode& item : blocks->items) {
    THORONG_TRY(Block block, read_block(item, context));
    if (chip.has_block(block.name)) {
      return error_at(
          item,
          "there is a block '" + block.name +
              "' already; change its figures under set:, or list it under remove: to replace it",
          context);
    }
    chip.blocks.push_back(std::move(block));
  }
  return ok_status();
}

Status remove_blocks(const YamlNode& root, const FileContext& context, Chip& chip) {
  const YamlNode* remove = root.find("remove");
  if (remove == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*remove, Type::kList, "remove", context));
  for (const YamlNode& item : remove->items) {
    THORONG_TRY(const std::string name, read_name(item, "remove", context));
    const auto found = std::find_if(chip.blocks.begin(), chip.blocks.end(),
                                    [&](const Block& b) { return b.name == name; });
    if (found == chip.blocks.end()) {
      return error_at(item,
                      "no block '" + name + "' to remove" + did_you_mean(name, block_names(chip)),
                      context);
    }
    chip.blocks.erase(found);
  }
  return ok_status();
}

// One line of set: "tensor.clock_hz: 3e9".
Status set_figure(const YamlKey& key, const YamlNode& node, const FileContext& context,
                  Chip& chip) {
  const std::string here = place(context.where, key.line, key.column);
  const size_t dot = key.text.find('.');
  if (dot == std::string::npos) {
    return invalid_argument(
        "set: names figures as block.parameter, found '" + key.text.substr(0, 60) + "'", here);
  }
  const std::string block_name = key.text.substr(0, dot);
  const std::string parameter = key.text.substr(dot + 1);
  const auto block = std::find_if(chip.blocks.begin(), chip.blocks.end(),
                                  [&](const Block& b) { return b.name == block_name; });
  if (block == chip.blocks.end()) {
    std::string hint = did_you_mean(block_name, block_names(chip));
    if (hint.empty()) hint = "; it has " + list_names(block_names(chip));
    return invalid_argument("the chip has no block '" + block_name.substr(0, 60) + "'" + hint,
                            here);
  }
  const BlockSpec& spec = *find_block_spec(block->type);
  const ParameterSpec* found = spec.find_parameter(parameter);
  if (found == nullptr) {
    std::string hint = did_you_mean(parameter, parameter_names(spec));
    if (hint.empty()) hint = "; it has " + list_names(parameter_names(spec));
    return invalid_argument(
        "block '" + block_name + "' has no parameter '" + parameter.substr(0, 60) + "'" + hint,
        here);
  }
  THORONG_TRY(Figure figure, read_figure(node, *found, key.text, FigureForm::kShort, context));
  figure.line = key.line;
  block->parameters[parameter] = std::move(figure);
  return ok_status();
}

Status read_set(const YamlNode& root, const FileContext& context, Chip& chip) {
  const YamlNode* set = root.find("set");
  if (set == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*set, Type::kMap, "set", context));
  for (size_t i = 0; i < set->items.size(); ++i) {
    THORONG_RETURN_IF_ERROR(set_figure(set->keys[i], set->items[i], context, chip));
  }
  return ok_status();
}

Result<Instance> read_instance(const YamlNode& node, const FileContext& context) {
  const std::vector<std::string> keys = {"name",       "chips",      "usd_per_hour",
                                         "price_kind", "price_date", "source"};
  THORONG_RETURN_IF_ERROR(expect_keys(node, keys, "an instance", context));
  for (const std::string& key : keys) {
    if (node.find(key) == nullptr)
      return error_at(node, "an instance lacks " + key + "; it needs " + list_names(keys), context);
  }
  Instance instance;
  THORONG_TRY(instance.name, read_text(*node.find("name"), "name of an instance", context));
  const std::string of = " of instance '" + instance.name + "'";
  THORONG_TRY(const double chips, read_number(*node.find("chips"), "chips" + of, 1, 1e6, context));
  instance.chips = static_cast<int>(chips);
  if (instance.chips != chips)
    return error_at(*node.find("chips"), "chips" + of + " must be a whole number", context);
  THORONG_TRY(instance.usd_per_hour,
              read_number(*node.find("usd_per_hour"), "usd_per_hour" + of, 1e-6, 1e9, context));
  THORONG_TRY(instance.price_kind, read_word(*node.find("price_kind"), "price_kind" + of,
                                             {"on_demand", "capacity_block", "estimate"}, context));
  THORONG_TRY(instance.price_date, read_text(*node.find("price_date"), "price_date" + of, context));
  THORONG_TRY(instance.source, read_source(*node.find("source"), "source" + of, context));
  return instance;
}

// instances: a list, or `inherit` to keep the base's. A variant cannot be bought, so it has none
// unless it says so.
Status read_instances(const YamlNode& root, bool has_base, const FileContext& context,
                      const std::string& base_name, Chip& chip) {
  const YamlNode* instances = root.find("instances");
  const YamlNode* reason = root.find("price_reason");
  if (instances != nullptr && instances->type == Type::kScalar && instances->text == "inherit" &&
      has_base)
    return ok_status();
  chip.instances.clear();
  chip.price_reason.clear();
  if (reason != nullptr) {
    THORONG_TRY(chip.price_reason, read_text(*reason, "price_reason", context));
  }
  if (instances == nullptr) {
    if (reason == nullptr && !has_base) {
      return error_at(
          root,
          "lacks instances: list machines with their price, or say price_reason: why none is known",
          context);
    }
    if (reason == nullptr) {
      chip.price_reason = "a variant of " + base_name +
                          " that no instance has; 'instances: inherit' takes the base's prices";
    }
    return ok_status();
  }
  THORONG_RETURN_IF_ERROR(expect(*instances, Type::kList, "instances", context));
  for (const YamlNode& item : instances->items) {
    THORONG_TRY(Instance instance, read_instance(item, context));
    chip.instances.push_back(std::move(instance));
  }
  if (chip.instances.empty() && chip.price_reason.empty()) {
    return error_at(*instances, "is an empty list; say price_reason: why no price is known",
                    context);
  }
  std::stable_sort(
      chip.instances.begin(), chip.instances.end(),
      [](const Instance& a, const Instance& b) { return a.usd_per_hour < b.usd_per_hour; });
  return ok_status();
}

Result<PredictionError> read_prediction_error(const YamlNode& node, const FileContext& context) {
  const std::vector<std::string> keys = {"kind", "median", "p90", "rows", "source"};
  THORONG_RETURN_IF_ERROR(expect_keys(node, keys, "a prediction error", context));
  for (const std::string& key : keys) {
    if (node.find(key) == nullptr)
      return error_at(node, "a prediction error lacks " + key + "; it needs " + list_names(keys),
                      context);
  }
  PredictionError error;
  THORONG_TRY(error.kind, read_text(*node.find("kind"), "kind of a prediction error", context));
  const std::string of = " of prediction error '" + error.kind + "'";
  THORONG_TRY(error.median, read_number(*node.find("median"), "median" + of, 0, 1e6, context));
  THORONG_TRY(error.p90, read_number(*node.find("p90"), "p90" + of, 0, 1e6, context));
  THORONG_TRY(const double rows, read_number(*node.find("rows"), "rows" + of, 1, 1e6, context));
  error.rows = static_cast<int>(rows);
  THORONG_TRY(error.source, read_source(*node.find("source"), "source" + of, context));
  return error;
}

// Errors that were measured for a base say nothing of a variant, so they are never inherited.
Status read_prediction_errors(const YamlNode& root, const FileContext& context, Chip& chip) {
  chip.prediction_errors.clear();
  const YamlNode* errors = root.find("prediction_errors");
  if (errors == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*errors, Type::kList, "prediction_errors", context));
  for (const YamlNode& item : errors->items) {
    THORONG_TRY(PredictionError error, read_prediction_error(item, context));
    chip.prediction_errors.push_back(std::move(error));
  }
  return ok_status();
}

Status read_not_modelled(const YamlNode& root, const FileContext& context, Chip& chip) {
  const YamlNode* sentences = root.find("not_modelled");
  if (sentences == nullptr) return ok_status();
  THORONG_RETURN_IF_ERROR(expect(*sentences, Type::kList, "not_modelled", context));
  chip.not_modelled.clear();
  for (const YamlNode& item : sentences->items) {
    THORONG_TRY(std::string sentence, read_text(item, "not_modelled", context));
    chip.not_modelled.push_back(std::move(sentence));
  }
  return ok_status();
}

}  // namespace

Result<const YamlNode*> find_base(const YamlNode& root, const std::string& where) {
  const FileContext context{.where = where, .sources = {}};
  THORONG_RETURN_IF_ERROR(expect(root, Type::kMap, "a chip file", context));
  const YamlNode* base = root.find("base");
  if (base != nullptr) {
    THORONG_TRY(const std::string text, read_text(*base, "base", context));
  }
  return base;
}

Status read_chip(const YamlNode& root, const std::string& where, bool has_base, Chip& chip) {
  FileContext context{.where = where, .sources = {}};
  THORONG_RETURN_IF_ERROR(
      expect_keys(root,
                  {"schema", "name", "base", "title", "generation", "sources", "remove", "blocks",
                   "set", "instances", "price_reason", "not_modelled", "prediction_errors"},
                  "a chip file", context));
  const std::string base_name = chip.name;
  THORONG_RETURN_IF_ERROR(read_sources(root, context));
  THORONG_RETURN_IF_ERROR(read_header(root, has_base, context, chip));
  chip.file = where;
  THORONG_RETURN_IF_ERROR(remove_blocks(root, context, chip));
  THORONG_RETURN_IF_ERROR(read_blocks(root, context, chip));
  THORONG_RETURN_IF_ERROR(read_set(root, context, chip));
  THORONG_RETURN_IF_ERROR(read_instances(root, has_base, context, base_name, chip));
  THORONG_RETURN_IF_ERROR(read_prediction_errors(root, context, chip));
  return read_not_modelled(root, context, chip);
}

}  // namespace thorong::chip
