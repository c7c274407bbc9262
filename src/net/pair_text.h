// A certificate with its chain and its key as texts, before they are put where a server reads them:
// whether they belong together and will be believed. Blocks for some arithmetic; reads no file.
#pragma once

#include <string>

#include "net/tls.h"

namespace posthorn::net {

// An Error (config) says what is wrong with them and what to do; the info is the leaf's.
Result<CertificateInfo> check_pair(const std::string& certificate_pem, const std::string& key_pem,
                                   WallTime now);

}  // namespace posthorn::net
