// Messages into another mailbox: COPY and MOVE, with sequence numbers and with UIDs. RFC 3501
// section 6.4.7, RFC 4315 (UIDPLUS), RFC 6851.
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"
#include "store/mailbox_name.h"

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

// RFC 4315 section 3.
std::string copied(const store::CopyResult& result) {
  std::vector<store::Uid> from, to;
  for (const auto& [source, copy] : result.uids) {
    from.push_back(source);
    to.push_back(copy);
  }
  return fmt::format("COPYUID {} {} {}", result.uidvalidity, compact(from), compact(to));
}

// The name of where they come from is asked for anew: another session may have renamed it.
net::Awaitable<void> tell_copied(const store::View& view, const std::string& target,
                                 const store::CopyResult& result, const User& user) {
  Happening happening{.cause = Cause::copy,
                      .mailbox = store::check_mailbox_name(target).value_or(target),
                      .from = view.mailbox().name()};
  for (const auto& [source, copy] : result.uids) happening.uids.push_back(copy);
  co_await user.tell_observers(std::move(happening));
}

struct Transfer {
  SequenceSet set;
  std::string target;
};

std::optional<Transfer> parse_transfer(Parser& parser, const User& user) {
  std::optional<SequenceSet> set;
  std::optional<std::string> target;
  if (parser.take_space()) set = parser.sequence_set();
  if (set && parser.take_space()) target = user.names().take(parser);
  if (!target || !parser.at_end()) return std::nullopt;
  return Transfer{*std::move(set), *std::move(target)};
}

net::Task<Outcome> copy_some(Parser& parser, store::View& view, const User& user, Numbers numbers) {
  const auto what = parse_transfer(parser, user);
  if (!what) co_return bad("Messages and a mailbox are needed");
  auto uids = uids_of(view, what->set, numbers);
  if (!uids) co_return bad("There is no such message");
  CO_TRY(const auto result, co_await view.mailbox().copy(*std::move(uids), what->target));
  if (result.result != store::NameResult::done) co_return name_outcome(result.result, "TRYCREATE");
  if (result.uids.empty()) co_return ok("Completed; no message");
  co_await tell_copied(view, what->target, result, user);
  co_return ok("Copy completed", copied(result));
}

net::Task<Outcome> move_some(Parser& parser, store::View& view, Responses& responses,
                             const User& user, Numbers numbers) {
  const auto what = parse_transfer(parser, user);
  if (!what) co_return bad("Messages and a mailbox are needed");
  if (view.access() == store::Access::read_only) co_return no("The mailbox is read-only");
  auto uids = uids_of(view, what->set, numbers);
  if (!uids) co_return bad("There is no such message");
  CO_TRY(const auto result, co_await view.mailbox().move(*std::move(uids), what->target));
  if (result.result != store::NameResult::done) co_return name_outcome(result.result, "TRYCREATE");
  if (result.uids.empty()) co_return ok("Completed; no message");
  co_await tell_copied(view, what->target, result, user);
  // RFC 6851 section 4.3: in an untagged OK, before the EXPUNGEs.
  responses.say("OK [{}] Moved", copied(result));
  co_return ok("Move completed");
}

}  // namespace

net::Task<Outcome> copy(Parser& parser, store::View& view, const User& user) {
  return copy_some(parser, view, user, Numbers::sequence);
}

net::Task<Outcome> uid_copy(Parser& parser, store::View& view, const User& user) {
  return copy_some(parser, view, user, Numbers::uid);
}

net::Task<Outcome> move(Parser& parser, store::View& view, Responses& responses, const User& user) {
  return move_some(parser, view, responses, user, Numbers::sequence);
}

net::Task<Outcome> uid_move(Parser& parser, store::View& view, Responses& responses,
                            const User& user) {
  return move_some(parser, view, responses, user, Numbers::uid);
}

}  // namespace posthorn::imap
