// AUTH: the exchange is SASL's (auth/sasl_exchange.h); here its words become SMTP's. RFC 4954.
#include "auth/sasl_exchange.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {

net::Task<> Session::auth(const std::string& argument) {
  auth::SaslServer sasl;
  CO_TRY(auth::Exchanged exchanged,
         co_await auth::finish_exchange(
             sasl, sasl.start(argument),
             [this](const std::string& challenge) { return ask_client(challenge); }));
  if (const auto* failure = std::get_if<auth::SaslFailure>(&exchanged)) {
    // RFC 4954 section 4: 504 for a mechanism that is not there, 501 for "*" and what is no base64,
    // section 6: 5.5.6 for a line over its bound.
    switch (*failure) {
      case auth::SaslFailure::unknown_mechanism:
        say({504, "5.5.4", "Unrecognized authentication type"});
        break;
      case auth::SaslFailure::cancelled:
        say({501, "5.7.0", "Authentication cancelled"});
        break;
      case auth::SaslFailure::malformed:
        say({501, "5.5.2", "Cannot decode the response"});
        break;
      case auth::SaslFailure::too_long:
        say({500, "5.5.6", "Authentication exchange line is too long"});
        break;
    }
    co_return Result<>{};
  }
  auto& credentials = std::get<auth::Credentials>(exchanged);
  const auto verdict = co_await services_.authenticator->authenticate(
      {.service = service(),
       .mechanism = sasl.mechanism(),
       .user = std::move(credentials.user),
       .authorization = std::move(credentials.authorization),
       .password = std::move(credentials.password),
       .address = stream_->peer().address,
       .session = session_id_,
       .tls = stream_->tls() != nullptr});
  if (!verdict) {
    log_.warn(event::smtp_lookup_failed, {{"reason", verdict.error().what}});
    // RFC 4954 section 6: not 535, which would tell the client that its password is wrong.
    say({454, "4.7.0", "Temporary authentication failure"});
  } else if (verdict->outcome == auth::Verdict::Outcome::ok) {
    account_ = verdict->account;
    proof_ = verdict->token;
    stream_->identify(session_id_, account_);
    say({235, "2.7.0", "Authentication successful"});
  } else {
    say({535, "5.7.8", "Authentication credentials invalid"});
  }
  co_return Result<>{};
}

// The answer may be longer than a command; nullopt: over the limit, the rest dropped.
net::Task<std::optional<std::string>> Session::ask_client(std::string challenge) {
  out_ += "334 " + challenge + "\r\n";
  CO_TRY_OK(co_await flush());
  const SteadyTime deadline = soon(settings_.smtp.command_timeout);
  bool too_long = false;
  while (true) {
    if (const auto line = buffer_.take_line()) {
      if (too_long) co_return std::nullopt;
      co_return std::string(*line);
    }
    if (buffer_.data().size() > auth::kSaslLineMax) {
      if (too_long) co_return fail(ErrorKind::protocol, "an endless line");
      too_long = true;
      buffer_.discard();
    }
    CO_TRY_OK(co_await buffer_.fill(*stream_, deadline));
  }
}

}  // namespace posthorn::smtp
