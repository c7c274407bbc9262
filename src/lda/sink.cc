#include "lda/sink.h"

#include <fmt/format.h>

#include "lda/decision.h"
#include "lda/filing.h"
#include "lda/refusal.h"
#include "lda/telling.h"
#include "maps/table_set.h"
#include "message/headers.h"

namespace posthorn::lda {
namespace {

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
      const message::Recipient& recipient = envelope_.recipients[i];
      const Telling telling(log_, {recipient.address, recipients_[i].keys.untagged});
      const Ending ending = co_await deliver(recipients_[i], recipient, telling);
      committed.recipients.push_back(telling.finish(ending));
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
    std::string own_fields;  // ours, above the message
    std::string header;      // of the message with them, once it is whole
    // While it is delivered.
    DeliveryMemory* memory = nullptr;
    const Telling* telling = nullptr;
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
    const bool is_fault = outcome.end == sieve::Outcome::End::fault;
    if (is_fault) one.telling->tell(Fault{outcome.fault_at, outcome.fault});
    // The site's scripts are not the user's to mend.
    const bool is_owners =
        is_fault && own.script && outcome.fault_at.script.starts_with(one.account->name() + "/");
    if (is_owners || !own.faults.empty())
      co_await parts_.replies.tell_owner(case_of(one, recipient),
                                         is_owners ? outcome.fault : own.faults);
    for (const sieve::ScriptLine& test : outcome.repeats) one.telling->tell_repeat(test);
    for (const auto* lines : {&outcome.log, &outcome.doubts})
      for (const std::string& line : *lines) one.telling->tell_said(line);
    co_return outcome;
  }

  // Whether any was sent on. An Error: try again later.
  net::Task<bool> send_all_on(const One& one, const message::Recipient& recipient,
                              const sieve::Outcome& outcome, Filing& filing) {
    bool is_any = false;
    for (const sieve::Action& action : outcome.actions) {
      const auto* redirect = std::get_if<sieve::Redirect>(&action.what);
      if (redirect == nullptr) continue;
      CO_TRY(auto sent, co_await parts_.redirector.send({.envelope = envelope_,
                                                         .message = staged_of(one),
                                                         .account = one.account->name(),
                                                         .recipient = recipient.address,
                                                         .what = *redirect,
                                                         .version = action.version}));
      Asker by = asker_of(action);
      if (sent) {
        is_any = true;
        // What was sent on before was told before.
        if (!sent->empty())
          one.telling->tell(SentOn{std::move(by), redirect->address, *std::move(sent)});
        continue;
      }
      // RFC 5228 section 2.10.6: what cannot be sent on is kept.
      one.telling->tell(NotSentOn{by, redirect->address, sent.error()});
      add_reason(by, "it could not be sent on: " + sent.error());
      if (filing.is_empty()) filing.keep(std::move(by));
    }
    co_return is_any;
  }

  static StagedMessage staged_of(const One& one) {
    return {*one.delivery, one.own_fields, one.header};
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
            .telling = *one.telling};
  }

  // An Error: try again later.
  net::Task<Ending> carry_out(One& one, const message::Recipient& recipient,
                              const sieve::Outcome& outcome) {
    for (const sieve::Action& action : outcome.actions) {
      if (!std::holds_alternative<sieve::Reject>(action.what)) continue;
      one.delivery->abort();
      co_return refuse(message::Headers(header_.block()), action);
    }
    Filing filing({parts_.config, *one.account, one.keys, staged_of(one)});
    for (const sieve::Action& action : outcome.actions) CO_TRY_OK(co_await filing.add(action));
    CO_TRY(const bool is_sent, co_await send_all_on(one, recipient, outcome, filing));
    CO_TRY(const auto copies, co_await parts_.replies.send(case_of(one, recipient), outcome));
    for (const sieve::Action& copy : copies) CO_TRY_OK(co_await filing.add(copy));
    if (filing.is_empty()) {
      co_await one.memory->note(outcome.seen);
      one.delivery->abort();
      if (is_sent) co_return Ending(SentAway{});
      co_return Ending(Discarded{.by = {.at = outcome.dropped_by, .why = {}}});
    }
    CO_TRY(auto filed, co_await filing.commit());
    if (filed.front().placed.result == store::NameResult::over_quota)
      co_return Ending(Full{recipient.address, parts_.config.store.quota_full_tempfail});
    for (const Filed& copy : filed)
      if (copy.placed.result != store::NameResult::done)
        co_return fail(ErrorKind::temporary, "no such mailbox: " + copy.placed.mailbox);
    co_await one.memory->note(outcome.seen);
    co_return Ending(Stored{std::move(filed)});
  }

  net::Awaitable<Ending> deliver(One& one, const message::Recipient& recipient,
                                 const Telling& telling) {
    if (one.fault || !one.delivery) {
      std::string why = one.fault ? one.fault->what : "no delivery";
      if (one.fault && one.fault->kind == ErrorKind::permanent)
        co_return Impossible{std::move(why)};
      co_return Postponed{std::move(why)};
    }
    one.header = one.own_fields + header_.block();
    DeliveryMemory memory(parts_.replies.memories(), one.account->name(), telling);
    one.memory = &memory;
    one.telling = &telling;
    const auto outcome = co_await decide_for(one, recipient);
    auto ending = outcome ? co_await carry_out(one, recipient, *outcome)
                          : Result<Ending>(std::unexpected(outcome.error()));
    if (ending) co_return *std::move(ending);
    co_return Postponed{ending.error().what};
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
