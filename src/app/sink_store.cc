#include <fmt/format.h>

#include "app/sinks.h"
#include "base/events.h"
#include "maps/table_set.h"
#include "message/headers.h"

namespace posthorn::app {
namespace {

// Queue to maildir: one message for one or more recipients of this worker, each with its own
// outcome (RFC 2033).
class StoreSink final : public smtp::Sink {
 public:
  explicit StoreSink(StoreSinkParts parts) : parts_(parts) {}

  net::Task<> begin(const message::Envelope& envelope) override {
    envelope_ = envelope;
    for (const message::Recipient& recipient : envelope.recipients) {
      auto& one = recipients_.emplace_back();
      one.keys = maps::keys_of(recipient.address, parts_.config.maps.recipient_delimiter);
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
      const auto added = co_await one.delivery->write(fmt::format(
          "Return-Path: <{}>\r\nDelivered-To: {}\r\n", envelope.sender, recipient.address));
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
    for (std::size_t i = 0; i < recipients_.size(); ++i)
      committed.replies.push_back(co_await deliver(recipients_[i], envelope_.recipients[i]));
    co_return committed;
  }

  net::Awaitable<void> abort() override {
    for (auto& one : recipients_)
      if (one.delivery) one.delivery->abort();
    co_return;
  }

 private:
  struct One {
    maps::AddressKeys keys;
    store::AccountPtr account;
    store::DeliveryPtr delivery;
    std::optional<Error> fault;
  };

  // What the script wants; a fault in it keeps the message (RFC 5228 section 2.10.6).
  std::vector<sieve::Action> decide(const message::Recipient& recipient) const {
    if (!parts_.script) return {sieve::Keep{}};
    const message::Headers headers(header_.block());
    auto actions = parts_.script->run({headers, size_, envelope_.sender, recipient.address});
    if (actions) return *std::move(actions);
    log_.error(event::sieve_failed, {{"to", recipient.address}, {"reason", actions.error().what}});
    return {sieve::Keep{}};
  }

  net::Awaitable<std::vector<store::Target>> targets_of(One& one,
                                                        const std::vector<sieve::Action>& actions) {
    std::vector<store::Target> targets;
    for (const sieve::Action& action : actions) {
      if (const auto* into = std::get_if<sieve::FileInto>(&action)) {
        store::Target target;
        target.mailbox = into->mailbox;
        target.create = true;
        targets.push_back(std::move(target));
      } else if (std::holds_alternative<sieve::Keep>(action)) {
        store::Target target;
        target.mailbox = co_await inbox_of(one);
        targets.push_back(std::move(target));
      }
    }
    co_return targets;
  }

  // user+Work: the folder Work, in any case, if there is one.
  net::Awaitable<std::string> inbox_of(const One& one) {
    if (!parts_.config.store.tag_to_folder || one.keys.tag.empty()) co_return "INBOX";
    const auto found = co_await one.account->find_mailbox_nocase(one.keys.tag);
    co_return found && *found ? **found : "INBOX";
  }

  net::Awaitable<smtp::Reply> deliver(One& one, const message::Recipient& recipient) {
    const smtp::Reply later{451, "4.2.0", "The mailbox could not be written; try again later"};
    const log::Logger log = log_.with_session(envelope_.origin.session);
    if (one.fault || !one.delivery) {
      log.error(event::store_failed, {{"to", recipient.address},
                                      {"reason", one.fault ? one.fault->what : "no delivery"}});
      co_return one.fault&& one.fault->kind == ErrorKind::permanent
          ? smtp::Reply{550, "5.1.1", "There can be no such mailbox"}
          : later;
    }
    const auto actions = decide(recipient);
    bool unable = false;
    for (const sieve::Action& action : actions)
      unable |= std::holds_alternative<sieve::Redirect>(action) ||
                std::holds_alternative<sieve::Reject>(action);
    auto targets = co_await targets_of(one, actions);
    if (unable && targets.empty()) {
      // Redirect and reject are not carried out by this version: the message is kept instead, and
      // that is said.
      log.warn(event::sieve_failed,
               {{"to", recipient.address},
                {"reason", "redirect and reject are not carried out; the message was kept"}});
      store::Target inbox;
      inbox.mailbox = "INBOX";
      targets.push_back(std::move(inbox));
    }
    if (targets.empty()) {
      one.delivery->abort();
      log.info(event::store_discarded, {{"to", recipient.address}});
      co_return smtp::Reply{250, "2.0.0", "Ok: discarded"};
    }
    auto placed = co_await one.delivery->commit(targets);
    if (!placed) {
      log.error(event::store_failed, {{"to", recipient.address}, {"reason", placed.error().what}});
      co_return later;
    }
    for (const store::Placed& place : *placed) {
      if (place.result != store::NameResult::done) {
        log.error(event::store_failed,
                  {{"to", recipient.address}, {"reason", "no such mailbox: " + place.mailbox}});
        co_return later;
      }
      log.info(event::store_delivered, {{"to", recipient.address},
                                        {"mailbox", place.mailbox},
                                        {"uid", place.uid},
                                        {"size", one.delivery->wire_size()}});
    }
    co_return smtp::Reply{250, "2.0.0", "Ok: saved in " + placed->front().mailbox};
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

}  // namespace posthorn::app
