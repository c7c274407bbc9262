#include "route/local_directory.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/ascii.h"

namespace posthorn::route {
namespace {

using maps::AddressKeys;

Refusal unknown_user(const std::string& address) {
  return {550, "5.1.1", fmt::format("<{}>: User unknown", address)};
}
Refusal relay_denied(const std::string& address) {
  return {554, "5.7.1", fmt::format("<{}>: Relay access denied", address)};
}

std::pair<std::string, std::string> split(const std::string& address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos) return {address, ""};
  return {address.substr(0, at), address.substr(at + 1)};
}

// A name that may become a folder's: no address literal, no label that hides.
bool is_folder_domain(const std::string& domain) {
  return message::is_domain(domain, message::AddressCharset::ascii);
}

// "5.1.1 text" or just a text, behind "error:" (Postfix's error(8)).
Refusal parse_error(std::string_view text, std::chrono::milliseconds delay) {
  Refusal refusal{550, "5.1.2", "Mail for this domain is not taken", delay};
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

bool is_postmaster(const std::string& local) {
  return message::to_lower(local) == "postmaster";
}

}  // namespace

struct LocalDirectory::Walk {
  std::vector<std::string> found;
  std::set<std::string> seen;
  std::set<std::string> visited;  // aliases on the way, so that a loop ends
};

// A bare local part gets the default domain: the configured one, or the only one there is.
net::Task<std::string> LocalDirectory::complete(const Set& set, std::string address) const {
  const auto parsed = message::parse_mailbox_address(address);
  if (parsed ? !parsed->domain.empty() : address.find('@') != std::string::npos) co_return address;
  std::string domain = config_.server.default_domain;
  if (const auto names = set->local_domains(); domain.empty() && names.size() == 1)
    domain = names.front();
  co_return domain.empty() ? address : address + "@" + domain;
}

net::Task<bool> LocalDirectory::is_local_domain(const Set& set, const std::string& domain) const {
  CO_TRY(const bool listed, co_await is_in_domains(set, domain));
  if (listed || config_.route.any_domain == "none" || !is_folder_domain(domain)) co_return listed;
  CO_TRY(const bool leaves, co_await has_transport(set, message::to_lower(domain)));
  co_return !leaves;
}

net::Task<bool> LocalDirectory::is_in_domains(const Set& set, const std::string& domain) const {
  if (domain.empty()) co_return false;
  CO_TRY(const auto found, co_await set->domains.find(message::to_lower(domain)));
  co_return found.has_value();
}

// transport(5): the domain, its parents as ".parent", then "*".
net::Task<bool> LocalDirectory::has_transport(const Set& set, const std::string& domain) const {
  std::vector<std::string> keys = {domain};
  for (std::size_t dot = domain.find('.'); dot != std::string::npos;
       dot = domain.find('.', dot + 1))
    keys.push_back(domain.substr(dot));
  keys.emplace_back("*");
  for (const std::string& key : keys) {
    CO_TRY(const auto found, co_await set->transport.find(key));
    if (found) co_return true;
  }
  co_return false;
}

net::Task<std::optional<std::string>> LocalDirectory::find_vuser(const Set& set,
                                                                 const AddressKeys& keys) const {
  if (!config_.route.by_local_part) co_return std::nullopt;
  const std::string untagged = split(keys.untagged).first;
  for (const std::string& key : {split(keys.full).first, untagged, std::string("@")}) {
    CO_TRY(auto value, co_await set->vusers.find(key));
    if (!value) continue;
    // "@ vmail": each name has its own mailbox, which belongs to that system account.
    if (*value == config_.users.store || *value == "vmail" || *value == ".") co_return untagged;
    co_return value;
  }
  co_return std::nullopt;
}

net::Task<bool> LocalDirectory::has_mailbox(const Set& set, const AddressKeys& keys) const {
  CO_TRY(const auto full, co_await set->mailboxes.find(keys.full));
  if (full) co_return true;
  if (keys.untagged != keys.full) {
    CO_TRY(const auto untagged, co_await set->mailboxes.find(keys.untagged));
    if (untagged) co_return true;
  }
  CO_TRY(const auto vuser, co_await find_vuser(set, keys));
  co_return vuser && *vuser == split(keys.untagged).first;
}

// An account whose name has a tag in it is somebody of its own.
net::Task<bool> LocalDirectory::is_own(const Set& set, const std::string& account,
                                       const AddressKeys& keys) const {
  if (keys.full == account) co_return true;
  if (keys.untagged != account) co_return false;
  CO_TRY(const auto another, co_await set->mailboxes.find(keys.full));
  co_return !another.has_value();
}

net::Task<std::expected<void, Refusal>> LocalDirectory::expand(const Set& set, std::string address,
                                                               Walk& walk,
                                                               std::size_t depth) const {
  using Out = std::expected<void, Refusal>;
  const std::string original = address;
  const auto take = [&](std::string to) -> Out {
    const auto [local, domain] = split(to);
    to = local + "@" + message::to_lower(domain);
    if (walk.seen.insert(message::to_lower(to)).second) walk.found.push_back(std::move(to));
    if (walk.found.size() > config_.maps.expansion_max)
      return std::unexpected(Refusal{554, "5.4.6", "The address expands to too many recipients"});
    return {};
  };
  const AddressKeys keys = maps::keys_of(address, config_.maps.recipient_delimiter);
  const std::string domain = keys.domain.empty() ? "" : keys.domain.substr(1);
  CO_TRY(const bool local, co_await is_local_domain(set, domain));
  if (!local) co_return take(address);
  if (depth > config_.maps.depth_max)
    co_return Out(std::unexpected(Refusal{554, "5.4.6", "Aliases of aliases without end"}));

  // virtual(5): the full address, the address without its tag, then a mailbox of that name, then
  // the domain's catch-all.
  CO_TRY(auto value, co_await set->aliases.find(keys.full));
  bool keep_tag = false;
  if (!value && keys.untagged != keys.full) {
    CO_TRY(value, co_await set->aliases.find_part(keys.untagged));
    keep_tag = value.has_value();
  }
  if (!value) {
    CO_TRY(const bool mailbox, co_await has_mailbox(set, keys));
    if (mailbox) co_return take(address);
    CO_TRY(value, co_await find_vuser(set, keys));
    if (!value) {
      CO_TRY(value, co_await set->aliases.find_part(keys.domain));
    }
  }
  if (!value && config_.route.any_mailbox) co_return take(address);
  if (!value) co_return Out(std::unexpected(unknown_user(original)));
  // Back at an address that is being expanded: its own mailbox is meant ("bob: bob, archive").
  if (!walk.visited.insert(keys.full).second) {
    CO_TRY(const bool mailbox, co_await has_mailbox(set, keys));
    if (mailbox) co_return take(address);
    co_return Out{};
  }
  co_return co_await expand_targets(set, *value, keep_tag ? keys.tag : "", keys.full, walk, depth);
}

net::Task<std::expected<void, Refusal>> LocalDirectory::expand_targets(
    const Set& set, const std::string& value, const std::string& tag, const std::string& from,
    Walk& walk, std::size_t depth) const {
  using Out = std::expected<void, Refusal>;
  for (std::string target : maps::split_list(value)) {
    CO_TRY(target, co_await complete(set, target));
    // A pattern's value may be made of what a stranger wrote.
    if (const auto parsed = message::parse_mailbox_address(target);
        !parsed || parsed->domain.empty())
      co_return fail(
          ErrorKind::config,
          fmt::format("the alias {} leads to \"{}\", which is no address", from, target));
    if (!tag.empty()) {
      const auto [name, at_domain] = split(target);
      target = name + config_.maps.recipient_delimiter.substr(0, 1) + tag + "@" + at_domain;
    }
    CO_TRY(const auto done, co_await expand(set, target, walk, depth + 1));
    if (!done) co_return done;
  }
  co_return Out{};
}

// A refusal that rests on answers from before PostgreSQL was lost is put off: what is missing in
// them may be there by now.
template <class T>
Answer<T> LocalDirectory::sure(Set set, Answer<T> asked) {
  const std::uint64_t before = set->old_answers();
  auto answer = co_await std::move(asked);
  if (answer && !*answer && set->old_answers() != before)
    co_return fail(ErrorKind::temporary, "PostgreSQL cannot be asked, and a refusal must be sure");
  co_return answer;
}

Answer<Expansion> LocalDirectory::recipient(RecipientQuestion question) {
  const Set set = tables_.current();
  return sure(set, find_recipient(set, std::move(question)));
}

Answer<void> LocalDirectory::sender(std::string account, std::string address) {
  const Set set = tables_.current();
  return sure(set, find_sender(set, std::move(account), std::move(address)));
}

Answer<Plan> LocalDirectory::plan(std::string address, std::string sender) {
  const Set set = tables_.current();
  return sure(set, find_plan(set, std::move(address), std::move(sender)));
}

Answer<Expansion> LocalDirectory::find_recipient(Set set, RecipientQuestion question) const {
  using Out = std::expected<Expansion, Refusal>;
  const auto parsed = message::parse_mailbox_address(question.address);
  if (!parsed)
    co_return Out(std::unexpected(Refusal{553, "5.1.3", "The recipient's address has a fault"}));
  if (rewriter_ != nullptr && rewriter_->is_ours(question.address))
    co_return co_await find_reversed(set, question.address);
  const bool bare_postmaster = parsed->domain.empty() && is_postmaster(parsed->local);
  if (parsed->domain.empty() && !bare_postmaster && question.account.empty() &&
      !config_.route.bare_names)
    co_return Out(std::unexpected(Refusal{550, "5.1.2", "The recipient's address needs a domain"}));
  CO_TRY(std::string address, co_await complete(set, question.address));
  if (bare_postmaster && !config_.server.postmaster.empty()) address = config_.server.postmaster;
  if (bare_postmaster && address == question.address)
    if (const auto names = set->local_domains(); !names.empty()) address += "@" + names.front();
  if (config_.route.any_domain == "users" && question.account.empty() && !bare_postmaster) {
    CO_TRY(const bool listed, co_await is_in_domains(set, split(address).second));
    if (!listed) co_return Out(std::unexpected(relay_denied(question.address)));
  }
  CO_TRY(bool is_local, co_await is_local_domain(set, split(address).second));
  if (is_local && config_.route.by_local_part) {
    CO_TRY(address, co_await complete(set, split(address).first));
    CO_TRY(is_local, co_await is_local_domain(set, split(address).second));
  }
  const auto [local, domain] = split(address);
  if (!is_local && question.account.empty() && !bare_postmaster)
    co_return Out(std::unexpected(relay_denied(question.address)));
  if (domain.empty())
    co_return Out(std::unexpected(Refusal{550, "5.1.2", "The recipient's address needs a domain"}));
  Walk walk;
  CO_TRY(auto done, co_await expand(set, address, walk, 0));
  if (!done && done.error().enhanced == "5.1.1" && is_postmaster(local)) {
    // RFC 5321 section 4.5.1: postmaster is always there. Configured, else whoever has the first
    // mailbox of the server.
    std::string to = config_.server.postmaster;
    if (to.empty() && !set->mailboxes.tables.empty()) {
      CO_TRY(const auto first, co_await set->mailboxes.tables.front()->find_first());
      if (first) to = *first;
    }
    if (!to.empty()) {
      walk = {};
      CO_TRY(done, co_await expand(set, to, walk, 0));
    }
  }
  if (!done) co_return Out(std::unexpected(done.error()));
  if (walk.found.empty())
    co_return Out(std::unexpected(Refusal{554, "5.4.6", "The address expands to nobody"}));
  co_return Out(Expansion{.recipients = std::move(walk.found)});
}

// A rewritten sender's address: its hash is the right to send to the one address in it, for anybody
// and from any sender, as with postsrsd (answers of machines do not all have the null sender).
Answer<Expansion> LocalDirectory::find_reversed(Set set, std::string address) const {
  using Out = std::expected<Expansion, Refusal>;
  const auto first = rewriter_->reverse(address);
  if (!first && first.error() == Srs::Fault::expired)
    co_return Out(std::unexpected(
        Refusal{550, "5.1.1", fmt::format("<{}>: This address has expired", address)}));
  if (!first) co_return Out(std::unexpected(unknown_user(address)));
  Walk walk;
  CO_TRY(const auto done, co_await expand(set, *first, walk, 0));
  if (!done) co_return Out(std::unexpected(done.error()));
  co_return Out(Expansion{.recipients = std::move(walk.found), .is_reversed = true});
}

net::Task<std::string> LocalDirectory::rewrite(std::string sender) {
  const std::string domain = split(sender).second;
  if (rewriter_ == nullptr || domain.empty() || rewriter_->is_excluded(domain)) co_return sender;
  const Set set = tables_.current();
  const std::uint64_t before = set->old_answers();
  CO_TRY(const bool own, co_await is_local_domain(set, domain));
  if (own) co_return sender;
  // One of ours must not leave as a stranger's because a database is away.
  if (set->old_answers() != before)
    co_return fail(ErrorKind::temporary, "PostgreSQL cannot be asked for the sender's domain");
  co_return rewriter_->forward(sender).value_or(sender);
}

Answer<void> LocalDirectory::find_sender(Set set, std::string account, std::string address) const {
  using Out = std::expected<void, Refusal>;
  const Refusal refusal{
      553, "5.7.1",
      fmt::format("<{}>: Sender address rejected: not owned by user {}", address, account)};
  if (address.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const std::string full, co_await complete(set, address));
  const AddressKeys keys = maps::keys_of(full, config_.maps.recipient_delimiter);
  CO_TRY(const bool own, co_await is_own(set, account, keys));
  if (own) co_return Out{};
  for (const std::string* key : {&keys.full, &keys.untagged, &keys.domain}) {
    const bool is_whole = key == &keys.full;
    CO_TRY(const auto value,
           is_whole ? co_await set->senders.find(*key) : co_await set->senders.find_part(*key));
    if (!value) continue;
    const auto owners = maps::split_list(*value);
    if (std::ranges::find(owners, account) != owners.end()) co_return Out{};
    break;
  }
  if (keys.domain.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const bool local, co_await is_local_domain(set, keys.domain.substr(1)));
  if (!local) co_return Out(std::unexpected(refusal));
  Walk walk;
  CO_TRY(const auto done, co_await expand(set, full, walk, 0));
  if (!done) co_return Out(std::unexpected(refusal));
  for (const std::string& to : walk.found) {
    CO_TRY(const bool leads_home,
           co_await is_own(set, account, maps::keys_of(to, config_.maps.recipient_delimiter)));
    if (leads_home) co_return Out{};
  }
  co_return Out(std::unexpected(refusal));
}

Answer<Plan> LocalDirectory::find_plan(Set set, std::string address, std::string sender) const {
  using Out = std::expected<Plan, Refusal>;
  AddressKeys keys = maps::keys_of(address, config_.maps.recipient_delimiter);
  const std::string domain = keys.domain.empty() ? "" : keys.domain.substr(1);
  CO_TRY(const bool local, co_await is_local_domain(set, domain));
  if (!local) co_return co_await relay_plan(set, keys, address, sender);
  if (config_.route.by_local_part) {
    CO_TRY(const std::string at_home, co_await complete(set, split(address).first));
    keys = maps::keys_of(at_home, config_.maps.recipient_delimiter);
  }
  CO_TRY(const auto full, co_await set->mailboxes.find(keys.full));
  if (full) co_return Out(LocalPlan{keys.full, ""});
  CO_TRY(const bool mailbox, co_await has_mailbox(set, keys));
  if (mailbox || config_.route.any_mailbox) co_return Out(LocalPlan{keys.untagged, keys.tag});
  co_return Out(std::unexpected(unknown_user(address)));  // it was there when the message came
}

Answer<Plan> LocalDirectory::relay_plan(const Set& set, const AddressKeys& keys,
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
    CO_TRY(const auto value, co_await set->transport.find(key));
    if (!value) continue;
    if (value->starts_with("error:")) {
      Refusal refusal = parse_error(std::string_view(*value).substr(6), config_.queue.error_delay);
      if (refusal.code < 500) co_return fail(ErrorKind::temporary, refusal.text);
      co_return Out(std::unexpected(std::move(refusal)));
    }
    if (value->starts_with("smtp:") && value->size() > 5) {
      CO_TRY(auto plan, co_await smarthost(set, value->substr(5), ""));
      if (!plan) co_return Out(std::unexpected(plan.error()));
      co_return Out(*std::move(plan));
    }
    if (*value == "smtp:" || *value == ":") co_return Out(MxPlan{domain});
    co_return fail(ErrorKind::config,
                   fmt::format("transport of {}: \"{}\" is not understood", key, *value));
  }
  CO_TRY(const auto own, co_await find_sender_relay(set, sender));
  const std::string relay = own.value_or(config_.relay.relayhost);
  if (!relay.empty()) {
    CO_TRY(auto plan, co_await smarthost(set, relay, sender));
    if (!plan) co_return Out(std::unexpected(plan.error()));
    co_return Out(*std::move(plan));
  }
  if (domain.empty())
    co_return Out(std::unexpected(Refusal{550, "5.1.2", fmt::format("<{}>: no domain", address)}));
  co_return Out(MxPlan{domain});
}

// Postfix's sender_dependent_relayhost_maps: the sender, without its tag, its domain. Empty: by MX;
// nullopt: as for everybody.
net::Task<std::optional<std::string>> LocalDirectory::find_sender_relay(
    const Set& set, const std::string& sender) const {
  if (sender.empty()) co_return std::nullopt;
  const AddressKeys keys = maps::keys_of(sender, config_.maps.recipient_delimiter);
  for (const std::string& key : {keys.full, keys.untagged, keys.domain}) {
    CO_TRY(auto value, co_await set->sender_relays.find(key));
    if (!value) continue;
    if (equals_ignoring_case(*value, "DUNNO")) co_return std::nullopt;
    co_return value->starts_with("smtp:") ? value->substr(5) : *value;
  }
  co_return std::nullopt;
}

net::Task<std::expected<RelayPlan, Refusal>> LocalDirectory::smarthost(
    const Set& set, std::string nexthop, const std::string& sender) const {
  const auto hop = parse_next_hop(nexthop);
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
    CO_TRY(const auto value, co_await set->relay_sasl.find(key));
    if (!value) continue;
    const std::size_t colon = value->find(':');
    if (colon == std::string::npos)
      co_return fail(ErrorKind::config, fmt::format("relay-sasl: {} needs user:password", key));
    plan.user = value->substr(0, colon);
    plan.password = value->substr(colon + 1);
    break;
  }
  co_return plan;
}

std::optional<NextHop> parse_next_hop(std::string_view text) {
  NextHop hop;
  hop.use_mx = true;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    hop.host = text.substr(1, end - 1);
    hop.use_mx = false;
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    hop.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (hop.host.empty()) return std::nullopt;
  if (!port.empty()) {
    port.remove_prefix(1);
    hop.port = to_number<std::uint16_t>(port).value_or(0);
    if (hop.port == 0) return std::nullopt;
  }
  return hop;
}

}  // namespace posthorn::route
