// A certificate with its key as OpenSSL takes them, and in words why a file cannot be one of them.
// Only for net's own files: whoever serves TLS has a TlsServer (tls.h).
#pragma once

#include "base/result.h"
#include "net/openssl.h"
#include "net/tls.h"

namespace posthorn::net {

// What a file was when it was read, behind all links; Stamp{}: there is none.
struct Stamp {
  std::uint64_t inode = 0, size = 0;
  WallTime modified{};
  mode_t mode = 0;
  bool operator==(const Stamp&) const = default;
};
Stamp stamp_of(const Path& path);

// With this server's rules for every connection: TLS 1.2 or newer, no compression.
Result<ContextPtr> make_context(const SSL_METHOD* method);
CertificateInfo read_info(X509* certificate);
// For a server with that one pair. An Error (config) is "file:1: reason". Blocks.
Result<ContextPtr> load_pair(const CertificateFiles& files, CertificateInfo& info);

}  // namespace posthorn::net
