// SEARCH and UID SEARCH (RFC 3501 section 6.4.4). What memory can answer is asked first, then the
// records in the index; a message's file is read, in the pool, only when these do not decide, and
// no further than the header when no key asks for more.
#include <algorithm>
#include <span>

#include "base/print.h"
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"
#include "imap/server/search_ids.h"
#include "imap/server/search_keys.h"
#include "message/charset.h"
#include "search/match.h"
#include "search/record.h"
#include "store/message_text.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kBatch = 512;    // messages whose records are looked at in one go
constexpr std::size_t kTogether = 64;  // messages that are opened and read in one go

// One SEARCH command at work.
struct SearchRun {
  store::View& view;
  net::BlockingPool& pool;
  const search::Key& key;
  bool needs_header = false;  // of what records keep
  bool needs_body = false;
  bool needs_keywords = false;
  using Found = std::vector<std::pair<std::uint32_t, store::Uid>>;  // sequence number, UID
  using Open = std::vector<search::Marks>;                          // messages not decided yet

  std::optional<search::Marks> marks_of(store::Uid uid, std::uint32_t sequence) const {
    const store::Mailbox& mailbox = view.mailbox();
    const store::Entry* entry = mailbox.find(uid);
    if (entry == nullptr) return std::nullopt;
    search::Marks marks{.uid = uid,
                        .sequence = sequence,
                        .flags = entry->flags,
                        .is_recent = view.is_recent(uid),
                        .internal_date = entry->internal_date,
                        .wire_size = entry->wire_size};
    if (needs_keywords)
      marks.has_keyword = [names = mailbox.keywords(), keywords = entry->keywords](
                              std::string_view name) { return names->is_one_of(keywords, name); };
    return marks;
  }

  // What records decide; the others stay open. A record that cannot be read decides nothing.
  net::Task<> look_at_records(Open& open, Found& found) {
    std::vector<store::Uid> uids;
    for (const search::Marks& one : open) uids.push_back(one.uid);
    CO_TRY(const auto records, co_await view.mailbox().load_records(std::move(uids)));
    co_return co_await pool.run([&]() -> Result<> {
      auto record = records.begin();
      std::erase_if(open, [&](const search::Marks& one) {
        record = std::ranges::lower_bound(record, records.end(), one.uid, {},
                                          &store::MessageRecord::uid);
        if (record == records.end() || record->uid != one.uid) return false;
        const auto facts = search::read_record(record->bytes, search::Half::header);
        if (!facts || !facts->header) return false;
        const auto known = search::evaluate(key, [&](const search::Key& leaf) {
          const auto by_marks = search::leaf_from_marks(leaf, one);
          return by_marks ? by_marks : search::leaf_from_header(leaf, *facts->header);
        });
        if (known == true) found.emplace_back(one.sequence, one.uid);
        return known.has_value();
      });
      return {};
    });
  }

  // Several messages whose files must be asked: opened together and read together.
  net::Task<> look_at_files(std::span<const search::Marks> open, Found& found) {
    std::vector<store::Uid> uids;
    for (const search::Marks& one : open) uids.push_back(one.uid);
    CO_TRY(const auto opened, co_await view.mailbox().open_messages(std::move(uids)));
    co_return co_await pool.run([&]() -> Result<> {
      for (std::size_t i = 0; i < open.size(); ++i) {
        // It went meanwhile, or cannot be read, which the log tells: the others are searched.
        if (!opened[i] || !opened[i]->file.is_open()) continue;
        auto bytes = needs_body ? store::read_text(*opened[i]) : store::read_header(*opened[i]);
        if (!bytes) continue;
        const auto text = needs_body ? search::Text::of_message(*std::move(bytes))
                                     : search::Text::of_header(*std::move(bytes));
        const auto holds =
            search::evaluate(key, [&](const search::Key& leaf) -> std::optional<bool> {
              const auto known = search::leaf_from_marks(leaf, open[i]);
              return known ? *known : text.holds(leaf);
            });
        if (*holds) found.emplace_back(open[i].sequence, open[i].uid);
      }
      return {};
    });
  }

  // What matches, in order.
  net::Task<Found> all() {
    Found found;
    Open open;  // what was decided behind them waits in found
    for (std::uint32_t sequence = 1; sequence <= view.size(); ++sequence) {
      auto marks = marks_of(view.uid_of(sequence), sequence);
      if (!marks) continue;
      const auto quick = search::evaluate(
          key, [&](const search::Key& leaf) { return search::leaf_from_marks(leaf, *marks); });
      if (quick) {
        if (*quick) found.emplace_back(sequence, marks->uid);
        continue;
      }
      open.push_back(*std::move(marks));
      if (open.size() == kBatch) CO_TRY_OK(co_await settle(open, found));
    }
    if (!open.empty()) CO_TRY_OK(co_await settle(open, found));
    std::ranges::sort(found);
    co_return found;
  }

  net::Task<> settle(Open& open, Found& found) {
    if (needs_header) CO_TRY_OK(co_await look_at_records(open, found));
    for (std::size_t at = 0; at < open.size(); at += kTogether)
      CO_TRY_OK(co_await look_at_files(
          std::span(open).subspan(at, std::min(kTogether, open.size() - at)), found));
    open.clear();
    co_return Result<>{};
  }
};

net::Task<Outcome> search_for(Parser& parser, store::View& view, Responses& responses,
                              const User& user, Numbers numbers) {
  if (!parser.take_space()) co_return bad("SEARCH needs keys");
  std::string charset = "UTF-8";
  if (parser.take_word("CHARSET")) {
    auto given = parser.take_space() ? parser.astring() : std::nullopt;
    if (!given || !parser.take_space()) co_return bad("SEARCH needs keys");
    charset = *std::move(given);
    if (!message::is_charset(charset))
      co_return no("This charset is not known", "BADCHARSET (US-ASCII UTF-8)");
  }
  const std::uint32_t count = view.size();
  auto key = parse_search_keys(parser, {count, count == 0 ? 0 : view.uid_of(count)});
  if (!key) co_return bad("SEARCH: the keys have a fault");
  CO_TRY_OK(co_await settle_email_ids(*key, view));
  if (!search::fold_texts(*key, charset)) co_return no("The text is not of its charset");
  if (search::asks_for_size(*key)) {
    std::vector<store::Uid> unknown;
    for (const store::Entry& entry : view.mailbox().entries())
      if (entry.wire_size == 0) unknown.push_back(entry.uid);
    if (!unknown.empty()) CO_TRY_OK(co_await view.mailbox().load_sizes(std::move(unknown)));
  }
  SearchRun run{view,
                user.services.pool,
                *key,
                search::asks_for_header(*key),
                search::asks_for_body(*key),
                search::asks_for_keywords(*key)};
  CO_TRY(const auto matching, co_await run.all());
  std::string found;
  for (const auto& [sequence, uid] : matching)
    print_to(found, " {}", numbers == Numbers::uid ? uid : sequence);
  responses.say("SEARCH{}", found);
  co_return ok("Search completed");
}

}  // namespace

net::Task<Outcome> search(Parser& parser, store::View& view, Responses& responses,
                          const User& user) {
  return search_for(parser, view, responses, user, Numbers::sequence);
}

net::Task<Outcome> uid_search(Parser& parser, store::View& view, Responses& responses,
                              const User& user) {
  return search_for(parser, view, responses, user, Numbers::uid);
}

}  // namespace posthorn::imap
