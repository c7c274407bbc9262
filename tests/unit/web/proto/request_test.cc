#include "web/proto/request.h"

#include <gtest/gtest.h>

namespace posthorn::web {
namespace {

// The whole text as it would come in pieces of every size; all must agree.
std::expected<std::optional<Request>, int> read(const std::string& text) {
  HeadReader whole;
  const auto expected = whole.read(text);
  for (std::size_t piece = 1; piece < 8; ++piece) {
    HeadReader reader;
    std::expected<std::optional<Request>, int> got;
    for (std::size_t at = piece; true; at += piece) {
      got = reader.read(std::string_view(text).substr(0, at));
      if (!got || *got || at >= text.size()) break;
    }
    EXPECT_EQ(got.has_value(), expected.has_value()) << text;
    if (got && expected) {
      EXPECT_EQ(got->has_value(), expected->has_value()) << text;
    }
    if (!got && !expected) {
      EXPECT_EQ(got.error(), expected.error()) << text;
    }
  }
  return expected;
}

int status_of(const std::string& text) {
  const auto got = read(text);
  return !got ? got.error() : *got ? 0 : -1;
}

std::string get(const std::string& target, const std::string& fields = "Host: x\r\n") {
  return "GET " + target + " HTTP/1.1\r\n" + fields + "\r\n";
}

TEST(HttpRequest, ReadsAPlainOne) {
  const auto got = read(
      "POST /a%20b?x=1&y HTTP/1.1\r\nHost: mx.example.org:8080\r\n"
      "content-length:  5 \r\n\r\nhello");
  ASSERT_TRUE(got && *got);
  const Request& request = **got;
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/a b");
  EXPECT_EQ(request.query, "x=1&y");
  EXPECT_EQ(request.host, "mx.example.org:8080");
  EXPECT_EQ(request.body_size, 5U);
  EXPECT_TRUE(request.is_kept_alive);
}

TEST(HttpRequest, TellsWhatIsToBeConsumed) {
  HeadReader reader;
  const std::string text = "\r\n" + get("/");
  ASSERT_TRUE(reader.read(text + "GET /next").value());
  EXPECT_EQ(reader.size(), text.size());
}

TEST(HttpRequest, KeepsAliveAsTheVersionSays) {
  const auto alive = [](const std::string& text) { return (**read(text)).is_kept_alive; };
  EXPECT_TRUE(alive("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(alive("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n"));
  EXPECT_FALSE(alive("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(HttpRequest, AnAbsoluteTargetBringsItsHost) {
  const auto got = read(get("http://other.example/x?y", "Host: y\r\n"));
  ASSERT_TRUE(got && *got);
  EXPECT_EQ((**got).host, "other.example");
  EXPECT_EQ((**got).path, "/x");
  EXPECT_EQ((**read(get("http://other.example"))).path, "/");
  EXPECT_EQ(status_of(get("http:///x")), 400);
  EXPECT_EQ(status_of(get("http://a@b/x")), 400);
}

TEST(HttpRequest, HostGames) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);  // RFC 9112 section 3.2
  EXPECT_EQ(status_of(get("/", "Host: a\r\nHost: a\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: <script>\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: a b\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: a:x\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: a:123456\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: [::1\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: [::1]:80\r\n")), 0);
  EXPECT_EQ(status_of(get("/", "Host:\r\n")), 0);  // allowed, empty
  EXPECT_EQ(status_of(get("/", "Host: " + std::string(301, 'a') + "\r\n")), 400);
}

TEST(HttpRequest, NothingThatTwoReadersSeeDifferently) {
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: +1\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: 1, 1\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length:\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nTransfer-Encoding: chunked\r\n")), 501);
  EXPECT_EQ(status_of(get("/", "Host: x\r\n folded\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host : x\r\n")), 400);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nA: b\rc\r\n")), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: x\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: x"), 400);  // does not wait for more
  EXPECT_EQ(status_of(get("/", std::string("Host: x\r\nA: b\0c\r\n", 17))), 400);
}

TEST(HttpRequest, RequestLines) {
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.12\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(status_of("G(T / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(status_of(get("x")), 400);
  EXPECT_EQ(status_of(get("/%zz")), 400);
  EXPECT_EQ(status_of(get("/%00")), 400);
  EXPECT_EQ(status_of(get("/%0d%0aX")), 400);
  EXPECT_EQ(status_of("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(HttpRequest, Bounds) {
  EXPECT_EQ(status_of(get("/" + std::string(kTargetMax - 1, 'a'))), 0);
  EXPECT_EQ(status_of(get("/" + std::string(kTargetMax, 'a'))), 414);
  EXPECT_EQ(status_of("GET /" + std::string(2 * kTargetMax, 'a')), 414);  // without an end
  std::string many = "Host: x\r\n";
  for (std::size_t i = 1; i < kFieldsMax; ++i) many += "A: b\r\n";
  EXPECT_EQ(status_of(get("/", many)), 0);
  EXPECT_EQ(status_of(get("/", many + "A: b\r\n")), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nA: " + std::string(kHeadMax, 'a')), 431);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: 16384\r\n")), 0);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: 16385\r\n")), 413);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nContent-Length: 99999999999999999999\r\n")), 413);
  EXPECT_EQ(status_of("GET / HT"), -1);
}

TEST(HttpRequest, Expectations) {
  EXPECT_TRUE((**read(get("/", "Host: x\r\nExpect: 100-Continue\r\n"))).expects_continue);
  EXPECT_EQ(status_of(get("/", "Host: x\r\nExpect: a miracle\r\n")), 417);
}

TEST(HttpRequest, WhoWantsHtmlSaysSo) {
  EXPECT_EQ((**read(get("/", "Host: x\r\nAccept: a/b\r\nAccept: c/d\r\n"))).accept, "a/b,c/d");
  for (const char* accept :
       {"text/html", "TEXT/HTML;q=0.5", "application/json, text/html ; level=1",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html;q=1"})
    EXPECT_TRUE(wants_html(accept)) << accept;
  for (const char* accept : {"", "*/*", "application/json", "text/*", "text/html;q=0",
                             "text/html;q=0.0", "text/htmlx", ",;q="})
    EXPECT_FALSE(wants_html(accept)) << accept;
}

TEST(HttpRequest, Parameters) {
  EXPECT_EQ(find_parameter("a=1&b=x%40y+z&b=2", "b"), "x@y z");
  EXPECT_EQ(find_parameter("a", "a"), "");
  EXPECT_EQ(find_parameter("ab=1", "a"), std::nullopt);
  EXPECT_EQ(find_parameter("a=%0a", "a"), std::nullopt);
  EXPECT_EQ(find_parameter("", "a"), std::nullopt);
}

}  // namespace
}  // namespace posthorn::web
