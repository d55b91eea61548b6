// SPDX-License-Identifier: Apache-2.0
// The page's style sheet and script, from web/. The script is empty where npm was missing when
// Thorong was built.
#pragma once

#include <string_view>

namespace thorong::report {

std::string_view page_style();
std::string_view page_script();

}  // namespace thorong::report
