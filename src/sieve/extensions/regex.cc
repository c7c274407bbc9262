// regex (draft-ietf-sieve-regex): `:regex`, extended regular expressions. RE2 does them: in time
// linear in the text, whatever the pattern is; it has no back references.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <re2/re2.h>
#include <vector>

#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

constexpr std::size_t kPatternMax = 4096;              // bytes
constexpr std::int64_t kProgramMemoryMax = 1U << 18U;  // bytes of one that is compiled
constexpr std::uint64_t kRefusedCost = 10'000;         // instructions: what such a bound allows
constexpr std::size_t kPatternsMax = 64;               // kept compiled in one run

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

using Pattern = std::unique_ptr<RE2>;

Pattern compile(std::string_view pattern, std::string_view comparator) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_longest_match(true);  // POSIX 1003.2 section 2.8.2
  options.set_dot_nl(true);
  options.set_case_sensitive(comparator == "i;octet");
  options.set_max_mem(kProgramMemoryMax);
  return std::make_unique<RE2>(piece(pattern), options);
}

// What compiling took, in instructions of the program: a hostile pattern is short and takes long.
std::uint64_t cost_of(const RE2& compiled) {
  return compiled.ok() ? static_cast<std::uint64_t>(std::max(compiled.ProgramSize(), 1))
                       : kRefusedCost;
}

std::string why_bad(std::string_view pattern, const RE2& compiled) {
  if (compiled.ok()) return {};
  if (compiled.error_code() == RE2::ErrorPatternTooLarge)
    return fmt::format("the pattern \"{}\" is too large: a repetition is repeated too often",
                       pattern);
  return fmt::format("\"{}\" is no regular expression: {}", pattern, compiled.error());
}

std::string why_too_long(std::string_view pattern) {
  if (pattern.size() <= kPatternMax) return {};
  return fmt::format("a pattern may have {} bytes, this one has {}", kPatternMax, pattern.size());
}

MatchRow::KeyCheck check_key(std::string_view pattern) {
  if (std::string why = why_too_long(pattern); !why.empty()) return {std::move(why), 1};
  const Pattern compiled = compile(pattern, "i;octet");
  return {why_bad(pattern, *compiled), cost_of(*compiled)};
}

// Of one run: what it compares with one after another is compiled once.
struct Patterns {
  std::map<std::pair<std::string_view, std::string>, Pattern, std::less<>> by_text;

  // nullptr: it is none.
  const RE2* find(Run& run, std::string_view text, std::string_view comparator) {
    const auto found = by_text.find(std::pair(comparator, std::string(text)));
    if (found != by_text.end()) return found->second.get();
    if (by_text.size() >= kPatternsMax) by_text.clear();
    Pattern pattern;
    std::string why = why_too_long(text);
    if (why.empty()) {
      pattern = compile(text, comparator);
      if (!run.spend(cost_of(*pattern))) return nullptr;
      why = why_bad(text, *pattern);
    }
    if (!why.empty()) {
      run.doubt(std::move(why));
      pattern.reset();
    }
    return by_text.emplace(std::pair(comparator, std::string(text)), std::move(pattern))
        .first->second.get();
  }
};

bool holds(Run& run, const Matching& matching, const MatchRow::Question& asked) {
  const RE2* const pattern = run.state<Patterns>().find(run, asked.key, matching.comparator->name);
  if (pattern == nullptr) return false;
  // A program of many instructions takes as much longer.
  const auto size = static_cast<std::uint64_t>(std::max(pattern->ProgramSize(), 1));
  if (!run.spend(1 + asked.value.size() * size / 256)) return false;
  const std::size_t wanted =
      run.wants_match_values()
          ? std::min<std::size_t>(static_cast<std::size_t>(pattern->NumberOfCapturingGroups()),
                                  run.settings().match_values_max) +
                1
          : 0;
  std::vector<re2::StringPiece> groups(wanted);
  if (!pattern->Match(piece(asked.value), 0, asked.value.size(), RE2::UNANCHORED, groups.data(),
                      static_cast<int>(wanted)))
    return false;
  if (wanted > 0) {
    std::vector<std::string> values;
    for (const re2::StringPiece& group : groups) values.emplace_back(group.data(), group.size());
    run.set_match_values(std::move(values));
  }
  return true;
}

// The draft's section 6: what a stranger wrote stands for itself in a pattern.
std::string quote(std::string_view text, std::size_t size_max) {
  std::string out;
  for (const char c : text) {
    const bool is_special = std::string_view("\\^$.[]|()?*+{}").find(c) != std::string_view::npos;
    if (out.size() + (is_special ? 2 : 1) > size_max) break;  // no half of a quotation
    if (is_special) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Extension regex() {
  return {.name = "regex",
          .standard = "draft-ietf-sieve-regex",
          .tags = {{.of = "set extracttext",
                    .name = "quoteregex",
                    .group = "quoting",
                    .modify = quote,
                    .precedence = 20}},
          .match_types = {{.name = "regex",
                           .holds = holds,
                           .parts = MatchRow::Parts::yes,
                           .check_key = check_key}},
          .limits = "patterns of 4096 bytes, of a script 200 000 instructions; no back references"};
}

}  // namespace posthorn::sieve::extension
