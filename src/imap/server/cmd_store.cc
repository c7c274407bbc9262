// What changes messages: STORE, COPY, MOVE, EXPUNGE, CLOSE. RFC 3501 sections 6.4.2 to 6.4.7,
// RFC 6851, RFC 7162.
#include <fmt/format.h>

#include "imap/server/session_impl.h"

namespace posthorn::imap {
namespace {

// UIDs as a set: "1:3,7".
std::string compact(const std::vector<store::Uid>& uids) {
  std::string out;
  for (std::size_t i = 0; i < uids.size();) {
    std::size_t j = i;
    while (j + 1 < uids.size() && uids[j + 1] == uids[j] + 1) ++j;
    if (!out.empty()) out += ',';
    out += j == i ? fmt::format("{}", uids[i]) : fmt::format("{}:{}", uids[i], uids[j]);
    i = j + 1;
  }
  return out;
}

}  // namespace

net::Awaitable<Outcome> Session::expunge(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view_->access() == store::Access::read_only) co_return no("The mailbox is read-only");
  const auto expunged = co_await view_->mailbox().expunge();
  co_return expunged ? ok("Expunge completed") : failed(expunged.error());
}

net::Awaitable<Outcome> Session::uid_expunge(Parser& parser) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.at_end()) co_return bad("UID EXPUNGE needs UIDs");
  if (view_->access() == store::Access::read_only) co_return no("The mailbox is read-only");
  bool valid = true;
  const auto expunged = co_await view_->mailbox().expunge(uids_of(*set, Numbers::uid, valid));
  co_return expunged ? ok("Expunge completed") : failed(expunged.error());
}

net::Awaitable<Outcome> Session::store_sequence(Parser& parser) {
  return store_flags(parser, Numbers::sequence);
}
net::Awaitable<Outcome> Session::store_uid(Parser& parser) {
  return store_flags(parser, Numbers::uid);
}

net::Awaitable<Outcome> Session::store_flags(Parser& parser, Numbers numbers) {
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
  if (view_->access() == store::Access::read_only) co_return no("The mailbox is read-only");
  bool valid = true;
  request.uids = uids_of(*set, numbers, valid);
  if (!valid) co_return bad("There is no such message");
  store::FlagNames split = store::split_flags(*names);
  request.flags = split.flags;
  request.keywords = std::move(split.keywords);
  const auto result = co_await view_->mailbox().store_flags(std::move(request));
  if (!result) co_return failed(result.error());
  if (result->result != store::NameResult::done) co_return name_outcome(result->result, false);
  view_->mark_told(result->messages);
  if (!silent)
    for (const store::FlagChange& change : result->messages) {
      tell_flags(change.uid, numbers);
      if (!co_await flush_if_large()) end(kLost);
      if (over_) break;
    }
  co_return ok("Store completed");
}

net::Awaitable<Outcome> Session::copy_sequence(Parser& parser) {
  return transfer(parser, Numbers::sequence, Transfer::copy);
}
net::Awaitable<Outcome> Session::copy_uid(Parser& parser) {
  return transfer(parser, Numbers::uid, Transfer::copy);
}
net::Awaitable<Outcome> Session::move_sequence(Parser& parser) {
  return transfer(parser, Numbers::sequence, Transfer::move);
}
net::Awaitable<Outcome> Session::move_uid(Parser& parser) {
  return transfer(parser, Numbers::uid, Transfer::move);
}

net::Awaitable<Outcome> Session::transfer(Parser& parser, Numbers numbers, Transfer kind) {
  std::optional<SequenceSet> set;
  std::optional<std::string> target;
  if (parser.take_space()) set = parser.sequence_set();
  if (set && parser.take_space()) target = mailbox_name(parser);
  if (!target || !parser.at_end()) co_return bad("Messages and a mailbox are needed");
  if (kind == Transfer::move && view_->access() == store::Access::read_only)
    co_return no("The mailbox is read-only");
  bool valid = true;
  auto uids = uids_of(*set, numbers, valid);
  if (!valid) co_return bad("There is no such message");
  const auto result = kind == Transfer::copy
                          ? co_await view_->mailbox().copy(std::move(uids), *target)
                          : co_await view_->mailbox().move(std::move(uids), *target);
  if (!result) co_return failed(result.error());
  if (result->result != store::NameResult::done) co_return name_outcome(result->result, true);
  if (result->uids.empty()) co_return ok("Completed; no message");
  std::vector<store::Uid> from, to;
  for (const auto& [source, copy] : result->uids) {
    from.push_back(source);
    to.push_back(copy);
  }
  // RFC 4315 section 3; RFC 6851 section 4.3: for MOVE it comes in an untagged OK, before the
  // EXPUNGEs.
  const std::string code =
      fmt::format("COPYUID {} {} {}", result->uidvalidity, compact(from), compact(to));
  if (kind == Transfer::copy) co_return ok("Copy completed", code);
  out_ += fmt::format("* OK [{}] Moved\r\n", code);
  co_return ok("Move completed");
}

}  // namespace posthorn::imap
