// SPDX-License-Identifier: Apache-2.0
// Checks that the blocks of a chip make a machine, like a compiler checks types: presence, figures,
// ports, each block's own rules, then the budgets. A later step runs only when the earlier ones
// found nothing, so that one mistake gives one message. Rules that concern one block type are in
// its file in chip/blocks/.
#include <map>
#include <set>
#include <string>
#include <utility>

#include "thorong/chip/block_spec.h"
#include "thorong/chip/loader.h"

namespace thorong::chip {
namespace {

class Checker {
 public:
  explicit Checker(const Chip& chip) : chip_(chip) {}

  std::vector<Status> run() {
    check_blocks();
    if (findings_.empty()) check_figures();
    if (findings_.empty()) check_ports();
    if (findings_.empty()) check_rules();
    if (findings_.empty()) check_budgets();
    return std::move(findings_);
  }

 private:
  void find(const std::string& message, int line, const std::string& file) {
    findings_.push_back(
        invalid_argument(message, line > 0 ? file + ":" + std::to_string(line) : file));
  }
  void find_in_block(const Block& block, const std::string& message) {
    find(message, block.line, file_of(block));
  }
  void find_in_figure(const Block& block, const std::string& key, const std::string& message) {
    const auto figure = block.parameters.find(key);
    if (figure == block.parameters.end()) return find_in_block(block, message);
    find(message, figure->second.line,
         figure->second.file.empty() ? chip_.file : figure->second.file);
  }

  // A block has no file of its own: it stands where most of its figures do.
  std::string file_of(const Block& block) const {
    std::map<std::string, int> figures;
    for (const auto& [key, figure] : block.parameters) ++figures[figure.file];
    std::string most = chip_.file;
    for (const auto& [file, count] : figures) {
      if (!file.empty() && count > figures[most]) most = file;
    }
    return most;
  }

  void check_blocks();
  void check_figures();
  void check_ports();
  void check_port(const Block& block, const PortSpec& port);
  void check_width(const Block& block, const PortSpec& port, const Block& target,
                   const PortSpec& offered);
  std::string offers(const std::string& kind) const;
  void check_rules();
  void check_budgets();

  const Chip& chip_;
  std::vector<Status> findings_;
};

void Checker::check_blocks() {
  std::set<std::string> names;
  for (const Block& block : chip_.blocks) {
    const BlockSpec* spec = find_block_spec(block.type);
    if (spec == nullptr) {
      find_in_block(block, "block '" + block.name + "' has the unknown type '" + block.type + "'");
    } else if (block.name != spec->role) {
      find_in_block(block, "a block of type " + block.type + " must be named '" + spec->role +
                               "', found '" + block.name +
                               "'; the machine model has one of each type");
    } else if (!names.insert(block.name).second) {
      find_in_block(block, "there are two blocks '" + block.name + "'; remove one");
    }
  }
  for (const BlockSpec& spec : block_specs()) {
    if (spec.required && names.count(spec.role) == 0) {
      find("lacks a block '" + spec.role + "' of type " + spec.type + " (" + spec.meaning +
               "); add it under blocks:",
           0, chip_.file);
    }
  }
}

void Checker::check_figures() {
  for (const Block& block : chip_.blocks) {
    const BlockSpec& spec = *find_block_spec(block.type);
    for (const ParameterSpec& parameter : spec.parameters) {
      const auto found = block.parameters.find(parameter.key);
      if (found == block.parameters.end()) {
        if (parameter.need == Need::kOptional) continue;
        find_in_block(block, "block '" + block.name + "' lacks " + parameter.key +
                                 (parameter.unit.empty() ? "" : " in " + parameter.unit) + " (" +
                                 parameter.meaning + ")");
        continue;
      }
      const std::string wrong = check_figure(parameter, found->second);
      if (!wrong.empty())
        find_in_figure(block, parameter.key, "'" + block.name + "." + parameter.key + "' " + wrong);
    }
    for (const auto& [key, figure] : block.parameters) {
      if (spec.find_parameter(key) == nullptr) {
        find_in_figure(block, key, "block '" + block.name + "' has no parameter '" + key + "'");
      }
    }
  }
}

void Checker::check_ports() {
  for (const Block& block : chip_.blocks) {
    const BlockSpec& spec = *find_block_spec(block.type);
    for (const PortSpec& port : spec.ports) {
      if (port.direction == Direction::kUses) check_port(block, port);
    }
    for (const auto& [name, target] : block.connections) {
      const PortSpec* port = spec.find_port(name);
      if (port == nullptr || port->direction == Direction::kOffers) {
        find_in_block(block, "block '" + block.name + "' has no port '" + name +
                                 "' to connect; remove the line");
      }
    }
  }
}

// The chip's ports of one kind as one would write them.
std::string Checker::offers(const std::string& kind) const {
  std::vector<std::string> names;
  for (const Block& block : chip_.blocks) {
    for (const PortSpec& port : find_block_spec(block.type)->ports) {
      if (port.direction == Direction::kOffers && port.kind == kind)
        names.push_back(block.name + "." + port.name);
    }
  }
  return names.empty() ? "offered by none of its blocks" : list_names(names);
}

void Checker::check_port(const Block& block, const PortSpec& port) {
  const std::string path = block.name + "." + port.name;
  const auto found = block.connections.find(port.name);
  if (found == block.connections.end()) {
    return find_in_block(block, "port '" + path + "' is not connected (" + port.meaning +
                                    "); add connect: {" + port.name + ": BLOCK.PORT} with a " +
                                    port.kind);
  }
  const size_t dot = found->second.find('.');
  const Block* target = chip_.find_block(found->second.substr(0, dot));
  const BlockSpec* target_spec = target == nullptr ? nullptr : find_block_spec(target->type);
  const PortSpec* offered = target_spec == nullptr || dot == std::string::npos
                                ? nullptr
                                : target_spec->find_port(found->second.substr(dot + 1));
  if (offered == nullptr || offered->direction == Direction::kUses) {
    return find_in_block(block, "port '" + path + "' is connected to '" + found->second +
                                    "', which no block offers; a " + port.kind + " is " +
                                    offers(port.kind));
  }
  if (offered->kind != port.kind) {
    return find_in_block(block, "port '" + path + "' needs a " + port.kind + ", but '" +
                                    found->second + "' is a " + offered->kind + "; connect it to " +
                                    offers(port.kind));
  }
  check_width(block, port, *target, *offered);
}

void Checker::check_width(const Block& block, const PortSpec& port, const Block& target,
                          const PortSpec& offered) {
  if (port.fit == Fit::kAny || port.width.empty() || offered.width.empty()) return;
  const double mine = parameter(block, port.width);
  const double theirs = parameter(target, offered.width);
  const bool fits = port.fit == Fit::kEqual ? mine == theirs : mine <= theirs;
  if (fits) return;
  const std::string mine_path = block.name + "." + port.width;
  const std::string their_path = target.name + "." + offered.width;
  find_in_figure(block, port.width,
                 mine_path + " is " + format_number(mine) + ", but " + their_path + " is " +
                     format_number(theirs) + "; " +
                     (port.fit == Fit::kEqual
                          ? "make them equal"
                          : "lower " + mine_path + " to at most " + format_number(theirs)));
}

void Checker::check_rules() {
  for (const Block& block : chip_.blocks) {
    const BlockSpec& spec = *find_block_spec(block.type);
    if (spec.rules == nullptr) continue;
    for (const Finding& finding : spec.rules(chip_, block)) {
      find_in_figure(block, finding.parameter, "'" + block.name + "' " + finding.message);
    }
  }
}

void Checker::check_budgets() {
  const Block& package = *chip_.find_block("package");
  const RollUp total = roll_up(chip_);
  if (total.static_w + total.peak_dynamic_w > kPowerMargin * total.power_budget_w) {
    find_in_figure(package, "power_budget_w",
                   "all arrays and the memory at full rate draw " +
                       format_number(total.static_w + total.peak_dynamic_w) + " W, more than " +
                       format_number(kPowerMargin) + " times package.power_budget_w of " +
                       format_number(total.power_budget_w) +
                       " W; raise the budget, or lower clocks, sizes or energies");
  }
  double area = 0;
  for (const Block& block : chip_.blocks) {
    area +=
        parameter(block, "area_mm2") * (find_block_spec(block.type)->per_core ? total.cores : 1);
  }
  const double die = chip_.value_or("package.die_mm2", 0);
  const double budget = chip_.value_or("package.area_budget_mm2", die);
  if (die > budget) {
    find_in_figure(package, "die_mm2",
                   "package.die_mm2 is " + format_number(die) +
                       ", more than package.area_budget_mm2 of " + format_number(budget) +
                       "; raise the budget or shrink the die");
  }
  if (budget > 0 && area > budget) {
    find_in_figure(package, "area_budget_mm2",
                   "the blocks take " + format_number(area) + " mm2 together, more than the " +
                       format_number(budget) + " mm2 of the package; raise package." +
                       (die > 0 && budget == die ? "die_mm2" : "area_budget_mm2") +
                       " or lower area_mm2 of the blocks");
  }
}

}  // namespace

std::vector<Status> verify(const Chip& chip) { return Checker(chip).run(); }

}  // namespace thorong::chip
