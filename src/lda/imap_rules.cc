#include "lda/imap_rules.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/language/matcher.h"

namespace posthorn::lda {
namespace {

constexpr imap::Cause kCauses[] = {imap::Cause::append, imap::Cause::copy, imap::Cause::flag};

bool is_like(const std::string& pattern, const std::string& name) {
  static constexpr sieve::ComparatorRow kOctets{.name = "i;octet",
                                                .fold = nullptr,
                                                .compare = nullptr,
                                                .unit = sieve::ComparatorRow::Unit::octet};
  return sieve::matches_glob(pattern, name, name, kOctets, nullptr);
}

}  // namespace

bool ImapRule::applies_to(imap::Cause cause, const std::string& came_from,
                          const std::string& into) const {
  if (std::ranges::find(causes, cause) == causes.end() || !is_like(mailbox, into)) return false;
  return cause != imap::Cause::copy || is_like(from, came_from);
}

std::expected<ImapRule, std::string> parse_imap_rule(std::string_view text) {
  constexpr std::string_view kArrow = "-> ";
  const std::size_t arrow = text.find(kArrow);
  const std::size_t colon = text.rfind(": ");
  if (arrow == std::string_view::npos || colon == std::string_view::npos || colon < arrow)
    return std::unexpected("write \"COPY -> Junk: FILE.sieve\"");
  ImapRule rule;
  rule.mailbox = trim(text.substr(arrow + kArrow.size(), colon - arrow - kArrow.size()), " ");
  rule.file = trim(text.substr(colon + 1), " ");
  std::string_view left = text.substr(0, arrow);
  std::string_view causes = left.substr(0, left.find(' '));
  if (const std::string from(trim(left.substr(causes.size()), " ")); !from.empty())
    rule.from = from;
  while (!causes.empty()) {
    const std::string_view word = causes.substr(0, causes.find(','));
    causes.remove_prefix(std::min(word.size() + 1, causes.size()));
    const auto* const cause = std::ranges::find_if(
        kCauses, [&](imap::Cause one) { return equals_ignoring_case(imap::to_string(one), word); });
    if (cause == std::end(kCauses))
      return std::unexpected(fmt::format("\"{}\" is none of COPY, APPEND, FLAG", word));
    rule.causes.push_back(*cause);
  }
  if (rule.causes.empty() || rule.mailbox.empty() || !rule.file.ends_with(".sieve"))
    return std::unexpected("write \"COPY -> Junk: FILE.sieve\"");
  return rule;
}

}  // namespace posthorn::lda
