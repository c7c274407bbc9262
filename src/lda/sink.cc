#include "lda/sink.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/events.h"
#include "base/metrics.h"
#include "maps/table_set.h"
#include "message/headers.h"
#include "store/dovecot_files.h"
#include "store/mailbox_name.h"

namespace posthorn::lda {
namespace {

// What the sender reads: the script's words, on a few printable lines.
std::string rejection_text(std::string_view reason) {
  std::string text;
  for (const char c : reason.substr(0, 512)) {
    if (c == '\n') text += '\n';
    if (static_cast<unsigned char>(c) >= 0x20 && c < 0x7F) text += c;
  }
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "Refused by the recipient" : text;
}

using Reason = smtp::RecipientResult::Reason;

std::string_view counted_as(Reason reason) {
  switch (reason) {
    case Reason::stored:
      return "stored";
    case Reason::discarded:
      return "discarded";
    case Reason::over_quota:
      return "over_quota";
    case Reason::rejected:
      return "rejected";
    case Reason::failed:
      break;
  }
  return "failed";
}

// Queue to maildir: one message for one or more recipients of this worker, each with its own
// outcome (RFC 2033).
class StoreSink final : public smtp::Sink {
 public:
  explicit StoreSink(StoreSinkParts parts) : parts_(parts) {}

  net::Task<> begin(const message::Envelope& envelope) override {
    envelope_ = envelope;
    if (!envelope.origin.session.empty()) log_ = log_.with_session(envelope.origin.session);
    if (!envelope.origin.queue_id.empty()) log_ = log_.with_queue(envelope.origin.queue_id);
    for (const message::Recipient& recipient : envelope.recipients) {
      auto& one = recipients_.emplace_back();
      one.keys = maps::keys_of(home_of(recipient.address), parts_.config.maps.recipient_delimiter);
      const auto account = co_await parts_.accounts.open(one.keys.untagged);
      if (!account) {
        one.fault = account.error();
        continue;
      }
      one.account = *account;
      auto delivery = co_await one.account->begin_delivery();
      if (!delivery) {
        one.fault = delivery.error();
        continue;
      }
      one.delivery = *std::move(delivery);
      // RFC 5321 section 4.4: the final delivery adds Return-Path; Delivered-To finds loops and
      // aliases.
      const std::string fields = fmt::format("Return-Path: <{}>\r\nDelivered-To: {}\r\n",
                                             envelope.sender, recipient.address);
      one.prefix = fields.size();
      const auto added = co_await one.delivery->write(fields);
      if (!added) one.fault = added.error();
    }
    co_return Result<>{};
  }

  net::Task<> write(std::string_view bytes) override {
    size_ += bytes.size();
    header_.feed(bytes);
    for (auto& one : recipients_) {
      if (one.fault || !one.delivery) continue;
      const auto written = co_await one.delivery->write(bytes);
      if (!written) one.fault = written.error();
    }
    co_return Result<>{};
  }

  net::Task<smtp::Committed> commit() override {
    header_.finish();
    smtp::Committed committed;
    for (std::size_t i = 0; i < recipients_.size(); ++i) {
      committed.recipients.push_back(co_await deliver(recipients_[i], envelope_.recipients[i]));
      metrics::count(metric::store_deliveries, counted_as(committed.recipients.back().reason));
    }
    co_return committed;
  }

  net::Awaitable<void> abort() override {
    for (auto& one : recipients_)
      if (one.delivery) one.delivery->abort();
    co_return;
  }

 private:
  // With route.by_local_part every name has its one home, whatever domain it was written to.
  std::string home_of(const std::string& address) const {
    if (!parts_.config.route.by_local_part) return address;
    return address.substr(0, address.rfind('@')) + "@" + parts_.config.server.default_domain;
  }

  struct One {
    maps::AddressKeys keys;
    store::AccountPtr account;
    store::DeliveryPtr delivery;
    std::optional<Error> fault;
    std::size_t prefix = 0;  // of our own fields above the message
  };

  // RFC 5228 section 2.10.6: what cannot be done ends in the INBOX, never in a mail that waits for
  // a folder which cannot be. Courier's and Cyrus' names (INBOX.Work, INBOX/Work) reach Work,
  // unless there is a folder of just that name.
  net::Awaitable<std::string> mailbox_of(const One& one, const std::string& wanted) {
    const auto exact = co_await one.account->find_mailbox_nocase(wanted);
    if (exact && *exact == wanted) co_return wanted;
    if (auto name = store::mailbox_name_from(wanted)) co_return *std::move(name);
    log_.warn(event::sieve_failed, {{"to", one.account->name()},
                                    {"mailbox", wanted},
                                    {"reason", "no folder can have this name: kept in INBOX"}});
    co_return "INBOX";
  }

  // Flags that are no keywords are left out.
  static store::FlagNames marks_of(const std::vector<std::string>& flags) {
    auto names = store::split_flags(flags);
    std::erase_if(names.keywords, [](const std::string& name) { return !store::is_keyword(name); });
    return names;
  }

  net::Awaitable<std::vector<store::Target>> targets_of(
      One& one, const std::vector<sieve::libsieve::Action>& actions) {
    std::vector<store::Target> targets;
    const auto add = [&](std::string mailbox, const std::vector<std::string>& flags) {
      store::Target target;
      target.mailbox = std::move(mailbox);
      target.create = true;
      target.else_inbox = true;
      auto names = marks_of(flags);
      const auto same = std::ranges::find(targets, target.mailbox, &store::Target::mailbox);
      if (same != targets.end()) {  // by two names: one copy
        same->flags |= names.flags;
        std::ranges::move(names.keywords, std::back_inserter(same->keywords));
        return;
      }
      target.flags = names.flags;
      target.keywords = std::move(names.keywords);
      targets.push_back(std::move(target));
    };
    for (const sieve::libsieve::Action& action : actions) {
      if (const auto* into = std::get_if<sieve::libsieve::FileInto>(&action)) {
        const config::Filter& filter = parts_.config.filter;
        const bool is_junk = into->mailbox == parts_.config.store.junk;
        if (is_junk && !filter.spam_to_junk) {
          add(co_await inbox_of(one), into->flags);
          continue;
        }
        add(co_await mailbox_of(one, into->mailbox), into->flags);
        if (is_junk && filter.spam_is_read) targets.back().flags |= store::flag::seen;
      }
      if (const auto* keep = std::get_if<sieve::libsieve::Keep>(&action))
        add(co_await inbox_of(one), keep->flags);
    }
    co_return targets;
  }

  // user+Work: the folder Work, in any case, if there is one.
  net::Awaitable<std::string> inbox_of(const One& one) {
    if (!parts_.config.store.tag_to_folder || one.keys.tag.empty()) co_return "INBOX";
    const auto found = co_await one.account->find_mailbox_nocase(one.keys.tag);
    co_return found && *found ? **found : "INBOX";
  }

  enum class Redirected { sent, kept };
  // An Error is logged here.
  net::Task<Redirected> send_on(One& one, const message::Recipient& recipient,
                                const std::string& address) {
    const auto sent = co_await parts_.redirector.send(
        {envelope_, header_.block(), one.account->name(), recipient.address, address, one.prefix},
        *one.delivery);
    if (!sent) {
      log_.error(event::store_failed, {{"to", recipient.address}, {"reason", sent.error().what}});
      co_return std::unexpected(sent.error());
    }
    if (*sent) co_return Redirected::sent;
    // RFC 5228 section 2.10.6: what cannot be sent on is kept.
    log_.warn(
        event::sieve_failed,
        {{"to", recipient.address}, {"rcpt", address}, {"reason", "redirect: " + sent->error()}});
    co_return Redirected::kept;
  }

  net::Awaitable<smtp::RecipientResult> deliver(One& one, const message::Recipient& recipient) {
    const smtp::RecipientResult later{
        Reason::failed, {451, "4.2.0", "The mailbox could not be written; try again later"}};
    if (one.fault || !one.delivery) {
      log_.error(event::store_failed, {{"to", recipient.address},
                                       {"reason", one.fault ? one.fault->what : "no delivery"}});
      co_return one.fault&& one.fault->kind == ErrorKind::permanent
          ? smtp::RecipientResult{Reason::rejected, {550, "5.1.1", "There can be no such mailbox"}}
          : later;
    }
    // A fault in a script keeps the message (RFC 5228 section 2.10.6).
    const message::Headers headers(header_.block());
    const auto actions = parts_.scripts.decide(
        {headers, size_, envelope_.sender, recipient.address}, one.account->name());
    for (const sieve::libsieve::Action& action : actions) {
      if (const auto* reject = std::get_if<sieve::libsieve::Reject>(&action)) {
        // RFC 5429 section 2.1: refused while the client still has it; the queue tells the sender.
        one.delivery->abort();
        log_.info(event::sieve_rejected, {{"to", recipient.address}});
        co_return smtp::RecipientResult{Reason::rejected,
                                        {550, "5.7.1", rejection_text(reject->reason)}};
      }
    }
    auto targets = co_await targets_of(one, actions);
    for (const sieve::libsieve::Action& action : actions) {
      const auto* redirect = std::get_if<sieve::libsieve::Redirect>(&action);
      if (redirect == nullptr) continue;
      const auto done = co_await send_on(one, recipient, redirect->address);
      if (!done) co_return later;
      if (*done == Redirected::kept && targets.empty()) {
        store::Target inbox;
        inbox.mailbox = "INBOX";
        targets.push_back(std::move(inbox));
      }
    }
    if (targets.empty()) {
      one.delivery->abort();
      log_.info(event::store_discarded, {{"to", recipient.address}});
      co_return smtp::RecipientResult{Reason::discarded, {250, "2.0.0", "Ok: discarded"}};
    }
    auto placed = co_await one.delivery->commit(targets, quota::Check::last_mail);
    if (!placed) {
      log_.error(event::store_failed, {{"to", recipient.address}, {"reason", placed.error().what}});
      co_return later;
    }
    if (placed->front().result == store::NameResult::over_quota) co_return mailbox_full(recipient);
    for (const store::Placed& place : *placed) {
      if (place.result != store::NameResult::done) {
        log_.error(event::store_failed,
                   {{"to", recipient.address}, {"reason", "no such mailbox: " + place.mailbox}});
        co_return later;
      }
      const auto& wanted = targets[static_cast<std::size_t>(&place - placed->data())].mailbox;
      if (place.mailbox != wanted)
        log_.warn(event::sieve_failed, {{"to", recipient.address},
                                        {"mailbox", wanted},
                                        {"reason", "it could not be filed there: kept in INBOX"}});
      log_.info(event::store_delivered, {{"to", recipient.address},
                                         {"mailbox", place.mailbox},
                                         {"uid", place.uid},
                                         {"size", one.delivery->wire_size()}});
    }
    co_return smtp::RecipientResult{Reason::stored,
                                    {250, "2.0.0", "Ok: saved in " + placed->front().mailbox}};
  }

  // RFC 3463 section 3.3: X.2.2, mailbox full.
  smtp::RecipientResult mailbox_full(const message::Recipient& recipient) const {
    const std::string text = fmt::format("<{}>: Mailbox is full", recipient.address);
    if (parts_.config.store.quota_full_tempfail) return {Reason::over_quota, {452, "4.2.2", text}};
    return {Reason::over_quota, {552, "5.2.2", text}};
  }

  StoreSinkParts parts_;
  message::Envelope envelope_;
  std::vector<One> recipients_;
  message::HeaderCollector header_;
  std::uint64_t size_ = 0;
  log::Logger log_;
};

}  // namespace

std::unique_ptr<smtp::Sink> StoreSinkFactory::make() {
  return std::make_unique<StoreSink>(parts_);
}

}  // namespace posthorn::lda
