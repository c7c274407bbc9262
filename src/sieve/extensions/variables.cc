// variables (RFC 5229): `set` with its modifiers, the test `string`. Their values and "${name}" are
// the run's (language/variables.cc).
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Section 4.1, in the order of their precedence.
struct Modifier {
  std::string_view name;
  std::string_view group;
  std::string (*change)(std::string_view text);
};

std::string upper_first(std::string_view text) {
  std::string out(text);
  if (!out.empty()) out.front() = to_upper(out.front());
  return out;
}

std::string lower_first(std::string_view text) {
  std::string out(text);
  if (!out.empty()) out.front() = to_lower(out.front());
  return out;
}

// Section 4.1.3.
std::string quote_wildcards(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Section 4.1.4: characters, not octets.
std::string length_of(std::string_view text) {
  std::size_t letters = 0;
  while (!text.empty()) {
    text.remove_prefix(std::max<std::size_t>(1, utf8_length(text)));
    ++letters;
  }
  return std::to_string(letters);
}

constexpr Modifier kModifiers[] = {
    {"lower", "case", [](std::string_view text) { return to_lower(text); }},
    {"upper", "case", [](std::string_view text) { return to_upper(text); }},
    {"lowerfirst", "first letter", lower_first},
    {"upperfirst", "first letter", upper_first},
    {"quotewildcard", "quoting", quote_wildcards},
    {"length", "length", length_of}};

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; };
  return !name.empty() && (is_letter(name.front()) || name.front() == '_') &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || c == '_' || (c >= '0' && c <= '9'); });
}

// Section 4: the name is a constant.
void check_set(Checker& checker, Node& node, const syntax::Item& item) {
  const Arg& arg = checker.positional(node, 0);
  const std::string_view name = checker.program().text(checker.program().strings[arg.first]);
  const bool is_global = name.size() > 7 && equals_ignoring_case(name.substr(0, 7), "global.") &&
                         checker.has("include") && is_variable_name(name.substr(7));
  if (!is_global && !is_variable_name(name))
    checker.fault(item.at, fmt::format("\"{}\" is no name of a variable", name));
  if (name.size() > 64) checker.fault(item.at, "the name of a variable has at most 64 letters");
}

Flow set(Run& run, const Call& call) {
  std::string value(call.text(run, 1));
  for (const Modifier& modifier : kModifiers)
    if (call.has(modifier.name)) value = modifier.change(value);
  const Text& name = call.program().strings[call.arg(0).first];
  return run.set_variable(call.program().text(name), std::move(value));
}

// Section 5. Of `:count` only those that are not empty count.
bool holds_string(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  const bool is_count = call.node().matching.type->counts == MatchRow::Counts::yes;
  for (const std::string_view text : call.list(run, 0))
    if ((!is_count || !text.empty()) && matcher.value(text)) return true;
  return matcher.finish();
}

}  // namespace

Extension variables() {
  Extension row{
      .name = "variables",
      .standard = "RFC 5229",
      .commands = {{.name = "set",
                    .arguments = {{"a variable's name", Kind::string}, {"a value", Kind::string}},
                    .run = set,
                    .check = check_set}},
      .tests = {{.name = "string",
                 .arguments = {{"texts", Kind::list}, {"keys", Kind::list}},
                 .run = holds_string,
                 .compares = TestRow::Compares::yes}},
      .limits = "255 variables, 4000 bytes a value"};
  for (const Modifier& modifier : kModifiers)
    row.tags.push_back({.of = "set", .name = modifier.name, .group = modifier.group});
  return row;
}

}  // namespace posthorn::sieve::extension
