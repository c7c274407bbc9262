// FETCH and UID FETCH (RFC 3501 sections 6.4.5 and 6.4.8). Flags, dates and sizes come from memory;
// envelope, structure and the places of parts from the message's record in the index once it was
// made (fetch_facts.h); texts from the file (fetch_sections.h). A message is parsed in the pool,
// once in its life.
#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "imap/proto/fetch_items.h"
#include "imap/proto/response.h"
#include "imap/server/commands.h"
#include "imap/server/fetch_facts.h"
#include "imap/server/fetch_sections.h"
#include "imap/server/open_mailbox.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kTogether = 32;  // messages that are opened and read in one go
constexpr std::size_t kBatch = 500;    // whose records are asked for in one go

struct FetchParts {
  store::View& view;
  Responses& responses;
  const User& user;
  FetchResumePtr& resume;
};

// One FETCH command at work.
class FetchRun {
 public:
  FetchRun(const FetchParts& parts, Items items, Numbers numbers);

  net::Task<Outcome> all(const std::vector<store::Uid>& uids);

 private:
  std::optional<search::Half> look_at_items();
  net::Awaitable<void> set_seen(const std::vector<store::Uid>& uids);
  net::Task<> load_sizes(const std::vector<store::Uid>& uids);
  net::Task<> some(std::vector<store::Uid> uids);
  net::Task<> read(std::vector<std::optional<store::OpenMessage>>& opened,
                   const std::vector<Wanted>& wanted, std::vector<Loaded>& loaded);
  Wanted wanted_of(store::Uid uid) const;
  net::Task<> tell(store::Uid uid, const std::optional<store::OpenMessage>& opened,
                   const Loaded& loaded);
  void tell_unreadable(store::Uid uid, std::uint32_t sequence, const store::Entry& entry);
  void add_known(store::Uid uid, const store::Entry& entry);
  net::Task<> add_sections(store::Uid uid, const store::OpenMessage& opened, const Loaded& loaded);

  store::View& view_;
  Responses& responses_;
  const User& user_;
  Items items_;
  Numbers numbers_;
  bool needs_header_ = false, needs_places_ = false, needs_text_ = false;
  FetchFacts facts_;
  std::vector<store::EmailId> email_ids_;  // ascending by UID
  SectionWriter sections_;
  bool has_unreadable_ = false;
};

FetchRun::FetchRun(const FetchParts& parts, Items items, Numbers numbers)
    : view_(parts.view),
      responses_(parts.responses),
      user_(parts.user),
      items_(std::move(items)),
      numbers_(numbers),
      facts_(view_.mailbox(), look_at_items()),
      sections_(view_, responses_, user_.services.pool, parts.resume) {}

// What of a message's record is needed.
std::optional<search::Half> FetchRun::look_at_items() {
  for (const Section& section : items_.sections) {
    const bool is_plain = section.kind == Section::Kind::all && section.path.empty();
    needs_header_ |= is_of_header(section);
    needs_places_ |= !is_of_header(section) && !is_plain;
    needs_text_ |=
        (!is_of_header(section) || section.kind == Section::Kind::text) && !section.partial;
  }
  const bool needs_structure = items_.body || items_.structure || needs_places_;
  if (needs_structure) return items_.envelope ? search::Half::both : search::Half::structure;
  return items_.envelope ? std::optional(search::Half::header) : std::nullopt;
}

std::vector<store::Uid> take_some(std::span<const store::Uid>& left, std::size_t count) {
  const auto some = left.first(std::min(count, left.size()));
  left = left.subspan(some.size());
  return {some.begin(), some.end()};
}

net::Task<Outcome> FetchRun::all(const std::vector<store::Uid>& uids) {
  co_await set_seen(uids);
  if (items_.size) CO_TRY_OK(co_await load_sizes(uids));
  std::span<const store::Uid> left = uids;
  while (!left.empty()) {
    const std::vector<store::Uid> batch = take_some(left, kBatch);
    CO_TRY_OK(co_await facts_.load(batch));
    if (items_.email_id) {
      CO_TRY(email_ids_, co_await view_.mailbox().load_email_ids(batch));
    }
    std::span<const store::Uid> of_batch = batch;
    while (!of_batch.empty()) CO_TRY_OK(co_await some(take_some(of_batch, kTogether)));
  }
  if (has_unreadable_)
    co_return no("Some of the messages could not be read; the others were told", "UNAVAILABLE");
  co_return ok("Fetch completed");
}

// RFC 3501 section 6.4.5: a BODY[] without PEEK sets \Seen, and its flags are told.
net::Awaitable<void> FetchRun::set_seen(const std::vector<store::Uid>& uids) {
  const auto sets_seen = [](const Section& section) { return !section.peek; };
  if (std::ranges::none_of(items_.sections, sets_seen) ||
      view_.access() == store::Access::read_only)
    co_return;
  store::FlagRequest request;
  for (const store::Uid uid : uids)
    if (const store::Entry* entry = view_.mailbox().find(uid);
        entry != nullptr && (entry->flags & store::flag::seen) == 0)
      request.uids.push_back(uid);
  if (request.uids.empty()) co_return;
  request.flags = store::flag::seen;
  const auto stored = co_await view_.mailbox().store_flags(std::move(request));
  // What cannot be marked as read can be read all the same.
  if (!stored) co_return user_.log_fault(stored.error());
  view_.mark_told(stored->messages);
  items_.flags = true;
}

net::Task<> FetchRun::load_sizes(const std::vector<store::Uid>& uids) {
  std::vector<store::Uid> unknown;
  for (const store::Uid uid : uids)
    if (const store::Entry* entry = view_.mailbox().find(uid);
        entry != nullptr && entry->wire_size == 0)
      unknown.push_back(uid);
  if (unknown.empty()) co_return Result<>{};
  co_return co_await view_.mailbox().load_sizes(std::move(unknown));
}

Wanted FetchRun::wanted_of(store::Uid uid) const {
  Wanted wanted = facts_.lacking(uid);
  wanted.header |= needs_header_;
  wanted.text = needs_text_;
  return wanted;
}

// Several messages: opened together, read together, told one by one.
net::Task<> FetchRun::some(std::vector<store::Uid> uids) {
  std::erase_if(uids, [&](store::Uid uid) { return view_.mailbox().find(uid) == nullptr; });
  std::vector<Wanted> wanted;
  bool needs_files = !items_.sections.empty();
  for (const store::Uid uid : uids) {
    wanted.push_back(wanted_of(uid));
    needs_files |= wanted.back().needs_file();
  }
  std::vector<std::optional<store::OpenMessage>> opened(uids.size());
  std::vector<Loaded> loaded(uids.size());
  if (needs_files) {
    CO_TRY(opened, co_await view_.mailbox().open_messages(uids));
    CO_TRY_OK(co_await read(opened, wanted, loaded));
    co_await facts_.keep(uids, loaded);
  }
  for (std::size_t i = 0; i < uids.size(); ++i) {
    if (needs_files && !opened[i]) continue;  // it went meanwhile
    CO_TRY_OK(co_await tell(uids[i], opened[i], loaded[i]));
  }
  co_return Result<>{};
}

// One that cannot be read is closed, and spoils nothing for the others.
net::Task<> FetchRun::read(std::vector<std::optional<store::OpenMessage>>& opened,
                           const std::vector<Wanted>& wanted, std::vector<Loaded>& loaded) {
  std::vector<Error> faults;
  CO_TRY_OK(co_await user_.services.pool.run([&]() -> Result<> {
    for (std::size_t i = 0; i < opened.size(); ++i) {
      if (!opened[i] || !opened[i]->file.is_open()) continue;
      auto one = load_message(*opened[i], wanted[i]);
      if (one) {
        loaded[i] = *std::move(one);
      } else {
        faults.push_back(std::move(one).error());
        opened[i]->file.close();
      }
    }
    return {};
  }));
  for (const Error& fault : faults) user_.log_fault(fault);
  co_return Result<>{};
}

net::Task<> FetchRun::tell(store::Uid uid, const std::optional<store::OpenMessage>& opened,
                           const Loaded& loaded) {
  const store::Entry* entry = view_.mailbox().find(uid);
  const auto sequence = view_.sequence_of(uid);
  if (entry == nullptr || !sequence) co_return Result<>{};  // it went meanwhile; EXPUNGE will tell
  if (opened && !opened->file.is_open()) {
    tell_unreadable(uid, *sequence, *entry);
    co_return Result<>{};
  }
  if (items_.flags) tell_new_keywords(view_, responses_);
  responses_.text() += fmt::format("* {} FETCH (", *sequence);
  add_known(uid, *entry);
  if (opened && !items_.sections.empty()) {
    if (const auto added = co_await add_sections(uid, *opened, loaded); !added) {
      // What was announced cannot be kept, whatever happened to the file.
      responses_.cut_off();
      user_.log_fault(added.error());
      co_return fail(ErrorKind::closed, added.error().what);
    }
  }
  responses_.text() += ")\r\n";
  co_return co_await responses_.flush_if_large();
}

// What is known of it. The command ends with NO.
void FetchRun::tell_unreadable(store::Uid uid, std::uint32_t sequence, const store::Entry& entry) {
  has_unreadable_ = true;
  std::string& out = responses_.text();
  const std::size_t before = out.size();
  out += fmt::format("* {} FETCH (", sequence);
  add_known(uid, entry);
  if (out.ends_with('('))
    out.resize(before);
  else
    out += ")\r\n";
}

void FetchRun::add_known(store::Uid uid, const store::Entry& entry) {
  std::string& out = responses_.text();
  const auto add = [&](std::string_view name, std::string_view value = "") {
    if (out.back() != '(') out += ' ';
    out += name;
    out += ' ';
    out += value;
  };
  if (items_.uid || numbers_ == Numbers::uid) add("UID", fmt::to_string(uid));
  if (items_.flags) add("FLAGS", format_flags(view_, uid, entry.flags, entry.keywords));
  if (items_.date) add("INTERNALDATE", format_internal_date(entry.internal_date));
  if (items_.size && (entry.wire_size != 0 || entry.size == 0))
    add("RFC822.SIZE", fmt::to_string(entry.wire_size));
  if (items_.size && entry.wire_size == 0 && entry.size != 0) has_unreadable_ = true;
  if (items_.email_id) {
    const auto at = std::ranges::lower_bound(email_ids_, uid, {}, &store::EmailId::uid);
    if (at != email_ids_.end() && at->uid == uid)
      add("EMAILID", "(" + at->id + ")");
    else
      has_unreadable_ = true;
  }
  // RFC 8474 section 5.2: a server that has no threads says so.
  if (items_.thread_id) add("THREADID", "NIL");
  const search::Facts& facts = facts_.of(uid);
  if (items_.envelope && facts.header) {
    add("ENVELOPE");
    append_envelope(out, *facts.header);
  }
  if (items_.body && facts.structure) {
    add("BODY");
    append_structure(out, *facts.structure, Extended::no);
  }
  if (items_.structure && facts.structure) {
    add("BODYSTRUCTURE");
    append_structure(out, *facts.structure, Extended::yes);
  }
}

net::Task<> FetchRun::add_sections(store::Uid uid, const store::OpenMessage& opened,
                                   const Loaded& loaded) {
  // Views into what facts_ keeps for the whole batch.
  const auto& root = facts_.of(uid).structure;
  const SectionSource source{.opened = opened, .loaded = loaded, .root = root ? &*root : nullptr};
  bool is_first = responses_.text().ends_with('(');
  for (const Section& section : items_.sections) {
    if (!std::exchange(is_first, false)) responses_.text() += ' ';
    CO_TRY_OK(co_await sections_.add(section, source));
  }
  co_return Result<>{};
}

net::Task<Outcome> carry_out(Parser& parser, FetchParts parts, Numbers numbers) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.take_space()) co_return bad("FETCH needs messages and items");
  auto items = parse_items(parser);
  if (!items) co_return bad("FETCH: the items have a fault");
  const auto uids = uids_of(parts.view, *set, numbers);
  if (!uids) co_return bad("There is no such message");
  FetchRun run(parts, *std::move(items), numbers);
  co_return co_await run.all(*uids);
}

}  // namespace

net::Task<Outcome> fetch(Parser& parser, store::View& view, Responses& responses, const User& user,
                         FetchResumePtr& resume) {
  return carry_out(parser, {view, responses, user, resume}, Numbers::sequence);
}

net::Task<Outcome> uid_fetch(Parser& parser, store::View& view, Responses& responses,
                             const User& user, FetchResumePtr& resume) {
  return carry_out(parser, {view, responses, user, resume}, Numbers::uid);
}

}  // namespace posthorn::imap
