// The certificate of the server's own making, until there is one of a public authority: `posthorn
// init` makes a small authority (net/authority.h) and has it issue the pair that is served;
// `posthorn certificate renew` issues it anew.
//
//   authority/           0700   of whoever starts the server; no role may look in
//   authority/key.pem    0600   what signs
//   authority/cert.pem          what programs are told to trust; also behind tls/cert.pem
//   tls/key.pem                 stays when the certificate is renewed, so that a renewal replaces
//   tls/cert.pem                one file, and a crash leaves the old pair or the new one
#pragma once

#include "config/config.h"

namespace posthorn::tools {

// Makes what is missing; false: there is a pair already, of whomever.
Result<bool> make_own_certificate(const config::Config& config);

// 1: it is none of ours to renew, or it could not be written.
int renew_certificate(const config::Config& config);

}  // namespace posthorn::tools
