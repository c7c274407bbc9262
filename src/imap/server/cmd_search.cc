// SEARCH and UID SEARCH (RFC 3501 section 6.4.4). What memory can answer is asked first; a
// message's file is read, in the pool, only when its header or text decides, and no further than
// the header when no key asks for more.
#include <algorithm>

#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"
#include "imap/server/search_match.h"
#include "message/charset.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kTogether = 64;  // messages that are opened and read in one go

// One SEARCH command at work.
struct SearchRun {
  store::View& view;
  net::BlockingPool& pool;
  const SearchKey& key;
  bool needs_body = false;
  bool needs_keywords = false;

  std::optional<SearchFacts> facts_of(store::Uid uid, std::uint32_t sequence) const {
    const store::Mailbox& mailbox = view.mailbox();
    const store::Entry* entry = mailbox.find(uid);
    if (entry == nullptr) return std::nullopt;
    SearchFacts facts{*entry, sequence, view.is_recent(uid), {}};
    if (needs_keywords) facts.keywords = mailbox.keywords();
    return facts;
  }

  // Several messages whose files must be asked: opened together and read together.
  net::Task<std::vector<bool>> read_some(const std::vector<SearchFacts>& facts) {
    std::vector<store::Uid> uids;
    for (const SearchFacts& one : facts) uids.push_back(one.entry.uid);
    CO_TRY(const auto opened, co_await view.mailbox().open_messages(std::move(uids)));
    co_return co_await pool.run([&]() -> Result<std::vector<bool>> {
      std::vector<bool> good(facts.size());
      for (std::size_t i = 0; i < facts.size(); ++i) {
        // It went meanwhile, or cannot be read, which the log tells: the others are searched.
        if (!opened[i] || !opened[i]->file.is_open()) continue;
        const auto text = SearchText::read(*opened[i], needs_body);
        if (!text) continue;
        good[i] = *evaluate(key, [&](const SearchKey& leaf) -> std::optional<bool> {
          const auto known = leaf_from_memory(leaf, facts[i]);
          return known ? *known : text->holds(leaf);
        });
      }
      return good;
    });
  }

  // Sequence numbers and UIDs of what matches, in order.
  net::Task<std::vector<std::pair<std::uint32_t, store::Uid>>> all() {
    std::vector<std::pair<std::uint32_t, store::Uid>> found;
    std::vector<SearchFacts> open;  // not decided yet; what was decided behind them waits in found
    for (std::uint32_t sequence = 1; sequence <= view.size(); ++sequence) {
      const auto facts = facts_of(view.uid_of(sequence), sequence);
      if (!facts) continue;
      const auto quick =
          evaluate(key, [&](const SearchKey& leaf) { return leaf_from_memory(leaf, *facts); });
      if (quick) {
        if (*quick) found.emplace_back(sequence, facts->entry.uid);
        continue;
      }
      open.push_back(*facts);
      if (open.size() < kTogether && sequence < view.size()) continue;
      CO_TRY_OK(co_await settle(open, found));
    }
    if (!open.empty()) CO_TRY_OK(co_await settle(open, found));
    std::ranges::sort(found);
    co_return found;
  }

  net::Task<> settle(std::vector<SearchFacts>& open,
                     std::vector<std::pair<std::uint32_t, store::Uid>>& found) {
    CO_TRY(const auto good, co_await read_some(open));
    for (std::size_t i = 0; i < open.size(); ++i)
      if (good[i]) found.emplace_back(open[i].sequence, open[i].entry.uid);
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
  auto key = parse_search_keys(parser);
  if (!key) co_return bad("SEARCH: the keys have a fault");
  if (!fold_texts(*key, charset)) co_return no("The text is not of its charset");
  const std::uint32_t count = view.size();
  resolve(*key, count, count == 0 ? 0 : view.uid_of(count));
  if (asks_for_size(*key)) {
    std::vector<store::Uid> unknown;
    for (const store::Entry& entry : view.mailbox().entries())
      if (entry.wire_size == 0) unknown.push_back(entry.uid);
    if (!unknown.empty()) CO_TRY_OK(co_await view.mailbox().load_sizes(std::move(unknown)));
  }
  SearchRun run{view, user.services.pool, *key, asks_for_body(*key), asks_for_keywords(*key)};
  CO_TRY(const auto matching, co_await run.all());
  std::string found;
  for (const auto& [sequence, uid] : matching)
    fmt::format_to(std::back_inserter(found), " {}", numbers == Numbers::uid ? uid : sequence);
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
