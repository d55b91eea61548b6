// SPDX-License-Identifier: Apache-2.0
// A YAML document as a tree with places, read by yaml-cpp's event parser. Made for files that
// nobody vouches for: size, depth and number of nodes are bounded, anchors and aliases are refused
// (so no alias bombs), a key may occur once, and no exception leaves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "thorong/base/result.h"

namespace thorong::chip {

struct YamlKey {
  std::string text;
  int line = 0;    // from 1
  int column = 0;  // from 1
};

struct YamlNode {
  enum class Type { kNull, kScalar, kList, kMap };
  Type type = Type::kNull;
  std::string text;             // of a scalar
  std::vector<YamlKey> keys;    // of a map, as many as items
  std::vector<YamlNode> items;  // of a list or map
  int line = 0;
  int column = 0;

  // The value of a key, nullptr if the map lacks it.
  const YamlNode* find(std::string_view key) const;
  const YamlKey* find_key(std::string_view key) const;
};

inline constexpr size_t kMaxChipFileBytes = size_t{1} << 19;

// `where` stands for the file in messages. Error: invalid_argument with file:line:column.
Result<YamlNode> parse_yaml(std::string_view text, const std::string& where);

// "file:line:column".
std::string place(const std::string& where, int line, int column);
// "a list", "a map", ...: for messages.
std::string_view describe(YamlNode::Type type);

}  // namespace thorong::chip
