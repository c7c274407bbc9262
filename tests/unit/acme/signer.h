// An authority that signs what it is asked for: requests as they come, and certificates with an id
// of the test's choice.
#pragma once

#include <memory>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string>

#include "acme/pair.h"
#include "net/openssl.h"

namespace posthorn::acme::testing {

struct Id {
  std::string key_id;  // of the authority; empty: the certificate does not say
  std::string serial;
};

inline std::string pem_of(X509* certificate) {
  const net::BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(out.get(), &data));
  return {data, size};
}

inline net::CertificatePtr make_certificate(EVP_PKEY* key, const Id& id,
                                            std::chrono::seconds life) {
  net::CertificatePtr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  const net::BignumPtr serial(BN_bin2bn(reinterpret_cast<const unsigned char*>(id.serial.data()),
                                        static_cast<int>(id.serial.size()), nullptr));
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(made.get()));
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(life.count()));
  X509_NAME_add_entry_by_txt(X509_get_issuer_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Test CA"), -1, -1, 0);
  X509_set_pubkey(made.get(), key);
  if (!id.key_id.empty()) {
    AUTHORITY_KEYID* const by = AUTHORITY_KEYID_new();
    by->keyid = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(by->keyid, reinterpret_cast<const unsigned char*>(id.key_id.data()),
                          static_cast<int>(id.key_id.size()));
    X509_add1_ext_i2d(made.get(), NID_authority_key_identifier, by, 0, 0);
    AUTHORITY_KEYID_free(by);
  }
  return made;
}

// Signed by a key of nobody's: whoever reads it looks at what it says.
inline std::string sign_request(const std::string& der,
                                std::chrono::seconds life = std::chrono::hours(24 * 90)) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<X509_REQ, net::Freer<X509_REQ_free>> request(
      d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request || X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1 ||
      X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) != 0)
    return {};
  static int number = 0;
  ++number;
  const std::string serial = {0x11, static_cast<char>(number >> 8), static_cast<char>(number)};
  const net::CertificatePtr made =
      make_certificate(X509_REQ_get0_pubkey(request.get()), {"an authority", serial}, life);
  STACK_OF(X509_EXTENSION)* const extensions = X509_REQ_get_extensions(request.get());
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i)
    X509_add_ext(made.get(), sk_X509_EXTENSION_value(extensions, i), -1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  const net::KeyPtr key(EVP_EC_gen("P-256"));
  X509_sign(made.get(), key.get(), EVP_sha256());
  return pem_of(made.get());
}

inline std::string id_of(const Id& id) {
  const std::string key_pem = make_key(config::KeyType::ecdsa_p256).value();
  const net::BioPtr in(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const net::KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  const net::CertificatePtr made = make_certificate(key.get(), id, std::chrono::hours(1));
  X509_sign(made.get(), key.get(), EVP_sha256());
  return read_pair(key_pem + pem_of(made.get())).value().renewal_id;
}

}  // namespace posthorn::acme::testing
