// RCPT TO: the directory decides, and a refusal is a refusal here, before any of the message has
// come. Could not be asked: 451, never 550. RFC 5321 section 4.1.1.3.
#include <algorithm>
#include <fmt/ranges.h>

#include "base/metrics.h"
#include "net/timer.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {
namespace {

std::string_view counted_as(route::Reason reason) {
  switch (reason) {
    case route::Reason::unknown:
    case route::Reason::expired:
      return "unknown_recipient";
    case route::Reason::relaying:
      return "relaying";
    case route::Reason::full:
      return "over_quota";
    default:
      return "other";
  }
}

// The entries that led to the recipients, each once: "maps/aliases:7,maps/mailboxes:3".
std::string ways_of(const route::Expansion& expansion) {
  constexpr std::size_t kEntriesMax = 20;
  std::vector<std::string_view> entries;
  for (std::string_view by : expansion.by) {
    while (!by.empty() && entries.size() < kEntriesMax) {
      const std::size_t end = std::min(by.find(", "), by.size());
      const std::string_view entry = by.substr(0, end);
      by.remove_prefix(std::min(end + 2, by.size()));
      if (std::ranges::find(entries, entry) == entries.end()) entries.push_back(entry);
    }
  }
  return fmt::format("{}", fmt::join(entries, ","));
}

}  // namespace

net::Awaitable<Reply> Session::rcpt(const std::string& argument) {
  const auto charset =
      envelope_.smtputf8 ? message::AddressCharset::utf8 : message::AddressCharset::ascii;
  auto rcpt = parse_rcpt(argument, charset);
  if (!rcpt) co_return rcpt.error();
  if (!rcpt->named.empty() && !is_internal()) co_return unknown_parameter();
  // RFC 5321 section 4.5.3.1.10: 452, and the client sends the rest in another transaction.
  if (named_ >= settings_.smtp.recipients_max) co_return Reply{452, "4.5.3", "Too many recipients"};
  if (services_.directory == nullptr) {
    envelope_.recipients.push_back({std::move(rcpt->address), std::move(rcpt->original),
                                    rcpt->notify, std::move(rcpt->named)});
    ++named_;
    co_return Reply{250, "2.1.5", "Ok"};
  }
  const std::string address = rcpt->address;
  const auto answer = co_await route::ask_recipient(
      *services_.directory, client(),
      {.address = address, .is_notice = envelope_.sender.empty(), .size = envelope_.declared_size});
  if (!answer) {
    metrics::count(metric::refusals, "lookup_failed");
    log_.warn(event::smtp_lookup_failed, {{"rcpt", address}, {"reason", answer.error().what}});
    co_return kLookupFailed;
  }
  if (!*answer) {
    route::Refusal refusal = answer->error();
    // A program's owner is this machine's own user, and may know which setting it is.
    if (is_for_programs() && refusal.reason == route::Reason::relaying)
      refusal.text +=
          ": submission.programs_relay names the accounts of this machine "
          "that may write to other servers";
    co_return co_await refuse_recipient(address, refusal);
  }
  if ((*answer)->is_reversed)
    log_.info(event::srs_reversed,
              {{"rcpt", address},
               {"to", fmt::format("{}", fmt::join((*answer)->recipients, ","))},
               {"from", envelope_.sender}});
  // RFC 3461 section 4.2: the address as the sender knows it stays with it through aliases.
  if (rcpt->original.empty()) rcpt->original = "rfc822;" + address;
  for (const std::string& to : (*answer)->recipients)
    if (seen_.insert(message::to_lower(to)).second)
      envelope_.recipients.push_back(
          {to, rcpt->original, rcpt->notify,
           message::equals_ignoring_case(to, address) ? std::string{} : address});
  if (!is_internal())
    log_.debug(event::smtp_rcpt_accepted,
               {{"rcpt", address},
                {"from", envelope_.sender},
                {"to", fmt::format("{}", fmt::join((*answer)->recipients, ","))},
                {"by", ways_of(**answer)}});
  ++named_;
  co_return is_like_exim() ? Reply{250, "", "Accepted"} : said(route::recipient_taken());
}

// A program of this machine has proved who it is: root's (cron, what the system sends) relays,
// another account's only where the settings say so.
route::Client Session::client() const {
  return {.account = account_,
          .account_may_relay = !is_for_programs() || program_may_relay_,
          .may_use_any_sender = is_trusted_,
          .is_in_relay_from = settings_.protocol == Protocol::smtp && services_.may_relay &&
                              services_.may_relay(stream_->peer().address)};
}

net::Awaitable<Reply> Session::refuse_recipient(const std::string& address,
                                                const route::Refusal& refusal) {
  const bool is_full = refusal.reason == route::Reason::full;
  metrics::count(metric::refusals, counted_as(refusal.reason));
  if (is_full) metrics::count(metric::quota_refusals, "rcpt");
  log_.info(event::smtp_rcpt_refused, {{"rcpt", address},
                                       {"from", envelope_.sender},
                                       {"address", stream_->peer().address},
                                       {"reply", refusal.code},
                                       {"status", refusal.enhanced},
                                       {"reason", refusal.text}});
  if (is_full) co_return Reply{refusal.code, refusal.enhanced, refusal.text};  // nobody guesses
  if (++unknown_ >= settings_.smtp.unknown_recipients_max)
    co_return Reply{421, "4.7.0", "Too many unknown recipients"};
  // Harvesters pay for each guess beyond the fifth.
  if (unknown_ > 5 && !stream_->peer().is_loopback) co_await net::sleep(1s);
  co_return Reply{refusal.code, refusal.enhanced, refusal.text};
}

}  // namespace posthorn::smtp
