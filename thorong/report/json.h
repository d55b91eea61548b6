// SPDX-License-Identifier: Apache-2.0
// Pieces of the JSON view that the trace and the page use too.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "thorong/report/result.h"

namespace thorong::report {

// The object that to_json prints.
nlohmann::ordered_json result_json(const Result& result);

// One of its operators.
nlohmann::ordered_json operator_json(const OperatorUse& use);

// A JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_text(const std::string& text);

}  // namespace thorong::report
