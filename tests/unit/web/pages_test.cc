#include "web/pages.h"

#include <gtest/gtest.h>

#include "tests/support/memory_stream.h"
#include "tests/support/test_loop.h"

namespace posthorn::web {
namespace {

using namespace std::chrono_literals;

struct FakeBackend final : Backend {
  MailSettings mail{
      .hostname = "mx.example.org",
      .domains = {"example.org", "example.net"},
      .services = {{"imap", 993, Security::tls},
                   {"imap", 143, Security::starttls},
                   {"smtp", 465, Security::tls}},
      .authority_pem = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"};
  std::vector<health::Check> lights = {{"spool", "ok", ""}, {"spamd", "ok", ""}};
  std::string text = "# EOF\n";
  std::string operator_address = "192.0.2.7";

  const MailSettings& settings() override { return mail; }
  net::Awaitable<health::Page> health() override {
    health::Page page;
    page.is_running = true;
    page.hostname = mail.hostname;
    page.checks = lights;
    page.relay_faults = faults;
    co_return page;
  }
  std::vector<health::RelayFault> faults;
  net::Awaitable<std::string> metrics() override { co_return text; }
  net::Awaitable<std::optional<std::string>> challenge(const std::string& token) override {
    asked = token;
    co_return token == "there" ? std::optional("there.thumbprint") : std::nullopt;
  }
  std::string asked;
  bool is_operator(const net::Peer& peer) override { return peer.address == operator_address; }
};

class PagesTest : public ::testing::Test {
 protected:
  Response ask(const std::string& method, const std::string& path, const std::string& query = "",
               const std::string& body = "", const std::string& host = "mx.example.org") {
    Request request;
    request.method = method;
    request.path = path;
    request.query = query;
    request.body = body;
    request.host = host;
    net::Peer peer;
    peer.address = "192.0.2.7";
    return loop_.wait(pages_.answer(request, peer));
  }

  Response health_to(const std::string& accept) {
    net::Peer peer;
    peer.address = "192.0.2.7";
    return loop_.wait(pages_.answer({.method = "GET", .path = "/health", .accept = accept}, peer));
  }

  // A whole connection: what the client sends, in pieces, and all that comes back.
  std::string talk(const std::string& bytes, std::size_t piece, ServerSettings settings = {}) {
    auto wire = std::make_shared<test::MemoryWire>(loop_.executor());
    wire->piece = piece;
    wire->send(bytes);
    if (client_leaves_) wire->close();
    const ServerServices services{.scope = loop_.scope(), .site = pages_};
    bool is_over = false;
    loop_.scope().spawn(
        run(std::make_unique<test::MemoryStream>(wire), settings, services, is_over));
    loop_.until([&] { return is_over; });
    return wire->from_server;
  }
  static net::Awaitable<void> run(net::StreamPtr stream, const ServerSettings& settings,
                                  const ServerServices& services, bool& is_over) {
    co_await serve(std::move(stream), settings, services);
    is_over = true;
  }

  bool client_leaves_ = false;  // as soon as it has said all
  test::TestLoop loop_;
  FakeBackend backend_;
  Pages pages_{backend_};
};

TEST_F(PagesTest, TheStartPageShowsTheSettings) {
  const Response page = ask("GET", "/");
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  for (const char* part : {"mx.example.org", "example.net", "993", "465", "STARTTLS", "/ca.crt"})
    EXPECT_NE(page.body.find(part), std::string::npos) << part;
  backend_.mail.domains = {"<script>alert(1)</script>"};
  EXPECT_EQ(ask("GET", "/").body.find("<script"), std::string::npos);
}

// A place that nobody fills, or a value without a place, ends this program (fill_page).
TEST_F(PagesTest, EveryPageIsFilledInEveryForm) {
  const std::vector<Service> services = backend_.mail.services;
  const std::vector<Service> others = {{"pop3", 995, Security::tls}, {"smtp", 25, Security::none}};
  const std::string pem = backend_.mail.authority_pem;
  std::vector<std::string> pages = {autodiscover_error_xml()};
  for (const auto& offered : {services, others, std::vector<Service>()})
    for (const std::size_t domains : {0U, 1U, 2U, 25U})
      for (const Logins logins : {Logins::accounts, Logins::local_part, Logins::one_password}) {
        MailSettings mail = backend_.mail;
        mail.services = offered;
        mail.domains.assign(domains, "<&>.example");
        mail.logins = logins;
        mail.has_plaintext_logins = logins != Logins::accounts;
        mail.authority_pem = domains == 1 ? "" : pem;
        pages.push_back(start_page(mail));
        pages.push_back(autoconfig_xml(mail, "<&>.example"));
        pages.push_back(autodiscover_xml(mail, "<&>@x"));
        pages.push_back(mobileconfig(mail, ""));
        pages.push_back(mobileconfig(mail, "<&>@x"));
      }
  for (const std::string& page : pages) {
    EXPECT_TRUE(page.ends_with(">\n")) << page;
    EXPECT_FALSE(page.contains("{{")) << page;
    EXPECT_FALSE(page.contains("<&>")) << page;
  }
  MailSettings many = backend_.mail;
  many.domains.assign(25, "a.example");
  EXPECT_TRUE(start_page(many).contains("</strong> and 5 more.</p>"));
  many.domains.clear();
  EXPECT_TRUE(start_page(many).contains("The mail server of this site."));
}

TEST_F(PagesTest, AChallengeIsAskedForByItsTokenAlone) {
  const std::string folder = "/.well-known/acme-challenge/";
  const Response there = ask("GET", folder + "there");
  EXPECT_EQ(there.status, 200);
  EXPECT_EQ(there.type, "application/octet-stream");
  EXPECT_EQ(there.body, "there.thumbprint");
  EXPECT_EQ(ask("HEAD", folder + "there").status, 200);
  EXPECT_EQ(ask("GET", folder + "not-there").status, 404);
  EXPECT_EQ(ask("POST", folder + "there").status, 405);
  backend_.asked.clear();
  for (const std::string token :
       {"", "..", "../there", "a/b", ".there", "a%2fb", "a b", "a.b", "\xc3\xbc"})
    EXPECT_EQ(ask("GET", folder + token).status, 404) << token;
  EXPECT_EQ(ask("GET", folder + std::string(201, 'a')).status, 404);
  EXPECT_EQ(backend_.asked, "");  // nothing that could be a path
}

TEST_F(PagesTest, WithoutAnAuthorityNoneIsOffered) {
  EXPECT_EQ(ask("GET", "/ca.crt").body, backend_.mail.authority_pem);
  backend_.mail.authority_pem.clear();
  EXPECT_EQ(ask("GET", "/ca.crt").status, 404);
  EXPECT_EQ(ask("GET", "/").body.find("/ca.crt"), std::string::npos);
}

TEST_F(PagesTest, TheStartPageSaysWhoMayLogIn) {
  const auto page = [&] { return ask("GET", "/").body; };
  EXPECT_TRUE(page().contains("Password: the one of your mail account"));
  EXPECT_FALSE(page().contains("not required"));
  backend_.mail.logins = Logins::local_part;
  backend_.mail.has_plaintext_logins = true;
  EXPECT_TRUE(page().contains("any address of any domain"));
  EXPECT_TRUE(page().contains("the part before the @"));
  EXPECT_TRUE(page().contains("not required"));
  backend_.mail.logins = Logins::one_password;
  EXPECT_TRUE(page().contains("for everybody"));
}

TEST_F(PagesTest, HealthIsRedWhenOneLightIs) {
  EXPECT_EQ(ask("GET", "/health").status, 200);
  backend_.lights[1] = {"spamd", "warning", "slow"};
  EXPECT_EQ(ask("GET", "/health").status, 200);
  EXPECT_NE(ask("GET", "/health").body.find("\"status\": \"warning\""), std::string::npos);
  backend_.lights[1] = {"spamd", "red", "no \"answer\" \xFF"};
  const Response red = ask("GET", "/health");
  EXPECT_EQ(red.status, 503);
  EXPECT_EQ(red.type, "application/json");
  EXPECT_NE(red.body.find("no \\\"answer\\\""), std::string::npos);
}

TEST_F(PagesTest, AStrangerSeesOfHealthOneWord) {
  backend_.operator_address = "192.0.2.8";
  for (const char* accept : {"", "text/html", "application/json"}) {
    backend_.lights[1] = {"spamd", "warning", "slow"};
    const Response good = health_to(accept);
    EXPECT_EQ(good.status, 200);
    EXPECT_EQ(good.body, "ok\n");
    backend_.lights[1] = {"spamd", "red", "no answer"};
    const Response red = health_to(accept);
    EXPECT_EQ(red.status, 503);
    EXPECT_EQ(red.body, "red\n");
  }
}

TEST_F(PagesTest, ABrowserSeesHealthAsAPageThatNoTextCanForge) {
  backend_.lights[1] = {"spamd", "red", "<script>alert(1)</script>"};
  backend_.faults = {{"[r.test]:587", "down", "\"><img src=x>"}};
  const Response page = health_to("text/html,application/xhtml+xml,*/*;q=0.8");
  EXPECT_EQ(page.status, 503);
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("mx.example.org"), std::string::npos);
  EXPECT_NE(page.body.find("&lt;script&gt;"), std::string::npos);
  EXPECT_EQ(page.body.find("<script>"), std::string::npos);
  EXPECT_EQ(page.body.find("<img"), std::string::npos);
  EXPECT_EQ(health_to("*/*").type, "application/json");
}

TEST_F(PagesTest, MetricsAreTheOperators) {
  EXPECT_EQ(ask("GET", "/metrics").body, "# EOF\n");
  backend_.operator_address = "192.0.2.8";
  EXPECT_EQ(ask("GET", "/metrics").status, 403);
}

TEST_F(PagesTest, MethodsAndPaths) {
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  EXPECT_EQ(ask("GET", "//").status, 404);
  EXPECT_EQ(ask("GET", "/../etc/passwd").status, 404);
  EXPECT_EQ(ask("BREW", "/").status, 501);
  EXPECT_EQ(ask("POST", "/").status, 405);
  EXPECT_EQ(ask("GET", "/autodiscover/autodiscover.xml").status, 405);
  EXPECT_EQ(ask("DELETE", "/health").status, 405);
}

TEST_F(PagesTest, AutoconfigIsForOurDomains) {
  const std::string path = "/mail/config-v1.1.xml";
  EXPECT_NE(ask("GET", path, "emailaddress=a%40Example.NET").body.find("<domain>example.net<"),
            std::string::npos);
  EXPECT_EQ(ask("GET", path, "emailaddress=a%40elsewhere.test").status, 404);
  EXPECT_EQ(ask("GET", path, "emailaddress=%3Cx%3E%40example.net").status, 404);
  EXPECT_NE(ask("GET", path, "", "", "autoconfig.example.net:80").body.find("<domain>example.net<"),
            std::string::npos);
  EXPECT_NE(ask("GET", path, "", "", "evil.test").body.find("<domain>example.org<"),
            std::string::npos);
  EXPECT_EQ(ask("GET", path, "", "", "evil.test").body.find("evil"), std::string::npos);
}

TEST_F(PagesTest, ThePolicyIsThereByItsNameAlone) {
  const auto policy = [this](const std::string& host) {
    return ask("GET", "/.well-known/mta-sts.txt", "", "", host);
  };
  EXPECT_EQ(policy("mta-sts.example.org").status, 404);  // there is none
  backend_.mail.policy = "version: STSv1\n";
  backend_.mail.domains.emplace_back("m\xC3\xBCller.example");
  for (const char* host :
       {"mta-sts.example.org", "MTA-STS.Example.net:8443", "mta-sts.xn--mller-kva.example"}) {
    EXPECT_EQ(policy(host).body, "version: STSv1\n") << host;
    EXPECT_TRUE(policy(host).type.starts_with("text/plain")) << host;
  }
  for (const char* host : {"example.org", "mx.example.org", "mta-sts.other.test", "mta-sts.", ""})
    EXPECT_EQ(policy(host).status, 404) << host;
  EXPECT_EQ(ask("POST", "/.well-known/mta-sts.txt").status, 405);
}

TEST_F(PagesTest, AutodiscoverIsForOurDomains) {
  const auto xml = [](const std::string& address) {
    return "<Autodiscover><Request><EMailAddress>" + address +
           "</EMailAddress></Request></Autodiscover>";
  };
  const std::string path = "/Autodiscover/Autodiscover.xml";
  const Response good = ask("POST", path, "", xml("alice@example.org"));
  EXPECT_NE(good.body.find("<LoginName>alice@example.org<"), std::string::npos);
  EXPECT_NE(good.body.find("<Port>993<"), std::string::npos);
  for (const std::string& bad : {xml("alice@elsewhere.test"), std::string("junk"), std::string()})
    EXPECT_NE(ask("POST", path, "", bad).body.find("<ErrorCode>600<"), std::string::npos);
}

TEST_F(PagesTest, TheProfileHoldsAccountAndAuthority) {
  const Response one = ask("GET", "/posthorn.mobileconfig", "email=alice%40example.org");
  for (const char* part : {"<string>alice@example.org</string>", "<integer>993</integer>", "QUJD",
                           "com.apple.security.root", "EmailTypeIMAP"})
    EXPECT_NE(one.body.find(part), std::string::npos) << part;
  // Installed again it replaces itself; another address is another account.
  EXPECT_EQ(ask("GET", "/posthorn.mobileconfig", "email=alice%40example.org").body, one.body);
  EXPECT_EQ(ask("GET", "/posthorn.mobileconfig", "email=x%40elsewhere.test").status, 404);
  EXPECT_EQ(ask("GET", "/posthorn.mobileconfig").status, 200);
}

TEST_F(PagesTest, AConnectionServesSeveralRequestsInAnyPieces) {
  const std::string bytes =
      "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\njunk"
      "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n";
  client_leaves_ = true;
  std::string first;
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U, 10'000U}) {
    std::string answer = talk(bytes, piece);
    for (std::size_t at = 0; (at = answer.find("Date: ", at)) != std::string::npos;)
      answer.erase(at, 37);
    if (first.empty()) first = answer;
    EXPECT_EQ(answer, first) << piece;
  }
  const auto at = [&](const char* text) { return first.find(text); };
  EXPECT_LT(at("HTTP/1.1 200"), at("HTTP/1.1 404"));
  EXPECT_LT(at("HTTP/1.1 404"), at("ErrorCode"));
  EXPECT_LT(at("ErrorCode"), at("Connection: close"));
  EXPECT_TRUE(first.ends_with("# EOF\n"));
  EXPECT_EQ(at("<html"), std::string::npos);  // HEAD has no body
}

TEST_F(PagesTest, ASlowRequestEnds) {
  const std::string answer = talk("GET / HTTP/1.1\r\nHo", 1000, {.request_timeout = 50ms});
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  const std::string body = talk("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", 1000,
                                {.request_timeout = 50ms});
  EXPECT_TRUE(body.starts_with("HTTP/1.1 408 ")) << body;
  EXPECT_EQ(talk("", 1000, {.idle_timeout = 50ms}), "");
}

TEST_F(PagesTest, AConnectionHasABound) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string answer = talk(bytes, 1000, {.requests_max = 3});
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answer.find("HTTP/1.1 404", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 3U);
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST_F(PagesTest, ExpectContinueIsAnswered) {
  // The body is not there yet when the head is read.
  const std::string answer = talk(
      "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
      "Expect: 100-continue\r\nConnection: close\r\n\r\njunk",
      1);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << answer;
}

}  // namespace
}  // namespace posthorn::web
