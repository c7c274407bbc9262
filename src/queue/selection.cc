#include "queue/selection.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/units.h"
#include "message/idna.h"

namespace posthorn::queue {
namespace {

constexpr std::pair<State, std::string_view> kStates[] = {{State::incoming, "incoming"},
                                                          {State::active, "active"},
                                                          {State::deferred, "deferred"},
                                                          {State::hold, "hold"}};

std::unexpected<Error> not_understood(std::string text) {
  return fail(ErrorKind::permanent, std::move(text));
}

std::string folded(std::string_view address) {
  return to_lower(is_ascii(address) ? std::string(address)
                                    : message::ascii_address(std::string(address)));
}

std::string_view without_brackets(std::string_view text) {
  const bool has_both = text.starts_with('<') && text.ends_with('>');
  return has_both ? text.substr(1, text.size() - 2) : text;
}

AddressFilter parse_address(std::string_view text) {
  text = without_brackets(text);
  if (!text.starts_with('@')) return {folded(text)};
  return {message::ascii_domain(text.substr(1))
              .transform([](const std::string& name) { return to_lower(name); })
              .value_or(to_lower(text.substr(1))),
          true};
}

bool holds_of(const AddressFilter& wanted, std::string_view address) {
  // Most are ASCII, and nothing is allocated for them.
  const std::string other = is_ascii(address) ? "" : folded(address);
  if (!other.empty()) address = other;
  if (wanted.is_domain) {
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos) return false;
    address.remove_prefix(at + 1);
  }
  return equals_ignoring_case(wanted.address, address);
}

// In front of what an attempt is filed under that came to no host.
std::string_view without_kind(std::string_view destination) {
  if (destination.starts_with("local:")) return "local";
  for (const std::string_view kind : {"relay:", "mx:"})
    if (destination.starts_with(kind)) return destination.substr(kind.size());
  return destination;
}

struct Destination {
  std::string_view name, address, port;
};

Destination parse_destination(std::string_view text) {
  text = without_kind(text);
  Destination destination;
  const std::size_t open = text.find('['), close = text.find(']');
  if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
    destination.name = text.substr(0, open);
    destination.address = text.substr(open + 1, close - open - 1);
    text.remove_prefix(close + 1);
  } else if (std::ranges::count(text, ':') > 1 &&
             text.find_first_of("ghijklmnopqrstuvwxyz.") == std::string_view::npos) {
    return {.name = {}, .address = text, .port = {}};  // an IPv6 address alone
  } else {
    destination.name = text.substr(0, text.find(':'));
    text.remove_prefix(destination.name.size());
  }
  if (!text.starts_with(':')) return destination;
  text.remove_prefix(1);
  destination.port = text.substr(0, text.find(':'));  // behind it may stand a login
  return destination;
}

bool holds_of(const RelayFilter& wanted, std::string_view destination) {
  if (destination.empty()) return false;
  const auto [name, address, port] = parse_destination(destination);
  if (!wanted.port.empty() && wanted.port != port) return false;
  const auto is_one = [&](std::string_view text) {
    return text.empty() || equals_ignoring_case(text, name) || equals_ignoring_case(text, address);
  };
  return is_one(wanted.name) && is_one(wanted.address);
}

bool contains_ignoring_case(std::string_view text, std::string_view wanted) {
  return wanted.empty() ||
         !std::ranges::search(text, wanted, {}, [](char c) { return to_lower(c); }).empty();
}

bool matches_recipient(const Selection& selection, const Candidate& candidate, std::size_t i) {
  const RecipientStatus& recipient = candidate.stored.recipients[i];
  if (recipient.state != RecipientState::waiting) return false;
  const std::string& address = candidate.stored.envelope.recipients[i].address;
  if (selection.to && !holds_of(*selection.to, address)) return false;
  if (selection.domain && !holds_of(*selection.domain, address)) return false;
  if (selection.relay && !holds_of(*selection.relay, recipient.asked) &&
      !holds_of(*selection.relay, recipient.planned))
    return false;
  return !selection.reason ||
         contains_ignoring_case(candidate.reason.empty() ? recipient.reason : candidate.reason,
                                *selection.reason);
}

Result<RelayFilter> parse_relay(std::string_view text) {
  const auto [name, address, port] = parse_destination(text);
  if (name.empty() && address.empty())
    return not_understood(fmt::format(
        "relay: \"{}\" names no host; write smtp.example.org, [192.0.2.1]:587 or local", text));
  return RelayFilter{std::string(name), std::string(address), std::string(port)};
}

Result<std::chrono::milliseconds> parse_age(std::string_view text) {
  const auto age = config::parse_duration(text);
  if (!age)
    return not_understood(
        fmt::format("older: \"{}\" is no time; write 30m, 12h or 2d (s, m, h, d)", text));
  return *age;
}

Result<State> parse_state(std::string_view text) {
  for (const auto& [state, name] : kStates)
    if (equals_ignoring_case(name, text)) return state;
  return not_understood(
      fmt::format("state: \"{}\" is none of incoming, active, deferred, hold", text));
}

}  // namespace

std::string_view to_string(State state) {
  for (const auto& [one, name] : kStates)
    if (one == state) return name;
  return "";
}

Result<Selection> parse_selection(const net::Message& request) {
  Selection selection;
  if (const auto from = request.find("from")) selection.from = parse_address(*from);
  if (selection.from && selection.from->is_domain && selection.from->address.empty())
    return not_understood("from: a domain is needed behind the @");
  if (const auto to = request.find("to")) selection.to = parse_address(*to);
  if (selection.to && selection.to->address.empty())
    return not_understood("to: an address is needed, or @domain");
  if (const auto domain = request.find("domain")) {
    selection.domain = parse_address("@" + std::string(domain->substr(domain->starts_with('@'))));
    if (selection.domain->address.empty()) return not_understood("domain: a name is needed");
  }
  if (const auto relay = request.find("relay")) {
    TRY(selection.relay, parse_relay(*relay));
  }
  if (const auto reason = request.find("reason")) selection.reason = to_lower(*reason);
  if (const auto state = request.find("state")) {
    TRY(selection.state, parse_state(*state));
  }
  if (const auto older = request.find("older")) {
    TRY(selection.older, parse_age(*older));
  }
  return selection;
}

bool matches(const Selection& selection, const Candidate& candidate) {
  if (selection.state && *selection.state != candidate.state) return false;
  if (selection.older && candidate.age <= *selection.older) return false;
  if (selection.from) {
    const std::string& sender = candidate.stored.envelope.sender;
    if (selection.from->address.empty() ? !sender.empty() : !holds_of(*selection.from, sender))
      return false;
  }
  if (!selection.to && !selection.domain && !selection.relay && !selection.reason) return true;
  for (std::size_t i = 0; i < candidate.stored.recipients.size(); ++i)
    if (matches_recipient(selection, candidate, i)) return true;
  return false;
}

std::string_view destination_of(const RecipientStatus& recipient) {
  const bool is_host = without_kind(recipient.asked) == recipient.asked;
  return is_host && !recipient.asked.empty() ? recipient.asked
         : recipient.planned.empty()         ? without_kind(recipient.asked)
                                             : std::string_view(recipient.planned);
}

}  // namespace posthorn::queue
