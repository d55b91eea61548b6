// SPDX-License-Identifier: Apache-2.0
// For the runners of .test files: cases are blocks of lines between empty lines; `#` starts a
// comment, and a line that holds nothing else ends no case.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace thorong {

// Calls body(where, text, first) for each line with text: its "file:line", and whether a case
// begins with it. Stops when it says so.
inline void for_case_lines(const std::filesystem::path& path,
                           const std::function<bool(const std::string& where,
                                                    const std::string& text, bool first)>& body) {
  std::ifstream file(path);
  bool inside = false;
  int number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    const size_t comment = text.find('#');
    text = text.substr(0, comment);
    if (text.find_first_not_of(' ') == std::string::npos) {
      inside = inside && comment != std::string::npos;
      continue;
    }
    if (!body(path.filename().string() + ":" + std::to_string(number), text, !inside)) return;
    inside = true;
  }
}

}  // namespace thorong
