// SPDX-License-Identifier: Apache-2.0
// Values of ONNX that are no tensors: sequences, absent optionals and strings. They exist only
// while a model is imported. A name of the model stands for a ValueId; ids from kFirstObject
// downwards are objects, so that rules pass both on alike.
#pragma once

#include <utility>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/ops/graph.h"
#include "thorong/ops/structure.h"

namespace thorong::onnx {

inline constexpr ops::ValueId kFirstObject = -2;  // -1 is an absent operand
inline bool is_object(ops::ValueId id) { return id <= kFirstObject; }

struct Object {
  ops::Structure::Kind kind = ops::Structure::Kind::kAbsent;
  std::vector<ops::ValueId> items;  // of a sequence: tensors or objects
  ops::Text text;
};

class Objects {
 public:
  explicit Objects(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Error: all objects together, which are kept until the end, would be too large.
  Result<ops::ValueId> add(Object object) {
    size_t bytes = sizeof(Object) + object.items.size() * sizeof(ops::ValueId);
    for (const std::string& text : object.text.strings) bytes += sizeof(text) + text.size();
    if (bytes > most_bytes_ - bytes_) return too_large();
    bytes_ += bytes;
    objects_.push_back(std::move(object));
    return kFirstObject - static_cast<ops::ValueId>(objects_.size() - 1);
  }
  Result<ops::ValueId> add_sequence(std::vector<ops::ValueId> items) {
    return add({ops::Structure::Kind::kSequence, std::move(items), {}});
  }
  Result<ops::ValueId> add_text(ops::Text text) {
    return add({ops::Structure::Kind::kText, {}, std::move(text)});
  }
  Result<ops::ValueId> add_absent() { return add({}); }
  // Whether there is room for so many strings of that length, before they are made.
  Status check_strings(int64_t count, size_t length) const {
    const size_t each = sizeof(std::string) + length;
    return static_cast<size_t>(count) <= (most_bytes_ - bytes_) / each ? ok_status() : too_large();
  }
  const Object& get(ops::ValueId id) const {
    return objects_[static_cast<size_t>(kFirstObject - id)];
  }

 private:
  Status too_large() const {
    return resource_exhausted("the sequences and strings of the model take more than " +
                              std::to_string(most_bytes_ >> 20) +
                              " MiB, which are not done. Shorten them, or its loops.");
  }

  size_t most_bytes_;
  std::vector<Object> objects_;
  size_t bytes_ = 0;
};

}  // namespace thorong::onnx
