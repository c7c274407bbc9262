// Keys of DKIM signatures: RFC 8463's own keys and signatures, made keys, and files that cannot be
// used.
#include "deliver/dkim_key.h"

#include <fstream>
#include <gmock/gmock.h>

#include "base/base64.h"
#include "message/dkim.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/deliver/dkim_keys.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

// RFC 8463 appendix A.3.
constexpr std::string_view kHeader =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
constexpr std::string_view kBody =
    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
constexpr std::string_view kEdField =
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    " subject : date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kEdSignature =
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
    "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
constexpr std::string_view kRsaField =
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    " d=football.example.com; i=@football.example.com;\r\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    " date : message-id : from : subject : date;\r\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    " b=";
constexpr std::string_view kRsaSignature =
    "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
    "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
    "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

std::string signature(const DkimKey& key, std::string_view field) {
  const message::Headers headers(kHeader);
  std::vector<message::SignedField> fields;
  for (const message::Field& one : headers.fields()) fields.push_back({one.name, &one});
  return *key.sign(
      sha256(message::make_signing_input(fields, field, message::Canonicalization::relaxed)));
}

TEST(DkimKeys, TheRfcsBody) {
  Sha256 hash;
  message::BodyCanonicalizer body(message::Canonicalization::relaxed,
                                  [&](std::string_view bytes) { hash.update(bytes); });
  body.feed(kBody);
  body.finish();
  EXPECT_EQ(encode_base64(hash.finish()), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

TEST(DkimKeys, TheRfcsEd25519Signature) {
  const auto key = DkimKey::parse(kEd25519Pem);
  ASSERT_TRUE(key) << key.error().what;
  EXPECT_EQ(key->algorithm(), "ed25519-sha256");
  EXPECT_EQ(key->public_base64(), "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  EXPECT_EQ(signature(*key, kEdField), kEdSignature);
}

TEST(DkimKeys, TheRfcsRsaSignature) {
  const auto key = DkimKey::parse(kRsaPem);
  ASSERT_TRUE(key) << key.error().what;
  EXPECT_EQ(key->algorithm(), "rsa-sha256");
  EXPECT_EQ(key->bits(), 1024);
  EXPECT_EQ(
      key->public_base64(),
      "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
      "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZy"
      "VYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB");
  EXPECT_EQ(signature(*key, kRsaField), kRsaSignature);
}

TEST(DkimKeys, MadeKeysAreReadAgain) {
  for (const auto& made : {DkimKey::make_rsa(2048), DkimKey::make_ed25519()}) {
    ASSERT_TRUE(made);
    const auto again = DkimKey::parse(*made->to_pem());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->public_base64(), made->public_base64());
    EXPECT_EQ(*again->sign(sha256("x")), *made->sign(sha256("x")));
  }
  EXPECT_EQ(DkimKey::make_rsa(2048)->bits(), 2048);
}

TEST(DkimKeys, WhatIsNoKeyForIt) {
  EXPECT_THAT(DkimKey::parse("").error().what, HasSubstr("no private key"));
  EXPECT_THAT(
      DkimKey::parse("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").error().what,
      HasSubstr("no private key"));
  EXPECT_THAT(DkimKey::parse(kEcPem).error().what, HasSubstr("RSA and Ed25519"));
  EXPECT_THAT(DkimKey::parse(*DkimKey::make_rsa(768)->to_pem()).error().what,
              HasSubstr("768 bits"));
}

TEST(DkimKeys, Files) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder.path() / "dkim/one.test");
  std::filesystem::create_directories(folder.path() / "dkim/two.test");
  const auto write = [&](const std::string& name, std::string_view text) {
    const Path path = folder.path() / "dkim" / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    return path;
  };
  write("one.test/b.pem", kRsaPem);
  write("one.test/a.pem", kEd25519Pem);
  // As opendkim names them; a selector that has both is ours.
  write("one.test/old.private", kRsaPem);
  write("one.test/a.private", kRsaPem);
  write("one.test/mail.txt", "not looked at");
  write("one.test/c.pem.new", "nor this");
  const Path keys = folder.path() / "dkim";
  const auto found = find_dkim_keys(keys, "one.test");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ((*found)[0].selector, "a");
  EXPECT_EQ((*found)[0].path, keys / "one.test/a.pem");
  EXPECT_EQ((*found)[1].selector, "b");
  EXPECT_EQ((*found)[2].selector, "old");
  EXPECT_TRUE(DkimKey::read((*found)[1].path));
  EXPECT_TRUE(find_dkim_keys(keys, "none.test")->empty());
  EXPECT_TRUE(find_dkim_keys(keys, "..")->empty());
  EXPECT_TRUE(find_dkim_keys(folder.path() / "no", "one.test")->empty());
  EXPECT_EQ(*find_dkim_domains(keys), (std::vector<std::string>{"one.test", "two.test"}));
  EXPECT_TRUE(find_dkim_faults(keys).empty());

  const Path open = write("two.test/open.pem", kRsaPem);
  std::filesystem::permissions(open, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  const Path torn = write("two.test/torn.pem", kRsaPem.substr(0, 200));
  const auto faults = find_dkim_faults(keys);
  ASSERT_EQ(faults.size(), 2U);
  EXPECT_THAT(faults[0], HasSubstr(open.native() + ":1: every account"));
  EXPECT_THAT(faults[1], HasSubstr(torn.native() + ":1: this is no private key"));
  EXPECT_THAT(faults[1], Not(HasSubstr("MIIC")));
}

}  // namespace
}  // namespace posthorn::deliver
