// SPDX-License-Identifier: Apache-2.0
// Columns of text for a terminal: aligned by what is seen, safe against control characters in
// names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace thorong::report {

// Columns that a terminal gives the text: UTF-8 code points, wide East Asian ones counted twice.
size_t display_width(std::string_view text);
// Control characters (terminal commands among them) and broken UTF-8 replaced, tabs and line ends
// by a space.
std::string printable(std::string_view text);
// At most `width` columns; longer text loses its middle to an ellipsis.
std::string shortened(std::string_view text, size_t width);

// ANSI styles, empty without color.
struct Style {
  explicit Style(bool color);
  std::string bold, dim, accent, warn, reset;
};

class TextGrid {
 public:
  enum class Align { kLeft, kRight };

  void column(std::string title, Align align) { columns_.push_back({std::move(title), align}); }
  // Cells as they are to be seen, made printable here.
  void row(std::vector<std::string> cells);
  // Each line indented by two; titles dim. Nothing when there are no rows.
  std::string text(const Style& style) const;

 private:
  struct Column {
    std::string title;
    Align align;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A bar of `width` columns, eighths of a block fine.
std::string bar(double share, size_t width);

// Breaks at spaces to lines of `width`, all but the first indented.
std::string wrapped(std::string_view text, size_t width, size_t indent);

}  // namespace thorong::report
