// Any lines as a SASL dialogue: it ends within two answers, credentials hold no NUL and no empty
// user, an overlong line is refused, and what our own client's side writes is read as it was meant.
#include "auth/proto/sasl.h"

#include "base/base64.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// Credentials or a failure end it; a challenge is base64.
bool is_end(const auth::SaslStep& step) {
  if (const auto* challenge = std::get_if<auth::Challenge>(&step)) {
    test::require(decode_base64(challenge->line).has_value());
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

  // Names are UTF-8 without control characters; ASCII is enough to be sure of that.
  const std::string_view password = rest.substr(std::min(rest.size(), user.size() + 1));
  const auto is_plain = [](std::string_view t) {
    return !t.empty() && std::ranges::all_of(t, [](char c) { return c >= 0x20 && c < 0x7F; });
  };
  const bool fits = is_plain(user) && is_plain(password) && rest.size() < 9000;
  auth::SaslServer plain;
  const auto got = plain.start("plain", auth::plain_response(user, password));
  const auto* credentials = std::get_if<auth::Credentials>(&got);
  test::require(!fits || (credentials != nullptr && credentials->authorization.empty() &&
                          credentials->user == user && credentials->password == password));
  auth::SaslServer login;
  (void)login.start("LOGIN", std::nullopt);
  const auto first = login.feed(encode_base64(user));
  if (!fits) return 0;
  test::require(std::holds_alternative<auth::Challenge>(first));
  const auto second = login.feed(encode_base64(password));
  test::require(std::get<auth::Credentials>(second).user == user &&
                std::get<auth::Credentials>(second).password == password);
  return 0;
}
