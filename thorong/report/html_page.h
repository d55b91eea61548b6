// SPDX-License-Identifier: Apache-2.0
// The frame of a page: head with its security policy, header line, body, data and script.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thorong::report {

// Of a page without interaction: says that it is there.
inline constexpr std::string_view kReadyScript =
    "document.documentElement.setAttribute('data-thorong-ready','true')";

struct Page {
  std::string title;                                           // plain text, escaped by the frame
  std::string eyebrow;                                         // HTML above the title
  std::string body;                                            // HTML
  std::vector<std::pair<std::string_view, std::string>> data;  // id and JSON
  std::string_view script;
  std::string_view version;
};

std::string page_html(const Page& page);

}  // namespace thorong::report
