#include "auth/proto/sasl.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace posthorn::auth {
namespace {

std::string plain(const std::string& text) {
  SaslServer sasl;
  const std::string encoded = encode_base64(text);
  const auto step = sasl.start("plain", std::string_view(encoded));
  if (const auto* good = std::get_if<Credentials>(&step))
    return good->authorization + "|" + good->user + "|" + good->password;
  return "failed";
}

TEST(Base64, RoundTripAndStrictness) {
  for (std::size_t n = 0; n < 50; ++n) {
    std::string bytes;
    for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(i * 37 + n);
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  for (const char* wrong : {"!!!!", "YQ", "YQ=", "Y=Q=", "YQ==YQ==", "YR==", " YQ=="})
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
}

TEST(Sasl, Plain) {
  using namespace std::string_literals;
  EXPECT_EQ(plain("\0u\0p"s), "|u|p");
  EXPECT_EQ(plain("u\0u\0p"s), "u|u|p");
  for (const auto& wrong : {"u"s, "\0u"s, "\0\0p"s, "\0u\0"s, "\0u\0p\0x"s, "\0\0\0\0"s, ""s})
    EXPECT_EQ(plain(wrong), "failed");
  SaslServer sasl;
  EXPECT_EQ(std::get<SaslFailure>(sasl.start("X", std::nullopt)), SaslFailure::unknown_mechanism);
  EXPECT_TRUE(std::holds_alternative<Challenge>(sasl.start("PLAIN", std::nullopt)));
  EXPECT_EQ(std::get<SaslFailure>(sasl.feed("*")), SaslFailure::cancelled);
  EXPECT_EQ(std::get<SaslFailure>(sasl.feed("!!!!")), SaslFailure::malformed);
  EXPECT_EQ(std::get<SaslFailure>(sasl.feed(std::string(kSaslLineMax + 4, 'A'))),
            SaslFailure::too_long);
}

TEST(Sasl, Login) {
  SaslServer sasl;
  EXPECT_EQ(std::get<Challenge>(sasl.start("LOGIN", std::nullopt)).line, "VXNlcm5hbWU6");
  EXPECT_EQ(std::get<Challenge>(sasl.feed(encode_base64("u"))).line, "UGFzc3dvcmQ6");
  EXPECT_EQ(std::get<Credentials>(sasl.feed(encode_base64("p"))).password, "p");
}

}  // namespace
}  // namespace posthorn::auth
