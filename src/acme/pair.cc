#include "acme/pair.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "acme/jws.h"
#include "base/ascii.h"
#include "net/openssl.h"
#include "net/tls_error.h"
#include "net/tls_pair.h"

namespace posthorn::acme {
namespace {

constexpr std::size_t kChainMax = 10;
constexpr std::size_t kTextMax = 200'000;

using RequestPtr = std::unique_ptr<X509_REQ, net::Freer<X509_REQ_free>>;
using KeyIdPtr = std::unique_ptr<AUTHORITY_KEYID, net::Freer<AUTHORITY_KEYID_free>>;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(ErrorKind::permanent, net::tls_error(what));
}

template <class Write>
std::string to_pem(Write write) {
  const net::BioPtr out(BIO_new(BIO_s_mem()));
  write(out.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

template <class T>
std::string to_der(const T* value, int (*write)(const T*, unsigned char**)) {
  unsigned char* bytes = nullptr;
  const int size = write(value, &bytes);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

std::string text_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

net::BioPtr reader(std::string_view pem) {
  return net::BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min(pem.size(), kTextMax))));
}

net::KeyPtr parse_key(std::string_view pem) {
  const auto no_password = [](char*, int, int, void*) { return -1; };
  net::KeyPtr key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

std::vector<net::CertificatePtr> parse_chain(std::string_view pem) {
  std::vector<net::CertificatePtr> chain;
  const net::BioPtr in = reader(pem);
  while (chain.size() < kChainMax) {
    net::CertificatePtr one(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    chain.push_back(std::move(one));
  }
  ERR_clear_error();
  return chain;
}

// RFC 9773 section 4.1: the authority's key identifier and the serial number's bytes, as DER has
// them: with the zero that keeps a number positive.
std::string renewal_id(X509* certificate) {
  const KeyIdPtr id(static_cast<AUTHORITY_KEYID*>(
      X509_get_ext_d2i(certificate, NID_authority_key_identifier, nullptr, nullptr)));
  if (!id || id->keyid == nullptr) return {};
  const std::string serial =
      to_der<ASN1_INTEGER>(X509_get0_serialNumber(certificate), i2d_ASN1_INTEGER);
  if (serial.size() < 3 || static_cast<unsigned char>(serial[1]) >= 0x80) return {};
  return encode_base64url(text_of(id->keyid)) + "." + encode_base64url(serial.substr(2));
}

PairInfo info_of(X509* certificate) {
  const net::CertificateInfo known = net::read_info(certificate);
  PairInfo info{.names = known.names,
                .begins = known.not_before,
                .ends = known.not_after,
                .issuer = known.issuer,
                .fingerprint = known.sha256,
                .der = to_der<X509>(certificate, i2d_X509),
                .renewal_id = renewal_id(certificate),
                .spki = to_der<X509_PUBKEY>(X509_get_X509_PUBKEY(certificate), i2d_X509_PUBKEY)};
  for (std::string& name : info.names) name = to_lower(name);
  return info;
}

std::string digest_of(const EVP_MD* kind, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, kind, nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

Result<std::string> make_key(config::KeyType type) {
  net::KeyPtr key;
  switch (type) {
    case config::KeyType::ecdsa_p256:
      key.reset(EVP_EC_gen("P-256"));
      break;
    case config::KeyType::rsa_2048:
      key.reset(EVP_RSA_gen(2048U));
      break;
    case config::KeyType::rsa_3072:
      key.reset(EVP_RSA_gen(3072U));
      break;
    case config::KeyType::rsa_4096:
      key.reset(EVP_RSA_gen(4096U));
      break;
  }
  if (!key) return wrong("a key could not be made");
  return to_pem([&](BIO* out) {
    PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Result<std::string> make_request(const std::string& key_pem,
                                 const std::vector<std::string>& names) {
  const net::KeyPtr key = parse_key(key_pem);
  const RequestPtr request(X509_REQ_new());
  if (!key || !request) return wrong("the certificate's key cannot be read");
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "DNS:" : ",DNS:") + name;
  // The subject stays empty: names stand in the extension alone (RFC 8555 section 7.4).
  const net::ExtensionPtr extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, all.c_str()));
  const std::unique_ptr<STACK_OF(X509_EXTENSION), void (*)(STACK_OF(X509_EXTENSION)*)> extensions(
      sk_X509_EXTENSION_new_null(),
      [](STACK_OF(X509_EXTENSION) * stack) { sk_X509_EXTENSION_free(stack); });
  if (!extension) return wrong("a name cannot stand in a certificate");
  sk_X509_EXTENSION_push(extensions.get(), extension.get());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  if (X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return wrong("a request for the certificate could not be made");
  return to_der<X509_REQ>(request.get(), i2d_X509_REQ);
}

Result<PairInfo> read_pair(std::string_view pem) {
  const auto chain = parse_chain(pem);
  if (chain.empty()) return fail(ErrorKind::permanent, "it holds no certificate");
  const net::KeyPtr key = parse_key(pem);
  if (!key) return fail(ErrorKind::permanent, "it holds no key");
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::permanent, "its key is not the one of its certificate");
  }
  return info_of(chain.front().get());
}

Result<std::string> read_key(std::string_view pem) {
  const net::KeyPtr key = parse_key(pem);
  if (!key) return fail(ErrorKind::permanent, "it holds no key");
  return to_pem([&](BIO* out) {
    PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

Result<std::string> make_pair(const Issued& issued) {
  const auto chain = parse_chain(issued.chain_pem);
  if (chain.empty()) return fail(ErrorKind::protocol, "the authority sent no certificate");
  TRY(const std::string key_pem, read_key(issued.key_pem));
  std::string text = key_pem;
  for (const auto& one : chain)
    text += to_pem([&](BIO* out) { PEM_write_bio_X509(out, one.get()); });
  const auto info = read_pair(text);
  if (!info)
    return fail(ErrorKind::protocol,
                "the authority sent a certificate for another key: " + info.error().what);
  for (const std::string& name : issued.names)
    if (std::ranges::find(info->names, name) == info->names.end())
      return fail(ErrorKind::protocol,
                  fmt::format("the authority sent a certificate without the name {}", name));
  return text;
}

bool is_published(const PairInfo& pair, const std::vector<Tlsa>& records) {
  return std::ranges::any_of(records, [&](const Tlsa& record) {
    // A record of the whole certificate (selector 0) fits no renewed one, whatever its key; one of
    // an authority (usage 0 and 2) fits both.
    if (record.selector != 1 || (record.usage != 1 && record.usage != 3)) return false;
    if (record.matching == 0) return record.data == pair.spki;
    if (record.matching == 1) return record.data == digest_of(EVP_sha256(), pair.spki);
    return record.matching == 2 && record.data == digest_of(EVP_sha512(), pair.spki);
  });
}

}  // namespace posthorn::acme
