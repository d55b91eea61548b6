// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/html_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "thorong/base/file.h"
#include "thorong/report/text_grid.h"

namespace thorong::report {

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_safe(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) word = (word << 8) | (j < left ? bytes[i + j] : 0u);
    for (size_t j = 0; j < 4; ++j) {
      out += j <= left ? kDigits[(word >> (18 - 6 * j)) & 63] : '=';
    }
  }
  return out;
}

std::string script_hash(std::string_view script) {
  const std::string hex = sha256_hex(std::as_bytes(std::span(script.data(), script.size())));
  auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<unsigned char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return "'sha256-" + base64(bytes) + "'";
}

std::string color_class(std::string_view name) {
  constexpr std::array<std::string_view, 14> kKnown = {
      "tensor", "vector",       "scalar", "gpsimd",    "sbuf",       "psum", "hbm",
      "dma",    "instructions", "static", "host_link", "dependency", "host", "sync"};
  if (name.starts_with("dma")) name = "dma";
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) return "c-other";
  return "c-" + std::string(name);
}

std::string bar_chart(std::span<const BarRow> rows) {
  std::string out = "<div class=\"bars\">\n";
  for (const BarRow& row : rows) {
    const double share = std::isfinite(row.share) ? std::clamp(row.share, 0.0, 1.0) : 0;
    out += fmt::format(
        "<div class=\"bar\"><span class=\"label\" title=\"{0}\"><bdi>{0}</bdi>{1}</span><span "
        "class=\"track\">{2}</span><span class=\"value\">{3}{4}</span></div>\n",
        escaped(row.label), row.note.empty() ? "" : "<small>" + escaped(row.note) + "</small>",
        share > 0
            ? fmt::format("<i class=\"{}\" style=\"width:{:.2f}%\"></i>", row.color, share * 100)
            : "",
        escaped(row.value), row.extra.empty() ? "" : "<small>" + escaped(row.extra) + "</small>");
  }
  return out + "</div>\n";
}

std::string section_html(std::string_view id, std::string_view title, std::string_view remark,
                         std::string_view body, std::string_view css_class) {
  return fmt::format(
      "<section id=\"{}\" class=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", id, css_class, title,
      remark.empty() ? "" : fmt::format("<p class=\"remark\">{}</p>\n", remark), body);
}

std::string list_html(const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string out = "<ul>\n";
  for (const std::string& line : lines) out += "<li>" + escaped(line) + "</li>\n";
  return out + "</ul>\n";
}

}  // namespace thorong::report
