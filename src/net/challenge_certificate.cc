#include "net/challenge_certificate.h"

#include <array>
#include <openssl/sha.h>
#include <string_view>

#include "base/ascii.h"
#include "net/openssl.h"
#include "net/tls_error.h"
#include "net/tls_pair.h"

namespace posthorn::net {
namespace {

// RFC 8737 section 6.2; as a list of ALPN with the one protocol in it (RFC 7301 section 3.1).
constexpr std::string_view kProtocol = "acme-tls/1";
constexpr std::string_view kOnlyProtocol(
    "\x00\x0b\x0a"
    "acme-tls/1",
    13);
constexpr const char* kAcmeIdentifier = "1.3.6.1.5.5.7.1.31";  // RFC 8737 section 3
constexpr unsigned char kSessionContext[] = "acme-tls/1";
constexpr long kLife = 24 * 3600;  // what is made anew for each order need not live longer

std::unexpected<Error> wrong() {
  return fail(ErrorKind::temporary, tls_error("a certificate for a challenge could not be made"));
}

bool add_names(X509* certificate, const std::string& name) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::string text = "DNS:" + name;
  const ExtensionPtr names(
      X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, text.c_str()));
  return names && X509_add_ext(certificate, names.get(), -1) == 1;
}

// RFC 8737 section 3: critical, an OCTET STRING with the SHA-256 of the key authorization.
bool add_proof(X509* certificate, std::string_view key_authorization) {
  std::array<unsigned char, 2 + SHA256_DIGEST_LENGTH> value{V_ASN1_OCTET_STRING,
                                                            SHA256_DIGEST_LENGTH};
  SHA256(reinterpret_cast<const unsigned char*>(key_authorization.data()), key_authorization.size(),
         value.data() + 2);
  const ObjectPtr id(OBJ_txt2obj(kAcmeIdentifier, 1));
  const OctetsPtr octets(ASN1_OCTET_STRING_new());
  if (!id || !octets ||
      ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size())) != 1)
    return false;
  const ExtensionPtr extension(X509_EXTENSION_create_by_OBJ(nullptr, id.get(), 1, octets.get()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

CertificatePtr make_certificate(EVP_PKEY* key, const std::string& name,
                                std::string_view key_authorization) {
  CertificatePtr certificate(X509_new());
  if (!certificate || key == nullptr) return nullptr;
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kLife);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("ACME challenge"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  const bool is_made = add_names(certificate.get(), name) &&
                       add_proof(certificate.get(), key_authorization) &&
                       X509_sign(certificate.get(), key, EVP_sha256()) != 0;
  return is_made ? std::move(certificate) : nullptr;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char*,
                    unsigned, void*) {
  *chosen = reinterpret_cast<const unsigned char*>(kProtocol.data());
  *size = static_cast<unsigned char>(kProtocol.size());
  return SSL_TLSEXT_ERR_OK;
}

std::string_view extension_of(SSL* hello, unsigned type) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(hello, type, &data, &size) != 1) return {};
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

Result<std::shared_ptr<ssl_ctx_st>> make_challenge_context(const std::string& name,
                                                           std::string_view key_authorization) {
  TRY(auto context, make_context(TLS_server_method()));
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate = make_certificate(key.get(), name, key_authorization);
  if (!certificate ||
      SSL_CTX_use_cert_and_key(context.get(), certificate.get(), key.get(), nullptr, 1) != 1)
    return wrong();
  // A session of the ordinary kind is not resumed here: the certificate is what is asked for.
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  // The choice by name is made; without one of its own, OpenSSL would ask the listener's again.
  SSL_CTX_set_tlsext_servername_callback(
      context.get(), +[](SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; });
  return context;
}

// RFC 8737 section 3: the authority offers this one protocol and names what it asks about. Whoever
// offers others beside it is no authority, and gets what everybody gets.
std::optional<std::string> find_challenged_name(ssl_st* hello) {
  constexpr std::size_t kNameMax = 253;
  if (extension_of(hello, TLSEXT_TYPE_application_layer_protocol_negotiation) != kOnlyProtocol)
    return std::nullopt;
  // RFC 6066 section 3: a list's length, the kind of name (0), the name's length, the name.
  const std::string_view list = extension_of(hello, TLSEXT_TYPE_server_name);
  if (list.size() < 6 || list.size() > 5 + kNameMax) return std::nullopt;
  const auto number = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(list[at])) << 8U |
           static_cast<unsigned char>(list[at + 1]);
  };
  if (number(0) != list.size() - 2 || list[2] != TLSEXT_NAMETYPE_host_name ||
      number(3) != list.size() - 5)
    return std::nullopt;
  return to_lower(list.substr(5));
}

bool was_challenge(const ssl_st* session) {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(session, &protocol, &size);
  return size > 0 && std::string_view(reinterpret_cast<const char*>(protocol), size) == kProtocol;
}

}  // namespace posthorn::net
