// By which way mail leaves: the transport table, the sender's relay, the smarthost, or MX; and with
// which login.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "route/walk.h"

namespace posthorn::route {
namespace {

using maps::AddressKeys;
using maps::TableSet;

constexpr std::size_t kHopsMax = 50;

// "5.1.1 text" or just a text, behind "error:" (Postfix's error(8)).
Refusal parse_error(std::string_view text, std::chrono::milliseconds delay) {
  Refusal refusal{Reason::by_table, 550, "5.1.2", "Mail for this domain is not taken", delay};
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  const bool is_status = word.size() >= 5 && (word[0] == '5' || word[0] == '4') && word[1] == '.' &&
                         word.find_first_not_of("0123456789.") == std::string_view::npos;
  if (is_status) {
    refusal.enhanced = word;
    refusal.code = word[0] == '4' ? 450 : 550;
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  if (!text.empty()) refusal.text = text;
  return refusal;
}

std::string by_mx(const std::string& domain) {
  return fmt::format("it goes to the hosts that the DNS names for {} (MX)", domain);
}

// "maps/transport:2, maps/relay-sasl:1"
void put_in_front(std::string& by, const Basis& basis) {
  by.insert(0, basis.text() + (by.empty() ? "" : ", "));
}

}  // namespace

// transport(5): the domain, its parents as ".parent", then "*".
net::Task<bool> LocalDirectory::has_transport(Inquiry& inquiry, const std::string& domain) const {
  std::vector<std::string> keys = {domain};
  for (std::size_t dot = domain.find('.'); dot != std::string::npos;
       dot = domain.find('.', dot + 1))
    keys.push_back(domain.substr(dot));
  keys.emplace_back("*");
  for (const std::string& key : keys) {
    CO_TRY(const auto found, co_await inquiry.find(&TableSet::transport, key));
    if (found.value) co_return true;
  }
  co_return false;
}

Answer<Plan> LocalDirectory::relay_plan(Inquiry& inquiry, const AddressKeys& keys,
                                        const std::string& address,
                                        const std::string& sender) const {
  using Out = std::expected<Plan, Refusal>;
  const std::string domain = keys.domain.empty() ? "" : keys.domain.substr(1);
  // transport(5): the address, without its tag, the domain, its parents as ".parent", then "*".
  std::vector<std::string> lookups = {keys.full, keys.untagged, domain};
  for (std::size_t dot = domain.find('.'); dot != std::string::npos;
       dot = domain.find('.', dot + 1))
    lookups.push_back(domain.substr(dot));
  lookups.emplace_back("*");
  for (const std::string& key : lookups) {
    CO_TRY(const auto found, co_await inquiry.find(&TableSet::transport, key));
    if (found.value) co_return co_await by_transport(inquiry, key, found, domain);
  }
  CO_TRY(const auto own, co_await find_sender_relay(inquiry, sender));
  const std::string relay = own.value.value_or(config_.relay.relayhost);
  const Basis basis =
      own.value ? Basis{own.place} : Basis{.setting = relay.empty() ? "" : "relay.relayhost"};
  if (!relay.empty()) {
    inquiry.decide(
        own.value ? Decision::sender_relay : Decision::relayhost,
        [&] {
          return own.value ? fmt::format("mail of {} leaves by {}", sender, relay)
                           : fmt::format("all mail for other servers leaves by {}", relay);
        },
        basis);
    CO_TRY(auto plan, co_await smarthost(inquiry, relay, sender));
    if (!plan) co_return Out(std::unexpected(plan.error()));
    put_in_front(plan->by, basis);
    co_return Out(*std::move(plan));
  }
  if (domain.empty())
    co_return Out(std::unexpected(
        Refusal{Reason::no_domain, 550, "5.1.2", fmt::format("<{}>: no domain", address)}));
  inquiry.decide(Decision::mx, [&] { return by_mx(domain); }, basis);
  co_return Out(MxPlan{.domain = domain, .by = basis.text()});
}

Answer<Plan> LocalDirectory::by_transport(Inquiry& inquiry, const std::string& key,
                                          const maps::Found& found,
                                          const std::string& domain) const {
  using Out = std::expected<Plan, Refusal>;
  const std::string& value = *found.value;
  const Basis basis{found.place};
  inquiry.decide(
      Decision::transport, [&] { return fmt::format("mail for {} goes by \"{}\"", key, value); },
      basis);
  if (value.starts_with("error:")) {
    co_return Out(
        std::unexpected(parse_error(std::string_view(value).substr(6), config_.queue.error_delay)));
  }
  if (value.starts_with("smtp:") && value.size() > 5) {
    CO_TRY(auto plan, co_await smarthost(inquiry, value.substr(5), ""));
    if (!plan) co_return Out(std::unexpected(plan.error()));
    put_in_front(plan->by, basis);
    co_return Out(*std::move(plan));
  }
  if (value == "smtp:" || value == ":") {
    inquiry.decide(Decision::mx, [&] { return by_mx(domain); }, basis);
    co_return Out(MxPlan{.domain = domain, .by = basis.text()});
  }
  co_return fail(ErrorKind::config,
                 fmt::format("transport of {}: \"{}\" is not understood", key, value));
}

// Postfix's sender_dependent_relayhost_maps: the sender, without its tag, its domain. Empty: by MX;
// nullopt: as for everybody.
net::Task<maps::Found> LocalDirectory::find_sender_relay(Inquiry& inquiry,
                                                         const std::string& sender) const {
  if (sender.empty()) co_return maps::Found{};
  const AddressKeys keys = maps::keys_of(sender, config_.maps.recipient_delimiter);
  for (const std::string& key : {keys.full, keys.untagged, keys.domain}) {
    CO_TRY(auto found, co_await inquiry.find(&TableSet::sender_relays, key));
    if (!found.value) continue;
    if (equals_ignoring_case(*found.value, "DUNNO")) {
      inquiry.decide(Decision::sender_relay,
                     [&] { return fmt::format("{} has no relay of its own", key); }, {found.place});
      co_return maps::Found{};
    }
    if (found.value->starts_with("smtp:")) found.value->erase(0, 5);
    co_return found;
  }
  co_return maps::Found{};
}

net::Task<std::expected<RelayPlan, Refusal>> LocalDirectory::smarthost(
    Inquiry& inquiry, std::string nexthop, const std::string& sender) const {
  const auto hop = config::parse_next_hop(nexthop);
  if (!hop)
    co_return fail(ErrorKind::config,
                   fmt::format("the next hop \"{}\" is not understood", nexthop));
  RelayPlan plan{.host = hop->host,
                 .port = hop->port,
                 .use_mx = hop->use_mx,
                 .user = {},
                 .password = {},
                 .tls = config_.relay.tls};
  // Forgiving about brackets and port: people write it one way here and another there.
  const std::string host = message::to_lower(hop->host);
  std::vector<std::string> lookups = {fmt::format("[{}]:{}", host, hop->port),
                                      fmt::format("{}:{}", host, hop->port),
                                      fmt::format("[{}]", host), host};
  if (!sender.empty()) {
    const AddressKeys keys = maps::keys_of(sender, config_.maps.recipient_delimiter);
    lookups.insert(lookups.begin(), {keys.full, keys.untagged, keys.domain});
  }
  for (const std::string& key : lookups) {
    CO_TRY(const auto found, co_await inquiry.find(&TableSet::relay_sasl, key));
    if (!found.value) continue;
    const std::size_t colon = found.value->find(':');
    if (colon == std::string::npos)
      co_return fail(ErrorKind::config, fmt::format("relay-sasl: {} needs user:password", key));
    plan.user = found.value->substr(0, colon);
    plan.password = found.value->substr(colon + 1);
    plan.by = found.place.text();
    break;
  }
  inquiry.decide(Decision::relay_login, [&] {
    return plan.by.empty() ? fmt::format("no login is known for {}", hop->host)
                           : fmt::format("its login there is {}", plan.user);
  });
  co_return plan;
}

// A next hop that is named by its host alone is one that stands somewhere, with port and brackets.
Answer<Plan> LocalDirectory::hop(std::string name, std::string sender) {
  using Out = std::expected<Plan, Refusal>;
  for (const NamedHop& known : hops().hops) {
    const auto hop = config::parse_next_hop(known.name);
    if (!hop || !equals_ignoring_case(hop->host, name)) continue;
    if (sender.empty()) sender = known.sender;
    name = known.name;
    break;
  }
  Inquiry inquiry(tables_.current());
  CO_TRY(auto plan, co_await smarthost(inquiry, name, sender));
  if (!plan) co_return Out(std::unexpected(plan.error()));
  co_return Out(*std::move(plan));
}

NamedHops LocalDirectory::hops() const {
  NamedHops found;
  const auto add = [&](std::string_view name, std::string place, std::string sender = {}) {
    if (name.starts_with("smtp:")) name.remove_prefix(5);
    const bool is_known =
        std::ranges::any_of(found.hops, [&](const NamedHop& known) { return known.name == name; });
    if (!is_known && found.hops.size() < kHopsMax && config::parse_next_hop(name))
      found.hops.push_back({std::string(name), std::move(place), std::move(sender)});
  };
  add(config_.relay.relayhost, "relay.relayhost");
  for (const std::string& hop : config_.relay.fallback) add(hop, "relay.fallback");
  const auto set = tables_.current();
  const auto add_table = [&](const maps::TableList& list, auto&& add_entry) {
    for (const auto& one : list.tables) {
      const auto* text = dynamic_cast<const maps::TextTable*>(one.get());
      if (text == nullptr) found.are_all = false;
      if (text == nullptr) continue;
      for (const maps::Entry& entry : text->entries())
        add_entry(entry, maps::Place{text, entry.line}.text());
    }
  };
  add_table(set->transport, [&](const maps::Entry& entry, std::string place) {
    if (entry.value.starts_with("smtp:") && entry.value.size() > 5)
      add(entry.value, std::move(place));
  });
  add_table(set->sender_relays, [&](const maps::Entry& entry, std::string place) {
    if (equals_ignoring_case(entry.value, "DUNNO")) return;
    const bool is_domain = entry.key.starts_with('@');
    add(entry.value, std::move(place), is_domain ? "postmaster" + entry.key : entry.key);
  });
  return found;
}

// Where it goes when those hosts do not take it: never back to ourselves.
net::Task<std::vector<RelayPlan>> LocalDirectory::fallbacks(Inquiry& inquiry) const {
  std::vector<RelayPlan> plans;
  for (const std::string& hop : config_.relay.fallback) {
    inquiry.decide(Decision::fallback,
                   [&] { return fmt::format("if none of them takes it, it goes to {}", hop); },
                   {.setting = "relay.fallback"});
    CO_TRY(auto plan, co_await smarthost(inquiry, hop, ""));
    if (plan && !equals_ignoring_case(plan->host, config_.server.hostname))
      plans.push_back(*std::move(plan));
  }
  co_return plans;
}

}  // namespace posthorn::route
