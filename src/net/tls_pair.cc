#include "net/tls_pair.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <span>
#include <sys/stat.h>

#include "net/authority.h"
#include "net/tls_error.h"

namespace posthorn::net {
namespace {

// Mozilla's intermediate list for TLS 1.2; TLS 1.3 keeps OpenSSL's.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

std::string asn1_text(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

enum class PartOfPair { certificate, key };

// What people put there in place of what belongs there, by its first bytes or its armour.
struct Mistaken {
  PartOfPair part;
  std::string_view sign;
  std::string_view meaning;
};
constexpr Mistaken kMistaken[] = {
    {PartOfPair::certificate, "BEGIN CERTIFICATE REQUEST",
     "a request for a certificate, which an authority has not signed yet; put what it sends there"},
    {PartOfPair::certificate, "BEGIN CERTIFICATE",
     "a certificate that is cut or damaged; copy it again, whole"},
    {PartOfPair::certificate, "PRIVATE KEY",
     "a key and no certificate; certificate and key have changed places"},
    {PartOfPair::key, "ENCRYPTED",
     "a key with a passphrase, which nobody types at a start; openssl pkey -in OLD -out NEW takes "
     "it off"},
    {PartOfPair::key, "BEGIN PUBLIC KEY", "a public key; the private one belongs here"},
    {PartOfPair::key, "BEGIN CERTIFICATE",
     "a certificate and no key; certificate and key have changed places"},
    {PartOfPair::key, "PRIVATE KEY", "a key that is cut or damaged; copy it again, whole"},
};

// In our words first; OpenSSL's stand behind them.
std::string why_unusable(const Path& path, PartOfPair part) {
  const auto text = read_file(path, 1U << 20U);
  if (!text || !*text) {
    ERR_clear_error();
    return text ? "there is no such file; put one there, or `posthorn certificate renew` makes a "
                  "pair of the server's own"
                : text.error().what;
  }
  std::string_view meaning = "nothing in PEM form (-----BEGIN ...); ask for that form";
  if ((*text)->empty()) meaning = "nothing: the file is empty; copy it again";
  if ((*text)->starts_with('\x30'))
    meaning =
        "the binary form (DER or PKCS#12); openssl x509 -inform DER, openssl pkey -inform DER "
        "or openssl pkcs12 make PEM of it";
  for (const Mistaken& mistaken : kMistaken) {
    if (mistaken.part != part || (*text)->find(mistaken.sign) == std::string::npos) continue;
    meaning = mistaken.meaning;
    break;
  }
  return tls_error(fmt::format("cannot be used as the {}: it holds {} (OpenSSL says",
                               part == PartOfPair::key ? "key" : "certificate", meaning)) +
         ")";
}

int no_passphrase(char*, int, int, void*) {
  return -1;  // nobody is there to be asked, on a terminal either
}

// While a pair is changed, its key file holds the new key and the one of before (tools/
// certificate_install.h): whichever certificate lies beside it, its own key is there.
bool use_further_key(SSL_CTX* context, const Path& file) {
  constexpr int kKeysMax = 4;
  const BioPtr in(BIO_new_file(file.c_str(), "r"));
  for (int i = 0; in && i < kKeysMax; ++i) {
    const KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
    if (!key) return false;
    if (X509_check_private_key(SSL_CTX_get0_certificate(context), key.get()) == 1)
      return SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  }
  return false;
}

}  // namespace

std::string tls_error(std::string_view what) {
  std::string text(what);
  std::array<char, 256> buffer{};
  bool any = false;
  while (const unsigned long code = ERR_get_error()) {
    ERR_error_string_n(code, buffer.data(), buffer.size());
    text += any ? "; " : ": ";
    text += buffer.data();
    any = true;
  }
  if (!any) text += ": no reason given";
  return text;
}

Stamp stamp_of(const Path& path) {
  std::error_code error;
  const Path target = std::filesystem::canonical(path, error);  // certbot's live/ holds links
  const auto info = find_file_info(error ? path : target);
  if (!info || !*info) return {};
  return {(*info)->inode, (*info)->size, (*info)->modified, (*info)->mode};
}

Result<ContextPtr> make_context(const SSL_METHOD* method) {
  ContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) return fail(ErrorKind::temporary, tls_error("SSL_CTX_new"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), kCiphers);
  SSL_CTX_set1_groups_list(context.get(), "X25519:P-256:P-384");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

CertificateInfo read_info(X509* certificate) {
  CertificateInfo info;
  std::tm tm{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
    info.not_after = WallTime(std::chrono::seconds(timegm(&tm)));
  if (ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &tm) == 1)
    info.not_before = WallTime(std::chrono::seconds(timegm(&tm)));
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) info.names.push_back(asn1_text(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size());
      info.names.emplace_back(text.data());
    }
  }
  const X509_NAME* issuer = X509_get_issuer_name(certificate);
  const auto part = [issuer](int kind) {
    std::array<char, 65> text{};
    return X509_NAME_get_text_by_NID(issuer, kind, text.data(), text.size()) > 0
               ? std::string(text.data())
               : std::string();
  };
  const std::string organization = part(NID_organizationName), name = part(NID_commonName);
  info.is_of_own_authority = organization == kAuthorityOrganization;
  info.issuer = name.empty()           ? organization
                : organization.empty() ? name
                                       : fmt::format("{} ({})", organization, name);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1)
    info.sha256 = fmt::format("{:02x}", fmt::join(std::span(digest).first(size), ""));
  unsigned char* key = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
  if (length > 0 && EVP_Digest(key, static_cast<std::size_t>(length), digest.data(), &size,
                               EVP_sha256(), nullptr) == 1)
    info.key_sha256 = fmt::format("{:02x}", fmt::join(std::span(digest).first(size), ""));
  OPENSSL_free(key);
  return info;
}

Result<CertificateInfo> read_certificate(const Path& file) {
  constexpr std::size_t kFileMax = 1U << 20U;
  TRY(const auto text, read_file(file, kFileMax));
  if (!text)
    return fail(ErrorKind::config, fmt::format("{}: there is no such file", file.native()));
  const BioPtr in(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  const CertificatePtr first{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
  ERR_clear_error();
  if (!first)
    return fail(ErrorKind::config, fmt::format("{}: it holds no certificate", file.native()));
  return read_info(first.get());
}

// Tells a changed file by what a rename or a write changes.
Result<ContextPtr> load_pair(const CertificateFiles& files, CertificateInfo& info) {
  TRY(auto context, make_context(TLS_server_method()));
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  const auto wrong = [&](const Path& path, PartOfPair part) {
    return fail(ErrorKind::config,
                fmt::format("{}:1: {}", path.native(), why_unusable(path, part)));
  };
  // As at the start: a key that every account of the machine can read is nobody's proof any more.
  // (A link that leads where this account cannot follow says nothing: reading it will.)
  if (const mode_t mode = stamp_of(files.key).mode; S_ISREG(mode) && (mode & S_IROTH) != 0)
    return fail(ErrorKind::config,
                fmt::format("{}:1: every account of this machine can read this key; chmod o-r {}",
                            files.key.native(), files.key.native()));
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return wrong(files.certificate, PartOfPair::certificate);
  const bool has_key =
      SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  const bool is_other = reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH;
  if (!has_key && !is_other) return wrong(files.key, PartOfPair::key);
  if ((!has_key || SSL_CTX_check_private_key(context.get()) != 1) &&
      !use_further_key(context.get(), files.key))
    return fail(ErrorKind::config,
                fmt::format("{}:1: the key is not the one of {}; put the two that belong "
                            "together there, this server's own certificate before its chain",
                            files.key.native(), files.certificate.native()));
  ERR_clear_error();
  X509* leaf = SSL_CTX_get0_certificate(context.get());
  info = read_info(leaf);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context.get(), &chain);
  info.lacks_issuer = sk_X509_num(chain) <= 0 &&
                      X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) != 0;
  static constexpr unsigned char kSessionContext[] = "posthorn";
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  return context;
}

}  // namespace posthorn::net
