#include "sieve/extensions/flags.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::sieve {

std::vector<std::string_view> words_of(const std::vector<std::string_view>& texts) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::string_view text : texts) {
    while (!(text = trim(text, kBlanks)).empty()) {
      words.push_back(text.substr(0, text.find_first_of(kBlanks)));
      text.remove_prefix(words.back().size());
    }
  }
  return words;
}

bool is_flag(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kSystem = {"answered", "flagged", "deleted",
                                                              "seen", "draft"};
  if (text.starts_with('\\')) {
    return std::ranges::any_of(
        kSystem, [&](std::string_view one) { return equals_ignoring_case(one, text.substr(1)); });
  }
  constexpr std::string_view kSpecial = "(){%*\"\\]";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return c > ' ' && c < 0x7F && kSpecial.find(c) == kSpecial.npos;
  });
}

bool has_flag(const Flags& flags, std::string_view flag) {
  return std::ranges::any_of(
      flags, [&](const std::string& one) { return equals_ignoring_case(one, flag); });
}

Flags flags_in(const std::vector<std::string_view>& texts) {
  Flags flags;
  for (const std::string_view word : words_of(texts))
    if (is_flag(word) && !has_flag(flags, word)) flags.emplace_back(word);
  return flags;
}

std::string join_flags(const Flags& flags) {
  std::string out;
  for (const std::string& flag : flags) {
    if (!out.empty()) out += ' ';
    out += flag;
  }
  return out;
}

void check_flags(Checker& checker, const Arg& flags, const syntax::Item& item) {
  for (const std::string_view word : words_of(checker.constants(flags)))
    if (!is_flag(word)) checker.warn(item.at, fmt::format("`{}` is no flag, it is left out", word));
}

Flow change_flags(Run& run, std::string_view variable, const Flags& flags, FlagChange change) {
  const bool is_internal = variable.empty();
  Flags now;
  if (change != FlagChange::set) now = is_internal ? run.flags : flags_in({run.variable(variable)});
  if (!run.spend(1 + now.size() * flags.size() / 64)) return Flow::failed;
  for (const std::string& flag : flags) {
    if (change == FlagChange::remove) {
      std::erase_if(now, [&](const std::string& one) { return equals_ignoring_case(one, flag); });
    } else if (!has_flag(now, flag)) {
      now.push_back(flag);
    }
  }
  std::string text = join_flags(now);
  if (text.size() > run.settings().variable_size_max)
    return run.fail(fmt::format("a script may set {} bytes of flags at once",
                                run.settings().variable_size_max));
  if (!is_internal) return run.set_variable(variable, std::move(text));
  run.flags = std::move(now);
  return Flow::next;
}

}  // namespace posthorn::sieve
