// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/html_page.h"

#include <fmt/format.h>

#include "thorong/report/embedded.h"
#include "thorong/report/html_text.h"

namespace thorong::report {
namespace {

// Three ridges: Thorong La is a pass.
constexpr std::string_view kMark =
    "<svg class=\"mark\" viewBox=\"0 0 32 32\" aria-hidden=\"true\"><path d=\"M2 26 11 9l5 8 4-6 "
    "10 15z\" "
    "opacity=\".35\"/><path d=\"M2 26l7-9 5 6 5-9 11 12z\"/></svg>";

}  // namespace

std::string page_html(const Page& page) {
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {}; "
      "style-src "
      "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n",
      script_hash(page.script));
  out +=
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" "
      "content=\"thorong " +
      escaped(page.version) + "\">\n<title>" + escaped(page.title) + "</title>\n<style>\n";
  out += page_style();
  out += "</style>\n</head>\n<body>\n<header>\n<p class=\"eyebrow\">";
  out += kMark;
  out += page.eyebrow + "</p>\n<h1>" + escaped(page.title) + "</h1>\n</header>\n<main>\n" +
         page.body + "</main>\n<footer>Made by Thorong " + escaped(page.version) +
         ". Figures are predictions of a model of the chip, not measurements.</footer>\n";
  for (const auto& [id, json] : page.data) {
    out += fmt::format("<script id=\"{}\" type=\"application/json\">", id);
    out += script_safe(json);
    out += "</script>\n";
  }
  out += "<script>";
  out += page.script;
  return out + "</script>\n</body>\n</html>\n";
}

}  // namespace thorong::report
