// FETCH and UID FETCH (RFC 3501 section 6.4.5). Flags, dates and sizes come from memory; envelope,
// structure and the places of parts from the message's record in the index once it was made; texts
// from the file, streamed from their place without holding them. A message is parsed in the pool,
// once in its life; for its header alone no more is read than that.
#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <unordered_map>

#include "imap/proto/fetch_items.h"
#include "imap/proto/response.h"
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"
#include "imap/server/part_places.h"
#include "message/headers.h"
#include "search/record.h"
#include "store/line_ends.h"
#include "store/message_text.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kPiece = 65'536;
constexpr std::size_t kSmall = 65'536;  // a message that is read whole, with its neighbours
constexpr std::size_t kTogether = 32;   // messages that are opened and read in one go
constexpr std::size_t kBatch = 500;     // whose records are asked for in one go

// A message's record as the index has it or as it was just made, and the facts in it.
struct Known {
  std::string record;
  search::Facts facts;  // views into it

  Known(std::string bytes, search::Half half) : record(std::move(bytes)) {
    facts = search::read_record(record, half).value_or(search::Facts());
  }
  Known(const Known&) = delete;
  Known& operator=(const Known&) = delete;
};

// What of a message's file a FETCH wants, and has then.
struct Wanted {
  bool record = false, header_record = false, header = false, text = false;
  bool needs_file() const { return record || header_record || header; }
};
struct Loaded {
  std::string record;               // of the whole message, or of its header; empty: not wanted
  std::string header;               // with the empty line
  std::optional<std::string> text;  // of a small one
};

// Blocks.
Result<Loaded> load(const store::OpenMessage& opened, Wanted wanted) {
  Loaded loaded;
  const bool is_small = opened.wire_size <= kSmall;
  if (wanted.record || (wanted.text && is_small)) {
    TRY(std::string text, store::read_text(opened));
    if (wanted.record) loaded.record = search::make_record(text);
    if (wanted.header || wanted.header_record)
      loaded.header =
          text.substr(0, message::find_header_end(text, message::Input::whole)->body_begin);
    if (is_small) loaded.text = std::move(text);
  } else if (wanted.header || wanted.header_record) {
    TRY(loaded.header, store::read_header(opened));
  }
  if (wanted.header_record) loaded.record = search::make_header_record(loaded.header);
  return loaded;
}

bool is_of_header(const Section& section) {
  return section.path.empty() && section.kind != Section::Kind::all;
}

// RFC 3501 section 6.4.5. header: with its empty line. A line that is no field has none of the
// names.
std::string pick_fields(std::string_view header, const Section& section) {
  const message::Headers headers(header);
  const auto is_named = [&](const message::Field& field) {
    return std::ranges::any_of(section.fields, [&](const std::string& name) {
      return message::equals_ignoring_case(name, field.name);
    });
  };
  if (section.kind == Section::Kind::header_fields_not) return headers.without(is_named);
  std::string out;
  for (const message::Field& field : headers.fields())
    if (is_named(field)) out += field.raw;
  return out + "\r\n";
}

// <begin.count> of a range; a begin behind its end gives nothing.
Range64 cut(Range64 range, const Section& section) {
  if (!section.partial) return range;
  const std::uint64_t size = range.end - range.begin;
  const std::uint64_t begin = std::min(section.partial->first, size);
  const std::uint64_t count = std::min(section.partial->second, size - begin);
  return {range.begin + begin, range.begin + begin + count};
}

// One FETCH command at work.
struct FetchRun {
  store::View& view;
  Responses& responses;
  const User& user;
  FetchResumePtr& resume;
  Numbers numbers;
  Items items{};
  std::unordered_map<store::Uid, Known> known{};
  bool needs_header = false, needs_places = false, needs_text = false;
  bool has_unreadable = false;
  std::vector<Error> faults{};

  void look_at_items() {
    for (const Section& section : items.sections) {
      const bool is_plain = section.kind == Section::Kind::all && section.path.empty();
      needs_header |= is_of_header(section);
      needs_places |= !is_of_header(section) && !is_plain;
      needs_text |=
          (!is_of_header(section) || section.kind == Section::Kind::text) && !section.partial;
    }
  }

  bool needs_structure() const { return items.body || items.structure || needs_places; }

  search::Half half() const {
    return !needs_structure() ? search::Half::header
           : items.envelope   ? search::Half::both
                              : search::Half::structure;
  }

  net::Task<> load_records(const std::vector<store::Uid>& uids) {
    known.clear();
    if (!items.envelope && !needs_structure()) co_return Result<>{};
    CO_TRY(auto records, co_await view.mailbox().load_records(uids));
    for (store::MessageRecord& record : records)
      known.try_emplace(record.uid, std::move(record.bytes), half());
    co_return Result<>{};
  }

  const search::Facts& facts_of(store::Uid uid) const {
    static const search::Facts kNone;
    const auto at = known.find(uid);
    return at == known.end() ? kNone : at->second.facts;
  }

  Wanted wanted_of(store::Uid uid) const {
    const search::Facts& facts = facts_of(uid);
    Wanted wanted;
    wanted.record = needs_structure() && !facts.structure;
    wanted.header_record = items.envelope && !facts.header && !wanted.record;
    wanted.header = needs_header;
    wanted.text = needs_text;
    return wanted;
  }

  // What was made of the messages goes into the index, of all of them at once.
  net::Task<> keep(const std::vector<store::Uid>& uids, std::vector<Loaded>& loaded) {
    std::vector<store::MessageRecord> made;
    for (std::size_t i = 0; i < uids.size(); ++i) {
      if (loaded[i].record.empty()) continue;
      made.push_back({uids[i], loaded[i].record});
      known.erase(uids[i]);
      known.try_emplace(uids[i], std::move(loaded[i].record), half());
    }
    // Without room for it (a full disk) the next client reads the file once more.
    if (!made.empty()) (void)co_await view.mailbox().keep_records(std::move(made));
    co_return Result<>{};
  }

  // Several messages: opened together, read together, told one by one.
  net::Task<> some(std::vector<store::Uid> uids) {
    store::Mailbox& mailbox = view.mailbox();
    std::erase_if(uids, [&](store::Uid uid) { return mailbox.find(uid) == nullptr; });
    std::vector<Wanted> wanted;
    bool needs_files = !items.sections.empty();
    for (const store::Uid uid : uids) {
      wanted.push_back(wanted_of(uid));
      needs_files |= wanted.back().needs_file();
    }
    std::vector<std::optional<store::OpenMessage>> opened(uids.size());
    std::vector<Loaded> loaded(uids.size());
    if (needs_files) {
      CO_TRY(opened, co_await mailbox.open_messages(uids));
      CO_TRY_OK(co_await user.services.pool.run([&]() -> Result<> {
        for (std::size_t i = 0; i < uids.size(); ++i) {
          if (!opened[i] || !opened[i]->file.is_open()) continue;
          auto one = load(*opened[i], wanted[i]);
          if (one) {
            loaded[i] = *std::move(one);
          } else {
            faults.push_back(one.error());
            opened[i]->file.close();
          }
        }
        return {};
      }));
      for (const Error& fault : std::exchange(faults, {})) user.log_fault(fault);
      CO_TRY_OK(co_await keep(uids, loaded));
    }
    for (std::size_t i = 0; i < uids.size(); ++i) {
      if (needs_files && !opened[i]) continue;  // it went meanwhile
      CO_TRY_OK(co_await one(uids[i], opened[i], loaded[i]));
    }
    co_return Result<>{};
  }

  net::Task<> one(store::Uid uid, const std::optional<store::OpenMessage>& opened,
                  const Loaded& loaded) {
    const store::Entry* entry = view.mailbox().find(uid);
    const auto sequence = view.sequence_of(uid);
    if (entry == nullptr || !sequence)
      co_return Result<>{};  // it went meanwhile; EXPUNGE will tell
    if (opened && !opened->file.is_open()) {
      // The one that cannot be read: what is known of it. The command ends with NO.
      has_unreadable = true;
      const std::size_t before = responses.text().size();
      responses.text() += fmt::format("* {} FETCH (", *sequence);
      const std::size_t empty = responses.text().size();
      add_known(uid, *entry);
      if (responses.text().size() == empty)
        responses.text().resize(before);
      else
        responses.text() += ")\r\n";
      co_return Result<>{};
    }
    if (items.flags) tell_new_keywords(view, responses);
    responses.text() += fmt::format("* {} FETCH (", *sequence);
    const std::size_t begin = responses.text().size();
    add_known(uid, *entry);
    const bool is_first = responses.text().size() == begin;
    if (const auto added = co_await add_sections(uid, opened, loaded, is_first); !added) {
      // What was announced cannot be kept, whatever happened to the file.
      responses.cut_off();
      user.log_fault(added.error());
      co_return fail(ErrorKind::closed, added.error().what);
    }
    responses.text() += ")\r\n";
    co_return co_await responses.flush_if_large();
  }

  void add_known(store::Uid uid, const store::Entry& entry) {
    std::string& out = responses.text();
    const auto add = [&](std::string_view text) {
      if (out.back() != '(') out += ' ';
      out += text;
    };
    if (items.uid || numbers == Numbers::uid) add(fmt::format("UID {}", uid));
    if (items.flags) add("FLAGS " + format_flags(view, uid, entry.flags, entry.keywords));
    if (items.date) add("INTERNALDATE " + format_internal_date(entry.internal_date));
    if (items.size && (entry.wire_size != 0 || entry.size == 0))
      add(fmt::format("RFC822.SIZE {}", entry.wire_size));
    if (items.size && entry.wire_size == 0 && entry.size != 0) has_unreadable = true;
    const search::Facts& facts = facts_of(uid);
    if (items.envelope && facts.header) {
      add("ENVELOPE ");
      append_envelope(out, *facts.header);
    }
    if (items.body && facts.structure) {
      add("BODY ");
      append_structure(out, *facts.structure, Extended::no);
    }
    if (items.structure && facts.structure) {
      add("BODYSTRUCTURE ");
      append_structure(out, *facts.structure, Extended::yes);
    }
  }

  net::Task<> add_sections(store::Uid uid, const std::optional<store::OpenMessage>& opened,
                           const Loaded& loaded, bool is_first) {
    // Views into what the run keeps for the whole batch.
    const auto& root = facts_of(uid).structure;
    for (const Section& section : items.sections) {
      if (!std::exchange(is_first, false)) responses.text() += ' ';
      if (section.kind == Section::Kind::header_fields ||
          section.kind == Section::Kind::header_fields_not) {
        CO_TRY_OK(co_await add_fields(*opened, loaded, root, section));
        continue;
      }
      std::optional<Range64> range;
      if (section.path.empty()) {
        range = Range64{0, opened->wire_size};
        if (section.kind == Section::Kind::header) range->end = loaded.header.size();
        if (section.kind == Section::Kind::text) range->begin = loaded.header.size();
      } else if (root) {
        range = range_of(*root, section);
      }
      if (!range) {
        responses.text() += section.label + " NIL";
        continue;
      }
      const Range64 wanted = cut(*range, section);
      responses.text() += fmt::format("{} {{{}}}\r\n", section.label, wanted.end - wanted.begin);
      if (loaded.text && wanted.end <= loaded.text->size())
        responses.text() += std::string_view(*loaded.text)
                                .substr(static_cast<std::size_t>(wanted.begin),
                                        static_cast<std::size_t>(wanted.end - wanted.begin));
      else
        CO_TRY_OK(co_await stream(*opened, wanted, section.partial.has_value()));
    }
    co_return Result<>{};
  }

  net::Task<> add_fields(const store::OpenMessage& opened, const Loaded& loaded,
                         const std::optional<search::PartFacts>& root, const Section& section) {
    std::optional<std::string> text;
    if (section.path.empty()) {
      text = loaded.header;
    } else if (const auto range = root ? range_of(*root, section) : std::nullopt) {
      CO_TRY(text, co_await user.services.pool.run([&]() -> Result<std::string> {
        store::CrlfReader reader(opened.file, 0, opened.size);
        TRY_OK(reader.skip(range->begin));
        return reader.read_all(
            std::min<std::uint64_t>(range->end - range->begin, message::kHeaderMax));
      }));
    }
    if (!text) {
      responses.text() += section.label + " NIL";
      co_return Result<>{};
    }
    const std::string picked = pick_fields(*text, section);
    const Range64 wanted = cut({0, picked.size()}, section);
    responses.text() += fmt::format("{} {{{}}}\r\n", section.label, wanted.end - wanted.begin);
    responses.text() +=
        std::string_view(picked).substr(static_cast<std::size_t>(wanted.begin),
                                        static_cast<std::size_t>(wanted.end - wanted.begin));
    co_return Result<>{};
  }

  // From the file to the socket, a piece at a time.
  net::Task<> stream(const store::OpenMessage& opened, Range64 wanted, bool is_range) {
    if (is_range) co_return co_await stream_range(wanted, opened.uid);
    store::CrlfReader reader(opened.file, 0, opened.size);
    CO_TRY_OK(co_await user.services.pool.run([&] { return reader.skip(wanted.begin); }));
    co_return co_await send(reader, wanted.end - wanted.begin);
  }

  // A client that fetches a large message in ranges goes on where the last one ended.
  net::Task<> stream_range(Range64 wanted, store::Uid uid) {
    if (!resume || resume->uid != uid || resume->at > wanted.begin) {
      resume = std::make_unique<FetchResume>();
      CO_TRY(auto opened, co_await view.mailbox().open_message(uid));
      if (!opened) co_return fail(ErrorKind::temporary, "a message went while it was sent");
      resume->uid = uid;
      resume->opened = *std::move(opened);
      resume->reader = store::CrlfReader(resume->opened.file, 0, resume->opened.size);
    }
    CO_TRY(const std::uint64_t passed, co_await user.services.pool.run([&] {
      return resume->reader.skip(wanted.begin - resume->at);
    }));
    resume->at += passed + (wanted.end - wanted.begin);
    co_return co_await send(resume->reader, wanted.end - wanted.begin);
  }

  net::Task<> send(store::CrlfReader& reader, std::uint64_t left) {
    std::string piece;
    while (left > 0) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
      CO_TRY(const auto n, co_await user.services.pool.run([&] { return reader.read(piece); }));
      if (n == 0)
        co_return fail(ErrorKind::temporary, "a message became shorter while it was sent");
      responses.text().append(piece, 0, n);
      left -= n;
      CO_TRY_OK(co_await responses.flush_if_large());
    }
    co_return Result<>{};
  }
};

// RFC 3501 section 6.4.5: a BODY[] without PEEK sets \Seen, and its flags are told.
net::Awaitable<void> set_seen(const std::vector<store::Uid>& uids, FetchRun& run) {
  const auto sets_seen = [](const Section& section) { return !section.peek; };
  if (std::ranges::none_of(run.items.sections, sets_seen) ||
      run.view.access() == store::Access::read_only)
    co_return;
  store::FlagRequest request;
  for (const store::Uid uid : uids)
    if (const store::Entry* entry = run.view.mailbox().find(uid);
        entry != nullptr && (entry->flags & store::flag::seen) == 0)
      request.uids.push_back(uid);
  if (request.uids.empty()) co_return;
  request.flags = store::flag::seen;
  const auto stored = co_await run.view.mailbox().store_flags(std::move(request));
  // What cannot be marked as read can be read all the same.
  if (!stored) co_return run.user.log_fault(stored.error());
  run.view.mark_told(stored->messages);
  run.items.flags = true;
}

net::Task<> load_sizes(const std::vector<store::Uid>& uids, store::Mailbox& mailbox) {
  std::vector<store::Uid> unknown;
  for (const store::Uid uid : uids)
    if (const store::Entry* entry = mailbox.find(uid); entry != nullptr && entry->wire_size == 0)
      unknown.push_back(uid);
  if (unknown.empty()) co_return Result<>{};
  co_return co_await mailbox.load_sizes(std::move(unknown));
}

std::vector<store::Uid> take_some(std::span<const store::Uid>& left, std::size_t count) {
  const auto some = left.first(std::min(count, left.size()));
  left = left.subspan(some.size());
  return {some.begin(), some.end()};
}

net::Task<Outcome> carry_out(Parser& parser, FetchRun run) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.take_space()) co_return bad("FETCH needs messages and items");
  auto items = parse_items(parser);
  if (!items) co_return bad("FETCH: the items have a fault");
  const auto uids = uids_of(run.view, *set, run.numbers);
  if (!uids) co_return bad("There is no such message");
  run.items = *std::move(items);
  run.look_at_items();
  co_await set_seen(*uids, run);
  if (run.items.size) CO_TRY_OK(co_await load_sizes(*uids, run.view.mailbox()));
  std::span<const store::Uid> left = *uids;
  while (!left.empty()) {
    const std::vector<store::Uid> batch = take_some(left, kBatch);
    CO_TRY_OK(co_await run.load_records(batch));
    std::span<const store::Uid> of_batch = batch;
    while (!of_batch.empty()) CO_TRY_OK(co_await run.some(take_some(of_batch, kTogether)));
  }
  if (run.has_unreadable)
    co_return no("Some of the messages could not be read; the others were told", "UNAVAILABLE");
  co_return ok("Fetch completed");
}

}  // namespace

net::Task<Outcome> fetch(Parser& parser, store::View& view, Responses& responses, const User& user,
                         FetchResumePtr& resume) {
  return carry_out(parser, {view, responses, user, resume, Numbers::sequence});
}

net::Task<Outcome> uid_fetch(Parser& parser, store::View& view, Responses& responses,
                             const User& user, FetchResumePtr& resume) {
  return carry_out(parser, {view, responses, user, resume, Numbers::uid});
}

}  // namespace posthorn::imap
