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

// nullopt: a name is no keyword, or there is no bit left for it.
Result<std::optional<Keywords>> Engine::keyword_bits(State& state,
                                                     const std::vector<std::string>& names,
                                                     bool may_add, Changes& changes) {
  if (names.empty()) return Keywords{0};
  TRY_OK(read_keywords(state, &changes));
  Keywords bits = 0;
  std::vector<std::string> known = state.row.keywords;
  for (const std::string& name : names) {
    if (!is_keyword(name)) return std::nullopt;
    auto bit = find_keyword(known, name);
    if (!bit && !may_add) continue;
    if (!bit) {
      bit = known.size();
      // A letter without a name may be in use in file names, so gaps are filled last.
      if (*bit >= kKeywordsMax) {
        const auto gap = std::ranges::find(known, std::string());
        if (gap == known.end()) return std::nullopt;
        bit = static_cast<std::size_t>(gap - known.begin());
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
