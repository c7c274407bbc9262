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
  if (const auto names = inquiry.tables().local_domains(); domain.empty() && names.size() == 1)
    domain = names.front();
  co_return domain.empty() ? address : address + "@" + domain;
}

net::Task<bool> LocalDirectory::is_local_domain(Inquiry& inquiry, const std::string& domain) const {
  CO_TRY(const bool listed, co_await is_in_domains(inquiry, domain));
  if (listed || config_.route.any_domain == config::AnyDomain::none || !is_folder_domain(domain))
    co_return listed;
  CO_TRY(const bool leaves, co_await has_transport(inquiry, message::to_lower(domain)));
  co_return !leaves;
}

net::Task<bool> LocalDirectory::is_in_domains(Inquiry& inquiry, const std::string& domain) const {
  if (domain.empty()) co_return false;
  CO_TRY(const auto found, co_await inquiry.find(&TableSet::domains, message::to_lower(domain)));
  co_return found.has_value();
}

// An account whose name has a tag in it is somebody of its own.
net::Task<bool> LocalDirectory::is_own(Inquiry& inquiry, const std::string& account,
                                       const AddressKeys& keys) const {
  if (keys.full == account) co_return true;
  if (keys.untagged != account) co_return false;
  CO_TRY(const auto another, co_await inquiry.find(&TableSet::mailboxes, keys.full));
  co_return !another.has_value();
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
  Inquiry inquiry(tables_.current());
  co_return co_await sure(inquiry, find_recipient(inquiry, std::move(question)));
}

Answer<void> LocalDirectory::sender(std::string account, std::string address) {
  Inquiry inquiry(tables_.current());
  co_return co_await sure(inquiry, find_sender(inquiry, std::move(account), std::move(address)));
}

Answer<Plan> LocalDirectory::plan(PlanQuestion question) {
  Inquiry inquiry(tables_.current());
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
  // With several domains programs of this machine are of none, but of its name: whom they write to
  // by a bare name is of the first, as postmaster is, and so is who is told what became of it.
  // Otherwise nobody has an address there.
  const bool is_answer = question.is_notice && config_.server.default_domain.empty() &&
                         inquiry.tables().local_domains().size() > 1;
  if ((question.may_relay || is_answer) && is_own_host(split(address).second) &&
      !role_of(address)) {
    CO_TRY(const bool is_ours, co_await is_local_domain(inquiry, split(address).second));
    CO_TRY(const bool leaves, co_await has_transport(inquiry, split(address).second));
    const auto names = inquiry.tables().local_domains();
    if (!is_ours && !leaves && !names.empty())
      address =
          split(address).first + "@" +
          (config_.server.default_domain.empty() ? names.front() : config_.server.default_domain);
  }
  const std::string asked_domain = split(address).second;
  const bool is_host_role = is_bare_postmaster || (is_own_host(asked_domain) && role_of(address));
  if (config_.route.any_domain == config::AnyDomain::users && !question.may_relay &&
      !is_host_role) {
    CO_TRY(const bool listed, co_await is_in_domains(inquiry, asked_domain));
    if (!listed) co_return Out(std::unexpected(relay_denied(question.address)));
  }
  CO_TRY(bool is_local, co_await is_local_domain(inquiry, asked_domain));
  if (is_local && config_.route.by_local_part) {
    CO_TRY(address, co_await complete(inquiry, split(address).first));
    CO_TRY(is_local, co_await is_local_domain(inquiry, split(address).second));
  }
  if (!is_local && !question.may_relay && !is_host_role)
    co_return Out(std::unexpected(relay_denied(question.address)));
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
  co_return Out(Expansion{.recipients = std::move(walk.found)});
}

// A rewritten sender's address: its hash is the right to send to the one address in it, for anybody
// and from any sender, as with postsrsd (answers of machines do not all have the null sender).
Answer<Expansion> LocalDirectory::find_reversed(Inquiry& inquiry, std::string address) const {
  using Out = std::expected<Expansion, Refusal>;
  if (rewriter_->is_waiting())
    co_return fail(ErrorKind::temporary, "srs.secret_file cannot be read");
  const auto first = rewriter_->reverse(address);
  if (!first && first.error() == Srs::Fault::expired)
    co_return Out(std::unexpected(Refusal{Reason::expired, 550, "5.1.1",
                                          fmt::format("<{}>: This address has expired", address)}));
  if (!first) co_return Out(std::unexpected(unknown_user(address)));
  Walk walk;
  CO_TRY(const auto done, co_await expand(inquiry, *first, walk, 0));
  if (!done) co_return Out(std::unexpected(done.error()));
  if (walk.found.empty()) co_return Out(std::unexpected(unknown_user(*first)));
  co_return Out(Expansion{.recipients = std::move(walk.found), .is_reversed = true});
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

Answer<void> LocalDirectory::find_sender(Inquiry& inquiry, std::string account,
                                         std::string address) const {
  using Out = std::expected<void, Refusal>;
  const Refusal refusal{
      Reason::not_owner, 553, "5.7.1",
      fmt::format("<{}>: Sender address rejected: not owned by user {}", address, account)};
  if (address.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const std::string full, co_await complete(inquiry, address));
  const AddressKeys keys = maps::keys_of(full, config_.maps.recipient_delimiter);
  CO_TRY(const bool own, co_await is_own(inquiry, account, keys));
  if (own) co_return Out{};
  for (const std::string* key : {&keys.full, &keys.untagged, &keys.domain}) {
    const bool is_whole = key == &keys.full;
    CO_TRY(const auto value, is_whole ? co_await inquiry.find(&TableSet::senders, *key)
                                      : co_await inquiry.find_part(&TableSet::senders, *key));
    if (!value) continue;
    const auto owners = maps::split_list(*value);
    if (std::ranges::find(owners, account) != owners.end()) co_return Out{};
    break;
  }
  if (keys.domain.empty()) co_return Out(std::unexpected(refusal));
  CO_TRY(const bool local, co_await is_local_domain(inquiry, keys.domain.substr(1)));
  if (!local) co_return Out(std::unexpected(refusal));
  Walk walk;
  CO_TRY(const auto done, co_await expand(inquiry, full, walk, 0));
  if (!done) co_return Out(std::unexpected(refusal));
  for (const std::string& to : walk.found) {
    CO_TRY(const bool leads_home,
           co_await is_own(inquiry, account, maps::keys_of(to, config_.maps.recipient_delimiter)));
    if (leads_home) co_return Out{};
  }
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
  if (leads && std::ranges::any_of(leads->recipients, is_it)) co_return Out{};
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
    CO_TRY(const std::string at_home, co_await complete(inquiry, split(address).first));
    keys = maps::keys_of(at_home, config_.maps.recipient_delimiter);
  }
  CO_TRY(const auto full, co_await inquiry.find(&TableSet::mailboxes, keys.full));
  if (full) co_return Out(LocalPlan{keys.full, ""});
  CO_TRY(const bool mailbox, co_await has_mailbox(inquiry, keys));
  if (mailbox || config_.route.any_mailbox) co_return Out(LocalPlan{keys.untagged, keys.tag});
  co_return Out(std::unexpected(unknown_user(address)));  // it was there when the message came
}

}  // namespace posthorn::route
