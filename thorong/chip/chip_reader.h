// SPDX-License-Identifier: Apache-2.0
// YAML tree -> Chip: the vocabulary of the chip format (chips/README.md). Knows no files; loader.cc
// finds the base.
#pragma once

#include <string>

#include "thorong/base/result.h"
#include "thorong/chip/chip.h"
#include "thorong/chip/yaml_tree.h"

namespace thorong::chip {

// Lays the file's statements over `chip`, which is empty or the base that the file names. Error:
// invalid_argument with file:line:column. The composition is not checked here.
Status read_chip(const YamlNode& root, const std::string& where, bool has_base, Chip& chip);

// The text of `base:`, nullptr if the file has none. Error: invalid_argument if the document is not
// a map.
Result<const YamlNode*> find_base(const YamlNode& root, const std::string& where);

}  // namespace thorong::chip
