// What proves that a message is a user's (law: a right is proved, never asserted). A login on a
// submission port gives edge the session's proof: the account, the service, the session and a time,
// signed with a key that never leaves this process; it takes no memory, however many sessions there
// are. With it edge asks for each message, which counts against the account's bounds, and gets a
// one-time token for it. The queue redeems the token before it believes whose message it is. An
// edge that was taken over can so send only as who is logged in at it, and no more than the bounds
// allow.
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/service.h"
#include "base/ascii.h"

namespace posthorn::auth {
namespace {

// From one message of a session to its next; each renews it. A session that pauses for longer logs
// in anew.
constexpr auto kProofLife = 1h;
constexpr std::size_t kSignatureSize = 64;  // hex digits

std::int64_t to_milliseconds(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// No part can run into the next: NUL stands in none of them.
std::string proof_text(std::string_view account, std::string_view service, std::string_view session,
                       std::string_view expires) {
  std::string text;
  for (const std::string_view part : {account, service, session, expires}) {
    text += part;
    text += '\0';
  }
  return text;
}

}  // namespace

std::string AuthService::sign(std::string_view text) const {
  std::array<unsigned char, 32> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), proof_secret_.data(), static_cast<int>(proof_secret_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  std::string hex;
  for (const unsigned char byte : mac) hex += fmt::format("{:02x}", byte);
  return hex;
}

// "<signature><expires>:<account>"
std::string AuthService::make_proof(const std::string& account, const std::string& service,
                                    const std::string& session) const {
  const std::string expires = std::to_string(to_milliseconds(clock_.steady_now() + kProofLife));
  return sign(proof_text(account, service, session, expires)) + expires + ":" + account;
}

std::optional<std::string> AuthService::account_of_proof(const Submission& submission) const {
  const std::string_view proof = submission.proof;
  const std::size_t colon = proof.find(':');
  if (proof.size() <= kSignatureSize || colon == std::string_view::npos || colon < kSignatureSize)
    return std::nullopt;
  const std::string_view expires = proof.substr(kSignatureSize, colon - kSignatureSize);
  const std::string_view account = proof.substr(colon + 1);
  for (const std::string_view part :
       {account, std::string_view(submission.service), std::string_view(submission.session)})
    if (part.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string right =
      sign(proof_text(account, submission.service, submission.session, expires));
  if (CRYPTO_memcmp(right.data(), proof.data(), kSignatureSize) != 0) return std::nullopt;
  const auto until = to_number<std::int64_t>(expires);
  if (!until || *until < to_milliseconds(clock_.steady_now())) return std::nullopt;
  return std::string(account);
}

net::Task<Permit> AuthService::permit(Limiter& bounds, Submission submission) {
  const auto account = account_of_proof(submission);
  if (!account) co_return Permit{};
  CO_TRY(Permit permit, co_await bounds.take({.account = *account,
                                              .proof = {},
                                              .service = {},
                                              .session = {},
                                              .recipients = submission.recipients}));
  if (permit.outcome != Permit::Outcome::ok) co_return permit;
  permit.token = make_token({.account = *account,
                             .service = std::string(kMailService),
                             .session = submission.session,
                             .expires = {},
                             .recipients = submission.recipients});
  permit.proof = make_proof(*account, submission.service, submission.session);
  co_return permit;
}

std::optional<std::string> AuthService::redeem_mail(const MailClaim& claim) {
  auto taken = take_token(claim.token);
  if (!taken || taken->service != kMailService || taken->session != claim.session ||
      claim.recipients > taken->recipients)
    return std::nullopt;
  return std::move(taken->account);
}

net::Task<std::optional<std::string>> redeem_mail(net::LineChannel& lookup, MailClaim claim) {
  net::Message request("redeem-mail");
  request.add("token", claim.token).add("session", claim.session).add("sender", claim.sender);
  request.add("recipients", std::to_string(claim.recipients));
  CO_TRY(const auto answer, co_await lookup.ask(std::move(request), 15s));
  if (answer.verb == "ok") co_return std::string(answer.get("account"));
  if (answer.verb == "refused") co_return std::nullopt;
  co_return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
}

net::Awaitable<std::optional<net::Message>> answer_redeem_mail(AuthService& service,
                                                               const MaySend& may_send,
                                                               const net::Message& request) {
  if (request.verb != "redeem-mail") co_return std::nullopt;
  const MailClaim claim{
      .token = std::string(request.get("token")),
      .session = std::string(request.get("session")),
      .sender = std::string(request.get("sender")),
      .recipients = to_number<std::size_t>(request.get("recipients")).value_or(SIZE_MAX)};
  const auto account = service.redeem_mail(claim);
  if (!account) co_return net::Message("refused");
  const auto may = co_await may_send(*account, claim.sender);
  if (!may) co_return net::Message("temporary").add("error", may.error().what);
  if (!*may) co_return net::Message("refused");
  co_return net::Message("ok").add("account", *account);
}

}  // namespace posthorn::auth
