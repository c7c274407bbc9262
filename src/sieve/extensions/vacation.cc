// vacation (RFC 5230) and vacation-seconds (RFC 6131): that an answer is asked for, and what it
// says. Who is answered, and how often, the host decides (RFC 5230 section 4).
#include <algorithm>
#include <fmt/format.h>

#include "base/fnv.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Sections 4.2 and 4.3: an address that is none is told while it can be mended.
void check_addresses(Checker& checker, const Node& node, const syntax::Item& item,
                     std::string_view tag) {
  const Arg* arg = checker.find_tag(node, tag);
  if (arg == nullptr) return;
  for (const std::string_view address : checker.constants(*arg))
    if (!bare_address(address))
      checker.fault(item.at, fmt::format("`:{}` of `vacation` needs {}, found \"{}\"", tag,
                                         tag == "from" ? "an address" : "addresses", address));
}

// Section 4.6: header fields of MIME, an empty line, a body.
void check_mime(Checker& checker, const Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "mime") == nullptr) return;
  for (const std::string_view text : checker.constants(checker.positional(node, 0))) {
    const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    const std::size_t colon = line.find(':');
    if (line.empty() || (colon != line.npos && line.substr(0, colon).find(' ') == line.npos))
      continue;
    checker.warn(item.at,
                 "the text of `vacation :mime` must begin with header fields such as "
                 "`Content-Type: text/html`");
  }
}

void check(Checker& checker, Node& node, const syntax::Item& item) {
  check_addresses(checker, node, item, "from");
  check_addresses(checker, node, item, "addresses");
  check_mime(checker, node, item);
}

// Section 4.1, RFC 6131 section 2: what is beyond the bounds is the bound.
std::chrono::seconds period_of(Run& run, const Call& call) {
  const Settings& settings = run.settings();
  constexpr std::uint64_t kYears = 100ULL * 366 * 86400;  // enough for all, and no overflow
  std::chrono::seconds period = settings.vacation_default;
  if (const Arg* days = call.tag("days"))
    period = std::chrono::seconds(std::min(days->number, kYears / 86400) * 86400);
  if (const Arg* seconds = call.tag("seconds"))
    period = std::chrono::seconds(std::min(seconds->number, kYears));
  if (settings.vacation_max.count() > 0) period = std::min(period, settings.vacation_max);
  return std::max(period, settings.vacation_min);
}

// Section 4.2: made of the other arguments as they are written, not of what their variables hold: a
// text with the subject in it is no other answer.
std::string handle_of(const Call& call) {
  std::uint64_t hash = kFnvStart;
  const auto add = [&](std::string_view name, const Arg* arg) {
    if (arg == nullptr) return;
    hash = fnv1a(name, hash);
    if (arg->has_value && arg->count > 0)
      hash = fnv1a(call.program().text(call.program().strings[arg->first]), hash);
    hash = fnv1a(std::string_view("\0", 1), hash);
  };
  add("reason", &call.arg(0));
  for (const std::string_view tag : {"subject", "from", "mime"}) add(tag, call.tag(tag));
  return fmt::format("{:016x}", hash);
}

Flow vacation_command(Run& run, const Call& call) {
  Vacation vacation;
  vacation.reason = call.text(run, 0);
  vacation.subject = call.text(run, "subject").value_or("");
  vacation.period = period_of(run, call);
  vacation.form = call.has("mime") ? Vacation::Form::mime : Vacation::Form::text;
  if (const auto from = call.text(run, "from"); from && !from->empty()) {
    if (bare_address(*from)) {
      vacation.from = *from;
    } else {
      run.doubt(fmt::format("vacation: `:from` \"{}\" is no address and was left out", *from));
    }
  }
  if (const Arg* addresses = call.tag("addresses"))
    for (const std::string_view text : call.list(run, *addresses))
      if (auto address = bare_address(text)) vacation.addresses.push_back(*std::move(address));
  vacation.handle = call.text(run, "handle").value_or("");
  if (vacation.handle.empty()) vacation.handle = handle_of(call);
  return run.act(call, {.what = std::move(vacation), .keeps = true});
}

}  // namespace

Extension vacation() {
  return {.name = "vacation",
          .standard = "RFC 5230",
          .commands = {{.name = "vacation",
                        .arguments = {{"a text", Kind::string}},
                        .run = vacation_command,
                        .check = check}},
          .tags = {{.of = "vacation", .name = "days", .argument = Kind::number, .group = "period"},
                   {.of = "vacation", .name = "subject", .argument = Kind::string},
                   {.of = "vacation", .name = "from", .argument = Kind::string},
                   {.of = "vacation", .name = "addresses", .argument = Kind::list},
                   {.of = "vacation", .name = "mime"},
                   {.of = "vacation", .name = "handle", .argument = Kind::string}},
          .limits = "one a script; a sender is answered once in 7 days, `:days` from 1"};
}

Extension vacation_seconds() {
  return {
      .name = "vacation-seconds",
      .standard = "RFC 6131",
      .tags = {{.of = "vacation", .name = "seconds", .argument = Kind::number, .group = "period"}},
      .limits = "the bounds of `:days`",
      .with = {"vacation"}};
}

}  // namespace posthorn::sieve::extension
