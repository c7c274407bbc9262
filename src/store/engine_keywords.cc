// Keywords of a mailbox: names and bits, kept in step with dovecot-keywords.
#include <algorithm>

#include "store/engine.h"

namespace posthorn::store {

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
