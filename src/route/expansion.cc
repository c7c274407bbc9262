// Whom an address leads to: aliases, alias domains, catch-alls and tags as virtual(5) has them, and
// the names that somebody always has.
#include <algorithm>

#include "base/ascii.h"
#include "net/own_addresses.h"
#include "route/walk.h"

namespace posthorn::route {
namespace {

using maps::AddressKeys;
using maps::TableSet;

constexpr std::size_t kGoneMax = 10;  // told of; the check names them all

}  // namespace

Expansion LocalDirectory::Walk::take_expansion() {
  Expansion expansion{.recipients = std::move(found)};
  std::size_t octets = 0;
  for (const std::size_t last : ways) {
    std::string by;
    std::size_t count = 0;
    for (std::size_t i = last; i != 0 && octets < kByMax; i = marks[i - 1].before) {
      if (++count > kWayMax) {
        by.insert(0, "…, ");
        break;
      }
      by.insert(0, marks[i - 1].basis.text() + (by.empty() ? "" : ", "));
    }
    octets += by.size();
    expansion.by.push_back(std::move(by));
  }
  return expansion;
}

net::Task<maps::Found> LocalDirectory::find_vuser(Inquiry& inquiry, const AddressKeys& keys) const {
  if (!config_.route.by_local_part) co_return maps::Found{};
  const std::string untagged = split(keys.untagged).first;
  for (const std::string& key : {split(keys.full).first, untagged, std::string("@")}) {
    CO_TRY(auto found, co_await inquiry.find(&TableSet::vusers, key));
    if (!found.value) continue;
    // "@ vmail": each name has its own mailbox, which belongs to that system account.
    const std::string& value = *found.value;
    if (value == config_.users.store || value == "vmail" || value == ".") found.value = untagged;
    inquiry.decide(Decision::vuser, [&] { return fmt::format("{} is {}", untagged, *found.value); },
                   {found.place});
    co_return found;
  }
  co_return maps::Found{};
}

net::Task<std::optional<Basis>> LocalDirectory::find_mailbox(Inquiry& inquiry,
                                                             const AddressKeys& keys) const {
  using Out = std::optional<Basis>;
  CO_TRY(const auto full, co_await inquiry.find(&TableSet::mailboxes, keys.full));
  if (full.value) co_return Out({full.place});
  if (keys.untagged != keys.full) {
    CO_TRY(const auto untagged, co_await inquiry.find(&TableSet::mailboxes, keys.untagged));
    if (untagged.value) {
      inquiry.decide(Decision::tag_cut, [&] {
        return fmt::format("{} is {} with the tag {}", keys.full, keys.untagged, keys.tag);
      });
      co_return Out({untagged.place});
    }
  }
  CO_TRY(const auto vuser, co_await find_vuser(inquiry, keys));
  if (vuser.value && *vuser.value == split(keys.untagged).first) co_return Out({vuser.place});
  co_return std::nullopt;
}

// Who it is for in the end: one of ours, or of another server's. Each is taken once.
std::expected<void, Refusal> LocalDirectory::take(Inquiry& inquiry, std::string to, Walk& walk,
                                                  const Ending& ending) const {
  const auto [local, domain] = split(to);
  to = local + "@" + message::to_lower(domain);
  const bool is_new = walk.seen.insert(message::to_lower(to)).second;
  inquiry.decide(
      ending.decision,
      [&] {
        return fmt::format(
            "{} {}{}", to,
            ending.decision == Decision::remote ? "is of another server" : "is a mailbox of ours",
            is_new ? "" : ", and gets it already");
      },
      ending.basis);
  if (is_new) {
    if (!ending.basis.text().empty()) walk.enter(ending.basis);
    walk.found.push_back(std::move(to));
    walk.ways.push_back(walk.at);
    if (!ending.basis.text().empty()) walk.leave();
  }
  if (walk.found.size() > config_.maps.expansion_max)
    return std::unexpected(
        Refusal{Reason::expansion, 554, "5.4.6", "The address expands to too many recipients"});
  return {};
}

// virtual(5): the full address, the address without its tag, then a mailbox of that name, then the
// domain's catch-all.
net::Task<LocalDirectory::Entry> LocalDirectory::find_entry(Inquiry& inquiry,
                                                            const AddressKeys& keys) const {
  Entry entry;
  CO_TRY(entry.targets, co_await inquiry.find(&TableSet::aliases, keys.full));
  if (!entry.targets.value && keys.untagged != keys.full) {
    CO_TRY(entry.targets, co_await inquiry.find_part(&TableSet::aliases, keys.untagged));
    entry.keeps_tag = entry.targets.value.has_value();
    if (entry.keeps_tag)
      inquiry.decide(Decision::tag_cut, [&] {
        return fmt::format("{} is {} with the tag {}, which goes on", keys.full, keys.untagged,
                           keys.tag);
      });
  }
  if (entry.targets.value) co_return entry;
  CO_TRY(entry.mailbox, co_await find_mailbox(inquiry, keys));
  if (entry.mailbox) co_return entry;
  CO_TRY(entry.targets, co_await find_vuser(inquiry, keys));
  if (entry.targets.value) co_return entry;
  CO_TRY(entry.targets, co_await inquiry.find_part(&TableSet::aliases, keys.domain));
  if (entry.targets.value)
    inquiry.decide(
        Decision::catch_all,
        [&] { return fmt::format("{} catches what nobody else in it has", keys.domain); },
        {entry.targets.place});
  co_return entry;
}

// The refusal of somebody unknown, also of an alias that leads to nobody any more, is 5.1.1 and
// names the address that was asked for, never a target.
net::Task<std::expected<void, Refusal>> LocalDirectory::expand(Inquiry& inquiry,
                                                               std::string address, Walk& walk,
                                                               std::size_t depth) const {
  using Out = std::expected<void, Refusal>;
  const AddressKeys keys = maps::keys_of(address, config_.maps.recipient_delimiter);
  const std::string domain = keys.domain.empty() ? "" : keys.domain.substr(1);
  CO_TRY(const bool local, co_await is_local_domain(inquiry, domain));
  if (!local && is_own_host(domain) && role_of(address))
    co_return co_await expand_role(inquiry, address, walk, depth);
  if (!local) co_return take(inquiry, address, walk, {Decision::remote});
  if (depth > config_.maps.depth_max)
    co_return Out(std::unexpected(
        Refusal{Reason::expansion, 554, "5.4.6", "Aliases of aliases without end"}));

  CO_TRY(const Entry entry, co_await find_entry(inquiry, keys));
  if (entry.mailbox) co_return take(inquiry, address, walk, {Decision::mailbox, *entry.mailbox});
  if (!entry.targets.value && config_.route.any_mailbox)
    co_return take(inquiry, address, walk,
                   {Decision::any_mailbox, {.setting = "route.any_mailbox"}});
  Out out = std::unexpected(unknown_user(address));
  if (entry.targets.value) {
    // Back at an address that is being expanded: its own mailbox is meant ("bob: bob, archive").
    if (!walk.visited.insert(keys.full).second) {
      CO_TRY(const auto mailbox, co_await find_mailbox(inquiry, keys));
      inquiry.decide(Decision::own_mailbox, [&] {
        return fmt::format("{} was met before: {}", address,
                           mailbox ? "its own mailbox is meant" : "nothing more comes of it");
      });
      if (mailbox) co_return take(inquiry, address, walk, {Decision::mailbox, *mailbox});
      co_return Out{};
    }
    walk.enter({entry.targets.place});
    CO_TRY(out, co_await expand_targets(inquiry, *entry.targets.value,
                                        entry.keeps_tag ? keys.tag : "", address, walk, depth));
    walk.leave();
  }
  if (out || !is_unknown(out.error())) co_return out;
  walk.met_unknown = true;
  if (!walk.is_for_role && role_of(address))
    co_return co_await expand_role(inquiry, address, walk, depth);
  co_return out;
}

// One that nobody has any more does not keep the others from their mail.
net::Task<std::expected<void, Refusal>> LocalDirectory::expand_targets(
    Inquiry& inquiry, const std::string& value, const std::string& tag, const std::string& from,
    Walk& walk, std::size_t depth) const {
  using Out = std::expected<void, Refusal>;
  const auto targets = maps::split_list(value);
  if (targets.empty())
    co_return fail(ErrorKind::config, fmt::format("the alias {} leads to no address", from));
  bool leads_on = false;
  for (std::string target : targets) {
    // virtual(5): "@other" is the same name in the other domain.
    const bool is_same_name = target.starts_with('@');
    if (is_same_name) {
      std::string name = split(from).first;
      if (!tag.empty()) name.resize(name.size() - tag.size() - 1);
      const std::string other = std::exchange(target, name + target);
      inquiry.decide(Decision::same_name,
                     [&] { return fmt::format("{} is the same name there: {}", other, target); });
    }
    CO_TRY(target, co_await complete(inquiry, target));
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
    CO_TRY(const auto done, co_await expand(inquiry, target, walk, depth + 1));
    if (!done && !is_unknown(done.error())) co_return done;
    leads_on |= done.has_value();
    if (done || is_same_name) continue;
    inquiry.decide(Decision::target_gone,
                   [&] { return fmt::format("{} leads to {}, which nobody has", from, target); });
    if (walk.gone.size() < kGoneMax) walk.gone.push_back({from, target});
  }
  if (leads_on) co_return Out{};
  co_return Out(std::unexpected(unknown_user(from)));
}

// RFC 5321 section 4.5.1: postmaster is always there; RFC 2142 section 4 wants abuse. Where nobody
// has the name it goes where postmaster of the server goes: as configured, to who has that name in
// the default (or first) domain, or to the first mailbox. nullopt: any other name.
std::optional<std::string> LocalDirectory::role_of(const std::string& address) const {
  const std::string name =
      split(maps::keys_of(address, config_.maps.recipient_delimiter).untagged).first;
  if (name == "postmaster" || name == "abuse") return name;
  return std::nullopt;
}

// RFC 5321 section 4.1.3: an address literal of ours, as the host's own name, from where bounces
// come.
bool LocalDirectory::is_own_host(const std::string& domain) const {
  if (equals_ignoring_case(domain, config_.server.hostname)) return true;
  if (!domain.starts_with('[') || !domain.ends_with(']')) return false;
  std::string literal = message::to_lower(domain.substr(1, domain.size() - 2));
  if (literal.starts_with("ipv6:")) literal.erase(0, 5);
  const std::string address = net::canonical_address(literal);
  return std::ranges::find(own_addresses_, address) != own_addresses_.end();
}

net::Task<std::expected<void, Refusal>> LocalDirectory::expand_role(Inquiry& inquiry,
                                                                    const std::string& address,
                                                                    Walk& walk,
                                                                    std::size_t depth) const {
  using Out = std::expected<void, Refusal>;
  if (walk.is_for_role) co_return Out(std::unexpected(unknown_user(address)));
  const std::string role = *role_of(address), domain = split(address).second;
  std::string home = config_.server.default_domain;
  if (home.empty()) {
    CO_TRY(const auto domains, co_await inquiry.local_domains());
    if (!domains.empty()) home = domains.front();
  }
  std::vector<std::string> names;
  if (role == "abuse") {
    CO_TRY(const bool local, co_await is_local_domain(inquiry, domain));
    if (local)
      names.push_back("postmaster@" + domain);
    else if (!home.empty())
      names.push_back("abuse@" + home);
  }
  names.push_back(config_.server.postmaster);
  if (!home.empty()) names.push_back("postmaster@" + home);
  for (const std::string& name : names) {
    CO_TRY(const auto tried, co_await try_role(inquiry, {role, name}, walk, depth));
    if (!tried || *tried) co_return tried ? Out{} : Out(std::unexpected(tried.error()));
  }
  for (const auto& table : inquiry.tables().mailboxes.tables) {
    CO_TRY(const auto first, co_await inquiry.find_first(*table));
    CO_TRY(const auto tried,
           co_await try_role(inquiry, {role, first.value.value_or("")}, walk, depth));
    if (!tried || *tried) co_return tried ? Out{} : Out(std::unexpected(tried.error()));
  }
  co_return Out(std::unexpected(unknown_user(address)));
}

// Does somebody get it there? Who stands on the list already does.
net::Task<std::expected<bool, Refusal>> LocalDirectory::try_role(Inquiry& inquiry, RoleHolder to,
                                                                 Walk& walk,
                                                                 std::size_t depth) const {
  using Out = std::expected<bool, Refusal>;
  const std::string& name = to.address;
  if (name.empty()) co_return Out(false);
  const Basis basis{.setting = name == config_.server.postmaster ? "server.postmaster" : ""};
  inquiry.decide(
      Decision::role_address,
      [&] { return fmt::format("{} is always there: {} is tried for it", to.role, name); }, basis);
  if (!basis.setting.empty()) walk.enter(basis);
  walk.is_for_role = true;
  auto asked = co_await expand(inquiry, name, walk, depth);
  walk.is_for_role = false;
  if (!basis.setting.empty()) walk.leave();
  CO_TRY(const auto done, std::move(asked));
  if (!done && !is_unknown(done.error())) co_return Out(std::unexpected(done.error()));
  co_return Out(done && !walk.found.empty());
}

}  // namespace posthorn::route
