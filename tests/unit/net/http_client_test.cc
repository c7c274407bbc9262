// HTTP by libcurl on our loop, against servers of plain sockets: what it sends, what it takes, and
// what it never does: believe another's certificate, follow a redirect, wait or read for ever.
#include "net/http_client.h"

#include <fmt/format.h>

#include "tests/support/certificates.h"
#include "tests/support/fake_dns.h"
#include "tests/support/fake_server.h"
#include "tests/support/test_loop.h"

namespace posthorn::net {
namespace {

using test::Authority;
using test::ClosedPort;
using test::FakeServer;
using test::SilentPort;
using test::TempFolder;
using test::TestLoop;
using test::Wire;

// The head of a request and its body, as it came; empty: the peer went.
struct Heard {
  std::string head, body;
};
Heard hear(Wire& wire) {
  Heard heard;
  std::size_t length = 0;
  while (const auto line = wire.line()) {
    if (*line == "\r\n") {
      if (length != 0) heard.body = wire.bytes(length);
      return heard;
    }
    if (line->starts_with("Content-Length: ")) length = std::stoul(line->substr(16));
    heard.head += *line;
  }
  return {};
}

void answer(Wire& wire, std::string_view status, std::string_view body) {
  wire.say(
      fmt::format("HTTP/1.1 {}\r\nReplay-Nonce: n1\r\nLINK: <a>;rel=\"x\"\r\nlink: <b>\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  status, body.size(), body));
}

class HttpClientTest : public testing::Test {
 protected:
  HttpClient::Settings plain() const {
    return {.schemes = HttpSchemes::plain_too, .user_agent = "posthorn/test", .timeout = 20s};
  }
  std::string url(const FakeServer& server, std::string_view scheme = "http") const {
    return fmt::format("{}://127.0.0.1:{}/dir", scheme, server.port());
  }
  TestLoop loop_;
};

TEST_F(HttpClientTest, AsksAndIsAnsweredAndUsesTheConnectionAgain) {
  std::vector<Heard> heard;
  FakeServer server([&](Wire& wire, std::size_t) {
    while (true) {
      heard.push_back(hear(wire));
      if (heard.back().head.empty()) return;
      answer(wire, heard.size() == 1 ? "200 OK" : "429 Slow", "{}");
    }
  });
  {
    HttpClient client(loop_.scope(), nullptr, plain());
    const auto first = loop_.run(client.ask({.url = url(server)}));
    ASSERT_TRUE(first) << first.error().what;
    EXPECT_EQ(first->status, 200);
    EXPECT_EQ(first->body, "{}");
    EXPECT_EQ(*first->find("replay-nonce"), "n1");
    EXPECT_EQ(first->all("link").size(), 2U);
    EXPECT_EQ(first->find("retry-after"), nullptr);
    // A status that says no is an answer, too.
    const auto second = loop_.run(client.ask({.method = HttpMethod::post,
                                              .url = url(server),
                                              .fields = {"Content-Type: application/jose+json"},
                                              .body = "{\"a\":1}"}));
    ASSERT_TRUE(second) << second.error().what;
    EXPECT_EQ(second->status, 429);
    EXPECT_EQ(server.connections(), 1U);
  }
  server.stop();
  EXPECT_TRUE(heard[0].head.starts_with("GET /dir HTTP/1.1\r\n"));
  EXPECT_NE(heard[0].head.find("User-Agent: posthorn/test\r\n"), std::string::npos);
  EXPECT_TRUE(heard[1].head.starts_with("POST /dir HTTP/1.1\r\n"));
  EXPECT_NE(heard[1].head.find("Content-Type: application/jose+json\r\n"), std::string::npos);
  EXPECT_EQ(heard[1].head.find("Expect"), std::string::npos);
  EXPECT_EQ(heard[1].body, "{\"a\":1}");
}

TEST_F(HttpClientTest, AHeadHasNoBody) {
  FakeServer server([&](Wire& wire, std::size_t) {
    if (!hear(wire).head.starts_with("HEAD /")) return;
    wire.say("HTTP/1.1 100 Continue\r\nOld: 1\r\n\r\nHTTP/1.1 204 No\r\nReplay-Nonce: q\r\n\r\n");
    wire.stall();
  });
  HttpClient client(loop_.scope(), nullptr, plain());
  const auto got = loop_.run(client.ask({.method = HttpMethod::head, .url = url(server)}));
  ASSERT_TRUE(got) << got.error().what;
  EXPECT_EQ(got->status, 204);
  EXPECT_EQ(*got->find("replay-nonce"), "q");
  EXPECT_EQ(got->find("old"), nullptr);
}

TEST_F(HttpClientTest, BelievesOnlyItsAuthorityAndOnlyForTheName) {
  const Authority good, other;
  const TempFolder folder;
  const auto server_of = [&](const Authority& authority, const std::string& name,
                             const Authority::Wish& wish) {
    return TlsServer::load({authority.issue(folder, name, wish)}).value();
  };
  const auto own = server_of(good, "own", {.addresses = {"127.0.0.1"}});
  const auto foreign = server_of(other, "foreign", {.addresses = {"127.0.0.1"}});
  const auto misnamed = server_of(good, "misnamed", {.names = {"mx.example.org"}});
  const auto old =
      server_of(good, "old", {.addresses = {"127.0.0.1"}, .begins = -7200s, .ends = -3600s});
  const TlsServer* tls = own.get();
  FakeServer server([&](Wire& wire, std::size_t) {
    if (!wire.start_tls(*tls)) return;
    if (!hear(wire).head.empty()) answer(wire, "200 OK", "yes");
  });
  const auto ask = [&] {
    HttpClient client(loop_.scope(), nullptr,
                      {.authority = folder.write("ca.pem", good.pem()), .timeout = 20s});
    return loop_.run(client.ask({.url = url(server, "https")}));
  };
  const auto taken = ask();
  ASSERT_TRUE(taken) << taken.error().what;
  EXPECT_EQ(taken->body, "yes");
  for (const auto* wrong : {foreign.get(), misnamed.get(), old.get()}) {
    tls = wrong;
    const auto refused = ask();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("SSL"), std::string::npos) << refused.error().what;
  }
  tls = own.get();
  HttpClient client(loop_.scope(), nullptr, {.timeout = 20s});  // whom the system trusts
  EXPECT_FALSE(loop_.run(client.ask({.url = url(server, "https")})));
}

TEST_F(HttpClientTest, FollowsNoRedirectAndSpeaksNoOtherScheme) {
  FakeServer server([&](Wire& wire, std::size_t) {
    if (!hear(wire).head.empty())
      wire.say("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
  });
  HttpClient client(loop_.scope(), nullptr, plain());
  const auto got = loop_.run(client.ask({.url = url(server)}));
  ASSERT_TRUE(got) << got.error().what;
  EXPECT_EQ(got->status, 302);
  EXPECT_TRUE(got->body.empty());
  HttpClient strict(loop_.scope(), nullptr, {.timeout = 20s});
  for (const std::string& other : {url(server), std::string("file:///etc/passwd"),
                                   std::string("gopher://127.0.0.1/"), std::string("not a URL")})
    EXPECT_FALSE(loop_.run(strict.ask({.url = other}))) << other;
}

TEST_F(HttpClientTest, IsBoundedInSizeAndTime) {
  FakeServer flood([&](Wire& wire, std::size_t) {
    if (hear(wire).head.empty()) return;
    wire.say("HTTP/1.1 200 OK\r\n\r\n");
    while (wire.say(std::string(10'000, 'x'))) {
    }
  });
  FakeServer many([&](Wire& wire, std::size_t) {
    if (hear(wire).head.empty()) return;
    wire.say("HTTP/1.1 200 OK\r\n");
    while (wire.say(fmt::format("X: {}\r\n", std::string(5000, 'x')))) {
    }
  });
  FakeServer mute([&](Wire& wire, std::size_t) { wire.stall(); });
  auto settings = plain();
  settings.body_max = 50'000;
  {
    HttpClient client(loop_.scope(), nullptr, settings);
    EXPECT_FALSE(loop_.run(client.ask({.url = url(flood)})));
    EXPECT_FALSE(loop_.run(client.ask({.url = url(many)})));
  }
  settings.timeout = 50ms;
  HttpClient client(loop_.scope(), nullptr, settings);
  const auto late = loop_.run(client.ask({.url = url(mute)}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  const SilentPort silent;
  EXPECT_FALSE(loop_.run(client.ask({.url = fmt::format("http://127.0.0.1:{}/", silent.port())})));
}

TEST_F(HttpClientTest, SaysWhomItCouldNotReach) {
  const ClosedPort closed;
  HttpClient client(loop_.scope(), nullptr, plain());
  const std::string where = fmt::format("http://127.0.0.1:{}/", closed.port());
  const auto refused = loop_.run(client.ask({.url = where}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::temporary);
  EXPECT_TRUE(refused.error().what.starts_with(where)) << refused.error().what;
}

TEST_F(HttpClientTest, ANameIsLookedUpByOurResolver) {
  test::FakeDns dns;
  dns.a("directory.example.net", "127.0.0.1");
  FakeServer server([&](Wire& wire, std::size_t) {
    const Heard heard = hear(wire);
    if (!heard.head.empty()) answer(wire, "200 OK", heard.head);
  });
  const auto resolver =
      Resolver::make(loop_.executor(), {.servers = dns.server(), .try_timeout = 1s}).value();
  HttpClient client(loop_.scope(), resolver.get(), plain());
  const auto got = loop_.run(
      client.ask({.url = fmt::format("http://directory.example.net:{}/dir", server.port())}));
  ASSERT_TRUE(got) << got.error().what;
  EXPECT_NE(got->body.find("Host: directory.example.net:"), std::string::npos);
  const auto none = loop_.run(client.ask({.url = "http://nowhere.example.net/"}));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().what.find("nowhere.example.net"), std::string::npos);
}

TEST_F(HttpClientTest, StopEndsWhatIsUnderWay) {
  std::atomic<bool> is_asked = false;
  FakeServer mute([&](Wire& wire, std::size_t) {
    if (!hear(wire).head.empty()) is_asked = true;
    wire.stall();
  });
  HttpClient client(loop_.scope(), nullptr, plain());
  std::optional<Result<HttpAnswer>> got;
  loop_.scope().spawn([](HttpClient& c, std::string to,
                         std::optional<Result<HttpAnswer>>& into) -> Awaitable<void> {
    into.emplace(co_await c.ask({.url = std::move(to)}));
  }(client, url(mute), got));
  loop_.until([&] { return is_asked.load(); });
  client.stop();
  loop_.until([&] { return got.has_value(); });
  ASSERT_FALSE(*got);
  EXPECT_EQ(got->error().kind, ErrorKind::closed);
  EXPECT_FALSE(loop_.run(client.ask({.url = url(mute)})));  // and nothing begins any more
}

TEST(HttpFieldsTest, AreTakenAsTheyStand) {
  HttpAnswer answer;
  for (const std::string_view line : {"HTTP/1.1 200 OK", "Retry-After:  120 \r\n", "X-Empty:\r\n",
                                      "no colon", ": no name", "\r\n"})
    take_field(line, answer);
  ASSERT_EQ(answer.fields.size(), 2U);
  EXPECT_EQ(*answer.find("retry-after"), "120");
  EXPECT_EQ(*answer.find("x-empty"), "");
}

}  // namespace
}  // namespace posthorn::net
