// The one SMTP and LMTP client engine (RFC 5321, RFC 2033, RFC 3207, RFC 4954, RFC 2920): edge to
// queue, queue to store, queue to the world. It says what the server replied; what that means for a
// recipient, the caller decides.
//
// Security: where TLS is wanted it never goes on without; credentials are sent only after it; bytes
// that a server sends behind its 220 to STARTTLS end the connection (response injection).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "message/envelope.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "net/tls.h"
#include "smtp/proto/reply.h"

namespace posthorn::smtp {

struct ClientOptions {
  std::string hostname;  // in EHLO
  bool lmtp = false;
  // To one of our own roles: XFORWARD and what it proves are sent. Another server that offers it
  // learns nothing.
  bool is_inner = false;
  std::chrono::milliseconds command_timeout = 5min;
  std::chrono::milliseconds data_timeout = 10min;
};

struct Extensions {
  bool pipelining = false, eight_bit = false, smtputf8 = false, size = false, dsn = false,
       starttls = false, xforward = false;
  bool auth_plain = false, auth_login = false;
};

class Client {
 public:
  // clock: of its deadlines; it outlives the client.
  Client(net::StreamPtr stream, ClientOptions options, const Clock& clock);

  // The greeting, then EHLO (HELO where that is refused) or LHLO. The last reply; positive when all
  // is well.
  net::Task<Reply> open();
  // STARTTLS, the handshake, EHLO again.
  net::Task<Reply> start_tls(const net::TlsClient& tls, const std::string& name);
  net::Task<Reply> login(const std::string& user, const std::string& password);
  const Extensions& extensions() const { return extensions_; }
  bool is_secure() const { return stream_->tls() != nullptr; }
  bool handshake_failed() const { return handshake_failed_; }
  net::Stream& stream() { return *stream_; }

  // XFORWARD (to our own roles), MAIL, RCPT for each, DATA; pipelined where the server allows. One
  // reply for each recipient, then the one to DATA: when that is 354 the message follows by write
  // and finish.
  struct Begun {
    Reply mail;
    std::vector<Reply> recipients;
    Reply data;
    std::optional<Error> broken;  // the connection ended on the way: what was said before it counts
  };
  net::Task<Begun> begin(const message::Envelope& envelope);
  // The same up to the last RCPT, then RSET: what the server thinks of an envelope. Never DATA.
  net::Task<Begun> rehearse(const message::Envelope& envelope);
  // The message in pieces with CRLF lines; dots are stuffed, and a stray CR or LF leaves as CRLF.
  net::Task<> write(std::string_view piece);
  // One reply; with LMTP one for each recipient that was accepted, or fewer where it broke off.
  net::Task<std::vector<Reply>> finish();
  // After write() failed: what the server said in the middle of the message before it went.
  net::Task<Reply> last_words();
  net::Task<Reply> reset();
  net::Awaitable<void> quit();

 private:
  net::Task<Reply> read_reply(std::chrono::milliseconds timeout);
  net::Task<Reply> command(std::string line);
  net::Task<Reply> hello();
  void read_extensions(const Reply& reply);
  std::string mail_line(const message::Envelope& envelope) const;
  std::string rcpt_line(const message::Recipient& recipient) const;
  net::Task<> send(std::string_view bytes);
  net::Task<Begun> name_envelope(const message::Envelope& envelope);
  net::Task<> exchange(const std::vector<std::string>& lines, std::size_t mail,
                       std::vector<Reply>& replies);

  net::StreamPtr stream_;
  ClientOptions options_;
  const Clock& clock_;
  Extensions extensions_;
  net::InBuffer in_;
  std::string out_;
  char last_ = '\n';  // of the message so far, as sent
  std::size_t accepted_ = 0;
  bool was_named_ = false;  // the envelope: else it was refused here, and the server knows nothing
  bool handshake_failed_ = false;
};

}  // namespace posthorn::smtp
