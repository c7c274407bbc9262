#include "imap/server/open_mailbox.h"

namespace posthorn::imap {

std::optional<std::vector<store::Uid>> uids_of(const store::View& view, const SequenceSet& set,
                                               Numbers numbers) {
  std::vector<store::Uid> uids;
  const std::uint32_t count = view.size();
  if (numbers == Numbers::uid) {
    const std::uint32_t last = count == 0 ? 0 : view.uid_of(count);
    for (const auto& [first, end] : set.resolve(last))
      for (std::uint32_t i = view.first_from(first); i <= count && view.uid_of(i) <= end; ++i)
        uids.push_back(view.uid_of(i));
    return uids;
  }
  if (count == 0) return std::nullopt;
  for (const auto& [first, end] : set.resolve(count)) {
    if (end > count) return std::nullopt;
    for (std::uint32_t i = first; i <= end; ++i) uids.push_back(view.uid_of(i));
  }
  return uids;
}

std::string format_flags(const store::View& view, store::Uid uid, store::Flags flags,
                         const store::Keywords& keywords) {
  std::string out = "(";
  const auto add = [&](std::string_view name) {
    if (out.size() > 1) out += ' ';
    out += name;
  };
  if ((flags & store::flag::answered) != 0) add("\\Answered");
  if ((flags & store::flag::flagged) != 0) add("\\Flagged");
  if ((flags & store::flag::deleted) != 0) add("\\Deleted");
  if ((flags & store::flag::seen) != 0) add("\\Seen");
  if ((flags & store::flag::draft) != 0) add("\\Draft");
  if (uid != 0 && view.is_recent(uid)) add("\\Recent");
  for (const std::string_view name : view.mailbox().keyword_names(keywords)) add(name);
  return out + ")";
}

void tell_keywords(const store::View& view, Responses& responses) {
  std::string names;
  for (const std::string_view keyword : view.mailbox().keywords()->all()) {
    names += ' ';
    names += keyword;
  }
  responses.say("FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft{})", names);
  if (view.access() == store::Access::read_only) {
    responses.say("OK [PERMANENTFLAGS ()] Read-only mailbox.");
    return;
  }
  responses.say(
      "OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft{}{})] Flags permitted.",
      names, view.mailbox().has_room_for_keyword() ? " \\*" : "");
}

void tell_new_keywords(store::View& view, Responses& responses) {
  if (view.take_keywords_grew()) tell_keywords(view, responses);
}

void tell_flags(store::View& view, store::Uid uid, Numbers numbers, Responses& responses) {
  const auto sequence = view.sequence_of(uid);
  const store::Entry* entry = view.mailbox().find(uid);
  if (!sequence || entry == nullptr) return;
  tell_new_keywords(view, responses);
  responses.say("{} FETCH ({}FLAGS {})", *sequence,
                numbers == Numbers::uid ? fmt::format("UID {} ", uid) : "",
                format_flags(view, uid, entry->flags, entry->keywords));
}

net::Task<> tell_changes(store::View& view, store::ExpungeMode mode, Connection& connection) {
  if (!view.has_changes()) co_return Result<>{};
  Responses& responses = connection.responses();
  const store::ViewChanges changes = view.take_changes(mode);
  if (changes.is_gone) {
    responses.say("BYE The mailbox was removed");
    connection.end("the mailbox was removed");
    co_return Result<>{};
  }
  if (changes.keywords_grew) tell_keywords(view, responses);
  for (const std::uint32_t sequence : changes.expunged) responses.say("{} EXPUNGE", sequence);
  if (changes.exists) responses.say("{} EXISTS", *changes.exists);
  if (changes.recent) responses.say("{} RECENT", *changes.recent);
  for (const store::Uid uid : changes.flags) {
    tell_flags(view, uid, Numbers::uid, responses);
    CO_TRY_OK(co_await responses.flush_if_large());
  }
  co_return Result<>{};
}

}  // namespace posthorn::imap
