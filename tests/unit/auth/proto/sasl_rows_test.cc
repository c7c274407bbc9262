// Proves the answers to every odd thing a client may send as SASL PLAIN or LOGIN: cancelled, empty,
// not base64, too long, NULs in the wrong places, no text at all. A mechanism that failed can be
// begun anew, and no row leaves credentials behind.
#include <gtest/gtest.h>
#include <vector>

#include "auth/proto/sasl.h"
#include "base/base64.h"

namespace posthorn::auth {
namespace {

using namespace std::string_literals;

std::string show(const SaslStep& step) {
  if (const auto* challenge = std::get_if<Challenge>(&step)) return "challenge " + challenge->line;
  if (const auto* found = std::get_if<Credentials>(&step))
    return "ok " + found->authorization + "/" + found->user + "/" + found->password;
  switch (std::get<SaslFailure>(step)) {
    case SaslFailure::unknown_mechanism:
      return "unknown";
    case SaslFailure::cancelled:
      return "cancelled";
    case SaslFailure::malformed:
      return "malformed";
    case SaslFailure::too_long:
      return "too long";
  }
  return "?";
}

TEST(SaslPlain, LinesAsTheyCome) {
  const struct {
    std::string line, expected;
  } rows[] = {
      {"*", "cancelled"},
      {"", "malformed"},
      {"!!!!", "malformed"},
      {"====", "malformed"},
      {"AHUAcA==", "ok /u/p"},
      {"AHUAcA", "malformed"},  // missing padding
      {"AHUAcA=", "malformed"},
      {"AHU=cA==", "malformed"},   // padding inside
      {"AHUA cA==", "malformed"},  // white space
      {"AHUA\tcA==", "malformed"},
      {" AHUAcA==", "malformed"},
      {"AHUAcA== ", "malformed"},
      {"AHUAcA==\r", "malformed"},
      {"AHUAcB==", "malformed"},  // bits behind the end
      {"AHUAcA==AHUAcA==", "malformed"},
      {"AHUA-_==", "malformed"},  // another alphabet
      {"AHUAcA==\0"s, "malformed"},
      {"\xff\xff\xff\xff", "malformed"},
      {std::string(kSaslLineMax, 'A'), "malformed"},
      {std::string(kSaslLineMax + 1, 'A'), "too long"},
      {std::string(kSaslLineMax + 4, 'A'), "too long"},
      {std::string(3U << 20U, 'A'), "too long"},
  };
  for (const auto& row : rows) {
    SaslServer later;
    EXPECT_EQ(show(later.start("PLAIN", std::nullopt)), "challenge ");
    EXPECT_EQ(show(later.feed(row.line)), row.expected) << row.line.substr(0, 40);
    SaslServer initial;
    EXPECT_EQ(show(initial.start("plain", std::string_view(row.line))), row.expected)
        << row.line.substr(0, 40);
    // Begun anew after any of it.
    EXPECT_EQ(show(initial.start("PLAIN", std::string_view("AHUAcA=="))), "ok /u/p");
  }
  SaslServer sasl;
  EXPECT_EQ(show(sasl.start("PLAIN", std::string_view("="))), "malformed");  // the empty response
}

TEST(SaslPlain, DecodedText) {
  const std::string large(8000, 'u');
  const struct {
    std::string text, expected;
  } rows[] = {
      {"", "malformed"},
      {"u", "malformed"},
      {"\0"s, "malformed"},
      {"\0u"s, "malformed"},
      {"\0\0"s, "malformed"},
      {"\0\0p"s, "malformed"},
      {"\0u\0"s, "malformed"},
      {"u\0p"s, "malformed"},
      {"\0\0\0"s, "malformed"},
      {"\0\0\0\0"s, "malformed"},
      {"\0u\0p\0"s, "malformed"},
      {"\0u\0p\0x"s, "malformed"},
      {"\0u\0p"s, "ok /u/p"},
      {"a\0u\0p"s, "ok a/u/p"},
      {"u\0u\0p"s, "ok u/u/p"},
      {"\0U@Example.Test\0 p "s, "ok /U@Example.Test/ p "},
      {"\0u%1\0'; DROP TABLE users;--"s, "ok /u%1/'; DROP TABLE users;--"},
      {"\0../u@@x\0p"s, "ok /../u@@x/p"},
      {"\0andr\xc3\xa9\0p\xc3\xa4"s, "ok /andr\xc3\xa9/p\xc3\xa4"},
      {"\0u\0\xff\xfe"s, "ok /u/\xff\xfe"},  // an old client's password in its own charset
      {"\0"s + large + "\0p"s, "malformed"},
      {"\0\xff\xfe\0p"s, "malformed"},
      {"\0u\xc3\0p"s, "malformed"},
      {"\0u\xed\xa0\x80\0p"s, "malformed"},
      {"\0u\xf4\x90\x80\x80\0p"s, "malformed"},
      {"\0u\xc0\xaf\0p"s, "malformed"},
      {"\xff\0u\0p"s, "malformed"},
      {"\0u\r\nX\0p"s, "malformed"},
      {"\0u\nX\0p"s, "malformed"},
      {"\0u\x1b[0m\0p"s, "malformed"},
      {"\0u\x7f\0p"s, "malformed"},
      {"a\n\0u\0p"s, "malformed"},
  };
  for (const auto& row : rows) {
    SaslServer sasl;
    const std::string encoded = encode_base64(row.text);
    std::string expected = row.expected;
    if (row.text.size() > 8000) expected = "ok /" + large + "/p";  // the service bounds the name
    EXPECT_EQ(show(sasl.start("PLAIN", std::string_view(encoded))), expected)
        << row.text.substr(0, 40);
  }
}

TEST(SaslLogin, EachStep) {
  const std::string ask_user = "challenge VXNlcm5hbWU6", ask_password = "challenge UGFzc3dvcmQ6";
  const struct {
    std::vector<std::string> lines;
    std::string last;
  } rows[] = {
      {{"dQ==", "cA=="}, "ok /u/p"},
      {{"*"}, "cancelled"},
      {{"dQ==", "*"}, "cancelled"},
      {{""}, "malformed"},
      {{"="}, "malformed"},
      {{"dQ==", ""}, "malformed"},  // an empty password is nobody's
      {{"dQ"}, "malformed"},
      {{"dQ==", "cA"}, "malformed"},
      {{"!!!!"}, "malformed"},
      {{encode_base64("u\0x"s)}, "malformed"},
      {{"dQ==", encode_base64("p\0x"s)}, "malformed"},
      {{encode_base64("u\nx")}, "malformed"},
      {{encode_base64("\xff")}, "malformed"},
      {{std::string(kSaslLineMax + 1, 'A')}, "too long"},
      {{"dQ==", std::string(kSaslLineMax + 1, 'A')}, "too long"},
  };
  for (const auto& row : rows) {
    SaslServer sasl;
    EXPECT_EQ(show(sasl.start("LoGiN", std::nullopt)), ask_user);
    for (std::size_t i = 0; i + 1 < row.lines.size(); ++i)
      EXPECT_EQ(show(sasl.feed(row.lines[i])), ask_password);
    EXPECT_EQ(show(sasl.feed(row.lines.back())), row.last) << row.lines.back().substr(0, 40);
    // Nothing of it is left when the client begins again.
    EXPECT_EQ(show(sasl.start("LOGIN", std::nullopt)), ask_user);
    EXPECT_EQ(show(sasl.feed("eA==")), ask_password);
    EXPECT_EQ(show(sasl.feed("eQ==")), "ok /x/y");
  }
  SaslServer initial;  // the user in the initial response, as many clients send it
  EXPECT_EQ(show(initial.start("LOGIN", std::string_view("dQ=="))), ask_password);
  EXPECT_EQ(show(initial.feed("cA==")), "ok /u/p");
}

TEST(Sasl, Mechanisms) {
  for (const std::string name :
       {"", " ", "PLAINX", "PLAI", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "XOAUTH2",
        "ANONYMOUS", "EXTERNAL", "PLAIN\r", "P\xffLAIN"}) {
    SaslServer sasl;
    EXPECT_EQ(show(sasl.start(name, std::nullopt)), "unknown") << name;
    EXPECT_EQ(show(sasl.start(name, std::string_view("AHUAcA=="))), "unknown") << name;
  }
}

TEST(Sasl, AHundredThousandBrokenOffAttempts) {
  SaslServer sasl;
  for (int i = 0; i < 100'000; ++i) {
    (void)sasl.start(i % 2 == 0 ? "LOGIN" : "PLAIN", std::nullopt);
    if (i % 3 == 0) (void)sasl.feed("dQ==");
  }
  EXPECT_EQ(show(sasl.start("PLAIN", std::string_view("AHUAcA=="))), "ok /u/p");
}

TEST(Sasl, TheClientsSide) {
  EXPECT_EQ(plain_response("u", "p"), "AHUAcA==");
  EXPECT_EQ(decode_base64(plain_response("apikey", "SG.x y")), "\0apikey\0SG.x y"s);
}

}  // namespace
}  // namespace posthorn::auth
