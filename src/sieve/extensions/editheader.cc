// editheader (RFC 5293): `addheader` and `deleteheader` change the header as later tests and
// actions see it. What a script may not touch stays: traces of the way (section 6), Auto-Submitted,
// and what the settings protect.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

bool is_among(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(
      names, [&](const std::string& one) { return equals_ignoring_case(one, name); });
}

// Scripts that mark the subject are what this extension is for: no setting takes it away.
bool is_subject(std::string_view name) {
  return equals_ignoring_case(name, "Subject");
}

bool may_add(const Settings& settings, std::string_view name) {
  return is_subject(name) || !is_among(settings.headers_protected, name);
}

bool may_delete(const Settings& settings, std::string_view name) {
  if (equals_ignoring_case(name, "Received") || equals_ignoring_case(name, "Auto-Submitted"))
    return false;
  return is_subject(name) ||
         (!is_among(settings.headers_protected, name) && !is_among(settings.headers_kept, name));
}

std::string why_no_value(std::string_view value, std::size_t size_max) {
  if (value.find('\0') != std::string_view::npos)
    return fmt::format("the value \"{}\" of a header field is invalid: it holds a NUL byte",
                       value.substr(0, std::min<std::size_t>(value.find('\0'), 40)));
  if (value.size() > size_max)
    return fmt::format("the value of a header field may have {} bytes, this one has {}", size_max,
                       value.size());
  return {};
}

std::string why_no_name(std::string_view name) {
  if (is_field_name(name)) return {};
  return fmt::format("the field name \"{}\" is invalid", name);
}

void check_add(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(checker.positional(node, 0)))
    if (const std::string why = why_no_name(name); !why.empty()) checker.fault(item.at, why);
  for (const std::string_view value : checker.constants(checker.positional(node, 1)))
    if (const std::string why = why_no_value(value, checker.settings().header_value_max);
        !why.empty())
      checker.fault(item.at, why);
}

void check_delete(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(checker.positional(node, 0)))
    if (const std::string why = why_no_name(name); !why.empty()) checker.fault(item.at, why);
  if (checker.matching(node).type->counts == MatchRow::Counts::yes)
    checker.fault(item.at,
                  "`deleteheader` looks at one field after another: `:count` has no "
                  "meaning here");
}

// One line: a stranger's text in a variable must not begin a field of its own. What is folded is
// unfolded (RFC 5322 section 2.2.3); other line ends become a blank.
std::string one_line(std::string_view value) {
  std::string line;
  bool is_behind_line_end = false;
  for (const char c : trim(value, " \t\r\n")) {
    if (c == '\r' || c == '\n') {
      is_behind_line_end = true;
      continue;
    }
    if (is_behind_line_end && c != ' ' && c != '\t') line += ' ';
    is_behind_line_end = false;
    line += c;
  }
  return line;
}

// Section 4.
Flow add(Run& run, const Call& call) {
  const std::string_view name = call.text(run, 0);
  const std::string_view value = call.text(run, 1);
  std::string why = why_no_name(name);
  if (why.empty()) why = why_no_value(value, run.settings().header_value_max);
  if (!why.empty()) return run.fail(std::move(why));
  if (!may_add(run.settings(), name)) return Flow::next;
  // The header is written and read anew.
  if (!run.spend(1 + run.message().header_size() / 64)) return Flow::failed;
  run.message().add(name, one_line(value),
                    call.has("last") ? MessageView::At::back : MessageView::At::front);
  return Flow::next;
}

// Section 5: of the fields of the name those that match, or all.
Flow remove(Run& run, const Call& call) {
  const std::string_view name = call.text(run, 0);
  if (std::string why = why_no_name(name); !why.empty()) return run.fail(std::move(why));
  if (!may_delete(run.settings(), name)) return Flow::next;
  MessageView& message = run.message();
  if (!run.spend(1 + message.header_size() / 64)) return Flow::failed;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < message.fields().size(); ++i)
    if (equals_ignoring_case(message.fields()[i].name, name)) places.push_back(i);
  std::vector<std::string> values = message.values(name);
  if (const Arg* index = call.tag("index")) {
    if (index->number == 0 || index->number > places.size()) return Flow::next;
    const std::size_t at = call.has("last") ? places.size() - index->number : index->number - 1;
    places = {places[at]};
    values = {values[at]};
  }
  if (call.arg(1).has_value) {
    std::vector<std::size_t> matching;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (Matcher(run, call, 1).value(values[i])) matching.push_back(places[i]);
    places = std::move(matching);
  }
  if (run.has_ended()) return Flow::failed;
  message.remove(places);
  return Flow::next;
}

}  // namespace

Extension editheader() {
  Extension row{
      .name = "editheader",
      .standard = "RFC 5293",
      .commands = {{.name = "addheader",
                    .arguments = {{"a field name", Kind::string}, {"a value", Kind::string}},
                    .run = add,
                    .check = check_add},
                   {.name = "deleteheader",
                    .arguments = {{"a field name", Kind::string}, {"patterns", Kind::list}},
                    .run = remove,
                    .check = check_delete,
                    .compares = Compares::yes,
                    .optional_last = 1}},
      .tags = {{.of = "addheader", .name = "last"}},
      .limits = "2048 bytes a value; Received and Auto-Submitted are never deleted"};
  add_index_tags(row, "deleteheader");
  return row;
}

}  // namespace posthorn::sieve::extension
