// A scripted SMTP or LMTP server. Each stage of the dialog (banner, EHLO, STARTTLS, handshake,
// AUTH, MAIL, RCPT, DATA, body, EOD, RSET, QUIT, other) has a list of acts that are used up one
// after the other, the last one again and again; what a test does not name goes well. It records
// every byte that it was told, and takes the message as strictly as possible.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "tests/support/fake_server.h"

namespace posthorn::test {

struct Act {
  enum class After { go_on, close, reset, stall };
  std::string say;
  After after = After::go_on;
};
inline Act say(std::string text) {
  return {std::move(text), Act::After::go_on};
}
inline Act say_and_close(std::string text) {
  return {std::move(text), Act::After::close};
}
inline Act say_and_reset(std::string text) {
  return {std::move(text), Act::After::reset};
}
inline Act stall() {
  return {{}, Act::After::stall};
}
inline Act hang_up() {
  return {{}, Act::After::close};
}
inline Act reset() {
  return {{}, Act::After::reset};
}

// Stage to acts. Replies are sent as they stand, with their CRLF.
using Dialog = std::map<std::string, std::vector<Act>>;

class FakeSmtpPeer {
 public:
  enum class Protocol { smtp, lmtp };
  struct Options {
    Protocol protocol = Protocol::smtp;
    const net::TlsServer* tls = nullptr;  // for STARTTLS
    FakeServer::Where where{};
  };
  // One dialog a connection; the last one is used again.
  FakeSmtpPeer(std::vector<Dialog> dialogs, Options options);
  explicit FakeSmtpPeer(Dialog dialog = {});
  FakeSmtpPeer(Dialog dialog, Options options);

  struct Session {
    std::vector<std::string> commands;  // without CRLF
    std::string body;                   // raw, with dots as they came, without the final one
    bool ended = false;                 // the final dot came
    bool bare_line_ends = false;        // anywhere in what was received
    bool tls = false;
    std::string server_name;
    std::string client;  // the address that it came from
  };
  std::vector<Session> sessions() const;
  Session session() const;  // the last one; an empty one if there is none
  std::size_t connections() const { return server_.connections(); }
  std::uint16_t port() const { return server_.port(); }
  net::Address address() const { return server_.address(); }
  void stop() { server_.stop(); }

 private:
  struct Run;
  void serve(Wire& wire, std::size_t number);

  std::vector<Dialog> dialogs_;
  Options options_;
  mutable std::mutex mutex_;
  std::map<std::size_t, Session> sessions_;
  FakeServer server_;
};

}  // namespace posthorn::test
