// Quotas: how much an account may hold, as Dovecot's quota_rule and userdb_quota_rule say it:
//
//   MAILBOX:LIMIT[:LIMIT…]     "*:storage=1G:messages=20000", "Trash:storage=+100M", "Junk:ignore"
//
// "*" (and "?") is the account as a whole. storage= counts in KiB where it names no unit, bytes= in
// bytes; units are B, K, M, G, T, powers of 1024, or % of the account's own limit. + and - count
// from that limit; 0 is none. A mailbox' limit holds for what is put into it, measured by all that
// the account holds; what lies in one with "ignore" does not count. A name that ends in * stands
// for all that begin so.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace posthorn::quota {

struct Usage {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  bool operator==(const Usage&) const = default;
};

struct Limits {  // 0: none
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  bool any() const { return bytes != 0 || messages != 0; }
  bool operator==(const Limits&) const = default;
};

struct Amount {
  enum class From { nothing, above, below };  // 1G, +1G, -1G
  From from = From::nothing;
  bool is_percent = false;
  std::uint64_t number = 0;
};

struct Rule {
  std::string mailbox;  // "*": the account
  std::optional<Amount> bytes, messages;
  bool is_ignored = false;
};
// The error is a sentence for the operator.
std::expected<Rule, std::string> parse_rule(std::string_view text);

struct RuleList {
  std::vector<Rule> rules;
  std::vector<std::string> faults;  // of those that do not count
};
// Rules with blanks between them, as one field of PostgreSQL has them.
RuleList parse_rules(std::string_view text);
std::string format_size(std::uint64_t bytes);  // "1G", "1536K", "1000B": as rules name it
std::optional<std::uint64_t> parse_size(std::string_view text, std::uint64_t default_unit);

enum class Check {
  none,       // it was found to fit before
  strict,     // who asks is there to be told: nothing over the limit
  last_mail,  // mail that comes in: below the limit it may go over by store.quota_grace
};

// What holds for one account.
class Quota {
 public:
  Quota() = default;
  // The configuration's rules; nothing where store.quotas is off.
  explicit Quota(const config::Store& settings);
  // A rule of the account's own. What it names counts in place of what was said before.
  void add(const Rule& rule);
  void add_all(std::string_view text) {
    for (const Rule& rule : parse_rules(text).rules) add(rule);
  }

  // Is there any limit at all?
  bool any() const;
  const Limits& limits() const { return limits_; }
  Limits limits_for(std::string_view mailbox) const;
  bool is_counted(std::string_view mailbox) const;
  bool has_room(std::string_view mailbox, const Usage& used, const Usage& more, Check check) const;
  bool is_full(const Usage& used) const;
  bool is_nearly_full(const Usage& used) const;

 private:
  const Rule* find(std::string_view mailbox) const;

  bool is_on_ = false;
  Limits limits_;
  std::vector<Rule> rules_;  // of single mailboxes, the last ones first
  std::uint64_t grace_ = 0;
  std::uint64_t warning_ = 0;
};

}  // namespace posthorn::quota
