// RFC 9208 (and RFC 2087, which older clients speak): one quota root for all of an account's
// mailboxes. An account without a limit has none. Limits are the administrator's: SETQUOTA is
// refused.
#include <fmt/format.h>

#include "imap/server/session_impl.h"

namespace posthorn::imap {
namespace {

// As Dovecot calls it, so that clients know it again.
constexpr std::string_view kRoot = "User quota";

// RFC 9208 section 5.1: STORAGE counts in units of 1024 octets.
std::uint64_t units(std::uint64_t bytes) {
  return bytes / 1024 + (bytes % 1024 == 0 ? 0 : 1);
}

}  // namespace

// RFC 9208 section 4.2.1. Only what is limited is told.
net::Awaitable<Outcome> Session::tell_quota(store::Account::QuotaState state) {
  const quota::Limits& limits = state.quota.limits();
  if (!limits.any()) co_return no("There is no such quota root", "NONEXISTENT");
  std::string resources;
  if (limits.bytes != 0)
    resources = fmt::format("STORAGE {} {}", units(state.used.bytes), units(limits.bytes));
  if (limits.messages != 0)
    resources += fmt::format("{}MESSAGE {} {}", resources.empty() ? "" : " ", state.used.messages,
                             limits.messages);
  out_ += "* QUOTA ";
  append_string(out_, kRoot);
  out_ += fmt::format(" ({})\r\n", resources);
  co_return ok("Getquota completed");
}

net::Awaitable<Outcome> Session::get_quota(Parser& parser) {
  std::optional<std::string> root;
  if (parser.take_space()) root = parser.astring();
  if (!root || !parser.at_end()) co_return bad("GETQUOTA needs a quota root");
  if (*root != kRoot) co_return no("There is no such quota root", "NONEXISTENT");
  auto state = co_await account_->quota_state();
  if (!state) co_return failed(state.error());
  co_return co_await tell_quota(*std::move(state));
}

// RFC 9208 section 4.1.2.
net::Awaitable<Outcome> Session::get_quota_root(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("GETQUOTAROOT needs a mailbox name");
  const auto status = co_await account_->status(*name);
  if (!status) co_return failed(status.error());
  if (!*status) co_return no("There is no such mailbox", "NONEXISTENT");
  auto state = co_await account_->quota_state();
  if (!state) co_return failed(state.error());
  const bool has_root = state->quota.limits().any() && state->quota.is_counted(*name);
  out_ += "* QUOTAROOT " + format_mailbox(other_separator(*name));
  if (has_root) {
    out_ += ' ';
    append_string(out_, kRoot);
  }
  out_ += "\r\n";
  if (has_root) (void)co_await tell_quota(*std::move(state));
  co_return ok("Getquotaroot completed");
}

net::Awaitable<Outcome> Session::set_quota(Parser& parser) {
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
