// vnd.dovecot.report: a report about the message, as RFC 5965 writes them, to an address.
#include <algorithm>
#include <fmt/format.h>

#include "sieve/extensions/addresses.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 5965 section 3.1: Feedback-Type is a token.
bool is_type(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 0x7F &&
           std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

void check(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view type : checker.constants(checker.positional(node, 0)))
    if (!is_type(type))
      checker.fault(item.at,
                    fmt::format("`report` needs a type such as \"abuse\", found \"{}\"", type));
  for (const std::string_view address : checker.constants(checker.positional(node, 2)))
    if (!bare_address(address))
      checker.fault(item.at, fmt::format("`report` needs an address, found \"{}\"", address));
}

Flow report(Run& run, const Call& call) {
  Report report;
  report.type = call.text(run, 0);
  report.text = call.text(run, 1);
  auto address = bare_address(call.text(run, 2));
  if (!is_type(report.type))
    return run.fail(fmt::format("report: \"{}\" is no type of a report", report.type));
  if (!address) return run.fail(fmt::format("report: \"{}\" is no address", call.text(run, 2)));
  report.address = *std::move(address);
  report.what = call.has("headers_only") ? Report::What::headers : Report::What::message;
  return run.act(call, {.what = std::move(report), .keeps = true});
}

}  // namespace

Extension vnd_dovecot_report() {
  return {.name = "vnd.dovecot.report",
          .standard = "Dovecot's; RFC 5965",
          .commands = {{.name = "report",
                        .arguments = {{"a type", Kind::string},
                                      {"a text", Kind::string},
                                      {"an address", Kind::string}},
                        .run = report,
                        .check = check}},
          .tags = {{.of = "report", .name = "headers_only"}},
          .limits = "as redirects"};
}

}  // namespace posthorn::sieve::extension
