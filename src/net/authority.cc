#include "net/authority.h"

#include <ctime>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "net/openssl.h"
#include "net/tls_error.h"

namespace posthorn::net {
namespace {

constexpr std::chrono::days kAuthorityLife{3650};
constexpr std::chrono::days kLeafLife{820};

struct Made {
  KeyPtr key;
  CertificatePtr certificate;
};

std::unexpected<Error> wrong() {
  return fail(ErrorKind::temporary, tls_error("a certificate could not be made"));
}

void name(X509_NAME* to, const char* field, const std::string& text) {
  // RFC 5280 appendix A.1: 64 characters at most.
  X509_NAME_add_entry_by_txt(to, field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(text.substr(0, 64).c_str()), -1,
                             -1, 0);
}

BioPtr read_text(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}
CertificatePtr read_certificate(const std::string& pem) {
  return CertificatePtr(PEM_read_bio_X509(read_text(pem).get(), nullptr, nullptr, nullptr));
}
KeyPtr read_key(const std::string& pem) {
  return KeyPtr(PEM_read_bio_PrivateKey(read_text(pem).get(), nullptr, nullptr, nullptr));
}

// A certificate of the key that nobody has signed.
Made begin(KeyPtr key, std::chrono::days lifetime) {
  Made made{std::move(key), CertificatePtr(X509_new())};
  if (!made.key || !made.certificate) return {};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  const BignumPtr serial(BN_new());
  BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate));
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_time_adj_ex(X509_getm_notAfter(certificate), static_cast<int>(lifetime.count()), 0, nullptr);
  X509_set_pubkey(certificate, made.key.get());
  return made;
}

struct Extension {
  int id;
  std::string value;
};
bool finish(X509* certificate, X509* issuer, EVP_PKEY* key, const std::vector<Extension>& all) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const auto& [id, value] : all) {
    const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
    if (!extension) return false;
    X509_add_ext(certificate, extension.get(), -1);
  }
  return X509_sign(certificate, key, EVP_sha256()) != 0;
}

std::string join(const ServerNames& names, std::string_view before, bool as_constraint) {
  std::string text;
  const auto add = [&](std::string_view kind, std::string_view value) {
    text += fmt::format("{}{}{}:{}", text.empty() ? "" : ",", before, kind, value);
  };
  for (const std::string& dns : names.dns) add("DNS", dns);
  for (const std::string& address : names.addresses) {
    const bool is_v6 = address.find(':') != std::string::npos;
    // RFC 5280 section 4.2.1.10: an address and its mask; here the one address.
    add("IP", !as_constraint ? address
              : is_v6        ? address + "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
                             : address + "/255.255.255.255");
  }
  return text;
}

template <class Write>
std::string to_pem(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

KeyPair to_pems(const Made& made) {
  return {to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, made.certificate.get()); }),
          to_pem([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace

Result<KeyPair> make_authority(const ServerNames& names) {
  const Made made = begin(KeyPtr(EVP_EC_gen("P-256")), kAuthorityLife);
  if (!made.certificate) return wrong();
  X509* certificate = made.certificate.get();
  X509_NAME* subject = X509_get_subject_name(certificate);
  name(subject, "O", std::string(kAuthorityOrganization));
  name(subject, "CN", fmt::format("Authority of {}", names.dns.empty() ? "" : names.dns.front()));
  // Other kinds of names that a certificate may hold (mail addresses, URIs) are in no list of
  // permitted ones, so nothing may be issued for them: the purpose is a server's alone.
  const bool done = finish(certificate, certificate, made.key.get(),
                           {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                            {NID_key_usage, "critical,keyCertSign,cRLSign"},
                            {NID_ext_key_usage, "serverAuth"},
                            {NID_name_constraints, "critical," + join(names, "permitted;", true)},
                            {NID_subject_key_identifier, "hash"}});
  if (!done) return wrong();
  return to_pems(made);
}

Result<KeyPair> issue_certificate(const KeyPair& authority, const ServerNames& names,
                                  const std::string& key_pem) {
  const CertificatePtr issuer = read_certificate(authority.certificate_pem);
  const KeyPtr issuer_key = read_key(authority.key_pem);
  if (!issuer || !issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return fail(ErrorKind::config, tls_error("the authority's certificate and key are no pair"));
  KeyPtr key = key_pem.empty() ? KeyPtr(EVP_EC_gen("P-256")) : read_key(key_pem);
  if (!key) return fail(ErrorKind::config, tls_error("the key cannot be read"));
  const Made made = begin(std::move(key), kLeafLife);
  if (!made.certificate) return wrong();
  X509* certificate = made.certificate.get();
  name(X509_get_subject_name(certificate), "CN", names.dns.empty() ? "" : names.dns.front());
  const bool done = finish(certificate, issuer.get(), issuer_key.get(),
                           {{NID_basic_constraints, "critical,CA:FALSE"},
                            {NID_key_usage, "critical,digitalSignature,keyEncipherment"},
                            {NID_ext_key_usage, "serverAuth"},
                            {NID_subject_alt_name, join(names, "", false)},
                            {NID_subject_key_identifier, "hash"},
                            {NID_authority_key_identifier, "keyid"}});
  if (!done) return wrong();
  KeyPair pair = to_pems(made);
  pair.certificate_pem += authority.certificate_pem;
  return pair;
}

Result<bool> may_issue(const KeyPair& authority, const ServerNames& names) {
  TRY(const KeyPair pair, issue_certificate(authority, names));
  const CertificatePtr trusted = read_certificate(authority.certificate_pem);
  const CertificatePtr leaf = read_certificate(pair.certificate_pem);
  const StorePtr store(X509_STORE_new());
  const StoreContextPtr check(X509_STORE_CTX_new());
  if (!trusted || !leaf || !store || !check ||
      X509_STORE_add_cert(store.get(), trusted.get()) != 1 ||
      X509_STORE_CTX_init(check.get(), store.get(), leaf.get(), nullptr) != 1)
    return wrong();
  // As long as what it would issue.
  X509_VERIFY_PARAM_set_time(
      X509_STORE_CTX_get0_param(check.get()),
      ::time(nullptr) + std::chrono::duration_cast<std::chrono::seconds>(kLeafLife).count() - 7200);
  return X509_verify_cert(check.get()) == 1;
}

}  // namespace posthorn::net
