// The certificate that proves to an ACME authority who answers on port 443, and who asks for it
// (RFC 8737). It is for nobody else: it is signed by itself, and names nothing but what is proved.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace posthorn::net {

// For one name; key_authorization: RFC 8555 section 8.1. Makes a key of its own.
Result<std::shared_ptr<ssl_ctx_st>> make_challenge_context(const std::string& name,
                                                           std::string_view key_authorization);

// From within OpenSSL's callback for a ClientHello: the name, in lower case, that is to be proved;
// nullopt: it is an ordinary client. Keeps nothing.
std::optional<std::string> find_challenged_name(ssl_st* hello);

// Whether the handshake that is done was such a proof.
bool was_challenge(const ssl_st* session);

}  // namespace posthorn::net
