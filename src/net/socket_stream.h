// SocketStream: a Stream over a descriptor of its own, with TLS by OpenSSL directly on it. The
// system call is tried first and the event loop asked only when it would block. OpenSSL gives its
// buffers back between records, so an idle TLS session holds none. Written with OpenSSL's socket
// BIO: the process ignores SIGPIPE.
#pragma once

#include <memory>

#include "base/file.h"
#include "net/connection_limits.h"
#include "net/stream.h"

struct ssl_st;
struct ssl_ctx_st;
struct x509_st;
struct x509_store_ctx_st;

namespace posthorn::net {

class SocketStream final : public Stream {
 public:
  SocketStream(Executor executor, File connected);
  ~SocketStream() override;

  Task<std::size_t> read_some(std::span<char> buffer, SteadyTime deadline) override;
  Task<> write(std::string_view bytes, SteadyTime deadline) override;
  Task<> wait_readable(SteadyTime deadline) override;
  Task<> start_tls(const TlsServer& tls, SteadyTime deadline) override;
  Task<> start_tls(const TlsClient& tls, const std::string& name, SteadyTime deadline) override;
  void interrupt() override;
  void close() override;
  Task<> shut_down(SteadyTime deadline) override;
  void identify(std::string_view session, std::string_view account) override;
  const Peer& peer() const override { return peer_; }
  const Peer& local() const override { return local_; }
  const TlsInfo* tls() const override { return tls_.get(); }

  // As client, what the server has shown, whether it was accepted or not; nullptr: nothing yet.
  x509_st* peer_certificate() const;
  long verify_result() const;  // OpenSSL's X509_V_…

  Task<> wait_writable(SteadyTime deadline);
  void read_addresses();

  // Who wants to know when the peer keeps the role waiting; outlives the stream.
  void watch(PeerWatch* watch) { watch_ = watch; }
  // Ends it with a last word, if it can be said in the clear.
  void turn_away(std::string_view text);

 private:
  struct State;
  enum class Want { read, write, news };  // news: something to read, or an interrupt()
  Task<> wait(Want want, SteadyTime deadline);
  Task<> handshake(SteadyTime deadline);
  Task<> after_ssl(int result, std::string_view what, SteadyTime deadline);
  Awaitable<void> give_way();

  std::shared_ptr<State> state_;
  static int note_rejected(int is_good, x509_store_ctx_st* chain);
  ssl_st* ssl_ = nullptr;
  x509_st* rejected_ = nullptr;  // the certificate that ended the handshake
  std::shared_ptr<ssl_ctx_st> context_;
  std::unique_ptr<const TlsInfo> tls_;
  Peer peer_;
  Peer local_;
  PeerWatch* watch_ = nullptr;
  bool is_tcp_ = false;
  unsigned busy_ = 0;
};

}  // namespace posthorn::net
