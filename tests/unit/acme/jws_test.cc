// Signed requests, against values made by another program (Python's hashlib and openssl).
#include "acme/jws.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>

namespace posthorn::acme {
namespace {

constexpr const char* kKey =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIM3I5PCd2V43zVBGQXVdZnN3X8F5lMwDcDr6dsLOjpsOoAoGCCqGSM49\n"
    "AwEHoUQDQgAE2Ea+DnGaxWHVaCgpffbDxSpetEqHcbOWmhjPvyDhsUcLYDv+9211\n"
    "ol3cdn9y+cQ7g2LgGLpb2wlLzuVM0djFgw==\n"
    "-----END EC PRIVATE KEY-----\n";
constexpr const char* kJwk =
    R"({"crv":"P-256","kty":"EC","x":"2Ea-DnGaxWHVaCgpffbDxSpetEqHcbOWmhjPvyDhsUc",)"
    R"("y":"C2A7_vdtdaJd3HZ_cvnEO4Ni4Bi6W9sJS87lTNHYxYM"})";
constexpr const char* kThumbprint = "4rYnk2l28_fwRJCNn3lA37H1i_0KX8FqrLfqWNy6Jf4";

// R and S as OpenSSL wants them, and its own word on the signature.
bool verifies(const std::string& text, std::string_view signature) {
  if (signature.size() != 64) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
  ECDSA_SIG* const pair = ECDSA_SIG_new();
  ECDSA_SIG_set0(pair, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair, &der);
  ECDSA_SIG_free(pair);
  const net::BioPtr in(BIO_new_mem_buf(kKey, -1));
  const net::KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const net::DigestContextPtr context(EVP_MD_CTX_new());
  EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
  const int good =
      EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size());
  OPENSSL_free(der);
  return good == 1;
}

TEST(Base64UrlTest, HasNoPaddingAndOneFormAText) {
  EXPECT_EQ(encode_base64url("\xFB\xFF"), "-_8");
  EXPECT_EQ(encode_base64url(""), "");
  EXPECT_EQ(decode_base64url("-_8"), "\xFB\xFF");
  for (const char* wrong : {"-_8=", "+_8", "/", "a", "-_9", "a b"})
    EXPECT_FALSE(decode_base64url(wrong)) << wrong;
}

TEST(AccountKeyTest, ItsKeyAndThumbprintAreAsTheRfcWritesThem) {
  const auto key = AccountKey::read(kKey).value();
  EXPECT_EQ(key.jwk(), kJwk);
  EXPECT_EQ(key.thumbprint(), kThumbprint);
  EXPECT_EQ(authorize_key(key, "tok"), std::string("tok.") + kThumbprint);
  EXPECT_EQ(AccountKey::read(key.pem()).value().jwk(), kJwk);
}

TEST(AccountKeyTest, EachIsAnother) {
  const auto one = AccountKey::make().value(), other = AccountKey::make().value();
  EXPECT_NE(one.jwk(), other.jwk());
  // A coordinate that begins with zeros keeps its 32 bytes.
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(AccountKey::make().value().jwk().size(), std::string_view(kJwk).size());
}

TEST(AccountKeyTest, WhatIsNoKeyOfItsKindIsRefused) {
  EXPECT_FALSE(AccountKey::read(""));
  EXPECT_FALSE(AccountKey::read("-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n"));
  const net::KeyPtr other(EVP_EC_gen("P-384"));
  const net::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), other.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(out.get(), &data));
  EXPECT_FALSE(AccountKey::read({data, size}));
}

TEST(SignedRequestTest, HasTheKeyOrTheAccount) {
  const auto key = AccountKey::read(kKey).value();
  for (const std::string account : {"", "https://ca.example.net/acct/1"}) {
    const auto text = sign_request(
        key, {.url = "https://ca.example.net/x", .nonce = "n", .account = account}, "{}");
    const auto body = nlohmann::json::parse(text.value());
    const auto head =
        nlohmann::json::parse(decode_base64url(body["protected"].get<std::string>()).value());
    EXPECT_EQ(head["alg"], "ES256");
    EXPECT_EQ(head["nonce"], "n");
    EXPECT_EQ(head["url"], "https://ca.example.net/x");
    EXPECT_EQ(head.contains("jwk"), account.empty());
    EXPECT_EQ(head.contains("kid"), !account.empty());
    const std::string text_signed =
        body["protected"].get<std::string>() + "." + body["payload"].get<std::string>();
    EXPECT_TRUE(
        verifies(text_signed, decode_base64url(body["signature"].get<std::string>()).value()));
    EXPECT_FALSE(verifies(text_signed + "x",
                          decode_base64url(body["signature"].get<std::string>()).value()));
  }
  // POST-as-GET: nothing at all, not an empty object.
  const auto empty =
      sign_request(key, {.url = "https://x/", .nonce = "n", .account = "https://a/"}, "");
  EXPECT_EQ(nlohmann::json::parse(empty.value())["payload"], "");
}

TEST(BindingTest, IsTheAccountsKeySignedByTheCustomers) {
  const auto body = nlohmann::json::parse(
      bind_account(AccountKey::read(kKey).value(),
                   {.key_id = "kid-1", .key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"},
                   "https://ca.example.net/new-account"));
  EXPECT_EQ(decode_base64url(body["payload"].get<std::string>()), kJwk);
  EXPECT_EQ(body["signature"], "7u2zn5a8dikLikqd47fOIlqDcVbAndqzdJQ2t6B3SyY");
}

}  // namespace
}  // namespace posthorn::acme
