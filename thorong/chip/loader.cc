// SPDX-License-Identifier: Apache-2.0
// Finds chip files, follows `base:` and checks the result. Text becomes a tree in yaml_tree.cc, the
// tree a chip in chip_reader.cc, and verify.cc has the last word.
#include "thorong/chip/loader.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "thorong/base/file.h"
#include "thorong/chip/block_spec.h"
#include "thorong/chip/chip_reader.h"
#include "thorong/chip/yaml_tree.h"

namespace thorong::chip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBases = 8;

std::mutex folder_mutex;
std::string folder_override;  // NOLINT: set once at start by the Python package

bool is_yaml_path(const std::string& text) {
  return text.ends_with(".yaml") || text.ends_with(".yml");
}

bool holds_chips(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "trainium1.yaml", ignored);
}

// The files on the way from the file that was asked for to its outermost base.
struct Walk {
  bool files_allowed = true;
  std::vector<std::string> chain;
};

Result<std::string> read_chip_file(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    return not_found("there is no such chip file; give a path to a .yaml file or a chip's name",
                     path);
  if (!fs::is_regular_file(path, error)) return invalid_argument("is not a regular file", path);
  const uintmax_t size = fs::file_size(path, error);
  if (!error && size > kMaxChipFileBytes) {
    return invalid_argument("has " + std::to_string(size) + " bytes; a chip file has at most " +
                                std::to_string(kMaxChipFileBytes),
                            path);
  }
  return read_text_file(path);
}

// The shipped chip whose instances are called so ("trn1", "trn1.2xlarge"); empty if none is.
std::string chip_of_instances(const std::string& name, const std::vector<std::string>& shipped) {
  if (name.empty()) return "";
  for (const std::string& candidate : shipped) {
    const Result<Chip> chip = load(candidate);
    if (!chip.ok()) continue;
    for (const Instance& instance : chip->instances) {
      const std::string family = instance.name.substr(0, instance.name.find_first_of(". "));
      if (name == instance.name || name == family) return candidate;
    }
  }
  return "";
}

Status unknown_chip(const std::string& name) {
  const std::vector<std::string> shipped = shipped_chips();
  const std::string have =
      shipped.empty()
          ? "No chips were found in " + chips_folder() + "; set THORONG_CHIPS to their folder"
          : "Shipped: " + list_names(shipped) + "; a file's name must end in .yaml";
  const std::string chip = chip_of_instances(name, shipped);
  const std::string hint = chip.empty()
                               ? did_you_mean(name, shipped)
                               : ", but instances with the chip '" + chip + "'; give that name.";
  return not_found("there is no chip '" + name.substr(0, 60) + "'" +
                   (hint.empty() ? ". " : hint + " ") + have);
}

Result<std::string> shipped_path(const std::string& name) {
  const std::vector<std::string> shipped = shipped_chips();
  if (std::find(shipped.begin(), shipped.end(), name) == shipped.end()) return unknown_chip(name);
  return (fs::path(chips_folder()) / (name + ".yaml")).string();
}

// The same file by any spelling has one identity.
std::string identity(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

Result<std::string> base_path(const std::string& base, const std::string& where,
                              bool files_allowed) {
  if (!is_yaml_path(base)) return shipped_path(base);
  if (!files_allowed)
    return invalid_argument("base '" + base.substr(0, 60) +
                            "' is a file; only shipped chips are allowed here");
  const fs::path path(base);
  return path.is_absolute() ? base : (fs::path(where).parent_path() / path).string();
}

Result<Chip> build(std::string_view yaml, const std::string& where, Walk& walk);

Result<Chip> build_base(const YamlNode& node, const std::string& where, Walk& walk) {
  const std::string here = place(where, node.line, node.column);
  const Result<std::string> path = base_path(node.text, where, walk.files_allowed);
  if (!path.ok()) return path.status().at(here);
  const std::string id = identity(*path);
  if (std::find(walk.chain.begin(), walk.chain.end(), id) != walk.chain.end()) {
    return invalid_argument("base leads back to '" + *path + "'; a chip cannot be its own base",
                            here);
  }
  if (walk.chain.size() > kMaxBases) {
    return invalid_argument(
        "more than " + std::to_string(kMaxBases) + " bases on top of each other", here);
  }
  walk.chain.push_back(id);
  const Result<std::string> text = read_chip_file(*path);
  if (!text.ok()) return text.status().at(here);
  return build(*text, *path, walk);
}

Result<Chip> build(std::string_view yaml, const std::string& where, Walk& walk) {
  THORONG_TRY(const YamlNode root, parse_yaml(yaml, where));
  THORONG_TRY(const YamlNode* base, find_base(root, where));
  Chip chip;
  if (base != nullptr) {
    THORONG_TRY(chip, build_base(*base, where, walk));
  }
  THORONG_RETURN_IF_ERROR(read_chip(root, where, base != nullptr, chip));
  return chip;
}

Result<Chip> verified(Chip chip) {
  const std::vector<Status> findings = verify(chip);
  if (findings.empty()) return chip;
  if (findings.size() == 1) return findings[0];
  return Status(findings[0].code(),
                findings[0].message() + " (and " + std::to_string(findings.size() - 1) + " more)",
                findings[0].where());
}

Result<Chip> build_verified(std::string_view yaml, const std::string& where, Walk walk) {
  THORONG_TRY(Chip chip, build(yaml, where, walk));
  return verified(std::move(chip));
}

// Files that were read before, by path and text: a script may launch a kernel a thousand times. Not
// those with a base, which may have changed.
class KnownChips {
 public:
  Result<Chip> build(const std::string& text, const std::string& path) {
    if (auto known = find(text, path)) return *known;
    Walk walk{.files_allowed = true, .chain = {identity(path)}};
    THORONG_TRY(Chip chip, chip::build(text, path, walk));
    THORONG_TRY(chip, verified(std::move(chip)));
    if (walk.chain.size() == 1) keep({path, text, std::make_shared<const Chip>(chip)});
    return chip;
  }

 private:
  struct Known {
    std::string path, text;
    std::shared_ptr<const Chip> chip;
  };
  std::shared_ptr<const Chip> find(const std::string& text, const std::string& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Known& known : known_) {
      if (known.path == path && known.text == text) return known.chip;
    }
    return nullptr;
  }
  void keep(Known known) {
    constexpr size_t kMost = 8;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (known_.size() == kMost) known_.erase(known_.begin());
    known_.push_back(std::move(known));
  }

  std::mutex mutex_;
  std::vector<Known> known_;
};

}  // namespace

void set_chips_folder(std::string folder) {
  const std::lock_guard<std::mutex> lock(folder_mutex);
  folder_override = std::move(folder);
}

std::string chips_folder() {
  {
    const std::lock_guard<std::mutex> lock(folder_mutex);
    if (!folder_override.empty()) return folder_override;
  }
  if (const char* chosen = std::getenv("THORONG_CHIPS"); chosen != nullptr && *chosen != '\0')
    return chosen;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* relative : {"../share/thorong/chips", "../../chips"}) {
      const fs::path folder = (program.parent_path() / relative).lexically_normal();
      if (holds_chips(folder)) return folder.string();
    }
  }
  return THORONG_SOURCE_DIR "/chips";
}

std::vector<std::string> shipped_chips() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(chips_folder(), error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".yaml") names.push_back(entry->path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Chip> load(const std::string& name_or_path, std::span<const Assumption> assumptions) {
  std::string path = name_or_path;
  if (!is_yaml_path(name_or_path)) {
    THORONG_TRY(path, shipped_path(name_or_path));
  }
  THORONG_TRY(const std::string text, read_chip_file(path));
  static KnownChips known;
  THORONG_TRY(Chip chip, known.build(text, path));
  // A copy of a shipped file that was changed is another chip, whatever name it still states.
  const fs::path shipped = fs::path(chips_folder()) / (chip.name + ".yaml");
  std::error_code error;
  if (fs::exists(shipped, error) && identity(shipped.string()) != identity(path))
    chip.name = fs::path(path).stem().string();
  if (assumptions.empty()) return chip;
  THORONG_RETURN_IF_ERROR(assume(assumptions, chip));
  Result<Chip> checked = verified(std::move(chip));
  if (checked.ok()) return checked;
  const Status& wrong = checked.status();
  return Status(wrong.code(),
                wrong.message() +
                    ". The chip fits together without what is assumed: assume more, or "
                    "something else",
                wrong.where());
}

Result<Chip> parse(std::string_view yaml, const std::string& where, bool allow_base_files) {
  Walk walk{.files_allowed = allow_base_files, .chain = {}};
  if (allow_base_files) walk.chain.push_back(identity(where));
  return build_verified(yaml, where, std::move(walk));
}

}  // namespace thorong::chip
