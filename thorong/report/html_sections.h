// SPDX-License-Identifier: Apache-2.0
// The sections of the page of one run, each complete without a script.
#pragma once

#include <string>

#include "thorong/report/result.h"

namespace thorong::report {

std::string cards_html(const Result& result);
std::string energy_by_component_html(const Result& result);
std::string engines_html(const Result& result);
// Operators by a figure of theirs, the 30 largest and the rest.
std::string operator_bars_html(const Result& result, double OperatorUse::*figure, const char* unit);
// A kernel's lines by energy: bars, and a table with the components.
std::string line_bars_html(const Result& result);
std::string energy_by_line_html(const Result& result);
// The operators that cost most; the script replaces it by a table of all that sorts and filters.
std::string operator_table_html(const Result& result);
std::string critical_path_html(const Result& result);
std::string waits_html(const Result& result);
std::string outputs_html(const Result& result);
std::string assumed_html(const Result& result);
std::string how_run_html(const Result& result);

}  // namespace thorong::report
