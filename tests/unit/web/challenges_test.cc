// What is offered is answered, to whom it is for and as long as it is; nothing else is.
#include "web/challenges.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace posthorn::web {
namespace {

const std::string kThumbprint(43, 't');

net::Message offer(const std::string& type, const std::string& name, const std::string& token) {
  return net::Message("offer")
      .add("type", type)
      .add("name", name)
      .add("token", token)
      .add("key_authorization", token + "." + kThumbprint);
}

struct ChallengesTest : ::testing::Test {
  std::string ask(const net::Message& request) {
    const net::Message answer = challenges.answer(request);
    return answer.verb == "ok" ? "ok" : std::string(answer.get("error"));
  }
  test::ManualClock clock;
  Challenges challenges{clock, {}};
};

TEST_F(ChallengesTest, EachKindIsAnsweredInItsWayAlone) {
  EXPECT_EQ(ask(offer("http-01", "a.test", "one")), "ok");
  EXPECT_EQ(ask(offer("tls-alpn-01", "B.test", "two")), "ok");
  EXPECT_EQ(challenges.find_text("one"), "one." + kThumbprint);
  EXPECT_EQ(challenges.find_text("two"), std::nullopt);
  EXPECT_EQ(challenges.find_text("ONE"), std::nullopt);
  EXPECT_EQ(challenges.find("a.test"), nullptr);
  EXPECT_NE(challenges.find("b.test"), nullptr);
  EXPECT_EQ(challenges.find("x.b.test"), nullptr);
  EXPECT_EQ(challenges.find(""), nullptr);
  EXPECT_EQ(challenges.size(), 2U);  // no question made one
}

TEST_F(ChallengesTest, WhatIsForgottenOrAnHourOldIsGone) {
  ask(offer("http-01", "a.test", "one"));
  ask(offer("tls-alpn-01", "a.test", "two"));
  const auto forget = [&](const std::string& name, const std::string& token) {
    return ask(net::Message("forget").add("name", name).add("token", token));
  };
  EXPECT_EQ(forget("b.test", "one"), "ok");  // another's
  EXPECT_EQ(forget("a.test", "three"), "ok");
  EXPECT_TRUE(challenges.find_text("one"));
  EXPECT_TRUE(challenges.find("a.test"));
  EXPECT_EQ(forget("A.test", "one"), "ok");
  EXPECT_FALSE(challenges.find_text("one"));
  EXPECT_TRUE(challenges.find("a.test"));
  clock.advance(Challenges::kKeptFor - std::chrono::seconds(1));
  EXPECT_TRUE(challenges.find("a.test"));
  clock.advance(std::chrono::seconds(1));
  EXPECT_FALSE(challenges.find("a.test"));
  ask(offer("http-01", "a.test", "four"));
  EXPECT_EQ(challenges.size(), 1U);  // and its memory
}

TEST_F(ChallengesTest, AHundredAreKeptAndTheNextIsToldSo) {
  for (std::size_t i = 0; i < Challenges::kOffersMax; ++i)
    ASSERT_EQ(ask(offer("http-01", "a.test", fmt::format("t{}", i))), "ok");
  EXPECT_EQ(ask(offer("http-01", "a.test", "more")),
            "100 names are being proved already; try later");
  EXPECT_EQ(ask(offer("tls-alpn-01", "b.test", "more")),
            "100 names are being proved already; try later");
  EXPECT_EQ(ask(offer("http-01", "a.test", "t7")), "ok");  // the same once more
  EXPECT_EQ(challenges.size(), Challenges::kOffersMax);
  clock.advance(Challenges::kKeptFor);
  EXPECT_EQ(ask(offer("tls-alpn-01", "b.test", "more")), "ok");
  EXPECT_EQ(challenges.size(), 1U);
}

TEST_F(ChallengesTest, ALaterOfferForANameTakesThePlaceOfTheOneBefore) {
  ask(offer("tls-alpn-01", "a.test", "one"));
  const auto before = challenges.find("a.test");
  ask(offer("tls-alpn-01", "a.test", "two"));
  EXPECT_NE(challenges.find("a.test"), before);
  ask(net::Message("forget").add("name", "a.test").add("token", "one"));  // the order of before
  EXPECT_TRUE(challenges.find("a.test"));
}

TEST_F(ChallengesTest, WhatIsNoOfferIsRefused) {
  for (const std::string token :
       {"", "..", "../there", "a/b", ".a", "a%2fb", "a b", "a.b", "\xc3\xbc", "a\nb"})
    EXPECT_EQ(ask(offer("http-01", "a.test", token)), "the token is not of the base64url alphabet")
        << token;
  EXPECT_NE(ask(offer("http-01", "a.test", std::string(201, 'a'))), "ok");
  for (const std::string name : {"", ".", "a..test", ".a.test", "a.test.", "a_b.test", "*.a.test",
                                 "a.test,DNS:b.test", "m\xc3\xbc.test", "a b"})
    EXPECT_EQ(ask(offer("tls-alpn-01", name, "one")), "not a name that can be asked for") << name;
  EXPECT_NE(ask(offer("tls-alpn-01", std::string(254, 'a'), "one")), "ok");
  EXPECT_EQ(ask(offer("dns-01", "a.test", "one")),
            "dns-01 is not answered here, only http-01 and tls-alpn-01");
  for (const std::string& text :
       std::vector<std::string>{"", "one", "one.", "two." + kThumbprint, "one." + kThumbprint + "t",
                                "one." + std::string(42, 't') + "\n", "one" + kThumbprint + "."}) {
    net::Message request("offer");
    request.add("type", "http-01").add("name", "a.test").add("token", "one");
    request.add("key_authorization", text);
    EXPECT_EQ(ask(request), "the key authorization is not token, dot and thumbprint") << text;
  }
  EXPECT_EQ(ask(net::Message("show")), "offer or forget, not show");
  EXPECT_EQ(challenges.size(), 0U);
}

TEST_F(ChallengesTest, WhoHasNoListenerSaysSo) {
  Challenges closed(clock, {.http_01 = "", .tls_alpn_01 = "listen.https is empty"});
  EXPECT_EQ(closed.answer(offer("http-01", "a.test", "one")).verb, "ok");
  EXPECT_EQ(closed.answer(offer("tls-alpn-01", "a.test", "one")).get("error"),
            "listen.https is empty");
}

}  // namespace
}  // namespace posthorn::web
