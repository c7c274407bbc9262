#include "acme/jws.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "net/tls_error.h"

namespace posthorn::acme {
namespace {

constexpr int kHalf = 32;  // bytes of a coordinate, of R and of S

std::string sha256(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string padded(const BIGNUM* number) {
  std::string bytes(kHalf, '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), kHalf);
  return bytes;
}

std::string coordinate(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
  const net::BignumPtr owned(number);
  return encode_base64url(padded(number));
}

std::string flattened(std::string_view head, std::string_view payload, std::string_view signature) {
  return nlohmann::json({{"protected", head}, {"payload", payload}, {"signature", signature}})
      .dump();
}

}  // namespace

std::string encode_base64url(std::string_view bytes) {
  std::string text = encode_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.find_first_of("+/=") != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  std::ranges::replace(padded, '-', '+');
  std::ranges::replace(padded, '_', '/');
  padded.append((4 - padded.size() % 4) % 4, '=');
  return decode_base64(padded);
}

Result<AccountKey> AccountKey::make() {
  net::KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return fail(ErrorKind::temporary, net::tls_error("an account's key"));
  return AccountKey(std::move(key));
}

Result<AccountKey> AccountKey::read(const std::string& pem) {
  const net::BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto no_password = [](char*, int, int, void*) { return -1; };
  net::KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  if (!key) return fail(ErrorKind::permanent, net::tls_error("the account's key"));
  std::array<char, 32> group{};
  if (EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != "prime256v1")
    return fail(ErrorKind::permanent, "the account's key is none of ECDSA P-256");
  return AccountKey(std::move(key));
}

std::string AccountKey::pem() const {
  const net::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string AccountKey::jwk() const {
  return fmt::format(R"({{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}})",
                     coordinate(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X),
                     coordinate(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y));
}

std::string AccountKey::thumbprint() const {
  return encode_base64url(sha256(jwk()));
}

Result<std::string> AccountKey::sign(std::string_view text) const {
  const net::DigestContextPtr context(EVP_MD_CTX_new());
  std::array<unsigned char, 128> der{};
  std::size_t size = der.size();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), der.data(), &size, bytes, text.size()) != 1)
    return fail(ErrorKind::temporary, net::tls_error("a request could not be signed"));
  const unsigned char* at = der.data();
  const std::unique_ptr<ECDSA_SIG, net::Freer<ECDSA_SIG_free>> pair(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
  if (!pair) return fail(ErrorKind::temporary, net::tls_error("a request could not be signed"));
  return padded(ECDSA_SIG_get0_r(pair.get())) + padded(ECDSA_SIG_get0_s(pair.get()));
}

Result<std::string> sign_request(const AccountKey& key, const Protected& head,
                                 std::string_view payload) {
  nlohmann::json fields = {{"alg", "ES256"}, {"nonce", head.nonce}, {"url", head.url}};
  // RFC 8555 section 6.2: one of the two, never both.
  if (head.account.empty())
    fields["jwk"] = nlohmann::json::parse(key.jwk());
  else
    fields["kid"] = head.account;
  using nlohmann::json;
  const std::string first =
      encode_base64url(fields.dump(-1, ' ', true, json::error_handler_t::replace));
  const std::string second = encode_base64url(payload);
  TRY(const std::string signature, key.sign(first + "." + second));
  return flattened(first, second, encode_base64url(signature));
}

std::string bind_account(const AccountKey& key, const Binding& binding, std::string_view url) {
  using nlohmann::json;
  const json fields = {{"alg", "HS256"}, {"kid", binding.key_id}, {"url", url}};
  const std::string first =
      encode_base64url(fields.dump(-1, ' ', true, json::error_handler_t::replace));
  const std::string second = encode_base64url(key.jwk());
  const std::string text = first + "." + second;
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), binding.key.data(), static_cast<int>(binding.key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return flattened(first, second,
                   encode_base64url({reinterpret_cast<const char*>(digest.data()), size}));
}

std::string authorize_key(const AccountKey& key, std::string_view token) {
  return fmt::format("{}.{}", token, key.thumbprint());
}

}  // namespace posthorn::acme
