// extracttext (RFC 5703 section 7): the text of the part that a loop is at, into a variable.
#include <algorithm>

#include "base/utf8.h"
#include "sieve/extensions/modifiers.h"
#include "sieve/extensions/part_text.h"
#include "sieve/extensions/table.h"
#include "sieve/extensions/variable_names.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.loops.empty())
    checker.fault(item.at, "`extracttext` stands outside of every loop of `foreverypart`");
  const Text& name = checker.program().strings[checker.positional(node, 0).first];
  if (!checker.constant(name))
    checker.fault(item.at, "the name of a variable is written as it is, with no variable in it");
  check_variable_names(checker, node, item, 0);
}

// So many letters.
std::string_view first_letters(std::string_view text, std::uint64_t letters) {
  std::size_t at = 0;
  for (; letters > 0 && at < text.size(); --letters)
    at += std::max<std::size_t>(1, utf8_length(text.substr(at)));
  return text.substr(0, std::min(at, text.size()));
}

// What is no text is empty.
Flow extract(Run& run, const Call& call) {
  const auto& parts = run.message().all_parts();
  const auto wire = run.ask(run.message().text());
  if (run.has_ended()) return Flow::failed;
  std::string value;
  if (run.part() < parts.size()) {
    const message::Part& part = *parts[run.part()].part;
    if (!run.spend(1 + (part.body_end - part.body_begin) / 256)) return Flow::failed;
    if (!part.is_multipart() && !part.is_message()) value = readable_text(part, wire).value_or("");
  }
  if (const Arg* first = call.tag("first")) value = first_letters(value, first->number);
  return run.set_variable(call.text(run, 0), modified(run, call, std::move(value)));
}

}  // namespace

Extension extracttext() {
  return {.name = "extracttext",
          .standard = "RFC 5703 section 7",
          .commands = {{.name = "extracttext",
                        .arguments = {{"a variable's name", Kind::string}},
                        .run = extract,
                        .check = check}},
          .tags = {{.of = "extracttext", .name = "first", .argument = Kind::number}},
          .limits = "as long as a variable may be",
          .needs = {"foreverypart", "variables"}};
}

}  // namespace posthorn::sieve::extension
