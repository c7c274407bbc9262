#include "lda/decision.h"

#include <ctime>

namespace posthorn::lda {
namespace {

// Each round has at least one answer more than the one before.
constexpr int kRoundsMax = 100;

std::chrono::minutes zone_at(WallTime time) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return {};
  return std::chrono::minutes(local.tm_gmtoff / 60);
}

// RFC 3461 section 4.1; empty: nothing was said.
std::string notify_text(const message::Notify& notify) {
  if (notify == message::Notify{}) return {};
  if (notify.never) return "NEVER";
  std::string text;
  const auto add = [&](bool is_on, std::string_view word) {
    if (!is_on) return;
    if (!text.empty()) text += ',';
    text += word;
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return text;
}

}  // namespace

net::Task<sieve::Outcome> decide(Case one, net::BlockingPool& pool, const Clock& clock) {
  const WallTime now = clock.now();
  const sieve::RunInput input{.mail = one.mail,
                              .world = one.world,
                              .settings = one.settings,
                              .now = now,
                              .zone = zone_at(now),
                              .event = one.event};
  for (int round = 0; round < kRoundsMax; ++round) {
    CO_TRY(sieve::Outcome outcome, co_await pool.run([&]() -> Result<sieve::Outcome> {
      return run_scripts(one.scripts, input);
    }));
    if (outcome.end != sieve::Outcome::End::waiting) co_return outcome;
    CO_TRY_OK(co_await one.world.answer());
  }
  sieve::Outcome outcome;
  outcome.end = sieve::Outcome::End::fault;
  outcome.fault = outcome.fault_text = "the scripts ask for too much";
  outcome.actions.push_back({sieve::Keep{}});
  co_return outcome;
}

sieve::Settings settings_for(const config::Config& config, const std::string& account) {
  sieve::Settings settings;
  settings.recipient_delimiter = config.maps.recipient_delimiter;
  settings.user_email = account;
  settings.host = config.server.hostname;
  return settings;
}

sieve::Mail mail_of(const message::Envelope& envelope, const message::Recipient& recipient,
                    std::string_view header, std::uint64_t size) {
  constexpr std::string_view kRfc822 = "rfc822;";
  sieve::Mail mail{.header = header,
                   .size = size,
                   .sender = envelope.sender,
                   .recipient = recipient.address,
                   .authenticated = envelope.origin.account,
                   .notify = notify_text(recipient.notify),
                   .envelope_id = envelope.id,
                   .orcpt = recipient.original};
  if (recipient.original.starts_with(kRfc822))
    mail.first_recipient = recipient.original.substr(kRfc822.size());
  if (envelope.ret != message::Ret::unset)
    mail.ret = envelope.ret == message::Ret::full ? "FULL" : "HDRS";
  return mail;
}

}  // namespace posthorn::lda
