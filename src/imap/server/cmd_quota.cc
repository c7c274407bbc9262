// RFC 9208 (and RFC 2087, which older clients speak): one quota root for all of an account's
// mailboxes. An account without a limit has none. Limits are the administrator's: SETQUOTA is
// refused.
#include "imap/proto/response.h"
#include "imap/server/commands.h"

namespace posthorn::imap {
namespace {

// As Dovecot calls it, so that clients know it again.
constexpr std::string_view kRoot = "User quota";

// RFC 9208 section 5.1: STORAGE counts in units of 1024 octets.
std::uint64_t units(std::uint64_t bytes) {
  return bytes / 1024 + (bytes % 1024 == 0 ? 0 : 1);
}

std::string format_root() {
  std::string out;
  append_string(out, kRoot);
  return out;
}

// RFC 9208 section 4.2.1. Only what is limited is told.
Outcome tell_quota(const store::Account::QuotaState& state, Responses& responses) {
  const quota::Limits& limits = state.quota.limits();
  if (!limits.any()) return no("There is no such quota root", "NONEXISTENT");
  std::string resources;
  if (limits.bytes != 0)
    resources = fmt::format("STORAGE {} {}", units(state.used.bytes), units(limits.bytes));
  if (limits.messages != 0)
    resources += fmt::format("{}MESSAGE {} {}", resources.empty() ? "" : " ", state.used.messages,
                             limits.messages);
  responses.say("QUOTA {} ({})", format_root(), resources);
  return ok("Getquota completed");
}

}  // namespace

net::Task<Outcome> get_quota(Parser& parser, Responses& responses, const User& user) {
  std::optional<std::string> root;
  if (parser.take_space()) root = parser.astring();
  if (!root || !parser.at_end()) co_return bad("GETQUOTA needs a quota root");
  if (*root != kRoot) co_return no("There is no such quota root", "NONEXISTENT");
  CO_TRY(const auto state, co_await user.account->quota_state());
  co_return tell_quota(state, responses);
}

// RFC 9208 section 4.1.2.
net::Task<Outcome> get_quota_root(Parser& parser, Responses& responses, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("GETQUOTAROOT needs a mailbox name");
  CO_TRY(const auto status, co_await user.account->status(*name));
  if (!status) co_return no("There is no such mailbox", "NONEXISTENT");
  CO_TRY(const auto state, co_await user.account->quota_state());
  const bool has_root = state.quota.limits().any() && state.quota.is_counted(*name);
  responses.say("QUOTAROOT {}{}", user.names().format(*name),
                has_root ? " " + format_root() : std::string());
  if (has_root) (void)tell_quota(state, responses);
  co_return ok("Getquotaroot completed");
}

net::Task<Outcome> set_quota(Parser& parser) {
  bool good = parser.take_space() && parser.astring() && parser.take_space() && parser.take_open();
  if (good && !parser.take_close()) {
    do {
      good = parser.atom() && parser.take_space() && parser.number();
    } while (good && parser.take_next());
    good = good && parser.take_close();
  }
  if (!good || !parser.at_end()) co_return bad("SETQUOTA needs a quota root and limits");
  co_return no("Limits are set by the administrator", "NOPERM");
}

}  // namespace posthorn::imap
