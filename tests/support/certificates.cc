#include "tests/support/certificates.h"

#include <cstdlib>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace posthorn::test {
namespace {

void must(bool good) {
  if (!good) std::abort();
}

template <class Write>
std::string to_pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  must(write(bio) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free_all(bio);
  return text;
}

X509* make(EVP_PKEY* key, const std::string& common, std::chrono::seconds begins,
           std::chrono::seconds ends) {
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  BIGNUM* serial = BN_new();
  BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
  BN_free(serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), begins.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), ends.count());
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
  return certificate;
}

void extend(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  must(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Authority::Authority() : key_(EVP_EC_gen("P-256")) {
  certificate_ = make(key_, "Test Authority", std::chrono::hours(-48), std::chrono::hours(48));
  X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
  extend(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  must(X509_sign(certificate_, key_, EVP_sha256()) != 0);
  pem_ = to_pem([this](BIO* bio) { return PEM_write_bio_X509(bio, certificate_); });
}

Authority::~Authority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

net::KeyPair Authority::issue(const Wish& wish) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* leaf = make(key, wish.names.empty() ? "leaf" : wish.names.front(), wish.begins, wish.ends);
  X509_set_issuer_name(leaf, X509_get_subject_name(certificate_));
  std::string names;
  for (const std::string& name : wish.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& one : wish.addresses) names += (names.empty() ? "IP:" : ",IP:") + one;
  if (!names.empty()) extend(leaf, certificate_, NID_subject_alt_name, names);
  extend(leaf, certificate_, NID_ext_key_usage, "serverAuth");
  must(X509_sign(leaf, key_, EVP_sha256()) != 0);
  net::KeyPair pair{
      to_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf); }), to_pem([&](BIO* bio) {
        return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
      })};
  X509_free(leaf);
  EVP_PKEY_free(key);
  return pair;
}

net::CertificateFiles Authority::issue(const TempFolder& folder, const std::string& name,
                                       const Wish& wish) const {
  const net::KeyPair pair = issue(wish);
  return {folder.write(name + ".pem", pair.certificate_pem),
          folder.write_secret(name + ".key", pair.key_pem)};
}

}  // namespace posthorn::test
