// replace (RFC 5703 section 5): a text in the place of the part that a loop is at, or of the whole
// message. Fields that say nothing of the content stay.
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/entity.h"
#include "sieve/extensions/part_text.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check_from(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view from : checker.constants(*checker.find_tag(node, "from")))
    if (!bare_address(from))
      checker.fault(item.at, fmt::format("`:from` needs an address, found \"{}\"", from));
}

// The old one is kept by another name.
void rename_and_set(MessageView& message, std::string_view name, std::string_view value) {
  const std::vector<std::string> before = message.raw_values(name);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < message.fields().size(); ++i)
    if (equals_ignoring_case(message.fields()[i].name, name)) places.push_back(i);
  message.remove(places);
  if (!before.empty())
    message.add("Original-" + std::string(name), before.front(), MessageView::At::back);
  message.add(name, value, MessageView::At::back);
}

std::string one_line(std::string_view text) {
  std::string line(trim(text, " \t\r\n"));
  for (char& c : line)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  return line;
}

Flow replace(Run& run, const Call& call) {
  const auto wire = run.ask(run.message().text());
  if (run.has_ended() || !run.spend(100 + wire.size() / 64)) return Flow::failed;
  const Entity entity =
      call.has("mime") ? mime_entity(call.text(run, 0)) : text_entity(call.text(run, 0));
  const auto& parts = run.message().all_parts();
  if (run.part() >= parts.size()) return Flow::next;
  const message::Part& part = *parts[run.part()].part;
  const bool is_whole = run.part() == 0;
  std::string header = message::Headers(header_of(part, wire)).without(is_mime_field);
  if (!header.empty() && !header.ends_with('\n')) header += "\r\n";
  if (is_whole) header += "MIME-Version: 1.0\r\n";
  const std::string before(wire.substr(0, part.header_begin));
  const std::string behind(wire.substr(part.body_end));
  run.message().replace(before + header + entity.header + "\r\n" + entity.body + behind);
  if (!is_whole) return Flow::next;
  if (const auto subject = call.text(run, "subject"))
    rename_and_set(run.message(), "Subject", one_line(*subject));
  if (const auto from = call.text(run, "from")) {
    if (!bare_address(*from)) return run.fail(fmt::format("\"{}\" is no address", *from));
    rename_and_set(run.message(), "From", one_line(*from));
  }
  return Flow::next;
}

}  // namespace

Extension replace() {
  return {
      .name = "replace",
      .standard = "RFC 5703 section 5",
      .commands = {{.name = "replace", .arguments = {{"a text", Kind::string}}, .run = replace}},
      .tags = {{.of = "replace", .name = "mime"},
               {.of = "replace", .name = "subject", .argument = Kind::string},
               {.of = "replace", .name = "from", .argument = Kind::string, .check = check_from}}};
}

}  // namespace posthorn::sieve::extension
