// SPDX-License-Identifier: Apache-2.0
// THORONG_CHECK: conditions that only a bug of ours can break. Input must never reach one; the
// fuzzers look for that.
#pragma once

#include <string>

namespace thorong {

// Reports the failed check on stderr and ends the process with status 70 (the command) or abort
// (tests, fuzzers).
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

// What check_failed does after printing: the command line sets exit(70), Python throws at its
// boundary, default abort.
using CheckHandler = void (*)(const std::string& text);
void set_check_handler(CheckHandler handler);

}  // namespace thorong

#define THORONG_CHECK(condition, message)                                                 \
  do {                                                                                    \
    if (!(condition)) ::thorong::check_failed(__FILE__, __LINE__, #condition, (message)); \
  } while (false)

#ifdef NDEBUG
#define THORONG_DCHECK(condition, message) ((void)0)
#else
#define THORONG_DCHECK(condition, message) THORONG_CHECK(condition, message)
#endif
