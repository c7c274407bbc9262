// What a directory says, read into values; what it refuses, as a sentence and a remedy.
#include "acme/protocol.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace posthorn::acme {
namespace {

using nlohmann::json;

TEST(DirectoryTest, IsReadAndWantsItsThreeUrls) {
  json all = {{"newNonce", "https://ca/n"},
              {"newAccount", "https://ca/a"},
              {"newOrder", "https://ca/o"},
              {"revokeCert", "https://ca/r"},
              {"renewalInfo", "https://ca/i"},
              {"meta", {{"termsOfService", "https://ca/t"}, {"externalAccountRequired", true}}}};
  const auto read = read_directory(all.dump());
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->new_order, "https://ca/o");
  EXPECT_EQ(read->renewal_info, "https://ca/i");
  EXPECT_EQ(read->terms, "https://ca/t");
  EXPECT_TRUE(read->needs_binding);
  for (const char* needed : {"newNonce", "newAccount", "newOrder"}) {
    json less = all;
    less.erase(needed);
    EXPECT_FALSE(read_directory(less.dump())) << needed;
    for (const json& wrong : {json("http://ca/x"), json(7), json("https://ca/ x"),
                              json("https://" + std::string(3000, 'x')), json("file:///etc/x")}) {
      less[needed] = wrong;
      EXPECT_FALSE(read_directory(less.dump())) << wrong;
    }
  }
  for (const char* wrong : {"", "[]", "{", "null", "<html>"}) EXPECT_FALSE(read_directory(wrong));
}

TEST(DirectoryTest, ShortNamesStandForUrls) {
  EXPECT_TRUE(directory_url("letsencrypt").starts_with("https://acme-v02."));
  EXPECT_TRUE(directory_url("letsencrypt-staging").starts_with("https://acme-staging-v02."));
  EXPECT_EQ(directory_url("https://ca/dir"), "https://ca/dir");
}

TEST(OrderTest, IsReadWithItsError) {
  json order = {{"status", "invalid"},
                {"finalize", "https://ca/f"},
                {"authorizations", {"https://ca/z1", "https://ca/z2"}},
                {"error", {{"type", "urn:ietf:params:acme:error:caa"}, {"detail", "no"}}}};
  const auto read = read_order(order.dump());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, Status::invalid);
  EXPECT_EQ(read->authorizations.size(), 2U);
  EXPECT_EQ(read->error->type, "caa");
  EXPECT_TRUE(read->certificate.empty());
  for (const json& wrong : {json::array(), json({1}), json({"http://ca/z"}), json("x"), json()}) {
    order["authorizations"] = wrong;
    EXPECT_FALSE(read_order(order.dump())) << wrong;
  }
}

TEST(AuthorizationTest, OnlyChallengesThatCanBeAnsweredAreTaken) {
  const json all = {
      {"status", "pending"},
      {"identifier", {{"type", "dns"}, {"value", "MX.Example.org"}}},
      {"challenges",
       {{{"type", "http-01"}, {"url", "https://ca/c"}, {"token", "abc_-9"}},
        {{"type", "tls-alpn-01"}, {"url", "https://ca/c"}, {"token", "../../etc/passwd"}},
        {{"type", "dns-01"}, {"url", "https://ca/c"}, {"token", ""}},
        {{"type", "x"}, {"url", "http://ca/c"}, {"token", "t"}},
        7}}};
  const auto read = read_authorization(all.dump());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "mx.example.org");
  ASSERT_EQ(read->challenges.size(), 1U);
  EXPECT_EQ(read->challenges[0].token, "abc_-9");
}

TEST(WindowTest, IsReadInAnyZoneAndNeverBackwards) {
  const auto window = [](const char* start, const char* end) {
    return read_window(json({{"suggestedWindow", {{"start", start}, {"end", end}}},
                             {"explanationURL", "https://ca/why"}})
                           .dump());
  };
  const auto read = window("2026-01-02T04:00:00Z", "2026-01-03T04:00:00.5Z");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->start, WallTime(std::chrono::seconds(1'767'326'400)));
  EXPECT_EQ(read->end - read->start, std::chrono::hours(24));
  EXPECT_EQ(read->explanation, "https://ca/why");
  EXPECT_EQ(window("2026-01-02T06:30:00+02:30", "2026-01-03T04:00:00Z").value().start, read->start);
  EXPECT_FALSE(window("2026-01-03T04:00:00Z", "2026-01-02T04:00:00Z"));
  EXPECT_FALSE(window("2026-01-02T04:00:00Z", "2026-01-02T04:00:00Z"));
  for (const char* wrong :
       {"", "yesterday", "2026-01-02", "2026-01-02T04:00:00", "2026-01-02T04:00:00+2",
        "2026-01-02T04:00:00+99:00", "0001-01-02T04:00:00Z"})
    EXPECT_FALSE(window(wrong, "2026-01-03T04:00:00Z")) << wrong;
}

TEST(ProblemTest, IsASentenceWithEachNamesReason) {
  const net::HttpAnswer answer{
      .status = 403,
      .body = json({{"type", "urn:ietf:params:acme:error:rejectedIdentifier"},
                    {"detail", "some are refused"},
                    {"subproblems",
                     {{{"type", "urn:ietf:params:acme:error:caa"},
                       {"detail", "CAA says \x1b[31mno"},
                       {"identifier", {{"type", "dns"}, {"value", "b.example.org"}}}}}}})
                  .dump()};
  const Problem problem = read_problem(answer);
  const std::string text = sentence_of(problem);
  EXPECT_NE(text.find("(rejectedIdentifier): some are refused; b.example.org: a CAA record"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_TRUE(remedy_of(problem).starts_with("b.example.org: publish a CAA record"))
      << remedy_of(problem);
}

TEST(ProblemTest, WhatIsNoProblemDocumentIsToldByItsStatus) {
  for (const char* body : {"", "<html>bad gateway", "[]", "{\"type\": 7}"}) {
    const Problem problem = read_problem(net::HttpAnswer{.status = 502, .body = body});
    EXPECT_NE(sentence_of(problem).find("502"), std::string::npos) << body;
    EXPECT_FALSE(remedy_of(problem).empty());
  }
}

TEST(ProblemTest, EachErrorOfTheRfcsHasARemedyOfItsOwn) {
  std::set<std::string> sentences;
  const std::vector<std::string> types = {"accountDoesNotExist",
                                          "alreadyReplaced",
                                          "alreadyRevoked",
                                          "badCSR",
                                          "badNonce",
                                          "badPublicKey",
                                          "badRevocationReason",
                                          "caa",
                                          "connection",
                                          "dns",
                                          "externalAccountRequired",
                                          "incorrectResponse",
                                          "invalidContact",
                                          "malformed",
                                          "orderNotReady",
                                          "rateLimited",
                                          "rejectedIdentifier",
                                          "serverInternal",
                                          "tls",
                                          "unauthorized",
                                          "unsupportedContact",
                                          "unsupportedIdentifier",
                                          "userActionRequired"};
  for (const std::string& type : types) {
    sentences.insert(sentence_of({.type = type}));
    EXPECT_NE(remedy_of({.type = type}), remedy_of({.type = "unheardOf"})) << type;
  }
  EXPECT_EQ(sentences.size(), types.size());
  EXPECT_NE(remedy_of({.type = "userActionRequired", .instance = "https://ca/terms/2"})
                .find("https://ca/terms/2"),
            std::string::npos);
}

TEST(RetryAfterTest, IsSecondsOrADate) {
  const WallTime now{std::chrono::seconds(1'767'326'400)};  // 2026-01-02T04:00:00Z
  const auto read = [&](const char* value) {
    return read_retry_after({.fields = {{"retry-after", value}}}, now);
  };
  EXPECT_EQ(read("120"), 120s);
  EXPECT_EQ(read("Fri, 02 Jan 2026 05:00:00 GMT"), 3600s);
  EXPECT_EQ(read("Thu, 01 Jan 2026 05:00:00 GMT"), 0s);
  EXPECT_EQ(read("4000000000"), std::chrono::days(7));
  for (const char* wrong : {"", "-1", "soon", "1.5", "Fri, 02 Jan 2026"}) EXPECT_FALSE(read(wrong));
  EXPECT_FALSE(read_retry_after({}, now));
}

}  // namespace
}  // namespace posthorn::acme
