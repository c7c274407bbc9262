// Sizes, counts and times: Postfix's units as ours, within our ranges.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

struct Count {
  const char* old;
  const char* ours;
  std::uint64_t min, max;
};
constexpr Count kCounts[] = {
    {"smtpd_recipient_limit", "smtp.recipients_max", 100, 100'000},
    {"smtpd_hard_error_limit", "smtp.errors_max", 1, 10'000},
    {"smtpd_junk_command_limit", "smtp.junk_commands_max", 1, 100'000},
    {"hopcount_limit", "smtp.hops_max", 10, 1000},
    {"virtual_alias_expansion_limit", "maps.expansion_max", 1, 1'000'000},
    {"virtual_alias_recursion_limit", "maps.depth_max", 1, 100},
    {"smtp_mx_address_limit", "relay.addresses_max", 1, 100},
    {"smtp_mx_session_limit", "relay.sessions_max", 1, 100},
    {"smtpd_client_connection_count_limit", "limits.connections_per_address_max", 1, 1'000'000},
    {"smtpd_client_connection_rate_limit", "limits.connections_per_minute_max", 1, 1'000'000},
    {"default_destination_concurrency_limit", "queue.attempts_per_destination_max", 1, 1000},
};

struct Time {
  const char* old;
  const char* ours;
  char unit;               // of a number alone (postconf(5))
  std::uint64_t min, max;  // seconds
};
constexpr Time kTimes[] = {
    {"maximal_queue_lifetime", "queue.expire_after", 'd', 1, 86'400ULL * 100},
    {"bounce_queue_lifetime", "queue.bounce_expire_after", 'd', 1, 86'400ULL * 100},
    {"minimal_backoff_time", "queue.retry_first", 's', 1, 86'400},
    {"maximal_backoff_time", "queue.retry_max", 's', 1, 86'400ULL * 7},
    {"delay_warning_time", "queue.warn_after", 'h', 0, 86'400ULL * 30},
    {"smtp_connect_timeout", "relay.connect_timeout", 's', 1, 3600},
    {"smtp_data_done_timeout", "relay.data_timeout", 's', 1, 36'000},
    {"smtpd_timeout", "smtp.command_timeout", 's', 1, 3600},
};

// "5d", "300s", "300"; postconf(5) "time units".
std::optional<std::uint64_t> seconds_of(std::string_view text, char usual) {
  char unit = usual;
  if (!text.empty() && (text.back() < '0' || text.back() > '9')) {
    unit = text.back();
    text.remove_suffix(1);
  }
  const auto number = to_number<std::uint64_t>(text);
  if (!number || *number > 1'000'000'000) return std::nullopt;
  switch (unit) {
    case 's':
      return *number;
    case 'm':
      return *number * 60;
    case 'h':
      return *number * 3600;
    case 'd':
      return *number * 86'400;
    case 'w':
      return *number * 604'800;
    default:
      return std::nullopt;
  }
}

void map_size(PostfixMapping& m) {
  if (!m.has("message_size_limit")) return;
  const auto size = to_number<std::uint64_t>(m.value("message_size_limit"));
  constexpr std::uint64_t kMax = 2ULL << 30U;
  if (!size)
    return m.tell("message_size_limit", Fate::not_possible, "no number; smtp.message_max stays");
  constexpr std::uint64_t kMin = 1U << 10U;
  const std::uint64_t ours = *size == 0 ? kMax : std::clamp(*size, kMin, kMax);
  m.plan().set("smtp.message_max", fmt::format("\"{}B\"", ours), m.source("message_size_limit"));
  m.tell("message_size_limit", Fate::taken, "smtp.message_max");
}

}  // namespace

void map_limits(PostfixMapping& m) {
  map_size(m);
  for (const Count& row : kCounts) {
    if (!m.has(row.old)) continue;
    const auto number = to_number<std::uint64_t>(m.value(row.old));
    const bool is_usable = number && *number > 0;
    if (is_usable)
      m.plan().set(row.ours, fmt::format("{}", std::clamp(*number, row.min, row.max)),
                   m.source(row.old));
    m.tell(row.old, is_usable ? Fate::taken : Fate::not_possible,
           is_usable ? std::string(row.ours)
                     : fmt::format("{} has a bound here, and keeps its default", row.ours));
  }
  for (const Time& row : kTimes) {
    if (!m.has(row.old)) continue;
    const auto seconds = seconds_of(m.value(row.old), row.unit);
    if (seconds)
      m.plan().set_text(row.ours, fmt::format("{}s", std::clamp(*seconds, row.min, row.max)),
                        m.source(row.old));
    m.tell(
        row.old, seconds ? Fate::taken : Fate::not_possible,
        seconds ? std::string(row.ours) : fmt::format("no time; {} keeps its default", row.ours));
  }
  for (const char* name : {"mailbox_size_limit", "virtual_mailbox_limit"})
    m.tell(name, Fate::not_needed,
           "a bound on one file; what an account may hold says store.quota, or its line in "
           "conf/users");
  m.tell("smtpd_banner", Fate::not_needed, "the greeting is smtp.banner");
  m.tell("smtpd_forbid_bare_newline", Fate::already_so, "smtp.bare_line_feed");
}

}  // namespace posthorn::takeover
