#include "net/pair_text.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <vector>

#include "net/openssl.h"
#include "net/tls_pair.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kChainMax = 20;

BioPtr reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::unexpected<Error> wrong(std::string reason) {
  ERR_clear_error();
  return fail(ErrorKind::config, std::move(reason));
}

std::string subject_of(X509* certificate) {
  const CertificateInfo info = read_info(certificate);
  if (!info.names.empty()) return info.names.front();
  std::array<char, 65> text{};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                             text.data(), text.size());
  return size > 0 ? text.data() : "one without a name";
}

// RFC 8446 section 4.4.2: each is to be issued by the next. Clients forgive much, not all of them
// everything.
Result<> check_order(const std::vector<CertificatePtr>& chain) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) == X509_V_OK) continue;
    return wrong(fmt::format(
        "certificate {} of the file ({}) was not issued by the next one ({}); put the server's own "
        "first, then who issued it, and so on (certbot's fullchain.pem is so)",
        i + 1, subject_of(chain[i].get()), subject_of(chain[i + 1].get())));
  }
  return {};
}

}  // namespace

Result<CertificateInfo> check_pair(const std::string& certificate_pem, const std::string& key_pem,
                                   WallTime now) {
  const BioPtr certificates = reader(certificate_pem);
  std::vector<CertificatePtr> chain;
  while (chain.size() < kChainMax) {
    CertificatePtr one(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    chain.push_back(std::move(one));
  }
  if (chain.empty()) return wrong("the certificate's file holds no certificate in PEM form");
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const KeyPtr key(PEM_read_bio_PrivateKey(reader(key_pem).get(), nullptr, no_passphrase, nullptr));
  if (!key)
    return wrong("the key's file holds no key in PEM form that is read without a passphrase");
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (X509_check_private_key(chain[i].get(), key.get()) != 1) continue;
    if (i == 0) break;
    return wrong(fmt::format("the key is of certificate {} of the file ({}); put that one first",
                             i + 1, subject_of(chain[i].get())));
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1)
    return wrong(
        fmt::format("the key is not the one of the certificate for {}; name the two that "
                    "belong together (of certbot fullchain.pem and privkey.pem of one "
                    "folder)",
                    subject_of(chain.front().get())));
  CertificateInfo info = read_info(chain.front().get());
  if (info.not_after <= now)
    return wrong(
        fmt::format("the certificate ended at {}: clients refuse it; renew it first "
                    "(certbot renew)",
                    format_log_time(info.not_after)));
  if (info.not_before > now)
    return wrong(
        fmt::format("the certificate begins at {}: clients refuse it until then; look at "
                    "this machine's clock",
                    format_log_time(info.not_before)));
  if (info.names.empty())
    return wrong(
        "the certificate is for no name (subjectAltName): clients refuse it; get one for "
        "this server's name");
  TRY_OK(check_order(chain));
  X509* const last = chain.back().get();
  info.lacks_issuer = chain.size() == 1 &&
                      X509_NAME_cmp(X509_get_subject_name(last), X509_get_issuer_name(last)) != 0;
  ERR_clear_error();
  return info;
}

}  // namespace posthorn::net
