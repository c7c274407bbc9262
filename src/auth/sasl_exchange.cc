#include "auth/sasl_exchange.h"

namespace posthorn::auth {

net::Task<Exchanged> finish_exchange(SaslServer& sasl, SaslStep step, const AskClient& ask) {
  while (const auto* challenge = std::get_if<Challenge>(&step)) {
    CO_TRY(const auto line, co_await ask(challenge->line));
    step = line ? sasl.feed(*line) : SaslFailure::too_long;
  }
  if (const auto* failure = std::get_if<SaslFailure>(&step)) co_return *failure;
  co_return std::get<Credentials>(std::move(step));
}

}  // namespace posthorn::auth
