// envelope (RFC 5228 section 5.4): from and to, and as Pigeonhole has them orig_to (before aliases)
// and auth (the login that sent the mail). Other extensions add parts by rows.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "message/mailbox_address.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Labels with something in them. Looser than RFC 5321: what a peer gave may be tested.
bool is_host(std::string_view text) {
  if (text.empty() || text.starts_with('.') || text.ends_with('.')) return false;
  return text.find("..") == std::string_view::npos && std::ranges::all_of(text, [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7F &&
                  std::string_view("@<>,;:()\"\\").find(c) == std::string_view::npos;
         });
}

// RFC 5321 section 4.1.2: "@a,@b:" of a source route, which is ignored (appendix C).
bool skip_route(std::string_view& path) {
  if (!path.starts_with('@')) return true;
  const std::size_t colon = path.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view route = path.substr(0, colon);
  path.remove_prefix(colon + 1);
  while (!route.empty()) {
    const std::size_t end = std::min(route.find(','), route.size());
    if (!route.starts_with('@') || !is_host(route.substr(1, end - 1))) return false;
    route.remove_prefix(std::min(end + 1, route.size()));
  }
  return true;
}

// With or without angle brackets; the null path has neither part. nullopt: it is no path.
std::optional<message::MailboxAddress> parse_path(std::string_view path) {
  if (path.starts_with('<')) {
    if (!path.ends_with('>')) return std::nullopt;
    path = path.substr(1, path.size() - 2);
  }
  if (path.empty()) return message::MailboxAddress{};
  if (!skip_route(path)) return std::nullopt;
  if (auto address = message::parse_mailbox_address(path)) return address;
  // A domain that is none by the letter, as "_example.com".
  const std::size_t at = path.rfind('@');
  if (at == std::string_view::npos || !is_host(path.substr(at + 1))) return std::nullopt;
  auto address = message::parse_mailbox_address(fmt::format("{}@x", path.substr(0, at)));
  if (address) address->domain = path.substr(at + 1);
  return address;
}

const EnvelopePartRow* find_part(const auto& extensions, std::string_view name) {
  for (const Extension* extension : extensions)
    for (const EnvelopePartRow& row : extension->envelope_parts)
      if (equals_ignoring_case(row.name, name)) return &row;
  return nullptr;
}

void check(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(checker.positional(node, 0))) {
    if (find_part(checker.program().required, name) != nullptr) continue;
    const EnvelopePartRow* const other = find_part(checker.language(), name);
    checker.fault(item.at, other == nullptr
                               ? fmt::format("an envelope has no part \"{}\"", name)
                               : fmt::format("the part \"{}\" of the envelope needs a `require` "
                                             "of its own",
                                             name));
  }
}

bool holds_address(Run& run, const Call& call, Matcher& matcher, std::string_view value) {
  const auto path = parse_path(value);
  if (!path) return false;
  // RFC 5228 section 5.4: the null path is the empty string, whatever part is asked for.
  if (path->local.empty() && path->domain.empty()) return matcher.value("");
  const auto part = call.address_part().part(run, path->local, path->domain);
  return part && matcher.value(*part);
}

bool holds(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  for (const std::string_view name : call.list(run, 0)) {
    const EnvelopePartRow* const row = find_part(call.program().required, name);
    if (row == nullptr) continue;  // a variable that names none
    const bool is_address = row->of == EnvelopePartRow::Of::address;
    if (!is_address && call.address_part().name != "all") continue;
    for (const std::string& value : row->values(run))
      if (is_address ? holds_address(run, call, matcher, value) : matcher.value(value)) return true;
  }
  return matcher.finish();
}

using Values = std::vector<std::string>;

}  // namespace

Extension envelope() {
  using Of = EnvelopePartRow::Of;
  return {
      .name = "envelope",
      .standard = "RFC 5228 section 5.4",
      .tests = {{.name = "envelope",
                 .arguments = {{"parts of the envelope", Kind::list}, {"keys", Kind::list}},
                 .run = holds,
                 .check = check,
                 .compares = Compares::addresses}},
      .envelope_parts = {{"from", Of::address, [](Run& run) { return Values{run.mail().sender}; }},
                         {"to", Of::address, [](Run& run) { return Values{run.mail().recipient}; }},
                         {"orig_to", Of::address,
                          [](Run& run) {
                            const Mail& mail = run.mail();
                            return Values{mail.first_recipient.empty() ? mail.recipient
                                                                       : mail.first_recipient};
                          }},
                         {"auth", Of::text, [](Run& run) {
                            const std::string& login = run.mail().authenticated;
                            return login.empty() ? Values{} : Values{login};
                          }}}};
}

}  // namespace posthorn::sieve::extension
