#include "web/proto/text.h"

#include <gtest/gtest.h>

#include "web/proto/response.h"

namespace posthorn::web {
namespace {

TEST(Markup, IsEscaped) {
  EXPECT_EQ(escape_markup("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  EXPECT_EQ(escape_markup("Grüße ✉"), "Grüße ✉");
  EXPECT_EQ(escape_markup("a\x01"
                          "b\xC3"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(escape_markup("\xEF\xBF\xBF"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(PlainAddress, IsWhatItShouldBe) {
  EXPECT_TRUE(is_plain_address("alice+tag@mail.example.org"));
  for (const char* bad : {"", "alice", "@example.org", "a@", "a@b@c", "a b@c", "<a@b>", "a@b..c",
                          "a@.b", "a\"@b", "a@b/c", "a@b\n", "ä@b", "a@b<script>"})
    EXPECT_FALSE(is_plain_address(bad)) << bad;
  EXPECT_FALSE(is_plain_address(std::string(65, 'a') + "@b"));
  EXPECT_FALSE(is_plain_address("a@" + std::string(253, 'b')));
}

std::string request(const std::string& inner) {
  return "<?xml version=\"1.0\"?><Autodiscover xmlns=\"x\"><Request>" + inner +
         "<AcceptableResponseSchema>y</AcceptableResponseSchema></Request></Autodiscover>";
}

TEST(Autodiscover, FindsTheAddress) {
  EXPECT_EQ(find_autodiscover_address(request("<EMailAddress> a&amp;b@c </EMailAddress>")),
            "a&b@c");
}

TEST(Autodiscover, ExpandsNothing) {
  const std::string good = "<EMailAddress>a@b</EMailAddress>";
  ASSERT_TRUE(find_autodiscover_address(request(good)));
  EXPECT_FALSE(find_autodiscover_address("<!DOCTYPE x [<!ENTITY e \"a@b\">]>" + request(good)));
  EXPECT_FALSE(find_autodiscover_address(request("<EMailAddress>&e;</EMailAddress>")));
  EXPECT_FALSE(find_autodiscover_address(request("<EMailAddress>a&#64;b</EMailAddress>")));
  EXPECT_FALSE(find_autodiscover_address(request("<!-- " + good + " -->")));
  EXPECT_FALSE(find_autodiscover_address(request("<EMailAddress><![CDATA[a@b]]></EMailAddress>")));
  EXPECT_FALSE(find_autodiscover_address(request(good + good)));
  EXPECT_FALSE(find_autodiscover_address(request("<EMailAddress>a@b")));
  EXPECT_FALSE(find_autodiscover_address(request("<EMailAddress>a@b<x/></EMailAddress>")));
  EXPECT_FALSE(find_autodiscover_address(""));
}

TEST(HttpResponse, OnTheWire) {
  const WallTime time{std::chrono::milliseconds(784'111'777'999)};
  EXPECT_EQ(format_http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110 section 5.6.7
  const Response response{.body = "hello", .fields = {{"Allow", "GET"}}};
  const std::string whole = format_response(response, time, Connection::close, Body::whole);
  EXPECT_TRUE(whole.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
  EXPECT_NE(whole.find("\r\nContent-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(whole.find("\r\nAllow: GET\r\n"), std::string::npos);
  EXPECT_NE(whole.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(whole.ends_with("\r\n\r\nhello"));
  // RFC 9110 section 9.3.2: the same head, its length included, without the body.
  EXPECT_EQ(format_response(response, time, Connection::close, Body::head_only) + "hello", whole);
}

}  // namespace
}  // namespace posthorn::web
