// SPDX-License-Identifier: Apache-2.0
// The assembler takes the files in as they are, which costs no compile time. CMake gives their
// paths.
#include "thorong/report/embedded.h"

#include <cstddef>

#define THORONG_EMBED(symbol, path)                                             \
  __asm__(                                                                      \
      ".pushsection .rodata\n"                                                  \
      ".hidden " #symbol "\n.global " #symbol "\n" #symbol ":\n.incbin \"" path \
      "\"\n"                                                                    \
      ".hidden " #symbol "_end\n.global " #symbol "_end\n" #symbol              \
      "_end:\n.byte 0\n.popsection\n")

THORONG_EMBED(thorong_page_style, THORONG_PAGE_STYLE);
THORONG_EMBED(thorong_page_script, THORONG_PAGE_SCRIPT);

extern "C" {
__attribute__((visibility("hidden"))) extern const char thorong_page_style[];
__attribute__((visibility("hidden"))) extern const char thorong_page_style_end[];
__attribute__((visibility("hidden"))) extern const char thorong_page_script[];
__attribute__((visibility("hidden"))) extern const char thorong_page_script_end[];
}

namespace thorong::report {

std::string_view page_style() {
  return {thorong_page_style, static_cast<size_t>(thorong_page_style_end - thorong_page_style)};
}

std::string_view page_script() {
  return {thorong_page_script, static_cast<size_t>(thorong_page_script_end - thorong_page_script)};
}

}  // namespace thorong::report
