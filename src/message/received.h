// Trace and identity fields: our Received header (RFC 5321 section 4.4, RFC 3848), hops,
// Message-ID.
#pragma once

#include <string>

#include "base/clock.h"
#include "message/envelope.h"
#include "message/headers.h"

namespace posthorn::message {

// On top of what a Sieve script sends on: the account that it left.
inline constexpr std::string_view kRedirectTrace = "X-Sieve-Redirected-From";

struct ReceivedBy {
  std::string hostname;
  std::string session;
  std::string tls;  // "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384"; empty: none
  bool hide_client = false;
  WallTime now{};
};

// With CRLF; each part escaped so that no HELO name or PTR text can add a line or a comment's end.
std::string make_received(const Envelope& envelope, const ReceivedBy& by);
std::string make_message_id(const std::string& hostname, WallTime now);
inline std::size_t count_hops(const Headers& headers) {
  return headers.count("Received");
}

}  // namespace posthorn::message
