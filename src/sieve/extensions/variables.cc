// variables (RFC 5229): `set` with its modifiers, the test `string`. Their values and "${name}" are
// the run's (language/variables.cc).
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "sieve/extensions/modifiers.h"
#include "sieve/extensions/table.h"
#include "sieve/extensions/variable_names.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

std::string lower(std::string_view text, std::size_t /*size_max*/) {
  return to_lower(text);
}

std::string upper(std::string_view text, std::size_t /*size_max*/) {
  return to_upper(text);
}

std::string upper_first(std::string_view text, std::size_t /*size_max*/) {
  std::string out(text);
  if (!out.empty()) out.front() = to_upper(out.front());
  return out;
}

std::string lower_first(std::string_view text, std::size_t /*size_max*/) {
  std::string out(text);
  if (!out.empty()) out.front() = to_lower(out.front());
  return out;
}

// Section 4.1.3.
std::string quote_wildcards(std::string_view text, std::size_t size_max) {
  std::string out;
  for (const char c : text) {
    const bool is_quoted = c == '*' || c == '?' || c == '\\';
    if (out.size() + (is_quoted ? 2 : 1) > size_max) break;  // no half of a quotation
    if (is_quoted) out += '\\';
    out += c;
  }
  return out;
}

// Section 4.1.4: characters, not octets.
std::string length_of(std::string_view text, std::size_t /*size_max*/) {
  std::size_t letters = 0;
  while (!text.empty()) {
    text.remove_prefix(std::max<std::size_t>(1, utf8_length(text)));
    ++letters;
  }
  return std::to_string(letters);
}

// Section 4: the name is a constant.
void check_set(Checker& checker, Node& node, const syntax::Item& item) {
  const Text& name = checker.program().strings[checker.positional(node, 0).first];
  if (!checker.constant(name)) {
    checker.fault(item.at,
                  fmt::format("\"{}\" is no name of a variable", checker.program().text(name)));
  }
  check_variable_names(checker, node, item, 0);
  // For `global`, which must stand before (RFC 6609 section 3.4.1).
  std::string key = to_lower(checker.program().text(name));
  if (!checker.notes["global variables"].contains(key))
    checker.notes["own variables"].insert(std::move(key));
}

Flow set(Run& run, const Call& call) {
  std::string value = modified(run, call, std::string(call.text(run, 1)));
  const Text& name = call.program().strings[call.arg(0).first];
  return run.set_variable(call.program().text(name), std::move(value));
}

// Section 5. Of `:count` only those that are not empty count.
bool holds_string(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  const bool is_count = call.matching().type->counts == MatchRow::Counts::yes;
  for (const std::string_view text : call.list(run, 0))
    if ((!is_count || !text.empty()) && matcher.value(text)) return true;
  return matcher.finish();
}

// Section 4.1: two of one precedence exclude each other.
TagRow modifier(std::string_view name, int precedence, std::string_view group,
                std::string (*modify)(std::string_view text, std::size_t size_max)) {
  return {.of = "set extracttext",
          .name = name,
          .group = group,
          .modify = modify,
          .precedence = precedence};
}

}  // namespace

Extension variables() {
  return {
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
      .tags = {modifier("lower", 40, "case", lower), modifier("upper", 40, "case", upper),
               modifier("lowerfirst", 30, "first letter", lower_first),
               modifier("upperfirst", 30, "first letter", upper_first),
               modifier("quotewildcard", 20, "quoting", quote_wildcards),
               modifier("length", 10, "length", length_of)},
      .limits = "255 variables, 4000 bytes a value",
      .changes = Extension::Changes::strings};
}

}  // namespace posthorn::sieve::extension
