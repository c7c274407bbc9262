#include "lda/replies.h"

#include <algorithm>

#include "config/account_path.h"
#include "lda/fault_mail.h"
#include "lda/notification.h"
#include "message/part.h"
#include "store/away.h"

namespace posthorn::lda {
namespace {

Note note_of(const sieve::Seen& message) {
  return {.kind = Remembered::seen, .handle = message.handle, .id = message.id};
}

bool is_reply(const sieve::Action& action) {
  return std::holds_alternative<sieve::Vacation>(action.what) ||
         std::holds_alternative<sieve::Notify>(action.what) ||
         std::holds_alternative<sieve::Report>(action.what);
}

const std::optional<sieve::Place>* find_fcc(const sieve::Action& action) {
  if (const auto* vacation = std::get_if<sieve::Vacation>(&action.what)) return &vacation->fcc;
  if (const auto* notify = std::get_if<sieve::Notify>(&action.what)) return &notify->fcc;
  return nullptr;
}

// What was sent, to be filed beside the message.
sieve::Action make_copy(const sieve::Action& action, sieve::Place place, const std::string& text) {
  const auto end = message::find_header_end(text, message::Input::whole);
  auto version = std::make_shared<sieve::Version>();
  version->header = text.substr(0, end ? end->header_size : text.size());
  version->body = end ? text.substr(end->body_begin) : "";
  return {.what = sieve::FileInto{std::move(place)},
          .version = std::move(version),
          .script = action.script,
          .line = action.line,
          .keeps = true};
}

Reply reply_of(const Replies::Case& one, const sieve::Action& action, const Answered& done) {
  Reply reply{.by = asker_of(action), .to = {}, .child = done.queue_id, .why = done.why};
  if (const auto* notify = std::get_if<sieve::Notify>(&action.what)) {
    reply.kind = Reply::Kind::notification;
    reply.to = notify->method;
  } else if (const auto* report = std::get_if<sieve::Report>(&action.what)) {
    reply.kind = Reply::Kind::notification;
    reply.to = report->address;
  } else {
    reply.to = one.envelope.sender;
  }
  return reply;
}

}  // namespace

net::Awaitable<const Memories::Held*> DeliveryMemory::get() {
  if (!is_got_) {
    auto held = co_await memories_.hold(account_);
    is_got_ = true;
    if (held)
      held_.emplace(*std::move(held));
    else
      telling_.tell_trouble(held.error().what);
  }
  co_return held_ ? &*held_ : nullptr;
}

bool DeliveryMemory::has(const sieve::Seen& message) const {
  return held_ && held_->has(note_of(message));
}

net::Awaitable<void> DeliveryMemory::note(const std::vector<sieve::Seen>& messages) {
  for (const sieve::Seen& message : messages) {
    const auto* held = co_await get();
    if (held == nullptr) co_return;
    // RFC 7352 section 3.3: without :last the period is that of the first.
    if (!message.is_last && held->has(note_of(message))) continue;
    const auto noted = co_await held->note(note_of(message), message.period);
    if (!noted) telling_.tell_trouble(noted.error().what);
  }
}

net::Task<std::vector<sieve::Action>> Replies::send(Case one, const sieve::Outcome& outcome) const {
  std::vector<sieve::Action> wanted;
  std::ranges::copy_if(outcome.actions, std::back_inserter(wanted), is_reply);
  if (auto away = co_await find_away(one, outcome)) wanted.push_back(*std::move(away));
  std::vector<sieve::Action> copies;
  if (wanted.empty()) co_return copies;
  const message::Headers headers(one.header);
  const Incoming mail{one.envelope, headers, one.account.name(), one.recipient.address};
  for (const sieve::Action& action : wanted) {
    CO_TRY(const Answered done, co_await do_one(one, mail, action));
    one.telling.tell(reply_of(one, action, done));
    const auto* fcc = find_fcc(action);
    if (!done.text.empty() && fcc != nullptr && *fcc)
      copies.push_back(make_copy(action, **fcc, done.text));
  }
  co_return copies;
}

net::Task<Answered> Replies::do_one(const Case& one, const Incoming& mail,
                                    const sieve::Action& action) const {
  const AnswerParts parts{parts_.config, parts_.outbox, parts_.clock};
  const auto* memory = co_await one.memory.get();
  if (memory == nullptr) co_return Answered{.why = "what was sent before cannot be read"};
  if (const auto* vacation = std::get_if<sieve::Vacation>(&action.what))
    co_return co_await answer_vacation(parts, mail, *vacation, *memory);
  if (const auto* notify = std::get_if<sieve::Notify>(&action.what))
    co_return co_await send_notification(parts, mail, message_key(one.header, mail.recipient),
                                         *notify, *memory);
  const auto& report = std::get<sieve::Report>(action.what);
  std::string text;
  if (report.what == sieve::Report::What::message) {
    CO_TRY(text, co_await one.read_text());
  }
  co_return co_await send_report(parts, mail, {one.header, text}, report, *memory);
}

// What `posthorn vacation` has set, as a script would say it. A message that nobody keeps is not
// answered, and neither is one that a script answers itself.
net::Awaitable<std::optional<sieve::Action>> Replies::find_away(
    const Case& one, const sieve::Outcome& outcome) const {
  const bool is_dropped = std::ranges::none_of(outcome.actions, [](const sieve::Action& action) {
    return std::holds_alternative<sieve::Keep>(action.what) ||
           std::holds_alternative<sieve::FileInto>(action.what) ||
           std::holds_alternative<sieve::Redirect>(action.what);
  });
  const bool is_answered = std::ranges::any_of(outcome.actions, [](const sieve::Action& action) {
    return std::holds_alternative<sieve::Vacation>(action.what);
  });
  const auto home = config::account_path(parts_.config.paths.mail, parts_.config.store.location,
                                         one.account.name());
  if (is_dropped || is_answered || !home) co_return std::nullopt;
  const auto away = co_await one.account.pool().run([&] { return store::read_away(*home); });
  if (!away) {
    one.telling.tell_trouble(away.error().what);
    co_return std::nullopt;
  }
  if (!*away || !(*away)->holds_on(store::local_day(parts_.clock.now()))) co_return std::nullopt;
  // Another text is another answer, for those too who had the one before.
  co_return sieve::Action{.what = sieve::Vacation{.reason = (*away)->text,
                                                  .subject = (*away)->subject,
                                                  .handle = "posthorn vacation " +
                                                            (*away)->subject + '\n' + (*away)->text,
                                                  .period = (*away)->every},
                          .script = "posthorn vacation"};
}

net::Awaitable<void> Replies::tell_owner(Case one, std::string fault) const {
  if (!parts_.config.sieve.tell_faults) co_return;
  const auto* memory = co_await one.memory.get();
  if (memory == nullptr) co_return;
  const message::Headers headers(one.header);
  const Told told =
      co_await tell_fault(one.account,
                          {.account = one.account.name(),
                           .fault = std::move(fault),
                           .subject = message::decode_words(headers.find("Subject").value_or("")),
                           .hostname = parts_.config.server.hostname,
                           .now = parts_.clock.now()},
                          *memory);
  if (told.when == Told::When::now) one.telling.tell_owner_told(told.mail);
  if (told.when == Told::When::failed)
    one.telling.tell_trouble("its owner cannot be told of a script's fault");
}

}  // namespace posthorn::lda
