// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/text_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace thorong::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the valid UTF-8 sequence at the front, 0 if there is none; its code point.
size_t decode(std::string_view text, uint32_t& point) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    point = first;
    return 1;
  }
  const size_t length = first >= 0xF5   ? 0
                        : first >= 0xF0 ? 4
                        : first >= 0xE0 ? 3
                        : first >= 0xC2 ? 2
                                        : 0;
  if (length == 0 || text.size() < length) return 0;
  point = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return 0;
    point = (point << 6) | (next & 0x3Fu);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  return point < kLeast[length] || (point >= 0xD800 && point < 0xE000) || point > 0x10FFFF ? 0
                                                                                           : length;
}

// Controls of ASCII and Latin-1, and the marks that turn the direction of writing.
bool is_control(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200B && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) ||
         point == 0xFEFF;
}

size_t width_of(uint32_t point) {
  if (point >= 0x300 && point < 0x370) return 0;  // combining marks
  bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
              (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
              (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) ||
              (point >= 0x1F300 && point <= 0x1FAFF) || (point >= 0x20000 && point <= 0x3FFFD);
  return wide ? 2 : 1;
}

// The longest prefix of at most `width` columns.
std::string_view prefix(std::string_view text, size_t width) {
  size_t at = 0, used = 0;
  while (at < text.size()) {
    uint32_t point = 0;
    const size_t length = std::max<size_t>(1, decode(text.substr(at), point));
    used += width_of(point);
    if (used > width) break;
    at += length;
  }
  return text.substr(0, at);
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    uint32_t point = 0;
    const size_t length = decode(text, point);
    width += length == 0 ? 1 : width_of(point);
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    uint32_t point = 0;
    const size_t length = decode(text, point);
    if (length > 0 && !is_control(point)) {
      out += text.substr(0, length);
    } else if (point == '\t' || point == '\n' || point == '\r') {
      out += ' ';
    } else {
      out += kReplacement;
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out;
}

std::string shortened(std::string_view text, size_t width) {
  const size_t whole = display_width(text);
  if (whole <= width || width < 3) return std::string(text);
  const size_t head = (width - 1) / 2;
  std::string_view front = prefix(text, head);
  const size_t keep = width - 1 - head;
  std::string_view skipped = prefix(text, whole - keep);
  return std::string(front) + "…" + std::string(text.substr(skipped.size()));
}

Style::Style(bool color) {
  if (!color) return;
  bold = "\x1b[1m";
  dim = "\x1b[2m";
  accent = "\x1b[36m";
  warn = "\x1b[33m";
  reset = "\x1b[0m";
}

void TextGrid::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextGrid::text(const Style& style) const {
  if (rows_.empty()) return {};
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = display_width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
  }
  auto line = [&](const auto& cell_of) {
    std::string text(2, ' ');
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_of(c);
      const std::string space(widths[c] - display_width(cell), ' ');
      text += columns_[c].align == Align::kRight ? space + cell : cell + space;
      text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string out;
  bool titled =
      std::any_of(columns_.begin(), columns_.end(), [](auto& c) { return !c.title.empty(); });
  if (titled) {
    out += style.dim + line([&](size_t c) -> const std::string& { return columns_[c].title; }) +
           style.reset + "\n";
  }
  for (const auto& row : rows_) {
    out += line([&](size_t c) -> const std::string& { return row[c]; }) + "\n";
  }
  return out;
}

std::string bar(double share, size_t width) {
  constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (!(share > 0)) return {};
  const auto eighths =
      static_cast<size_t>(std::lround(std::min(share, 1.0) * static_cast<double>(width) * 8));
  std::string text;
  for (size_t i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[eighths % 8];
  return text.empty() ? "▏" : text;
}

std::string wrapped(std::string_view text, size_t width, size_t indent) {
  std::string out;
  size_t used = 0;
  while (!text.empty()) {
    size_t space = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    const size_t size = display_width(word);
    if (used > 0 && used + 1 + size > width) {
      out += '\n';
      out.append(indent, ' ');
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += size;
  }
  return out;
}

}  // namespace thorong::report
