// Any lines as a SASL dialogue: it ends within two answers, credentials hold no NUL and no empty
// user, an overlong line is refused, and what our own client's side writes is read as it was meant.
#include "auth/proto/sasl.h"

#include "auth/proto/base64.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// Credentials or a failure end it; a challenge is base64.
bool is_end(const auth::SaslStep& step) {
  if (const auto* challenge = std::get_if<auth::Challenge>(&step)) {
    test::require(auth::decode_base64(challenge->line).has_value());
    return false;
  }
  if (const auto* credentials = std::get_if<auth::Credentials>(&step)) {
    test::require(!credentials->user.empty());
    for (const std::string* text :
         {&credentials->authorization, &credentials->user, &credentials->password})
      test::require(text->find('\0') == std::string::npos && text->size() <= auth::kSaslLineMax);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string_view mechanism = test::take_line(rest);
  const std::string_view user = rest.substr(0, rest.find('\n'));
  auth::SaslServer server;
  std::string_view lines = rest;
  std::optional<std::string_view> initial;
  if (size % 2 == 0) initial = test::take_line(lines);
  auth::SaslStep step = server.start(mechanism, initial);
  int answers = 0;
  while (!is_end(step)) {
    test::require(answers <= 2);
    const std::string_view line = test::take_line(lines);
    step = server.feed(line);
    ++answers;
    if (line == "*")
      test::require(std::get<auth::SaslFailure>(step) == auth::SaslFailure::cancelled);
    if (line.size() > auth::kSaslLineMax)
      test::require(std::get<auth::SaslFailure>(step) == auth::SaslFailure::too_long);
  }

  const std::string_view password = rest.substr(user.size());
  const bool fits = !user.empty() && !password.empty() && rest.size() < 9000 &&
                    rest.find('\0') == std::string_view::npos;
  auth::SaslServer plain;
  const auto got = plain.start("plain", auth::plain_response(user, password));
  const auto* credentials = std::get_if<auth::Credentials>(&got);
  test::require(!fits || (credentials != nullptr && credentials->authorization.empty() &&
                          credentials->user == user && credentials->password == password));
  auth::SaslServer login;
  (void)login.start("LOGIN", std::nullopt);
  const auto first = login.feed(auth::encode_base64(user));
  if (!fits) return 0;
  test::require(std::holds_alternative<auth::Challenge>(first));
  const auto second = login.feed(auth::encode_base64(password));
  test::require(std::get<auth::Credentials>(second).user == user &&
                std::get<auth::Credentials>(second).password == password);
  return 0;
}
