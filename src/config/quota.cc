#include "config/quota.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::quota {
namespace {

constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 60U;
constexpr std::uint64_t kPercentMax = 100'000;
constexpr std::size_t kRulesMax = 100;
constexpr std::size_t kTextMax = 1000;

std::optional<std::uint64_t> factor_of(std::string_view unit, std::uint64_t none) {
  if (unit.empty()) return none;
  const std::string name = to_upper(unit);
  constexpr std::string_view kUnits = "BKMGT";
  const std::size_t power = kUnits.find(name.front());
  if (power == std::string_view::npos) return std::nullopt;
  const std::string_view rest = std::string_view(name).substr(1);
  if (!rest.empty() && (power == 0 || (rest != "B" && rest != "IB"))) return std::nullopt;
  return std::uint64_t{1} << (10 * power);
}

// With its sign and unit. unit: what a bare number counts in.
std::optional<Amount> parse_amount(std::string_view text, std::uint64_t unit) {
  Amount amount;
  if (text.starts_with('+')) amount.from = Amount::From::above;
  if (text.starts_with('-')) amount.from = Amount::From::below;
  if (amount.from != Amount::From::nothing) text.remove_prefix(1);
  amount.is_percent = text.ends_with('%');
  if (amount.is_percent) {
    text.remove_suffix(1);
    const auto number = to_number<std::uint64_t>(text);
    if (!number || *number > kPercentMax) return std::nullopt;
    amount.number = *number;
    return amount;
  }
  const auto number = parse_size(text, unit);
  if (!number || *number > kNumberMax) return std::nullopt;
  amount.number = *number;
  return amount;
}

std::uint64_t share(std::uint64_t of, std::uint64_t percent) {
  return of / 100 * percent + of % 100 * percent / 100;
}

// What an amount comes to where the account's own limit is base.
std::uint64_t resolve(const Amount& amount, std::uint64_t base) {
  const std::uint64_t number =
      amount.is_percent ? std::min(share(base, amount.number), kNumberMax) : amount.number;
  switch (amount.from) {
    case Amount::From::nothing:
      return number;
    case Amount::From::above:
      return base == 0 ? 0 : base + number;
    case Amount::From::below:
      // Less than nothing is still a limit.
      return base == 0 ? 0 : base > number ? base - number : 1;
  }
  return base;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 100))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return out;
}

// '/' and '.' are both separators between levels.
bool names_mailbox(std::string_view pattern, std::string_view mailbox) {
  const bool is_prefix = pattern.ends_with('*');
  if (is_prefix) pattern.remove_suffix(1);
  if (is_prefix ? mailbox.size() < pattern.size() : mailbox.size() != pattern.size()) return false;
  if (equals_ignoring_case(pattern, "INBOX") && !is_prefix)
    return equals_ignoring_case(mailbox, "INBOX");
  const auto plain = [](char c) { return c == '/' ? '.' : c; };
  return std::ranges::equal(pattern, mailbox.substr(0, pattern.size()), {}, plain, plain);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text, std::uint64_t default_unit) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = to_number<std::uint64_t>(text.substr(0, digits));
  const auto factor = factor_of(text.substr(digits), default_unit);
  if (!number || !factor || *number > kNumberMax / *factor) return std::nullopt;
  return *number * *factor;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  std::size_t power = 0;
  while (bytes != 0 && bytes % 1024 == 0 && power + 1 < kUnits.size()) {
    bytes /= 1024;
    ++power;
  }
  return fmt::format("{}{}", bytes, kUnits[power]);
}

std::expected<Rule, std::string> parse_rule(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return std::unexpected(fmt::format("the quota rule \"{}\": {}", shown(text), why));
  };
  if (text.size() > kTextMax) return refuse("is too long");
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0)
    return refuse("the form is *:storage=1G or MAILBOX:storage=+100M");
  Rule rule;
  rule.mailbox = text.substr(0, colon);
  if (rule.mailbox == "?") rule.mailbox = "*";
  for (std::string_view rest = text.substr(colon + 1);;) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string_view limit = rest.substr(0, end);
    const std::size_t equals = std::min(limit.find('='), limit.size());
    const std::string_view name = limit.substr(0, equals);
    const std::string_view value = limit.substr(std::min(equals + 1, limit.size()));
    if (limit == "ignore") {
      rule.is_ignored = true;
    } else if (name == "storage" || name == "bytes") {
      rule.bytes = parse_amount(value, name == "storage" ? 1024 : 1);
      if (!rule.bytes) return refuse(fmt::format("{} needs a size, as 500M or 1G", name));
    } else if (name == "messages") {
      const bool has_unit = value.find_first_not_of("+-0123456789%") != std::string_view::npos;
      rule.messages = has_unit ? std::nullopt : parse_amount(value, 1);
      if (!rule.messages) return refuse("messages needs a number");
    } else {
      return refuse(
          fmt::format("\"{}\" is none of storage=, bytes=, messages=, ignore", shown(limit)));
    }
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (rule.mailbox == "*" && rule.is_ignored) return refuse("all of an account cannot be ignored");
  return rule;
}

RuleList parse_rules(std::string_view text) {
  RuleList list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    if (list.rules.size() + list.faults.size() >= kRulesMax) {
      list.faults.push_back(fmt::format("more than {} quota rules", kRulesMax));
      break;
    }
    auto rule = parse_rule(word);
    if (rule)
      list.rules.push_back(*std::move(rule));
    else
      list.faults.push_back(rule.error());
  }
  return list;
}

Quota::Quota(const config::Store& settings)
    : is_on_(settings.quotas), grace_(settings.quota_grace), warning_(settings.quota_warning) {
  if (!is_on_) return;
  limits_ = {.bytes = settings.quota, .messages = settings.quota_messages};
  for (const std::string& text : settings.quota_rules)
    if (const auto rule = parse_rule(text)) add(*rule);
}

void Quota::add(const Rule& rule) {
  if (!is_on_) return;
  if (rule.mailbox != "*") {
    rules_.insert(rules_.begin(), rule);
    return;
  }
  if (rule.bytes) limits_.bytes = resolve(*rule.bytes, limits_.bytes);
  if (rule.messages) limits_.messages = resolve(*rule.messages, limits_.messages);
}

bool Quota::any() const {
  return limits_.any() || std::ranges::any_of(rules_, [](const Rule& rule) {
           return rule.bytes.has_value() || rule.messages.has_value();
         });
}

const Rule* Quota::find(std::string_view mailbox) const {
  const auto at = std::ranges::find_if(
      rules_, [&](const Rule& rule) { return names_mailbox(rule.mailbox, mailbox); });
  return at == rules_.end() ? nullptr : &*at;
}

Limits Quota::limits_for(std::string_view mailbox) const {
  Limits limits = limits_;
  const Rule* rule = find(mailbox);
  if (rule == nullptr) return limits;
  if (rule->is_ignored) return {};
  if (rule->bytes) limits.bytes = resolve(*rule->bytes, limits.bytes);
  if (rule->messages) limits.messages = resolve(*rule->messages, limits.messages);
  return limits;
}

bool Quota::is_counted(std::string_view mailbox) const {
  const Rule* rule = find(mailbox);
  return rule == nullptr || !rule->is_ignored;
}

bool Quota::has_room(std::string_view mailbox, const Usage& used, const Usage& more,
                     Check check) const {
  if (check == Check::none) return true;
  const Limits limits = limits_for(mailbox);
  if (limits.messages != 0 && used.messages + more.messages > limits.messages) return false;
  if (limits.bytes == 0) return true;
  if (check == Check::strict) return used.bytes + more.bytes <= limits.bytes;
  return used.bytes < limits.bytes &&
         used.bytes + more.bytes <= limits.bytes + share(limits.bytes, grace_);
}

bool Quota::is_full(const Usage& used) const {
  return (limits_.bytes != 0 && used.bytes >= limits_.bytes) ||
         (limits_.messages != 0 && used.messages >= limits_.messages);
}

bool Quota::is_nearly_full(const Usage& used) const {
  if (warning_ == 0) return false;
  return (limits_.bytes != 0 && used.bytes >= share(limits_.bytes, warning_)) ||
         (limits_.messages != 0 && used.messages >= share(limits_.messages, warning_));
}

}  // namespace posthorn::quota
