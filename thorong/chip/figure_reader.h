// SPDX-License-Identifier: Apache-2.0
// Reads one figure {value, unit, kind, source, ...} and the plain values around it. Every error
// names the place and what to change.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/chip/block_spec.h"
#include "thorong/chip/chip.h"
#include "thorong/chip/yaml_tree.h"

namespace thorong::chip {

// What reading a value needs to know about the file.
struct FileContext {
  std::string where;
  std::map<std::string, std::string> sources;  // short word -> text
};

// kFull: a map with value, unit, kind and source. kShort also takes a bare value, and a map without
// unit, kind and source: under set:, where the file itself is the source of what is assumed.
enum class FigureForm { kFull, kShort };

Result<Figure> read_figure(const YamlNode& node, const ParameterSpec& spec, const std::string& path,
                           FigureForm form, const FileContext& context);

// Text of at most 2000 bytes that is not empty. `what` is its name in messages.
Result<std::string> read_text(const YamlNode& node, const std::string& what,
                              const FileContext& context);
// One of `words`.
Result<std::string> read_word(const YamlNode& node, const std::string& what,
                              const std::vector<std::string>& words, const FileContext& context);
// A finite number between the limits.
Result<double> read_number(const YamlNode& node, const std::string& what, double min, double max,
                           const FileContext& context);
// Replaces a short word of `sources:` by its text; "word, section; word" works too.
Result<std::string> read_source(const YamlNode& node, const std::string& what,
                                const FileContext& context);

Status expect(const YamlNode& node, YamlNode::Type type, const std::string& what,
              const FileContext& context);
// Every key of the map is in `known`.
Status expect_keys(const YamlNode& node, const std::vector<std::string>& known,
                   const std::string& what, const FileContext& context);
Status error_at(const YamlNode& node, const std::string& message, const FileContext& context);

}  // namespace thorong::chip
