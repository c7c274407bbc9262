// TLS on a stream: which certificate is shown to whom and from when on, what the client refuses,
// and that nothing said before the handshake survives into it.
#include "net/tls.h"

#include "tests/support/certificates.h"
#include "tests/support/fake_server.h"
#include "tests/support/no_more_files.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

using test::Authority;
using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  TlsTest()
      : trust_(folder_.write("trust.pem", authority_.pem())),
        client_(*TlsClient::make(TlsClient::Verify::required, trust_)) {}

  CertificateFiles issue(const std::string& file, const Authority::Wish& wish) {
    return authority_.issue(folder_, file, wish);
  }

  Joined handshake(const TlsServer& server, const std::string& name) {
    return handshake(server, *client_, name);
  }
  Joined handshake(const TlsServer& server, const TlsClient& client, const std::string& name) {
    return net::handshake(loop_, server, client, name);
  }
  bool talk(StreamPair& pair) {
    return loop_.run(pair.a->write("ping", soon(1s))) &&
           loop_.run(read_exactly(*pair.b, 4, soon(1s))) == "ping" &&
           loop_.run(pair.b->write("pong", soon(1s))) &&
           loop_.run(read_exactly(*pair.a, 4, soon(1s))) == "pong";
  }

  test::TempFolder folder_;
  Authority authority_;
  Path trust_;
  std::unique_ptr<TlsClient> client_;
  std::string name_ = "a.test";
  test::TestLoop loop_;
};

TEST_F(TlsTest, BothSidesAgree) {
  const auto server = *TlsServer::load({issue("a", {.names = {"a.test"}})});
  Joined joined = handshake(*server, "a.test");
  ASSERT_TRUE(joined.server) << joined.server.error().what;
  ASSERT_TRUE(joined.client) << joined.client.error().what;
  EXPECT_EQ(joined.pair.a->tls()->version, "TLSv1.3");
  EXPECT_EQ(joined.pair.a->tls()->server_name, "a.test");
  EXPECT_EQ(joined.pair.a->tls()->cipher, joined.pair.b->tls()->cipher);
  EXPECT_TRUE(talk(joined.pair));

  const std::string big = pattern(3'000'000);
  std::optional<Result<std::string>> at_a, at_b;
  std::optional<Result<>> from_a, from_b;
  start(loop_, joined.pair.a->write(big, soon(20s)), from_a);
  start(loop_, joined.pair.b->write(big, soon(20s)), from_b);
  start(loop_, read_exactly(*joined.pair.a, big.size(), soon(20s)), at_a);
  start(loop_, read_exactly(*joined.pair.b, big.size(), soon(20s)), at_b);
  loop_.until([&] { return at_a && at_b && from_a && from_b; });
  EXPECT_TRUE(at_a->value() == big);
  EXPECT_TRUE(at_b->value() == big);

  ASSERT_TRUE(loop_.run(joined.pair.a->shut_down(soon(1s))));
  const auto end = loop_.run(read_once(*joined.pair.b, 10, soon(1s)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::closed);
}

// RFC 6066: the exact name before the wildcard before the default.
TEST_F(TlsTest, TheCertificateForTheName) {
  const auto server = *TlsServer::load({issue("default", {.names = {"default.test"}}),
                                        issue("wild", {.names = {"*.wild.test"}}),
                                        issue("exact", {.names = {"x.wild.test", "other.test"}})});
  const auto any = *TlsClient::make(TlsClient::Verify::none, trust_);
  const std::pair<std::string, std::string> rows[] = {
      {"default.test", "default.test"},  {"x.wild.test", "x.wild.test"},
      {"X.Wild.TEST", "x.wild.test"},    {"y.wild.test", "*.wild.test"},
      {"other.test", "x.wild.test"},     {"wild.test", "default.test"},
      {"a.b.wild.test", "default.test"}, {"unknown.test", "default.test"},
      {"*.wild.test", "*.wild.test"},    {std::string(300, 'n') + ".test", ""},
  };
  for (const auto& [asked, shown] : rows) {
    SCOPED_TRACE(asked.substr(0, 40));
    const auto context = server->context_for(asked);
    if (shown.empty()) continue;  // must only survive
    Joined joined = handshake(*server, *any, asked);
    ASSERT_TRUE(joined.client) << joined.client.error().what;
    // Which one it was, its verification tells.
    const bool verified =
        handshake(*server, shown.starts_with('*') ? "q.wild.test" : shown).client.has_value();
    EXPECT_TRUE(verified);
    const bool fits = handshake(*server, asked).client.has_value();
    EXPECT_EQ(fits, shown != "default.test" || asked == "default.test");
    EXPECT_EQ(context, server->context_for(shown.starts_with('*') ? "q.wild.test" : shown));
  }
  EXPECT_NE(server->context_for("x.wild.test"), server->context_for("y.wild.test"));
  EXPECT_EQ(server->context_for("nobody"), server->context());
}

TEST_F(TlsTest, WhatTheClientRefuses) {
  const Authority stranger;
  const auto foreign = stranger.issue(folder_, "foreign", {.names = {"a.test"}});
  const auto alone = *make_authority({{"a.test"}, {}});
  const CertificateFiles self{folder_.write("self.pem", alone.certificate_pem),
                              folder_.write_secret("self.key", alone.key_pem)};
  const struct {
    std::string name;
    CertificateFiles files;
    std::string asked;
    bool good;
  } rows[] = {
      {"good", issue("good", {.names = {"a.test"}}), "a.test", true},
      {"one of many", issue("many", {.names = {"x.test", "a.test"}}), "a.test", true},
      {"letter case", issue("case", {.names = {"A.Test"}}), "a.tEST", true},
      {"wildcard", issue("wild", {.names = {"*.b.test"}}), "a.b.test", true},
      {"address", issue("address", {.addresses = {"127.0.0.1"}}), "127.0.0.1", true},
      {"address as a name", issue("named", {.names = {"127.0.0.1"}}), "127.0.0.1", false},
      {"other address", issue("address2", {.addresses = {"127.0.0.2"}}), "127.0.0.1", false},
      {"wildcard for two labels", issue("wild2", {.names = {"*.b.test"}}), "x.a.b.test", false},
      {"part of a label", issue("part", {.names = {"a*.test"}}), "ab.test", false},
      {"wrong name", issue("wrong", {.names = {"b.test"}}), "a.test", false},
      {"no name", issue("none", {}), "a.test", false},
      {"expired",
       issue("old", {.names = {"a.test"},
                     .begins = std::chrono::hours(-5),
                     .ends = std::chrono::seconds(-1)}),
       "a.test", false},
      {"from tomorrow", issue("young", {.names = {"a.test"}, .begins = std::chrono::hours(9)}),
       "a.test", false},
      {"self-signed", self, "a.test", false},
      {"unknown authority", foreign, "a.test", false},
  };
  const auto lax = *TlsClient::make(TlsClient::Verify::none, trust_);
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const auto server = *TlsServer::load({row.files});
    const Joined strict = handshake(*server, row.asked);
    EXPECT_EQ(strict.client.has_value(), row.good);
    if (!strict.client) {
      EXPECT_EQ(strict.client.error().kind, ErrorKind::temporary);
      EXPECT_THAT(strict.client.error().what, HasSubstr("certificate of " + row.asked));
      EXPECT_EQ(strict.pair.b->tls(), nullptr);
    }
    EXPECT_TRUE(handshake(*server, *lax, row.asked).client);
  }
}

TEST_F(TlsTest, LiveSwap) {
  const CertificateFiles files = issue("live", {.names = {"old.test"}});
  const auto server = *TlsServer::load({files});
  Joined old = handshake(*server, "old.test");
  ASSERT_TRUE(old.client);
  EXPECT_EQ(server->reload(), false);
  EXPECT_FALSE(handshake(*server, "new.test").client);

  const auto replace = [&](const Path& path, const std::string& text) {
    ASSERT_TRUE(replace_file(Disk::real(), path, text));
  };
  const KeyPair fresh = authority_.issue({.names = {"new.test"}});
  // Step by step, as an ACME client does: between the steps the old pair stays in use.
  replace(files.certificate, fresh.certificate_pem);
  const auto half = server->reload();
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().kind, ErrorKind::config);
  EXPECT_THAT(half.error().what, HasSubstr(files.key.native()));
  EXPECT_TRUE(handshake(*server, "old.test").client);

  replace(files.key, fresh.key_pem);
  EXPECT_EQ(server->reload(), true);
  EXPECT_TRUE(handshake(*server, "new.test").client);
  EXPECT_FALSE(handshake(*server, "old.test").client);
  EXPECT_TRUE(talk(old.pair));  // who was connected stays

  for (const std::string bad : {"", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    replace(files.certificate, bad);
    EXPECT_FALSE(server->reload());
    EXPECT_TRUE(handshake(*server, "new.test").client);
  }
  ASSERT_TRUE(Disk::real().remove(files.certificate));
  EXPECT_FALSE(server->reload());
  EXPECT_TRUE(handshake(*server, "new.test").client);
  EXPECT_EQ(server->info().names, std::vector<std::string>{"new.test"});
  EXPECT_TRUE(talk(old.pair));

  replace(files.certificate, fresh.certificate_pem);
  EXPECT_EQ(server->reload(), true);
}

// A pair by ACME is one file; the one that is for the server's own name takes the place of the
// named pair as long as it is there.
TEST_F(TlsTest, APairByAcmeIsTheDefaultWhileItIsThere) {
  const CertificateFiles named = issue("named", {.names = {"a.test"}, .ends = 9h});
  const Path acme = folder_.path() / "acme";
  ASSERT_TRUE(make_folders(Disk::real(), acme, 0750));
  const auto put = [&](const std::string& file, const Authority::Wish& wish) {
    const KeyPair pair = authority_.issue(wish);
    ASSERT_TRUE(replace_file(Disk::real(), acme / file,
                             pair.key_pem + pair.certificate_pem + authority_.pem()));
    ASSERT_EQ(::chmod((acme / file).c_str(), 0640), 0);
  };
  const auto server = TlsServer::make({named}, {}, "a.test", {}, acme);
  server->warn_ahead(10h);
  ASSERT_TRUE(server->reload());
  EXPECT_EQ(server->certificates().front().file, named.certificate);

  put("b.test.pem", {.names = {"b.test"}});  // another name's is not the default
  put("note.txt", {.names = {"a.test"}});
  std::filesystem::create_symlink(named.certificate, acme / "link.pem");
  EXPECT_EQ(server->reload(), true);
  EXPECT_EQ(server->certificates().size(), 2U);
  EXPECT_EQ(server->certificates().front().file, named.certificate);
  EXPECT_TRUE(handshake(*server, "b.test").client);

  put("a.test.pem", {.names = {"a.test", "imap.test"}});
  auto next = server->prepare();
  // The named pair ends soon; nobody need know, for it is only a spare.
  EXPECT_TRUE(next.findings.empty()) << next.findings.front().text();
  (void)server->commit(std::move(next));
  EXPECT_EQ(server->certificates().front().file, acme / "a.test.pem");
  EXPECT_EQ(server->certificates().size(), 2U);
  EXPECT_TRUE(handshake(*server, "imap.test").client);

  ASSERT_TRUE(replace_file(Disk::real(), acme / "a.test.pem", "half"));
  EXPECT_FALSE(server->reload());
  EXPECT_TRUE(handshake(*server, "imap.test").client) << "what was loaded stays";

  ASSERT_TRUE(Disk::real().remove(named.certificate));
  put("a.test.pem", {.names = {"a.test", "pop.test"}});
  EXPECT_EQ(server->reload(), true) << "the spare is not missed";
  EXPECT_TRUE(handshake(*server, "pop.test").client);

  ASSERT_TRUE(Disk::real().remove(acme / "a.test.pem"));
  EXPECT_FALSE(server->reload());
  EXPECT_FALSE(handshake(*server, "pop.test").client) << "what is gone is not shown any more";
}

// What passes by itself needs no new file to be tried again.
TEST_F(TlsTest, WhatCouldNotBeReadIsTriedAgain) {
  const CertificateFiles files = issue("live", {.names = {"old.test"}});
  const auto server = *TlsServer::load({files});
  const KeyPair fresh = authority_.issue({.names = {"new.test"}});
  ASSERT_TRUE(replace_file(Disk::real(), files.certificate, fresh.certificate_pem));
  ASSERT_TRUE(replace_file(Disk::real(), files.key, fresh.key_pem));
  {
    const test::NoMoreFiles full;
    EXPECT_FALSE(server->reload());
    EXPECT_FALSE(server->reload());
  }
  EXPECT_EQ(server->info().names, std::vector<std::string>{"old.test"});
  loop_.until([&] { return server->reload().value_or(false); });
  EXPECT_EQ(server->info().names, std::vector<std::string>{"new.test"});
  EXPECT_EQ(server->reload(), false);
}

TEST_F(TlsTest, AKeyThatEverybodyCanReadIsRefused) {
  const CertificateFiles files = issue("live", {.names = {"old.test"}});
  const auto server = *TlsServer::load({files});
  const KeyPair fresh = authority_.issue({.names = {"new.test"}});
  ASSERT_TRUE(replace_file(Disk::real(), files.certificate, fresh.certificate_pem));
  ASSERT_TRUE(replace_file(Disk::real(), files.key, fresh.key_pem, 0644));
  const auto refused = server->reload();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::config);
  EXPECT_THAT(refused.error().what, HasSubstr("can read this key; chmod o-r "));
  EXPECT_FALSE(server->reload());
  EXPECT_EQ(server->info().names, std::vector<std::string>{"old.test"});
  EXPECT_FALSE(TlsServer::load({files}));
  std::filesystem::permissions(files.key, std::filesystem::perms(0640));
  EXPECT_EQ(server->reload(), true);
  EXPECT_EQ(server->info().names, std::vector<std::string>{"new.test"});
}

TEST_F(TlsTest, PairsThatDoNotLoad) {
  const CertificateFiles a = issue("a", {.names = {"a.test"}});
  const CertificateFiles b = issue("b", {.names = {"b.test"}});
  for (const CertificateFiles& bad :
       {CertificateFiles{a.certificate, b.key}, CertificateFiles{a.key, a.key},
        CertificateFiles{a.certificate, a.certificate}, CertificateFiles{"/none", a.key},
        CertificateFiles{a.certificate, "/none"}}) {
    const auto loaded = TlsServer::load({bad});
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().kind, ErrorKind::config);
    EXPECT_FALSE(TlsServer::load({a, bad}));
  }
  EXPECT_FALSE(TlsClient::make(TlsClient::Verify::required, "/none"));
}

// CVE-2011-0411 and its like: what a stranger put before the handshake is never read as if it had
// come through it.
TEST_F(TlsTest, TheTrustAnchorIsTheEndOfTheChain) {
  const CertificateFiles leaf = issue("leaf", {.names = {"a.test"}});
  const std::string leaf_pem = *read_file(leaf.certificate).value();
  const std::string key_pem = *read_file(leaf.key).value();
  const auto alone = read_trust_anchor(leaf.certificate);
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->is_self_issued);
  // A key in the same file, as some programs want it, never comes along.
  const auto chain = read_trust_anchor(
      folder_.write("chain.pem", key_pem + leaf_pem + authority_.pem() + key_pem));
  ASSERT_TRUE(chain);
  EXPECT_TRUE(chain->is_self_issued);
  EXPECT_EQ(chain->pem, authority_.pem());
  EXPECT_EQ(chain->sha256.size(), 95U);
  EXPECT_NE(chain->sha256, alone->sha256);
  for (const Path& bad : {leaf.key, folder_.write("junk.pem", "junk"), Path("/nowhere.pem")})
    EXPECT_FALSE(read_trust_anchor(bad)) << bad;
}

TEST_F(TlsTest, EarlyBytesSpoilTheHandshake) {
  const auto server = *TlsServer::load({issue("a", {.names = {"a.test"}})});
  for (const std::string early : {"NOOP\r\n", "\x16\x03", "\x16\x03\x01\xFF\xFF", "X"}) {
    StreamPair pair = make_pair(loop_);
    std::optional<Result<>> at_server, at_client;
    ASSERT_TRUE(loop_.run(pair.b->write(early, soon(1s))));
    start(loop_, pair.a->start_tls(*server, soon(150ms)), at_server);
    start(loop_, pair.b->start_tls(*client_, name_, soon(150ms)), at_client);
    loop_.until([&] { return at_server && at_client; });
    EXPECT_FALSE(*at_server);
    EXPECT_FALSE(*at_client);
    EXPECT_EQ(pair.a->tls(), nullptr);
    EXPECT_FALSE(loop_.run(read_once(*pair.a, 100, soon(50ms))));
  }
  // The server's early bytes, at the client.
  StreamPair pair = make_pair(loop_);
  std::optional<Result<>> at_server, at_client;
  ASSERT_TRUE(loop_.run(pair.a->write("250 AUTH PLAIN\r\n", soon(1s))));
  start(loop_, pair.a->start_tls(*server, soon(150ms)), at_server);
  start(loop_, pair.b->start_tls(*client_, name_, soon(150ms)), at_client);
  loop_.until([&] { return at_server && at_client; });
  EXPECT_FALSE(*at_client);
  EXPECT_EQ(pair.b->tls(), nullptr);
  // What was read before is known, so that the session can end.
  InBuffer buffer;
  StreamPair other = make_pair(loop_);
  ASSERT_TRUE(loop_.run(other.b->write("STARTTLS\r\nNOOP\r\n", soon(1s))));
  ASSERT_TRUE(loop_.run(buffer.fill(*other.a, soon(1s))));
  EXPECT_EQ(buffer.take_line(), "STARTTLS");
  EXPECT_EQ(buffer.discard(), 6U);
  EXPECT_TRUE(buffer.empty());
}

TEST_F(TlsTest, PeersThatDoNotSpeakIt) {
  const auto server = *TlsServer::load({issue("a", {.names = {"a.test"}})});
  const std::string peers[] = {"GET / HTTP/1.1\r\n\r\n", std::string(20'000, '\0'),
                               std::string(20'000, '\xFF'),
                               "\x16\x03\x01\x40\x01" + std::string(20'000, 'x'),
                               std::string("\x15\x03\x03\x00\x02\x02\x28", 7)};
  for (const std::string& bytes : peers) {
    StreamPair pair = make_pair(loop_);
    ASSERT_TRUE(loop_.run(pair.b->write(bytes, soon(1s))));
    const SteadyTime begin = soon(0ms);
    const auto done = loop_.run(pair.a->start_tls(*server, soon(5s)));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::protocol) << done.error().what;
    EXPECT_LT(soon(0ms) - begin, 3s);
    StreamPair gone = make_pair(loop_);
    ASSERT_TRUE(loop_.run(gone.b->write(bytes.substr(0, 3), soon(1s))));
    gone.b.reset();
    EXPECT_FALSE(loop_.run(gone.a->start_tls(*server, soon(5s))));
  }
}

// An end without close_notify is an end; half a record never becomes data.
TEST_F(TlsTest, CutInTheMiddle) {
  const auto server = *TlsServer::load({issue("a", {.names = {"a.test"}})});
  Joined joined = handshake(*server, "a.test");
  ASSERT_TRUE(joined.client);
  ASSERT_TRUE(loop_.run(joined.pair.b->write("last words", soon(1s))));
  joined.pair.b.reset();
  EXPECT_EQ(loop_.run(read_once(*joined.pair.a, 100, soon(1s))).value(), "last words");
  const auto end = loop_.run(read_once(*joined.pair.a, 100, soon(1s)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::closed) << end.error().what;
  EXPECT_FALSE(loop_.run(joined.pair.a->write("x", soon(1s))));

  Joined waiting = handshake(*server, "a.test");
  const auto late = loop_.run(read_once(*waiting.pair.a, 10, soon(50ms)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_TRUE(talk(waiting.pair));
}

// What OpenSSL has decrypted already counts as readable.
TEST_F(TlsTest, ReadableIsWhatIsDecrypted) {
  const auto server = *TlsServer::load({issue("a", {.names = {"a.test"}})});
  Joined joined = handshake(*server, "a.test");
  ASSERT_TRUE(loop_.run(joined.pair.b->write("abcdef", soon(1s))));
  EXPECT_EQ(loop_.run(read_once(*joined.pair.a, 2, soon(1s))).value(), "ab");
  EXPECT_TRUE(loop_.run(joined.pair.a->wait_readable(soon(500ms))));
  EXPECT_EQ(loop_.run(read_once(*joined.pair.a, 10, soon(1s))).value(), "cdef");
  EXPECT_FALSE(loop_.run(joined.pair.a->wait_readable(soon(20ms))));
}

}  // namespace
}  // namespace posthorn::net
