// Keywords of a mailbox: names and numbers, kept in step with dovecot-keywords and
// posthorn-keywords.
#include <algorithm>
#include <bit>
#include <set>
#include <span>

#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr std::string_view kHighKeywordsName = "posthorn-keywords";
constexpr std::uint64_t kHighKeywordsMax = 256U << 20U;
constexpr std::uint64_t kRewriteFrom = 4U << 20U;  // bytes
// With so many names the mailbox looks which of them are in use before it takes another number.
constexpr std::size_t kForgetFrom = 64;
constexpr std::size_t kMarkMax = 256;  // bytes of a mark's line without its numbers
constexpr std::size_t kDigitsMax = 5;  // of a number, with its comma

Result<HighKeywords> read_high_keywords(const Path& maildir) {
  TRY(const auto text, read_file(maildir / kHighKeywordsName, kHighKeywordsMax));
  return text ? parse_high_keywords(*text) : HighKeywords{};
}

// The lines of names, which are few.
std::string without_marks(std::string_view text) {
  std::string names;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    if (text.front() != '#' && text.front() != '=') names += text.substr(0, end + 1);
    text.remove_prefix(end + 1);
  }
  return names;
}

bool is_in(const FolderScan& found, std::string_view base) {
  const auto at = std::ranges::lower_bound(found.files, base, {}, &FolderFile::base);
  return at != found.files.end() && at->base() == base;
}

}  // namespace

// The file wins for the 26 letters, since the letters in the file names mean what it says.
Result<> Engine::read_keywords(State& state, Changes* changes) {
  const Path path = state.path / "dovecot-keywords";
  const Stamp stamp = stamp_of(path);
  if (stamp == state.row.keywords_file) return {};
  TRY(const auto text, read_file(path, 1U << 20U));
  state.row.keywords_file = stamp;
  if (!text) {
    // It was removed: put the names back, for the letters still stand in the file names.
    const std::string lost = format_keywords(state.row.keywords->by_number());
    if (!lost.empty() && replace_file(disk(), path, lost)) state.row.keywords_file = stamp_of(path);
    return {};
  }
  const std::vector<std::string> names = parse_keywords(*text);
  auto known = std::make_shared<KeywordNames>(*state.row.keywords);
  for (std::size_t letter = 0; letter < names.size(); ++letter)
    if (!names[letter].empty()) known->set(letter, names[letter]);
  if (*known == *state.row.keywords) return {};
  state.row.keywords = std::move(known);
  if (changes != nullptr) change_of(state, *changes).keywords = state.row.keywords;
  return {};
}

// Before what stands in the lines is told: one sync for all of them.
Result<> Engine::append_high(State& state, const std::string& lines) {
  if (lines.empty()) return {};
  const Path path = state.path / kHighKeywordsName;
  const Stamp stamp = stamp_of(path);
  // After a failed write or sync the file is worth nothing: its lines go into a new one.
  const std::uint64_t size = static_cast<std::uint64_t>(stamp.size) + lines.size();
  if (state.is_high_doubtful || stamp == Stamp{} || size > state.high_rewrite_at)
    return write_high(state, *state.row.keywords, lines);
  TRY(const auto file, disk().open(path, OpenMode::append));
  // Nothing may stand behind a half line, of a process that died or of a disk that was full.
  TRY(const auto there, disk().open(path, OpenMode::read));
  TRY(const auto info, read_file_info(there));
  char last = '\n';
  if (info.size > 0) TRY_OK(read_at(there, std::span(&last, 1), info.size - 1));
  Result<> done = disk().write(file, last == '\n' ? lines : "\n" + lines);
  if (done) done = disk().sync(file);
  state.is_high_doubtful = !done;
  return done;
}

// The file anew, with what counts, and the lines behind it. The index has the keywords of the
// messages that it knows; for a message that it does not know yet the file's own mark stays. One
// that had a mark and has no such keyword any more keeps a mark that says so: an index from before
// a power cut may still have it.
Result<> Engine::write_high(State& state, const KeywordNames& names, const std::string& lines) {
  TRY(HighKeywords before, read_high_keywords(state.path));
  std::string text;
  for (std::size_t number = kKeywordLettersMax; number < names.size(); ++number)
    append_high_keyword(number, names[number], text);
  TRY(const auto rows, index_.rows_by_name(state.row.id));
  for (const MessageRow& row : rows) {
    const Keywords high = row.entry.keywords.high();
    const bool had_mark = before.marks.erase(row.file.base) != 0;
    if (had_mark || !high.empty()) append_high_mark(high, row.file.base, text);
  }
  if (!before.marks.empty()) {
    TRY(const auto found, scan_maildir(state.path));
    for (const auto& [base, keywords] : before.marks)
      if (is_in(found, base) || !state.promised_keywords.empty())
        append_high_mark(keywords, base, text);
  }
  text += lines;
  state.is_high_doubtful = true;
  TRY_OK(replace_file(disk(), state.path / kHighKeywordsName, text));
  state.is_high_doubtful = false;
  state.high_rewrite_at = std::max<std::uint64_t>(kRewriteFrom, 4 * text.size());
  return {};
}

// Would the file still be one that can be read, with marks of so many messages more and so many
// numbers in them? What stands there counts twice: each mark may be written once more.
Result<bool> Engine::has_room_for_marks(State& state, std::size_t messages, std::size_t numbers) {
  const std::uint64_t more = messages * kMarkMax + numbers * kDigitsMax;
  const Path path = state.path / kHighKeywordsName;
  const auto fits = [&] {
    return 2 * static_cast<std::uint64_t>(stamp_of(path).size) + more <= kHighKeywordsMax;
  };
  if (fits()) return true;
  TRY_OK(write_high(state, *state.row.keywords, ""));
  return fits();
}

// The file has each name before the index has it.
Result<> Engine::read_high_names(State& state) {
  TRY(const auto text, read_file(state.path / kHighKeywordsName, kHighKeywordsMax));
  const HighKeywords high = text ? parse_high_keywords(without_marks(*text)) : HighKeywords{};
  if (high.names.empty()) return {};
  auto known = std::make_shared<KeywordNames>(*state.row.keywords);
  for (const auto& [number, name] : high.names) known->set(number, name);
  if (*known != *state.row.keywords) state.row.keywords = std::move(known);
  return {};
}

// Rows that the index has, with the keywords as they were told before a power cut.
Result<> Engine::restore_high_marks(State& state) {
  TRY(const HighKeywords high, read_high_keywords(state.path));
  if (high.marks.empty()) return {};
  TRY(auto rows, index_.rows_by_name(state.row.id));
  TRY(auto transaction, index_.begin());
  for (MessageRow& row : rows) {
    const auto at = high.marks.find(row.file.base);
    if (at == high.marks.end()) continue;
    Keywords all = index_.intern(Keywords::of_mask(row.entry.keywords.letters()) | at->second);
    if (all == row.entry.keywords) continue;
    row.entry.keywords = std::move(all);
    TRY_OK(index_.save_message(state.row.id, row));
  }
  TRY_OK(transaction.commit());
  constexpr std::size_t kSlack = 1000;
  if (high.lines > 2 * (high.marks.size() + high.names.size()) + kSlack)
    TRY_OK(write_high(state, *state.row.keywords, ""));
  return {};
}

// Marks of messages that the index does not know.
Result<> Engine::add_high_marks(const State& state, std::vector<MessageRow>& rows) {
  if (rows.empty() || stamp_of(state.path / kHighKeywordsName) == Stamp{}) return {};
  TRY(const HighKeywords high, read_high_keywords(state.path));
  for (MessageRow& row : rows)
    if (const auto at = high.marks.find(row.file.base); at != high.marks.end())
      row.entry.keywords = index_.intern(row.entry.keywords | at->second);
  return {};
}

// As messages carry them, and as they stand in file names and marks, whether the index knows the
// files or not.
Result<KeywordBits> Engine::keywords_in_use(const State& state) {
  KeywordBits used;
  state.promised_keywords.add_to(used);
  TRY(const auto entries, index_.entries(state.row.id));
  for (const Entry& entry : entries) entry.keywords.add_to(used);
  TRY(const auto found, scan_maildir(state.path));
  for (const FolderFile& file : found.files)
    Keywords::of_mask(parse_info(file.info()).keywords).add_to(used);
  if (stamp_of(state.path / kHighKeywordsName) == Stamp{}) return used;
  TRY(const HighKeywords high, read_high_keywords(state.path));
  TRY(const auto rows, index_.names(state.row.id));
  std::set<std::string_view> known;
  for (const auto& [uid, base] : rows) known.insert(base);
  for (const auto& [base, keywords] : high.marks)
    if (!keywords.empty() && !known.contains(base) && is_in(found, base)) keywords.add_to(used);
  return used;
}

// Which numbers may be given. Of many names those that no message has go first.
Result<> Engine::look_for_numbers(State& state, const KeywordBits& given, KeywordNames& names,
                                  FreeNumbers& free) {
  TRY(KeywordBits used, keywords_in_use(state));
  used |= given;
  free = {.is_known = true, .is_fresh = true};
  if (names.size() >= kForgetFrom) free.is_forgetting = names.keep(used) > 0;
  for (std::size_t number = std::max(names.size(), kKeywordLettersMax); number-- > 0;) {
    if (!names[number].empty() || used[number]) continue;
    if (number < kKeywordLettersMax) {
      free.letters |= std::uint32_t{1} << number;
    } else {
      free.numbers.push_back(static_cast<KeywordNumber>(number));
    }
  }
  free.is_forgetting |= !free.numbers.empty();
  free.next = std::max(names.size(), kKeywordLettersMax);
  for (std::size_t number = free.next; number < kKeywordsMax; ++number)
    if (used[number]) free.next = number + 1;
  return {};
}

// nullopt: none is left. A letter is not given anew while a file carries it, nor another number
// while a message or a mark has it.
Result<std::optional<std::size_t>> Engine::take_number(State& state, const KeywordBits& given,
                                                       KeywordNames& names, FreeNumbers& free) {
  for (;;) {
    if (!free.is_known) TRY_OK(look_for_numbers(state, given, names, free));
    for (; free.letters != 0; free.letters &= free.letters - 1) {
      const auto letter = static_cast<std::size_t>(std::countr_zero(free.letters));
      if (!names[letter].empty()) continue;  // another program gave it
      free.letters &= free.letters - 1;
      return letter;
    }
    if (!free.numbers.empty()) {
      const std::size_t number = free.numbers.back();
      free.numbers.pop_back();
      return number;
    }
    if (free.next < (free.is_fresh ? kKeywordsMax : free.grow_to)) return free.next++;
    if (free.is_fresh) return std::nullopt;
    free.is_known = false;
  }
}

// nullopt: a name is no keyword, or there is no number left for it.
Result<std::optional<Keywords>> Engine::keywords_of(State& state,
                                                    const std::vector<std::string>& names,
                                                    IfUnknown if_unknown, Changes& changes) {
  if (names.empty()) return Keywords();
  TRY_OK(read_keywords(state, &changes));
  KeywordBits bits;
  std::vector<std::string_view> unknown;
  for (const std::string& name : names) {
    if (!is_keyword(name)) return std::nullopt;
    if (if_unknown == IfUnknown::pass_over) {
      state.row.keywords->find_all(name).add_to(bits);
    } else if (const auto number = state.row.keywords->find(name)) {
      bits.set(*number);
    } else {
      unknown.push_back(name);
    }
  }
  if (!unknown.empty()) {
    TRY(const bool is_done, add_keywords(state, unknown, bits, changes));
    if (!is_done) return std::nullopt;
  }
  return index_.intern(Keywords::of(bits));
}

// Gives each a number and adds it to bits. false: there is none left, and nothing was done.
Result<bool> Engine::add_keywords(State& state, const std::vector<std::string_view>& unknown,
                                  KeywordBits& bits, Changes& changes) {
  const KeywordNamesPtr before = state.row.keywords;
  auto known = std::make_shared<KeywordNames>(*before);
  FreeNumbers free = std::exchange(state.free_numbers, {});
  for (const std::string_view name : unknown) {
    auto number = std::optional<std::size_t>(known->find(name));  // twice in one request
    if (!number) {
      TRY(number, take_number(state, bits, *known, free));
      if (!number) return false;
      known->set(*number, name);
    }
    bits.set(*number);
  }
  if (free.is_forgetting) {
    // No power cut may bring back a letter, or a message, that had the number before; and no line
    // may give its new name to a message: those of messages that are gone go.
    TRY_OK(disk().sync_folder(state.path / "cur"));
    TRY_OK(write_high(state, *known, ""));
  } else {
    std::string lines;
    for (std::size_t number = kKeywordLettersMax; number < known->size(); ++number)
      if ((*known)[number] != (*before)[number])
        append_high_keyword(number, (*known)[number], lines);
    TRY_OK(append_high(state, lines));
  }
  // Until all is done the file has names that are not known here: on a failure it is written anew.
  state.is_high_doubtful = true;
  const std::string letters = format_keywords(known->by_number());
  if (letters != format_keywords(before->by_number())) {
    const Path path = state.path / "dovecot-keywords";
    TRY_OK(replace_file(disk(), path, letters));
    state.row.keywords_file = stamp_of(path);
  }
  state.row.keywords = std::move(known);
  state.is_high_doubtful = false;
  TRY_OK(save(state));
  change_of(state, changes).keywords = state.row.keywords;
  // Letters that had names may come back in files of a program that still knows them so.
  if (std::exchange(free.is_forgetting, false)) free.letters = 0;
  if (std::exchange(free.is_fresh, false))
    free.grow_to = std::clamp(2 * state.row.keywords->count(), kForgetFrom, kKeywordsMax);
  state.free_numbers = std::move(free);
  return true;
}

}  // namespace posthorn::store
