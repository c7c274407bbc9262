// STORE and UID STORE: flags and keywords. RFC 3501 section 6.4.6.
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"

namespace posthorn::imap {
namespace {

net::Awaitable<void> tell_stored(const store::View& view, const store::FlagResult& result,
                                 const User& user) {
  Happening happening{.cause = Cause::flag,
                      .mailbox = view.mailbox().name(),
                      .keywords = view.mailbox().keywords()};
  for (const store::FlagChange& change : result.messages) {
    if (!change.is_changed) continue;
    happening.uids.push_back(change.uid);
    happening.changes.push_back(change);
  }
  if (!happening.changes.empty()) co_await user.tell_observers(std::move(happening));
}

net::Task<Outcome> store_flags_of(Parser& parser, store::View& view, Responses& responses,
                                  const User& user, Numbers numbers) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.take_space()) co_return bad("STORE needs messages and flags");
  store::FlagRequest request;
  if (parser.take('+'))
    request.mode = store::FlagMode::add;
  else if (parser.take('-'))
    request.mode = store::FlagMode::remove;
  else
    request.mode = store::FlagMode::replace;
  if (!parser.take_word("FLAGS")) co_return bad("STORE needs FLAGS");
  const bool silent = parser.take_word(".SILENT");
  const auto names = parser.take_space() ? parser.flags() : std::nullopt;
  if (!names || !parser.at_end()) co_return bad("STORE needs flags");
  if (view.access() == store::Access::read_only) co_return no("The mailbox is read-only");
  auto uids = uids_of(view, *set, numbers);
  if (!uids) co_return bad("There is no such message");
  request.uids = *std::move(uids);
  store::FlagNames split = store::split_flags(*names);
  request.flags = split.flags;
  request.keywords = std::move(split.keywords);
  CO_TRY(const auto result, co_await view.mailbox().store_flags(std::move(request)));
  if (result.result != store::NameResult::done) co_return name_outcome(result.result);
  view.mark_told(result.messages);
  co_await tell_stored(view, result, user);
  if (silent) co_return ok("Store completed");
  for (const store::FlagChange& change : result.messages) {
    tell_flags(view, change.uid, numbers, responses);
    CO_TRY_OK(co_await responses.flush_if_large());
  }
  co_return ok("Store completed");
}

}  // namespace

net::Task<Outcome> store_flags(Parser& parser, store::View& view, Responses& responses,
                               const User& user) {
  return store_flags_of(parser, view, responses, user, Numbers::sequence);
}

net::Task<Outcome> uid_store_flags(Parser& parser, store::View& view, Responses& responses,
                                   const User& user) {
  return store_flags_of(parser, view, responses, user, Numbers::uid);
}

}  // namespace posthorn::imap
