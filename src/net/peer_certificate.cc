#include "net/peer_certificate.h"

#include <arpa/inet.h>
#include <array>

#include "net/openssl.h"
#include "net/socket_stream.h"
#include "net/tls_pair.h"

namespace posthorn::net {
namespace {

std::string name_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

PeerCertificate::Fault fault_of(long result) {
  using Fault = PeerCertificate::Fault;
  switch (result) {
    case X509_V_OK:
      return Fault::none;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Fault::name;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return Fault::self_signed;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return Fault::authority;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Fault::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Fault::not_yet;
    default:
      return Fault::other;
  }
}

// RFC 6125. Where nothing was to be verified OpenSSL did not look at the name.
bool is_for(X509* certificate, const std::string& name) {
  std::array<unsigned char, 16> literal{};
  const bool is_address = inet_pton(AF_INET, name.c_str(), literal.data()) == 1 ||
                          inet_pton(AF_INET6, name.c_str(), literal.data()) == 1;
  return is_address ? X509_check_ip_asc(certificate, name.c_str(), 0) == 1
                    : X509_check_host(certificate, name.c_str(), name.size(),
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
}

}  // namespace

std::optional<PeerCertificate> find_peer_certificate(const Stream& stream,
                                                     const std::string& name) {
  const auto* socket = dynamic_cast<const SocketStream*>(&stream);
  X509* const certificate = socket == nullptr ? nullptr : socket->peer_certificate();
  if (certificate == nullptr) return std::nullopt;
  CertificateInfo info = read_info(certificate);
  PeerCertificate shown{.names = std::move(info.names),
                        .issuer = name_text(X509_get_issuer_name(certificate)),
                        .sha256 = std::move(info.sha256),
                        .not_before = info.not_before,
                        .not_after = info.not_after};
  long result = socket->verify_result();
  if (result == X509_V_OK && !is_for(certificate, name)) result = X509_V_ERR_HOSTNAME_MISMATCH;
  shown.fault = fault_of(result);
  shown.reason = X509_verify_cert_error_string(result);
  return shown;
}

}  // namespace posthorn::net
