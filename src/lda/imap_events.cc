#include "lda/imap_events.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "base/events.h"
#include "lda/decision.h"
#include "lda/filing.h"
#include "lda/telling.h"
#include "store/message_text.h"

namespace posthorn::lda {

// One message where it lies.
struct ImapEvents::Message {
  store::Account& account;
  store::Mailbox& mailbox;
  const store::OpenMessage& opened;
  std::string header;
  sieve::Flags flags;
};

namespace {

sieve::Flags flags_of(const store::Mailbox& mailbox, store::Uid uid) {
  const store::Entry* entry = mailbox.find(uid);
  if (entry == nullptr) return {};
  sieve::Flags flags = store::flag_names(entry->flags);
  for (const std::string_view name : mailbox.keyword_names(entry->keywords))
    flags.emplace_back(name);
  return flags;
}

// RFC 6785 section 4.3.
std::map<std::string, std::string, std::less<>> items_of(const imap::Happening& happening,
                                                         std::size_t which) {
  std::map<std::string, std::string, std::less<>> items = {
      {"location", "MS"},
      {"phase", "post"},
      {"imap.user", happening.account->name()},
      {"imap.email", happening.account->name()},
      {"imap.cause", std::string(imap::to_string(happening.cause))},
      {"imap.mailbox", happening.mailbox},
      {"vnd.dovecot.mailbox-from", happening.from},
      {"vnd.dovecot.mailbox-to", happening.mailbox}};
  if (happening.cause == imap::Cause::flag) {
    auto changed = imap::changed_flags(happening, happening.changes[which]);
    std::ranges::move(changed.cleared, std::back_inserter(changed.set));
    items["imap.changedflags"] = fmt::format("{}", fmt::join(changed.set, " "));
  }
  return items;
}

net::Task<std::string> read_wire(net::BlockingPool& pool, const store::OpenMessage& opened) {
  co_return co_await pool.run([&] { return store::read_text(opened); });
}

// Its copy, to be filed or sent on as what is delivered is.
net::Task<store::DeliveryPtr> stage(store::Account& account, const store::OpenMessage& opened) {
  CO_TRY(const std::string wire, co_await read_wire(account.pool(), opened));
  CO_TRY(store::DeliveryPtr delivery, co_await account.begin_delivery());
  CO_TRY_OK(co_await delivery->write(wire));
  co_return delivery;
}

net::Task<> change_flags(store::Mailbox& mailbox, store::Uid uid, store::FlagMode mode,
                         const sieve::Flags& flags) {
  if (flags.empty()) co_return Result<>{};
  auto names = store::split_flags(flags);
  CO_TRY(const auto changed, co_await mailbox.store_flags({.uids = {uid},
                                                           .mode = mode,
                                                           .flags = names.flags,
                                                           .keywords = std::move(names.keywords)}));
  if (changed.result != store::NameResult::done)
    co_return fail(ErrorKind::permanent, "these flags cannot be set");
  co_return Result<>{};
}

// Those of some that are not among the others.
sieve::Flags without(sieve::Flags some, const sieve::Flags& others) {
  std::erase_if(some, [&](const std::string& name) {
    return std::ranges::any_of(
        others, [&](const std::string& one) { return equals_ignoring_case(one, name); });
  });
  return some;
}

}  // namespace

net::Awaitable<void> ImapEvents::see(const imap::Happening& happening) {
  const Scripts scripts =
      parts_.scripts.at_event(happening.cause, happening.from, happening.mailbox);
  if (scripts.empty()) co_return;
  const store::AccountPtr account = happening.account;
  const auto warn = [&](const std::string& why) {
    log_.warn(event::sieve_failed,
              {{"to", account->name()}, {"mailbox", happening.mailbox}, {"reason", why}});
  };
  if (happening.uids.size() > kMessagesMax)
    warn(fmt::format("{} messages at once: only the first {} were looked at", happening.uids.size(),
                     kMessagesMax));
  const auto view = co_await account->open_view(happening.mailbox, store::Access::read_only);
  if (!view) co_return warn(view.error().what);
  if (!*view) co_return;  // it is gone already
  for (std::size_t i = 0; i < std::min(happening.uids.size(), kMessagesMax); ++i) {
    const auto done = co_await look_at(happening, i, scripts, (*view)->mailbox());
    if (!done) warn(done.error().what);
  }
}

net::Task<> ImapEvents::look_at(const imap::Happening& happening, std::size_t which,
                                const Scripts& scripts, store::Mailbox& mailbox) {
  store::Account& account = *happening.account;
  CO_TRY(const auto opened, co_await mailbox.open_message(happening.uids[which]));
  if (!opened) co_return Result<>{};  // it is gone already
  CO_TRY(std::string header,
         co_await account.pool().run([&] { return store::read_header(*opened); }));
  const Message message{account, mailbox, *opened, std::move(header),
                        flags_of(mailbox, opened->uid)};
  const sieve::Mail mail{.header = message.header,
                         .size = opened->wire_size,
                         .recipient = account.name(),
                         .authenticated = account.name(),
                         .flags = message.flags};
  const sieve::Settings settings = settings_for(parts_.config, account.name());
  AccountWorld world({.config = parts_.config,
                      .account = account,
                      .read_text = [&] { return read_wire(account.pool(), *opened); },
                      .items = items_of(happening, which)});
  CO_TRY(const sieve::Outcome outcome,
         co_await decide({scripts, mail, settings, world, sieve::RunInput::Event::mailbox},
                         account.pool(), parts_.clock));
  for (const auto* lines : {&outcome.log, &outcome.doubts})
    for (const std::string& line : *lines)
      log_.info(event::sieve_said, {{"to", account.name()}, {"text", line}});
  // RFC 5228 section 2.10.6: it stays as it is.
  if (outcome.end == sieve::Outcome::End::fault)
    co_return fail(ErrorKind::permanent, outcome.fault);
  co_return co_await carry_out(message, outcome);
}

// RFC 6785 section 3: what answers the sender has no meaning here.
net::Task<> ImapEvents::carry_out(const Message& message, const sieve::Outcome& outcome) {
  store::DeliveryPtr delivery;
  const maps::AddressKeys keys;
  const std::string& header = message.header;
  const std::string_view block = std::string_view(header).substr(
      0, message::find_header_end(header, message::Input::whole)
             .value_or(message::HeaderEnd{header.size(), header.size()})
             .header_size);
  message::Envelope envelope;
  envelope.sender = message.account.name();
  const Telling telling(log_, {message.account.name(), message.account.name()});
  std::vector<const sieve::Action*> filed;
  for (const sieve::Action& action : outcome.actions) {
    const auto* redirect = std::get_if<sieve::Redirect>(&action.what);
    if (const auto* keep = std::get_if<sieve::Keep>(&action.what)) {
      // By what the script changed: flags that a client sets meanwhile stay.
      const store::Uid uid = message.opened.uid;
      CO_TRY_OK(co_await change_flags(message.mailbox, uid, store::FlagMode::add,
                                      without(keep->flags, message.flags)));
      CO_TRY_OK(co_await change_flags(message.mailbox, uid, store::FlagMode::remove,
                                      without(message.flags, keep->flags)));
    } else if (redirect != nullptr || std::holds_alternative<sieve::FileInto>(action.what)) {
      if (!delivery) {
        CO_TRY(delivery, co_await stage(message.account, message.opened));
      }
      if (redirect == nullptr) {
        filed.push_back(&action);
        continue;
      }
      CO_TRY(auto sent, co_await parts_.redirector.send({.envelope = envelope,
                                                         .message = {*delivery, {}, block},
                                                         .account = message.account.name(),
                                                         .recipient = message.account.name(),
                                                         .what = *redirect,
                                                         .version = action.version}));
      if (!sent) co_return fail(ErrorKind::permanent, "redirect: " + sent.error());
      if (!sent->empty())
        telling.tell(SentOn{asker_of(action), redirect->address, *std::move(sent)});
    }
  }
  if (!filed.empty()) {
    Filing filing({parts_.config,
                   message.account,
                   keys,
                   {*delivery, {}, block},
                   message.opened.internal_date});
    for (const sieve::Action* action : filed) CO_TRY_OK(co_await filing.add(*action));
    CO_TRY(const auto copies, co_await filing.commit());
    for (const Filed& copy : copies)
      if (copy.placed.result == store::NameResult::done) telling.tell_copy(copy);
  }
  if (!outcome.keeps)
    co_return co_await change_flags(message.mailbox, message.opened.uid, store::FlagMode::add,
                                    {"\\Deleted"});
  co_return Result<>{};
}

}  // namespace posthorn::lda
