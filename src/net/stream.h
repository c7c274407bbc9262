// Stream: a connection's bytes, over TCP, a Unix socket or TLS on either; tests use a MemoryStream
// instead. Every operation has a deadline of its own and fails with timeout when it passes, closed
// when the peer went. One reader and one writer at a time. The object is owned by the coroutine
// that serves the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/task.h"

namespace posthorn::net {

class TlsServer;  // net/tls.h
class TlsClient;

struct Peer {
  std::string address;  // "192.0.2.1", "2001:db8::1"; an IPv4-mapped IPv6 address as the IPv4 one;
                        // "local" for Unix
  std::uint16_t port = 0;
  bool is_loopback = false;               // loopback address or Unix socket
  std::optional<std::uint32_t> uid = {};  // Unix: whose process it was that connected (SO_PEERCRED)
};

struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  int bits = 0;
  bool is_challenge = false;  // RFC 8737: a proof for an authority; there is nothing more to say
  std::string server_name;    // SNI: a stranger's text
};

class Stream {
 public:
  virtual ~Stream() = default;

  // At least one byte, or closed at the end of the stream.
  virtual Task<std::size_t> read_some(std::span<char> buffer, SteadyTime deadline) = 0;
  // All of the bytes.
  virtual Task<> write(std::string_view bytes, SteadyTime deadline) = 0;
  // Waits until a read would give something, holding no buffer meanwhile (an idle session's
  // memory). temporary: interrupt() was called.
  virtual Task<> wait_readable(SteadyTime deadline) = 0;
  // The handshake. The caller has made sure that nothing it read before is left over (STARTTLS
  // injection).
  virtual Task<> start_tls(const TlsServer& tls, SteadyTime deadline) = 0;
  // As client: verifies the chain and that the certificate is for name, as tls is set to.
  virtual Task<> start_tls(const TlsClient& tls, const std::string& name, SteadyTime deadline) = 0;
  // Ends a wait_readable() that is under way, or the next one, with temporary: its owner has other
  // news to look at (a stop, a changed mailbox). Reads and writes go on undisturbed.
  virtual void interrupt() = 0;
  // Ends every waiting operation with closed; idempotent, callable from outside the owner
  // (shutdown).
  virtual void close() = 0;
  // TLS close_notify and half-close, best effort, then close().
  virtual Task<> shut_down(SteadyTime deadline) = 0;

  // Whose connection it is, for who watches it: the session's id, and the account once it is known.
  virtual void identify(std::string_view session, std::string_view account) {
    (void)session;
    (void)account;
  }

  virtual const Peer& peer() const = 0;
  virtual const Peer& local() const = 0;
  virtual const TlsInfo* tls() const = 0;  // nullptr: plaintext
};

using StreamPtr = std::unique_ptr<Stream>;

}  // namespace posthorn::net
