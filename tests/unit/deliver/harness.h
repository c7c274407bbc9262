// What the tests of the transports share: a resolver over a fake DNS server, certificates, a
// message in a file, and one word for what became of each recipient: "D" delivered, "d" deferred,
// "F" failed.
#pragma once

#include <gmock/gmock.h>

#include "deliver/transports.h"
#include "tests/support/certificates.h"
#include "tests/support/fake_dns.h"
#include "tests/support/fake_smtp_peer.h"
#include "tests/support/fixed_placement.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::deliver {

using test::Act;
using test::ClosedPort;
using test::Dialog;
using test::FakeDns;
using test::FakeServer;
using test::FakeSmtpPeer;
using test::hang_up;
using test::reset;
using test::say;
using test::say_and_close;
using test::say_and_reset;
using test::SilentPort;
using test::stall;
using test::Wire;

inline const std::string kPipelining =
    "250-peer.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
inline const std::string kPlain = "250-peer.test\r\n250 SIZE\r\n";
inline const std::string kLogin = "250-peer.test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n";

inline std::string kinds(const Attempted& attempted) {
  std::string text;
  for (const Outcome& outcome : attempted.outcomes)
    text += outcome.kind == Outcome::Kind::delivered  ? 'D'
            : outcome.kind == Outcome::Kind::deferred ? 'd'
                                                      : 'F';
  return text;
}

class TransportsTest : public ::testing::Test {
 protected:
  TransportsTest() {
    config_.server.hostname = "me.test";
    set_patience(3s);
    config_.relay.private_mx = true;
    dns_.a("smtp.test", "127.0.0.1");
    trust_ = folder_.write("trust.pem", authority_.pem());
    good_ = load("good", {.names = {"smtp.test"}});
  }

  void set_patience(std::chrono::milliseconds time) {
    config_.relay.connect_timeout = time;
    config_.relay.command_timeout = time;
    config_.relay.data_timeout = time;
  }
  // Short where the peer will be silent, long where an answer is only slow.
  void set_patience(const Dialog& dialog) {
    bool stalls = false;
    for (const auto& [stage, acts] : dialog)
      stalls |=
          std::ranges::any_of(acts, [](const Act& act) { return act.after == Act::After::stall; });
    set_patience(stalls ? 120ms : 3s);
  }

  std::unique_ptr<net::TlsServer> load(const std::string& name, const test::Authority::Wish& wish) {
    return *net::TlsServer::load({authority_.issue(folder_, name, wish)});
  }

  route::RelayPlan relay(std::uint16_t port, config::TlsPolicy tls = config::TlsPolicy::none) {
    return {
        .host = "smtp.test", .port = port, .use_mx = false, .user = "", .password = "", .tls = tls};
  }

  message::Envelope envelope(std::size_t recipients) {
    message::Envelope envelope;
    envelope.sender = "alice@me.test";
    for (std::size_t i = 0; i < recipients; ++i)
      envelope.recipients.push_back(
          {.address = "r" + std::to_string(i) + "@there.test", .original = {}, .notify = {}});
    return envelope;
  }

  Body body(std::string_view text, std::string prefix = {}) {
    const Path file = folder_.write("mail", std::string("head") + std::string(text) + "tail");
    return {.file = file, .offset = 4, .size = text.size(), .prefix = std::move(prefix)};
  }

  Attempted attempt(const route::Plan& plan, message::Envelope envelope, Body body) {
    auto resolver = net::Resolver::make(
        loop_.executor(), {.servers = dns_.server(), .try_timeout = 100ms, .tries = 2});
    EXPECT_TRUE(resolver);
    Transports transports(loop_.scope(), loop_.pool(), config_, **resolver,
                          *net::TlsClient::make(net::TlsClient::Verify::required, trust_),
                          *net::TlsClient::make(net::TlsClient::Verify::none, trust_), store_);
    return loop_.wait(transports.attempt(plan, std::move(envelope), std::move(body), "Q1"));
  }
  Attempted attempt(const route::Plan& plan, std::size_t recipients = 3) {
    return attempt(plan, envelope(recipients), body("Subject: x\r\n\r\nhello\r\n"));
  }

  test::TempFolder folder_;
  test::Authority authority_;
  Path trust_;
  std::unique_ptr<net::TlsServer> good_;
  FakeDns dns_;
  config::Config config_;
  test::FixedPlacement store_{std::nullopt};
  test::TestLoop loop_;
};

}  // namespace posthorn::deliver
