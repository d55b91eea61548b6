// SPDX-License-Identifier: Apache-2.0
// The views on a Result.
#pragma once

#include <span>
#include <string>

#include "thorong/base/result.h"
#include "thorong/report/result.h"

namespace thorong::report {

// The contract's JSON object of `thorong run --json`, one line, no trailing newline. Doubles print
// shortest round-trip.
std::string to_json(const Result& result);

// For a terminal: the answer in one line, then time, energy, cost, engines, the operators that cost
// most, what is not modelled, expected error. `color` uses ANSI codes.
std::string to_table(const Result& result, bool color);

// The shortest useful profile: the answer, how busy the engines were, what they waited for.
std::string to_brief(const Result& result, bool color);

// `thorong explain`: for each operator what the compiler chose, what bounds it, its roofline.
struct ExplainOptions {
  size_t most = 20;  // operators; 0: all
  bool program_order = false;
};
std::string to_explanation(const Result& result, const ExplainOptions& options, bool color);
std::string to_explanation_json(const Result& result, const ExplainOptions& options);

// `thorong compare`: one column a chip. baselines: extra text lines under the table.
std::string to_comparison_table(std::span<const Result> results, bool color);
std::string to_comparison_json(std::span<const Result> results);

// A self-contained page: no network at view time, charts by ECharts built in. Very long timelines
// are thinned to `max_events` bars at the lowest zoom level and say so.
std::string to_html(const Result& result);
std::string to_comparison_html(std::span<const Result> results);

// Chrome/Perfetto trace events (JSON): one process, one thread an engine, counters for memory
// occupancy.
std::string to_trace_json(const Result& result);

// Writes to_trace_json to `path`, gzip-compressed when the name ends in .gz; whole or not at all.
Status write_trace(const Result& result, const std::string& path);

// NumPy .npy file image of a tensor (version 1.0; bf16 and fp8 with ml_dtypes' descriptors as
// ml_dtypes/NumPy save them).
std::string to_npy(const ops::Tensor& tensor);
// Reads an .npy image; errors name what is wrong.
thorong::Result<ops::Tensor> parse_npy(std::span<const std::byte> bytes, const std::string& where);
// One member of an .npz (zip; stored or deflated). If the archive has one member `member` may be
// empty.
thorong::Result<ops::Tensor> parse_npz(std::span<const std::byte> bytes, const std::string& member,
                                       const std::string& where);

// Writes each output as DIR/NAME.npy (contract), sets Output::file; creates DIR; on error nothing
// new is left behind.
Status write_outputs(Result& result, const std::string& directory);
// The files that write_outputs would write, one an output.
std::vector<std::string> output_files(const std::vector<Output>& outputs,
                                      const std::string& directory);

}  // namespace thorong::report
