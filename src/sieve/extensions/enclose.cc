// enclose (RFC 5703 section 6): the message becomes an attachment of a new one. The trace of its
// way (Received, Delivered-To) goes along, so that a loop of mail is still found.
#include <array>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/date_time.h"
#include "sieve/extensions/entity.h"
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

constexpr std::array<std::string_view, 3> kTrace = {"Received", "Delivered-To", "Auto-Submitted"};

void check_headers(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(*checker.find_tag(node, "headers")))
    if (!is_field_name(name))
      checker.fault(item.at, fmt::format("\"{}\" is no name of a header field", name));
}

// A line that the message does not hold: made of its own octets (FNV-1a), and tried.
std::optional<std::string> boundary_for(std::string_view wire) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : wire) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  for (std::uint64_t i = 0; i < 8; ++i) {
    std::string boundary = fmt::format("=_{:016x}", hash + i);
    if (wire.find(boundary) == std::string_view::npos) return boundary;
  }
  return std::nullopt;
}

bool is_named(const std::vector<std::string_view>& names, std::string_view field) {
  for (const std::string_view name : names)
    if (equals_ignoring_case(name, field)) return true;
  return false;
}

// What of the old header the new one has, as it is written there.
std::string copied_fields(Run& run, const std::vector<std::string_view>& names) {
  std::string out;
  for (const message::Field& field : run.message().fields()) {
    if (is_mime_field(field)) continue;
    bool is_wanted = is_named(names, field.name);
    for (const std::string_view trace : kTrace)
      is_wanted = is_wanted || equals_ignoring_case(trace, field.name);
    if (is_wanted) out += with_line_ends(field.raw);
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  return out;
}

Flow enclose(Run& run, const Call& call) {
  const auto wire = run.ask(run.message().text());
  if (run.has_ended() || !run.spend(100 + wire.size() / 64)) return Flow::failed;
  const auto boundary = boundary_for(wire);
  if (!boundary) return run.fail("enclose: no boundary is found that the message does not hold");
  const Arg* const listed = call.tag("headers");
  const auto names = listed == nullptr ? std::vector<std::string_view>() : call.list(run, *listed);
  const auto own_subject = run.message().values("Subject");
  std::string subject(call.text(run, "subject")
                          .value_or(own_subject.empty() ? std::string_view()
                                                        : std::string_view(own_subject.front())));
  for (char& c : subject)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  const Entity text = text_entity(call.text(run, 0));
  std::string made = copied_fields(run, names);
  made += fmt::format("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{}\"\r\n\r\n",
                      *boundary);
  made += fmt::format("--{}\r\n{}\r\n{}\r\n", *boundary, text.header, text.body);
  made += fmt::format("--{}\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--{}--\r\n", *boundary,
                      wire, *boundary);
  MessageView& message = run.message();
  message.replace(std::move(made));
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty() && !is_named(names, name)) message.add(name, value, MessageView::At::back);
  };
  const DateTime now{std::chrono::floor<std::chrono::seconds>(run.input().now), run.input().zone};
  add("Date", find_date_part("std11")(now));
  add("From", run.settings().user_email);
  if (call.has("subject") || !is_named(names, "Subject"))
    message.add("Subject", subject, MessageView::At::back);
  return Flow::next;
}

}  // namespace

Extension enclose() {
  return {
      .name = "enclose",
      .standard = "RFC 5703 section 6",
      .commands = {{.name = "enclose", .arguments = {{"a text", Kind::string}}, .run = enclose}},
      .tags = {
          {.of = "enclose", .name = "subject", .argument = Kind::string},
          {.of = "enclose", .name = "headers", .argument = Kind::list, .check = check_headers}}};
}

}  // namespace posthorn::sieve::extension
