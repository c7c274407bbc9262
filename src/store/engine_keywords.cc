// Keywords of a mailbox: names and bits, kept in step with dovecot-keywords.
#include <algorithm>
#include <span>

#include "store/engine.h"

namespace posthorn::store {
namespace {

constexpr std::string_view kHighKeywordsName = "posthorn-keywords";
constexpr std::uint64_t kHighKeywordsMax = 256U << 20U;

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
    const std::string lost = format_keywords(state.row.keywords);
    if (!lost.empty() && replace_file(disk(), path, lost)) state.row.keywords_file = stamp_of(path);
    return {};
  }
  const std::vector<std::string> names = parse_keywords(*text);
  const std::vector<std::string> before = state.row.keywords;
  if (state.row.keywords.size() < names.size()) state.row.keywords.resize(names.size());
  for (std::size_t bit = 0; bit < names.size(); ++bit)
    if (!names[bit].empty()) state.row.keywords[bit] = names[bit];
  if (before != state.row.keywords && changes != nullptr)
    change_of(state, *changes).keywords = state.row.keywords;
  return {};
}

// Before what stands in the lines is told: one sync for all of them.
Result<> Engine::append_high(State& state, const std::string& lines) {
  if (lines.empty()) return {};
  const Path path = state.path / kHighKeywordsName;
  if (state.is_high_doubtful || stamp_of(path) == Stamp{}) {
    // After a failed write or sync the file is worth nothing: its lines go into a new one.
    TRY(const auto text, read_file(path, kHighKeywordsMax));
    std::string all = text.value_or("");
    all.resize(all.rfind('\n') + 1);
    TRY_OK(replace_file(disk(), path, all + lines));
    state.is_high_doubtful = false;
    return {};
  }
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

// For a mailbox whose index is new or may lack rows.
Result<> Engine::read_high(State& state) {
  const Path path = state.path / kHighKeywordsName;
  TRY(const auto text, read_file(path, kHighKeywordsMax));
  state.high = text ? parse_high_keywords(*text) : HighKeywords{};
  for (const auto& [bit, name] : state.high.names) {
    if (state.row.keywords.size() <= bit) state.row.keywords.resize(bit + 1);
    state.row.keywords[bit] = name;
  }
  return {};
}

// Rows that the index has, with the keywords that it lacks.
Result<> Engine::restore_high_marks(State& state) {
  TRY_OK(read_high(state));
  if (state.high.marks.empty()) return {};
  TRY(auto rows, index_.rows_by_name(state.row.id));
  std::string lines;
  std::size_t live = 0;
  for (const auto& [bit, name] : state.high.names) append_high_keyword(bit, name, lines);
  for (MessageRow& row : rows) {
    const auto at = state.high.marks.find(row.file.base);
    if (at == state.high.marks.end() || at->second == 0) continue;
    ++live;
    append_high_mark(at->second, row.file.base, lines);
    const Keywords all = (row.entry.keywords & kKeywordLetterBits) | at->second;
    if (all == row.entry.keywords) continue;
    row.entry.keywords = all;
    TRY_OK(index_.save_message(state.row.id, row));
  }
  constexpr std::size_t kSlack = 1000;
  if (state.high.lines > 2 * (live + state.high.names.size()) + kSlack)
    TRY_OK(replace_file(disk(), state.path / kHighKeywordsName, lines));
  return {};
}

// As messages carry them, and as letters stand in file names, whether the index knows them or not.
Result<Keywords> Engine::keywords_in_use(const State& state) {
  Keywords used = 0;
  TRY(const auto entries, index_.entries(state.row.id));
  for (const Entry& entry : entries) used |= entry.keywords;
  TRY(const auto found, scan_maildir(state.path));
  for (const FolderFile& file : found.files) used |= parse_info(file.info()).keywords;
  return used;
}

// nullopt: a name is no keyword, or there is no bit left for it. When all bits have names, those that
// no message has go first; a letter is not given anew while a file carries it.
Result<std::optional<Keywords>> Engine::keyword_bits(State& state,
                                                     const std::vector<std::string>& names,
                                                     bool may_add, Changes& changes) {
  if (names.empty()) return Keywords{0};
  TRY_OK(read_keywords(state, &changes));
  Keywords bits = 0;
  std::vector<std::string> known = state.row.keywords;
  std::optional<Keywords> used;
  for (const std::string& name : names) {
    if (!is_keyword(name)) return std::nullopt;
    auto bit = find_keyword(known, name);
    if (!bit && !may_add) continue;
    if (!bit) {
      bit = known.size();
      if (*bit >= kKeywordsMax) {
        if (!used) {
          TRY(used, keywords_in_use(state));
          for (std::size_t i = 0; i < known.size(); ++i)
            if (((*used | bits) >> i & 1U) == 0) known[i].clear();
        }
        bit = 0;
        while (*bit < known.size() && (((*used | bits) >> *bit & 1U) != 0 || !known[*bit].empty()))
          ++*bit;
        if (*bit == known.size()) return std::nullopt;
      } else {
        known.emplace_back();
      }
      known[*bit] = name;
    }
    bits |= Keywords{1} << *bit;
  }
  if (known == state.row.keywords) return bits;
  std::string high;
  for (std::size_t bit = kKeywordLettersMax; bit < known.size(); ++bit)
    if (bit >= state.row.keywords.size() || known[bit] != state.row.keywords[bit])
      append_high_keyword(bit, known[bit], high);
  TRY_OK(append_high(state, high));
  const bool letters_changed = format_keywords(known) != format_keywords(state.row.keywords);
  if (letters_changed) {
    const Path path = state.path / "dovecot-keywords";
    TRY_OK(replace_file(disk(), path, format_keywords(known)));
    state.row.keywords_file = stamp_of(path);
  }
  state.row.keywords = std::move(known);
  TRY_OK(save(state));
  change_of(state, changes).keywords = state.row.keywords;
  return bits;
}

}  // namespace posthorn::store
