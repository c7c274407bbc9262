#include "learn/courier.h"

#include <algorithm>
#include <fmt/format.h>

#include "smtp/client/client.h"

namespace posthorn::learn {
namespace {

using Outcome = Answer::Outcome;

constexpr auto kQueueTimeout = 10s;  // for what the queue does by itself

Answer read_answer(const smtp::Reply& reply) {
  const std::string said = smtp::to_string(reply);
  if (reply.is_done())
    return {reply.text.starts_with(kKnown) ? Outcome::known : Outcome::learned, said};
  if (reply.is_permanent()) return {Outcome::refused, said};
  return {reply.enhanced == "4.3.0" ? Outcome::failed : Outcome::unavailable, said};
}

message::Envelope envelope_of(const Parcel& parcel) {
  message::Envelope envelope;
  envelope.sender = parcel.account;
  envelope.recipients.push_back(
      {.address = fmt::format("{}@{}", message::to_string(parcel.what), kLessonDomain),
       .original = {},
       .notify = {}});
  envelope.eight_bit = true;
  envelope.smtputf8 = std::ranges::any_of(
      parcel.account, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return envelope;
}

}  // namespace

net::Awaitable<Answer> LmtpCourier::carry(Parcel parcel) {
  auto answer = co_await try_to_carry(parcel);
  if (answer) co_return *std::move(answer);
  co_return Answer{Outcome::unavailable, answer.error().what};
}

net::Task<Answer> LmtpCourier::try_to_carry(const Parcel& parcel) {
  CO_TRY(auto stream,
         co_await net::connect(scope_.executor(), queue_, scope_.after(kQueueTimeout)));
  smtp::Client client(std::move(stream),
                      {.hostname = config_.server.hostname,
                       .lmtp = true,
                       .is_inner = true,
                       .command_timeout = kQueueTimeout,
                       // The queue asks spamd twice where the first answer is none.
                       .data_timeout = 2 * config_.filter.timeout + kQueueTimeout},
                      scope_.clock());
  const net::Scope::Registration registration(scope_, client.stream());
  CO_TRY(const auto opened, co_await client.open());
  if (!opened.is_positive()) co_return Answer{Outcome::unavailable, smtp::to_string(opened)};
  CO_TRY(const auto begun, co_await client.begin(envelope_of(parcel)));
  if (begun.broken) co_return std::unexpected(*begun.broken);
  if (!begun.mail.is_positive()) co_return read_answer(begun.mail);
  if (!begun.recipients.front().is_done()) co_return read_answer(begun.recipients.front());
  if (begun.data.code != 354) co_return read_answer(begun.data);
  CO_TRY_OK(co_await client.write(parcel.message));
  CO_TRY(const auto replies, co_await client.finish());
  if (replies.empty()) co_return fail(ErrorKind::closed, "the queue gave no answer");
  co_return read_answer(replies.front());
}

}  // namespace posthorn::learn
