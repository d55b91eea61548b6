// SPDX-License-Identifier: Apache-2.0
// Building blocks of the page: escaping, bars, tables. Every string that a user or a model gave
// passes escaped().
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/report/result.h"

namespace thorong::report {

// Safe as text and inside a quoted attribute; control characters and broken UTF-8 replaced.
std::string escaped(std::string_view text);
// JSON safe inside a <script> element: '<' cannot end it.
std::string script_safe(std::string_view json);
std::string base64(std::span<const unsigned char> bytes);
// A Content-Security-Policy source for exactly this inline script: 'sha256-...'.
std::string script_hash(std::string_view script);

// A class name for the color of an engine, component or bound: "c-tensor"; unknown names give
// "c-other".
std::string color_class(std::string_view name);

// One row of a bar chart made of HTML: label, bar, value.
struct BarRow {
  std::string label, note;   // the note is smaller, after the label
  double share = 0;          // of the longest bar
  std::string value, extra;  // the extra is dim, after the value
  std::string color;         // color_class
};
std::string bar_chart(std::span<const BarRow> rows);

// <section id=ID> with a heading and a remark under it; body and remark are HTML.
std::string section_html(std::string_view id, std::string_view title, std::string_view remark,
                         std::string_view body, std::string_view css_class = {});

// A <ul>; empty text for no lines.
std::string list_html(const std::vector<std::string>& lines);

}  // namespace thorong::report
