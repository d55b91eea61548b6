// SPDX-License-Identifier: Apache-2.0
// Figures and names as people read them: "1.84 ms", "3.2 mJ", "$0.11"; shared by the table and the
// page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "thorong/report/result.h"

namespace thorong::report {

// Three significant digits and an SI prefix: human(0.00184, "s") is "1.84 ms". NaN and infinity
// print as "n/a".
std::string human(double value, std::string_view unit);
// Powers of 1024: "16 GiB".
std::string human_bytes(int64_t bytes);
// "1,234,567".
std::string grouped(int64_t value);
// Three significant digits without a prefix, grouped above 999: "1,087", "12.3".
std::string plain(double value);
// "$0.0812", "$1,234"; enough digits that small prices do not read as zero.
std::string dollars(double usd);
// "63 %", "0.4 %" from a share of one.
std::string percent(double share);

// The file's name without folders and ending: "resnet50" from "/models/resnet50.onnx".
std::string model_name(const Result& result);
std::string chip_name(const Result& result);
// The answer in one sentence: "resnet50 on AWS Trainium1: 1.84 ms a run, 110 mJ, $0.08 per
// million."
std::string headline(const Result& result);
// Why the cost is unknown, as a sentence; empty when all of it is known.
std::string cost_reason(const Cost& cost);
// "trn1.2xlarge, $1.34 an hour, on demand"; what is known of it.
std::string cost_basis(const Cost& cost);
// "half of comparable predictions are within 12 %, nine in ten within 30 % (9 measured rows,
// latency)"
std::string expected_error_text(const ExpectedError& error);

// What the user gave in place of the chip's figures and what that did: "tensor.min_issue_cycles:
// 128 cycles in place of 64 cycles (assumed)" for each, then the time on the device with either.
std::vector<std::string> assumption_texts(const Result& result);

// Sum of the operators' times; they may overlap, so it can exceed device_s.
double operators_time(const Result& result);

}  // namespace thorong::report
