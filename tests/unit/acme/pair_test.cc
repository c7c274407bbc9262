// Keys, requests and certificates.
#include "acme/pair.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>

#include "acme/jws.h"
#include "net/openssl.h"
#include "tests/unit/acme/signer.h"

namespace posthorn::acme {
namespace {

using ::testing::ElementsAre;

TEST(RequestTest, HasTheNamesAndNoSubject) {
  for (const auto type : {config::KeyType::ecdsa_p256, config::KeyType::rsa_2048}) {
    const std::string key = make_key(type).value();
    const std::string der = make_request(key, {"mx.example.org", "mail.example.org"}).value();
    const std::string chain = testing::sign_request(der);
    const auto text =
        make_pair({.chain_pem = chain, .key_pem = key, .names = {"mx.example.org"}}).value();
    const PairInfo info = read_pair(text).value();
    EXPECT_THAT(info.names, ElementsAre("mx.example.org", "mail.example.org"));
    EXPECT_GT(info.ends, info.begins);
    EXPECT_EQ(info.fingerprint.size(), 64U);
  }
  EXPECT_FALSE(make_request("no key", {"mx.example.org"}));
}

TEST(PairTest, TakesOnlyWhatWasAskedFor) {
  const std::string key = make_key(config::KeyType::ecdsa_p256).value();
  const std::string other = make_key(config::KeyType::ecdsa_p256).value();
  const std::string chain = testing::sign_request(make_request(key, {"mx.example.org"}).value());
  EXPECT_TRUE(make_pair({chain, key, {"mx.example.org"}}));
  EXPECT_FALSE(make_pair({chain, other, {"mx.example.org"}}));
  EXPECT_FALSE(make_pair({chain, key, {"mail.example.org"}}));
  EXPECT_FALSE(make_pair({"", key, {"mx.example.org"}}));
  EXPECT_FALSE(
      make_pair({"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", key, {}}));
  // What stands between the certificates gets nowhere; a key least of all.
  const auto text = make_pair({"Subject: x\n" + other + chain + other + "trailing", key, {}});
  ASSERT_TRUE(text);
  EXPECT_EQ(text->find("trailing"), std::string::npos);
  EXPECT_EQ(text->find("Subject"), std::string::npos);
  EXPECT_EQ(text->find(other), std::string::npos);
  EXPECT_EQ(read_key(*text).value(), key);
}

// RFC 9773 section 4.1 and appendix A: the certificate there and its id.
TEST(PairTest, TheIdForRenewalInformationIsTheOneOfTheRfc) {
  EXPECT_EQ(
      testing::id_of(
          {.key_id =
               "\x69\x88\x5B\x6B\x87\x46\x40\x41\xE1\xB3\x7B\x84\x7B\xA0\xAE\x2C\xDE\x01\xC8\xD4",
           .serial = "\x87\x65\x43\x21"}),
      "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
  EXPECT_EQ(testing::id_of({.key_id = "", .serial = "\x01"}), "");
}

TEST(PublishedTest, OnlyARecordOfThisKeyHoldsIt) {
  const std::string key = make_key(config::KeyType::ecdsa_p256).value();
  const std::string chain = testing::sign_request(make_request(key, {"mx.example.org"}).value());
  const PairInfo info = read_pair(make_pair({chain, key, {}}).value()).value();
  std::string digest(32, '\0');
  EVP_Digest(info.spki.data(), info.spki.size(), reinterpret_cast<unsigned char*>(digest.data()),
             nullptr, EVP_sha256(), nullptr);
  EXPECT_TRUE(is_published(info, {{3, 1, 1, digest}}));
  EXPECT_TRUE(is_published(info, {{3, 0, 1, "x"}, {1, 1, 0, info.spki}}));
  EXPECT_FALSE(is_published(info, {}));
  EXPECT_FALSE(is_published(info, {{2, 1, 1, digest}}));
  EXPECT_FALSE(is_published(info, {{3, 0, 1, digest}}));
  EXPECT_FALSE(is_published(info, {{3, 1, 1, std::string(32, 'x')}}));
  EXPECT_FALSE(is_published(info, {{3, 1, 2, digest}}));
}

}  // namespace
}  // namespace posthorn::acme
