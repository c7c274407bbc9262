#include "lda/sink.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/metrics.h"
#include "lda/decision.h"
#include "lda/filing.h"
#include "lda/refusal.h"
#include "maps/table_set.h"
#include "message/headers.h"

namespace posthorn::lda {
namespace {

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
      one.own_fields = fmt::format("Return-Path: <{}>\r\nDelivered-To: {}\r\n", envelope.sender,
                                   recipient.address);
      const auto added = co_await one.delivery->write(one.own_fields);
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
    std::string own_fields;            // ours, above the message
    std::string header;                // of the message with them, once it is whole
    DeliveryMemory* memory = nullptr;  // while it is delivered
  };

  // What the scripts say. An Error: try again later.
  net::Task<sieve::Outcome> decide_for(const One& one, const message::Recipient& recipient) {
    CO_TRY(const auto own, co_await parts_.own.find(one.account->name(), parts_.scripts.globals()));
    const Scripts scripts = parts_.scripts.order(one.account->name(), own.script);
    const sieve::Mail mail =
        mail_of(envelope_, recipient, one.header, one.own_fields.size() + size_);
    const sieve::Settings settings = settings_for(parts_.config, one.account->name());
    store::Delivery& delivery = *one.delivery;
    net::BlockingPool& pool = one.account->pool();
    AccountWorld world({.config = parts_.config,
                        .account = *one.account,
                        .read_text = [&] { return read_staged(pool, delivery); },
                        .items = {{"remote-host", envelope_.origin.client_name},
                                  {"remote-ip", envelope_.origin.client_address}},
                        .ask_list = parts_.ask_list ? &parts_.ask_list : nullptr,
                        .memory = one.memory});
    CO_TRY(sieve::Outcome outcome,
           co_await decide({scripts, mail, settings, world}, pool, parts_.clock));
    if (outcome.end == sieve::Outcome::End::fault)
      log_.error(event::sieve_failed, {{"to", recipient.address}, {"reason", outcome.fault}});
    // The site's scripts are not the user's to mend.
    const bool is_owners = outcome.end == sieve::Outcome::End::fault && own.script &&
                           outcome.fault.starts_with(own.script->name + ":");
    if (is_owners || !own.faults.empty())
      co_await parts_.replies.tell_owner(case_of(one, recipient),
                                         is_owners ? outcome.fault : own.faults);
    for (const auto* lines : {&outcome.log, &outcome.doubts})
      for (const std::string& line : *lines)
        log_.info(event::sieve_said, {{"to", recipient.address}, {"text", line}});
    co_return outcome;
  }

  // An Error: try again later. False: nothing was wanted, or nothing could be sent.
  net::Task<> send_all_on(const One& one, const message::Recipient& recipient,
                          const sieve::Outcome& outcome, Filing& filing) {
    for (const sieve::Action& action : outcome.actions) {
      const auto* redirect = std::get_if<sieve::Redirect>(&action.what);
      if (redirect == nullptr) continue;
      CO_TRY(const auto sent, co_await parts_.redirector.send({.envelope = envelope_,
                                                               .message = staged_of(one),
                                                               .account = one.account->name(),
                                                               .recipient = recipient.address,
                                                               .what = *redirect,
                                                               .version = action.version}));
      if (sent) continue;
      // RFC 5228 section 2.10.6: what cannot be sent on is kept.
      log_.warn(event::sieve_failed, {{"to", recipient.address},
                                      {"rcpt", redirect->address},
                                      {"reason", "redirect: " + sent.error()}});
      if (filing.is_empty()) filing.keep();
    }
    co_return Result<>{};
  }

  static StagedMessage staged_of(const One& one) {
    return {*one.delivery, one.own_fields, one.header};
  }

  smtp::RecipientResult reject(One& one, const message::Recipient& recipient,
                               const std::string& reason) {
    one.delivery->abort();
    auto result = refuse(message::Headers(header_.block()), reason);
    if (result.reason == Reason::discarded)
      log_.info(event::store_discarded,
                {{"to", recipient.address}, {"reason", "a script refuses it, and it is spam"}});
    else
      log_.info(event::sieve_rejected, {{"to", recipient.address}});
    return result;
  }

  Replies::Case case_of(const One& one, const message::Recipient& recipient) const {
    store::Delivery& delivery = *one.delivery;
    net::BlockingPool& pool = one.account->pool();
    return {.envelope = envelope_,
            .recipient = recipient,
            .header = header_.block(),
            .account = *one.account,
            .read_text = [&pool, &delivery] { return read_staged(pool, delivery); },
            .memory = *one.memory,
            .log = log_};
  }

  // An Error: try again later.
  net::Task<smtp::RecipientResult> carry_out(One& one, const message::Recipient& recipient,
                                             const sieve::Outcome& outcome) {
    for (const sieve::Action& action : outcome.actions)
      if (const auto* refusal = std::get_if<sieve::Reject>(&action.what))
        co_return reject(one, recipient, refusal->reason);
    Filing filing({parts_.config, *one.account, one.keys, staged_of(one), log_});
    for (const sieve::Action& action : outcome.actions) CO_TRY_OK(co_await filing.add(action));
    CO_TRY_OK(co_await send_all_on(one, recipient, outcome, filing));
    CO_TRY(const auto copies, co_await parts_.replies.send(case_of(one, recipient), outcome));
    for (const sieve::Action& copy : copies) CO_TRY_OK(co_await filing.add(copy));
    if (filing.is_empty()) {
      co_await one.memory->note(outcome.seen);
      one.delivery->abort();
      log_.info(event::store_discarded, {{"to", recipient.address}});
      co_return smtp::RecipientResult{Reason::discarded, {250, "2.0.0", "Ok: discarded"}};
    }
    const std::uint64_t size = one.delivery->wire_size();
    CO_TRY(const auto filed, co_await filing.commit());
    if (filed.front().placed.result == store::NameResult::over_quota)
      co_return mailbox_full(recipient);
    for (const Filing::Filed& copy : filed) {
      if (copy.placed.result != store::NameResult::done)
        co_return fail(ErrorKind::temporary, "no such mailbox: " + copy.placed.mailbox);
      tell(recipient, copy, size);
    }
    co_await one.memory->note(outcome.seen);
    co_return smtp::RecipientResult{Reason::stored,
                                    {250, "2.0.0", "Ok: saved in " + filed.front().placed.mailbox}};
  }

  void tell(const message::Recipient& recipient, const Filing::Filed& copy,
            std::uint64_t size) const {
    if (copy.placed.mailbox != copy.wanted)
      log_.warn(event::sieve_failed, {{"to", recipient.address},
                                      {"mailbox", copy.wanted},
                                      {"reason", "it could not be filed there: kept in INBOX"}});
    log_.info(event::store_delivered, {{"to", recipient.address},
                                       {"mailbox", copy.placed.mailbox},
                                       {"uid", copy.placed.uid},
                                       {"size", size},
                                       {"script", copy.script.empty() ? "-" : copy.script}});
  }

  net::Awaitable<smtp::RecipientResult> deliver(One& one, const message::Recipient& recipient) {
    if (one.fault || !one.delivery) {
      log_.error(event::store_failed, {{"to", recipient.address},
                                       {"reason", one.fault ? one.fault->what : "no delivery"}});
      co_return one.fault&& one.fault->kind == ErrorKind::permanent
          ? smtp::RecipientResult{Reason::rejected, {550, "5.1.1", "There can be no such mailbox"}}
          : later();
    }
    one.header = one.own_fields + header_.block();
    DeliveryMemory memory(parts_.replies.memories(), one.account->name(), log_);
    one.memory = &memory;
    const auto outcome = co_await decide_for(one, recipient);
    auto result = outcome ? co_await carry_out(one, recipient, *outcome)
                          : Result<smtp::RecipientResult>(std::unexpected(outcome.error()));
    if (result) co_return *std::move(result);
    log_.error(event::store_failed, {{"to", recipient.address}, {"reason", result.error().what}});
    co_return later();
  }

  static smtp::RecipientResult later() {
    return {Reason::failed, {451, "4.2.0", "The mailbox could not be written; try again later"}};
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
