// SPDX-License-Identifier: Apache-2.0
// Builds the tree from yaml-cpp's events. yaml-cpp reports bad syntax by exceptions; they are
// caught here, and the handler stops the parser the same way when a limit is passed.
#include "thorong/chip/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <utility>

namespace thorong::chip {
namespace {

constexpr size_t kMaxDepth = 12;
constexpr size_t kMaxNodes = 50000;

// Thrown by the handler and caught in parse_yaml.
struct Stop {
  YAML::Mark mark;
  std::string message;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0)
      throw Stop{mark, "a chip file is one document; remove '---' and what follows"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(make(YamlNode::Type::kNull, mark), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark, 1); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    YamlNode node = make(YamlNode::Type::kScalar, mark);
    node.text = value;
    add(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Type::kList, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Type::kMap, mark, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }

 private:
  // A container that is being filled. In a map, keys and values take turns.
  struct Open {
    YamlNode node;
    YAML::Mark mark;
  };

  static YamlNode make(YamlNode::Type type, const YAML::Mark& mark) {
    YamlNode node;
    node.type = type;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  static void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      throw Stop{
          mark, "anchors (&) and aliases (*) are not part of the chip format; write the value out"};
  }

  void open(YamlNode::Type type, const YAML::Mark& mark, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    if (stack_.size() >= kMaxDepth) {
      throw Stop{mark, "nested more than " + std::to_string(kMaxDepth) +
                           " deep; a chip file needs 5 levels"};
    }
    stack_.push_back({make(type, mark), mark});
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(done.node), done.mark);
  }

  void add(YamlNode node, const YAML::Mark& mark) {
    if (++nodes_ > kMaxNodes)
      throw Stop{mark, "more than " + std::to_string(kMaxNodes) + " values; no chip needs as many"};
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = stack_.back().node;
    const bool is_key =
        parent.type == YamlNode::Type::kMap && parent.keys.size() == parent.items.size();
    if (!is_key) {
      parent.items.push_back(std::move(node));
      return;
    }
    if (node.type != YamlNode::Type::kScalar)
      throw Stop{mark, "a key must be a word, not " + std::string(describe(node.type))};
    if (const YamlKey* first = parent.find_key(node.text)) {
      throw Stop{mark, "'" + node.text + "' occurs twice, first in line " +
                           std::to_string(first->line) + "; remove one"};
    }
    parent.keys.push_back({std::move(node.text), node.line, node.column});
  }

  YamlNode root_;
  std::vector<Open> stack_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

Status stopped(const YAML::Mark& mark, const std::string& message, const std::string& where) {
  return invalid_argument(message, place(where, mark.line + 1, mark.column + 1));
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size() && i < items.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

const YamlKey* YamlNode::find_key(std::string_view key) const {
  for (const YamlKey& candidate : keys) {
    if (candidate.text == key) return &candidate;
  }
  return nullptr;
}

Result<YamlNode> parse_yaml(std::string_view text, const std::string& where) {
  if (text.size() > kMaxChipFileBytes) {
    return invalid_argument("has " + std::to_string(text.size()) +
                                " bytes; a chip file has at most " +
                                std::to_string(kMaxChipFileBytes),
                            place(where, 1, 1));
  }
  TreeBuilder builder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    return stopped(stop.mark, stop.message, where);
  } catch (const YAML::Exception& error) {
    return stopped(error.mark.is_null() ? YAML::Mark() : error.mark, "is not YAML: " + error.msg,
                   where);
  } catch (const std::exception& error) {
    return invalid_argument(std::string("is not YAML: ") + error.what(), place(where, 1, 1));
  }
  return builder.take_root();
}

std::string place(const std::string& where, int line, int column) {
  return where + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string_view describe(YamlNode::Type type) {
  switch (type) {
    case YamlNode::Type::kNull:
      return "nothing";
    case YamlNode::Type::kScalar:
      return "a single value";
    case YamlNode::Type::kList:
      return "a list";
    case YamlNode::Type::kMap:
      return "a map";
  }
  return "nothing";
}

}  // namespace thorong::chip
