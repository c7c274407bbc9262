// include (RFC 6609): scripts within scripts, `return`, and variables that they share. What is
// included is compiled with what includes it: a cycle, a depth or a number beyond the bounds is a
// fault of the script.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/ascii.h"
#include "base/utf8.h"
#include "sieve/extensions/table.h"
#include "sieve/extensions/variable_names.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 5804 section 1.6: no control characters, no separators of lines, and no `/`.
bool is_script_name(std::string_view name) {
  if (name.empty() || name.size() > 512 || !is_utf8(name) || name.find('/') != name.npos)
    return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7F) return false;
    const auto next = i + 1 < name.size() ? static_cast<unsigned char>(name[i + 1]) : 0U;
    if (c == 0xC2 && next < 0xA0) return false;  // U+0080 to U+009F
    if (const auto three = name.substr(i, 3); three == "\xE2\x80\xA8" || three == "\xE2\x80\xA9")
      return false;  // U+2028, U+2029
  }
  return true;
}

struct Include {
  Location location;
  std::string name;
  std::string key() const {
    return (location == Location::global ? "global " : "personal ") + name;
  }
};

// Compiles it, or takes what was compiled before; nullptr: a fault was told.
ProgramPtr compiled(Checker& checker, Position at, const Include& wanted, std::string_view text) {
  const std::string key = wanted.key();
  const std::string& name = wanted.name;
  Includes& includes = checker.includes();
  if (const auto done = includes.done.find(key); done != includes.done.end()) {
    if (!done->second) checker.fault(at, fmt::format("the included script `{}` has faults", name));
    return done->second;
  }
  const CompileSettings& settings = checker.settings();
  if (includes.open.size() >= settings.include_depth_max) {
    checker.fault(
        at, fmt::format("scripts include one another {} deep at most", settings.include_depth_max));
    return nullptr;
  }
  if (includes.done.size() + includes.open.size() >= settings.includes_max) {
    checker.fault(at, fmt::format("a script may include {} others", settings.includes_max));
    return nullptr;
  }
  CompileSettings theirs = settings;
  theirs.name = settings.name_script ? settings.name_script(wanted.location, name) : name;
  includes.open.push_back(key);
  CompileResult result = Checker(checker.language(), theirs, includes).compile(text);
  includes.open.pop_back();
  for (const Fault& fault : result.faults)
    checker.fault(at, fmt::format("`{}`, line {}: {}", name, fault.line, fault.text));
  for (const Fault& doubt : result.warnings)
    checker.warn(at, fmt::format("`{}`, line {}: {}", name, doubt.line, doubt.text));
  if (!result.program) checker.fault(at, fmt::format("the included script `{}` has faults", name));
  includes.done[key] = result.program;
  return result.program;
}

// Section 3.1. node.extra: which of the program's included ones, from 1; 0: none.
void check_include(Checker& checker, Node& node, const syntax::Item& item) {
  const Text& written = checker.program().strings[checker.positional(node, 0).first];
  const std::string name(checker.program().text(written));
  if (!checker.constant(written) || !is_script_name(name))
    return checker.fault(item.at, fmt::format("\"{}\" is no name of a script", name));
  const bool is_global = checker.find_tag(node, "global") != nullptr;
  const Include wanted{is_global ? Location::global : Location::personal, name};
  const std::string key = wanted.key();
  if (std::ranges::find(checker.includes().open, key) != checker.includes().open.end()) {
    // Section 3.2: with `:once` it is there already.
    if (checker.find_tag(node, "once") == nullptr)
      checker.fault(item.at, fmt::format("`{}` includes itself", name));
    return;
  }
  const auto text = checker.settings().find_script
                        ? checker.settings().find_script(wanted.location, name)
                        : std::nullopt;
  if (!text) {
    if (checker.find_tag(node, "optional") == nullptr)
      checker.fault(item.at, fmt::format("there is no {}script `{}` to include",
                                         is_global ? "global " : "", name));
    return;
  }
  ProgramPtr program = compiled(checker, item.at, wanted, *text);
  if (!program) return;
  checker.program().included.push_back(std::move(program));
  node.extra = static_cast<std::uint32_t>(checker.program().included.size());
}

struct Included {
  std::set<const Program*> programs;
};

Flow include_command(Run& run, const Call& call) {
  if (call.node().extra == 0) return Flow::next;
  const Program* program = call.program().included[call.node().extra - 1].get();
  const bool is_new = run.state<Included>().programs.insert(program).second;
  if (call.has("once") && !is_new) return Flow::next;
  return run.script(*program);
}

// Section 3.3: the script ends, what included it goes on.
Flow return_command(Run& /*run*/, const Call& /*call*/) {
  return Flow::returned;
}

// Section 3.4.1: not what is a variable of the script already.
void check_global(Checker& checker, Node& node, const syntax::Item& item) {
  if (!checker.has("variables"))
    return checker.fault(item.at, "`global` needs `require [\"variables\"]`");
  const Arg& names = checker.positional(node, 0);
  if (checker.constants(names).size() != names.count)
    return checker.fault(item.at, "the names of `global` hold no variables themselves");
  for (const std::string_view name : checker.constants(names)) {
    if (!is_variable_name(name))
      checker.fault(item.at, fmt::format("\"{}\" is no name of a variable", name));
    if (checker.notes["own variables"].contains(to_lower(name)))
      checker.fault(item.at, fmt::format("`{}` is a variable of this script already: `global` "
                                         "stands before what sets it",
                                         name));
    checker.notes["global variables"].insert(to_lower(name));
  }
}

Flow global_command(Run& run, const Call& call) {
  for (const std::string_view name : call.list(run, 0)) run.share_variable(name);
  return Flow::next;
}

// Section 3.4.2: ${global.name}.
std::optional<std::string> find_global(Run& run, std::string_view name) {
  return std::string(run.shared_variable(name));
}

}  // namespace

Extension include() {
  return {.name = "include",
          .standard = "RFC 6609",
          .commands = {{.name = "include",
                        .arguments = {{"a script's name", Kind::string}},
                        .run = include_command,
                        .check = check_include},
                       {.name = "return", .run = return_command},
                       {.name = "global",
                        .arguments = {{"variables' names", Kind::list}},
                        .run = global_command,
                        .check = check_global}},
          .tags = {{.of = "include", .name = "personal", .group = "location"},
                   {.of = "include", .name = "global", .group = "location"},
                   {.of = "include", .name = "once"},
                   {.of = "include", .name = "optional"}},
          .namespaces = {{"global", find_global}},
          .limits = "255 scripts, 10 deep"};
}

}  // namespace posthorn::sieve::extension
