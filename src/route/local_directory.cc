#include "route/local_directory.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "route/walk.h"

namespace posthorn::route {
namespace {

using maps::AddressKeys;
using maps::TableSet;

Refusal relay_denied(const std::string& address) {
  return {Reason::relaying, 554, "5.7.1", fmt::format("<{}>: Relay access denied", address)};
}

// A name that may become a folder's: no address literal, no label that hides.
bool is_folder_domain(const std::string& domain) {
  return message::is_domain(domain, message::AddressCharset::ascii);
}

}  // namespace

// A bare local part gets the default domain: the configured one, or the only one there is.
net::Task<std::string> LocalDirectory::complete(Inquiry& inquiry, std::string address) const {
  const auto parsed = message::parse_mailbox_address(address);
  if (parsed ? !parsed->domain.empty() : address.find('@') != std::string::npos) co_return address;
  std::string domain = config_.server.default_domain;
  const bool is_set = !domain.empty();
  if (!is_set) {
    CO_TRY(const auto names, co_await inquiry.local_domains());
    if (names.size() == 1) domain = names.front();
  }
  if (domain.empty()) co_return address;
  inquiry.decide(
      Decision::completed,
      [&] { return fmt::format("{} without a domain means {}@{}", address, address, domain); },
      {.setting = is_set ? "server.default_domain" : ""});
  co_return address + "@" + domain;
}

net::Task<bool> LocalDirectory::is_local_domain(Inquiry& inquiry, const std::string& domain) const {
  CO_TRY(const bool listed, co_await is_in_domains(inquiry, domain));
  if (listed || config_.route.any_domain == config::AnyDomain::none || !is_folder_domain(domain))
    co_return listed;
  CO_TRY(const bool leaves, co_await has_transport(inquiry, message::to_lower(domain)));
  if (!leaves)
    inquiry.decide(Decision::any_domain,
                   [&] { return fmt::format("{} is ours, as every domain is", domain); },
                   {.setting = "route.any_domain"});
  co_return !leaves;
}

net::Task<bool> LocalDirectory::is_in_domains(Inquiry& inquiry, const std::string& domain) const {
  if (domain.empty()) co_return false;
  CO_TRY(const auto found, co_await inquiry.find(&TableSet::domains, message::to_lower(domain)));
  co_return found.value.has_value();
}

// An account whose name has a tag in it is somebody of its own.
net::Task<bool> LocalDirectory::is_own(Inquiry& inquiry, const std::string& account,
                                       const AddressKeys& keys) const {
  if (keys.full == account) co_return true;
  if (keys.untagged != account) co_return false;
  CO_TRY(const auto another, co_await inquiry.find(&TableSet::mailboxes, keys.full));
  co_return !another.value.has_value();
}

// A refusal that rests on answers from before PostgreSQL was lost is put off: what is missing in
// them may be there by now.
template <class T>
Answer<T> LocalDirectory::sure(const Inquiry& inquiry, Answer<T> asked) {
  auto answer = co_await std::move(asked);
  if (answer && !*answer && inquiry.freshness() == maps::Freshness::old)
    co_return fail(ErrorKind::temporary, "PostgreSQL cannot be asked, and a refusal must be sure");
  co_return answer;
}

Answer<Expansion> LocalDirectory::recipient(RecipientQuestion question) {
  Inquiry inquiry(tables_.current(), question.told);
  co_return co_await sure(inquiry, find_recipient(inquiry, std::move(question)));
}

Answer<void> LocalDirectory::sender(SenderQuestion question) {
  Inquiry inquiry(tables_.current(), question.told);
  co_return co_await sure(inquiry, find_sender(inquiry, std::move(question)));
}

Answer<Plan> LocalDirectory::plan(PlanQuestion question) {
  Inquiry inquiry(tables_.current(), question.told);
  co_return co_await sure(inquiry, find_plan(inquiry, std::move(question)));
}

Answer<Expansion> LocalDirectory::find_recipient(Inquiry& inquiry,
                                                 RecipientQuestion question) const {
  using Out = std::expected<Expansion, Refusal>;
  const auto parsed = message::parse_mailbox_address(question.address);
  if (!parsed)
    co_return Out(std::unexpected(
        Refusal{Reason::malformed, 553, "5.1.3", "The recipient's address has a fault"}));
  if (rewriter_ != nullptr && rewriter_->is_ours(question.address))
    co_return co_await find_reversed(inquiry, question.address);
  // RFC 5321 section 4.5.1: postmaster needs no domain, in any case of letters.
  const bool is_bare_postmaster =
      parsed->domain.empty() && equals_ignoring_case(parsed->local, "postmaster");
  if (parsed->domain.empty() && !is_bare_postmaster && !question.may_relay &&
      !config_.route.bare_names)
    co_return Out(std::unexpected(
        Refusal{Reason::no_domain, 550, "5.1.2", "The recipient's address needs a domain"}));
  std::string address = question.address;
  if (is_bare_postmaster) {
    address += "@" + config_.server.hostname;
  } else {
    CO_TRY(address, co_await complete(inquiry, std::move(address)));
  }
  CO_TRY_OK(co_await move_from_host(inquiry, question, address));
  const std::string asked_domain = split(address).second;
  const bool is_host_role = is_bare_postmaster || (is_own_host(asked_domain) && role_of(address));
  if (config_.route.any_domain == config::AnyDomain::users && !question.may_relay &&
      !is_host_role) {
    CO_TRY(const bool listed, co_await is_in_domains(inquiry, asked_domain));
    if (!listed) co_return deny_relay(inquiry, question.address, asked_domain);
  }
  CO_TRY(bool is_local, co_await is_local_domain(inquiry, asked_domain));
  if (is_local && config_.route.by_local_part) {
    inquiry.decide(Decision::local_part,
                   [&] { return fmt::format("of {} the name alone counts", address); },
                   {.setting = "route.by_local_part"});
    CO_TRY(address, co_await complete(inquiry, split(address).first));
    CO_TRY(is_local, co_await is_local_domain(inquiry, split(address).second));
  }
  if (!is_local && !question.may_relay && !is_host_role)
    co_return deny_relay(inquiry, question.address, asked_domain);
  if (split(address).second.empty())
    co_return Out(std::unexpected(
        Refusal{Reason::no_domain, 550, "5.1.2", "The recipient's address needs a domain"}));
  Walk walk;
  CO_TRY(auto done, is_host_role && !is_local ? co_await expand_role(inquiry, address, walk, 0)
                                              : co_await expand(inquiry, address, walk, 0));
  if (done && walk.found.empty())
    done = std::unexpected(walk.met_unknown ? unknown_user(address)
                                            : Refusal{Reason::expansion, 554, "5.4.6",
                                                      "The address expands to nobody"});
  for (const Walk::Gone& one : walk.gone)
    log_.warn(event::route_target_gone, {{"alias", one.alias}, {"target", one.target}});
  if (!done) co_return Out(std::unexpected(done.error()));
  co_return Out(walk.take_expansion());
}

// With several domains programs of this machine are of none, but of its name: whom they write to by
// a bare name is of the first, as postmaster is, and so is who is told what became of it. Otherwise
// nobody has an address there.
net::Task<> LocalDirectory::move_from_host(Inquiry& inquiry, const RecipientQuestion& question,
                                           std::string& address) const {
  bool is_meant = question.may_relay;
  if (!is_meant && question.is_notice && config_.server.default_domain.empty()) {
    CO_TRY(const auto names, co_await inquiry.local_domains());
    is_meant = names.size() > 1;
  }
  if (!is_meant || !is_own_host(split(address).second) || role_of(address)) co_return Result<>{};
  CO_TRY(const bool is_ours, co_await is_local_domain(inquiry, split(address).second));
  CO_TRY(const bool leaves, co_await has_transport(inquiry, split(address).second));
  CO_TRY(const auto names, co_await inquiry.local_domains());
  if (is_ours || leaves || names.empty()) co_return Result<>{};
  const std::string moved =
      split(address).first + "@" +
      (config_.server.default_domain.empty() ? names.front() : config_.server.default_domain);
  inquiry.decide(
      Decision::own_host,
      [&] { return fmt::format("{} is of this machine's own name, and means {}", address, moved); },
      {.setting = "server.hostname"});
  address = moved;
  co_return Result<>{};
}

std::expected<Expansion, Refusal> LocalDirectory::deny_relay(Inquiry& inquiry,
                                                             const std::string& address,
                                                             const std::string& domain) {
  inquiry.decide(Decision::relay_denied, [&] {
    return fmt::format("{} is not ours, and this sender may not write to other servers", domain);
  });
  return std::unexpected(relay_denied(address));
}

// A rewritten sender's address: its hash is the right to send to the one address in it, for anybody
// and from any sender, as with postsrsd (answers of machines do not all have the null sender).
Answer<Expansion> LocalDirectory::find_reversed(Inquiry& inquiry, std::string address) const {
  using Out = std::expected<Expansion, Refusal>;
  if (rewriter_->is_waiting())
    co_return fail(ErrorKind::temporary, "srs.secret_file cannot be read");
  const auto first = rewriter_->reverse(address);
  const Basis basis{.setting = "srs.domain"};
  inquiry.decide(
      first ? Decision::srs_reversed : Decision::refused,
      [&] {
        return fmt::format("{} is a rewritten sender's address{}", address,
                           first ? fmt::format(", and leads back to {}", *first)
                           : first.error() == Srs::Fault::expired
                               ? std::string(" whose time is over")
                               : std::string(" that this server did not make"));
      },
      basis);
  if (!first && first.error() == Srs::Fault::expired)
    co_return Out(std::unexpected(Refusal{Reason::expired, 550, "5.1.1",
                                          fmt::format("<{}>: This address has expired", address)}));
  if (!first) co_return Out(std::unexpected(unknown_user(address)));
  Walk walk;
  walk.enter(basis);
  CO_TRY(const auto done, co_await expand(inquiry, *first, walk, 0));
  if (!done) co_return Out(std::unexpected(done.error()));
  if (walk.found.empty()) co_return Out(std::unexpected(unknown_user(*first)));
  Expansion expansion = walk.take_expansion();
  expansion.is_reversed = true;
  co_return Out(std::move(expansion));
}

net::Task<std::string> LocalDirectory::rewrite(std::string sender) {
  const std::string domain = split(sender).second;
  if (rewriter_ == nullptr || domain.empty() || rewriter_->is_excluded(domain)) co_return sender;
  Inquiry inquiry(tables_.current());
  CO_TRY(const bool own, co_await is_local_domain(inquiry, domain));
  if (own) co_return sender;
  // One of ours must not leave as a stranger's because a database is away.
  if (inquiry.freshness() == maps::Freshness::old)
    co_return fail(ErrorKind::temporary, "PostgreSQL cannot be asked for the sender's domain");
  if (rewriter_->is_waiting())
    co_return fail(ErrorKind::temporary, "srs.secret_file cannot be read");
  co_return rewriter_->forward(sender).value_or(sender);
}

Answer<void> LocalDirectory::find_sender(Inquiry& inquiry, SenderQuestion question) const {
  using Out = std::expected<void, Refusal>;
  const auto& [account, address, told] = question;
  const Refusal refusal{
      Reason::not_owner, 553, "5.7.1",
      fmt::format("<{}>: Sender address rejected: not owned by user {}", address, account)};
  if (address.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const std::string full, co_await complete(inquiry, address));
  const AddressKeys keys = maps::keys_of(full, config_.maps.recipient_delimiter);
  CO_TRY(const bool own, co_await is_own(inquiry, account, keys));
  if (own) {
    inquiry.decide(Decision::sender_own,
                   [&] { return fmt::format("{} is the account's own address", full); });
    co_return Out{};
  }
  for (const std::string* key : {&keys.full, &keys.untagged, &keys.domain}) {
    const bool is_whole = key == &keys.full;
    CO_TRY(const auto found, is_whole ? co_await inquiry.find(&TableSet::senders, *key)
                                      : co_await inquiry.find_part(&TableSet::senders, *key));
    if (!found.value) continue;
    const auto owners = maps::split_list(*found.value);
    const bool is_one = std::ranges::find(owners, account) != owners.end();
    inquiry.decide(is_one ? Decision::sender_listed : Decision::refused,
                   [&] {
                     return fmt::format("{} {} as {}", account,
                                        is_one ? "may send" : "is not among those who may send",
                                        *key);
                   },
                   {found.place});
    if (is_one) co_return Out{};
    break;
  }
  if (keys.domain.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const bool local, co_await is_local_domain(inquiry, keys.domain.substr(1)));
  if (!local) {
    inquiry.decide(Decision::refused, [&] {
      return fmt::format("{} is of no domain of ours, so it leads to no mailbox of {}", full,
                         account);
    });
    co_return Out(std::unexpected(refusal));
  }
  Walk walk;
  CO_TRY(const auto done, co_await expand(inquiry, full, walk, 0));
  if (!done) co_return Out(std::unexpected(refusal));
  for (const std::string& to : walk.found) {
    CO_TRY(const bool leads_home,
           co_await is_own(inquiry, account, maps::keys_of(to, config_.maps.recipient_delimiter)));
    if (!leads_home) continue;
    inquiry.decide(Decision::sender_leads, [&] {
      return fmt::format("{} leads to the account's own mailbox, so it may send so", full);
    });
    co_return Out{};
  }
  inquiry.decide(Decision::refused,
                 [&] { return fmt::format("{} leads to nothing of {}", full, account); });
  co_return Out(std::unexpected(refusal));
}

// Who may not relay reaches another server through an address of ours alone, and where that leads
// is asked anew: whoever took the mail may have been taken over.
Answer<void> LocalDirectory::check_relay(Inquiry& inquiry, const PlanQuestion& question) const {
  using Out = std::expected<void, Refusal>;
  if (!question.named) co_return Out{};
  CO_TRY(const auto leads,
         co_await find_recipient(
             inquiry, {.address = *question.named, .is_notice = question.sender.empty()}));
  const auto is_it = [&](const std::string& to) {
    return equals_ignoring_case(to, question.address);
  };
  const bool is_led = leads && std::ranges::any_of(leads->recipients, is_it);
  inquiry.decide(is_led ? Decision::may_relay : Decision::relay_denied, [&] {
    return fmt::format("{} {} to {}", *question.named, is_led ? "leads" : "does not lead",
                       question.address);
  });
  if (is_led) co_return Out{};
  co_return Out(std::unexpected(relay_denied(question.address)));
}

Answer<Plan> LocalDirectory::find_plan(Inquiry& inquiry, PlanQuestion question) const {
  using Out = std::expected<Plan, Refusal>;
  const std::string& address = question.address;
  AddressKeys keys = maps::keys_of(address, config_.maps.recipient_delimiter);
  const std::string domain = keys.domain.empty() ? "" : keys.domain.substr(1);
  CO_TRY(const bool local, co_await is_local_domain(inquiry, domain));
  if (!local) {
    CO_TRY(const auto allowed, co_await check_relay(inquiry, question));
    if (!allowed) co_return Out(std::unexpected(allowed.error()));
    CO_TRY(auto plan, co_await relay_plan(inquiry, keys, address, question.sender));
    if (!plan || config_.relay.fallback.empty()) co_return plan;
    CO_TRY(auto others, co_await fallbacks(inquiry));
    if (auto* mx = std::get_if<MxPlan>(&*plan))
      mx->fallbacks = std::move(others);
    else if (auto* relay = std::get_if<RelayPlan>(&*plan))
      relay->fallbacks = std::move(others);
    co_return plan;
  }
  if (config_.route.by_local_part) {
    inquiry.decide(Decision::local_part,
                   [&] { return fmt::format("of {} the name alone counts", address); },
                   {.setting = "route.by_local_part"});
    CO_TRY(const std::string at_home, co_await complete(inquiry, split(address).first));
    keys = maps::keys_of(at_home, config_.maps.recipient_delimiter);
  }
  const auto plan_for = [&](const std::string& account, const std::string& tag,
                            const Basis& basis) {
    inquiry.decide(
        basis.setting == "route.any_mailbox" ? Decision::any_mailbox : Decision::mailbox,
        [&] {
          return fmt::format("it is filed in the mailbox of {}{}", account,
                             tag.empty() ? "" : fmt::format(", with the tag {}", tag));
        },
        basis);
    return Out(LocalPlan{account, tag, basis.text()});
  };
  CO_TRY(const auto full, co_await inquiry.find(&TableSet::mailboxes, keys.full));
  if (full.value) co_return plan_for(keys.full, "", {full.place});
  CO_TRY(const auto mailbox, co_await find_mailbox(inquiry, keys));
  if (mailbox) co_return plan_for(keys.untagged, keys.tag, *mailbox);
  if (config_.route.any_mailbox)
    co_return plan_for(keys.untagged, keys.tag, {.setting = "route.any_mailbox"});
  co_return Out(std::unexpected(unknown_user(address)));  // it was there when the message came
}

}  // namespace posthorn::route
