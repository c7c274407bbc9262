// `posthorn certificate install`: puts a pair that was got elsewhere where the server reads it, and
// has it shown; a deploy hook for certbot and its like. The files named are read and never changed.
//
// A pair is two files, and no call changes both at once. In between the key's file holds both keys,
// and a reader takes the one that is the certificate's (net/tls_pair.cc):
//
//   key.pem      cert.pem     after a crash here
//   old          old          the old pair
//   new, old     old          the old pair
//   new, old     new          the new pair
//   new          new          the new pair
#pragma once

#include "config/config.h"
#include "net/tls.h"

namespace posthorn::tools {

struct InstallOptions {
  Path certificate, key;  // both empty: fullchain.pem and privkey.pem of $RENEWED_LINEAGE (certbot)
  std::string name;       // a folder of tls.folder; empty: the server's own pair, if it is for it
};

// Owner and mode are those that the roles read by.
Result<> write_pair(Disk& disk, const config::Config& config, const net::CertificateFiles& place,
                    const std::string& certificate_pem, const std::string& key_pem);

// 0: it is in place, and a running server shows it.
int install_certificate(const config::Config& config, const InstallOptions& options);

}  // namespace posthorn::tools
