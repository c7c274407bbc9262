// The conversation with a directory, which is the test.
#include "acme/client.h"

#include <gmock/gmock.h>

#include "tests/support/test_loop.h"
#include "tests/unit/acme/fake_authority.h"

namespace posthorn::acme {
namespace {

using test::TestLoop;
using ::testing::ElementsAre;
using testing::FakeAuthority;
using ::testing::HasSubstr;
using testing::json;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    authority_.sign = [](const std::string& der) { return "chain for " + der; };
  }
  ~ClientTest() override { EXPECT_THAT(authority_.faults, ElementsAre()); }

  Client make(Client::Settings settings = {}) {
    settings.directory = FakeAuthority::kUrl;
    if (settings.challenges.empty()) settings.challenges = {"http-01", "tls-alpn-01"};
    return {authority_, authority_, settings};
  }
  Attempt<std::string> issue(Client& client, Wish wish = {.names = {"mx.example.org"}}) {
    return loop_.wait(client.issue({key_, "https://ca.test/acct/1"}, std::move(wish), "request"));
  }
  static json error(const std::string& type) {
    return {{"type", "urn:ietf:params:acme:error:" + type}, {"detail", "because"}};
  }

  FakeAuthority authority_;
  TestLoop loop_;
  const AccountKey key_ = AccountKey::make().value();
};

TEST_F(ClientTest, IssuesForSeveralNamesAndForgetsEachChallenge) {
  Client client = make();
  const auto issued = issue(client, {.names = {"mx.example.org", "mail.example.org"}});
  ASSERT_TRUE(issued) << issued.error().what;
  EXPECT_EQ(*issued, "chain for request");
  ASSERT_EQ(authority_.offered.size(), 2U);
  EXPECT_EQ(authority_.offered[0].type, "http-01");
  EXPECT_EQ(authority_.offered[0].name, "mx.example.org");
  EXPECT_EQ(authority_.offered[0].key_authorization,
            authorize_key(key_, authority_.offered[0].token));
  EXPECT_EQ(authority_.forgotten.size(), 2U);
  // A name that is proved is not proved again.
  authority_.offered.clear();
  ASSERT_TRUE(issue(client));
  EXPECT_TRUE(authority_.offered.empty());
  EXPECT_EQ(authority_.count("/dir"), 1U);
}

TEST_F(ClientTest, ABadNonceIsTriedAgainButNotForEver) {
  Client client = make();
  authority_.bad_nonces = 7;
  EXPECT_TRUE(issue(client));
  EXPECT_EQ(authority_.count("/nonce"), 1U);  // each refusal brings the next
  authority_.bad_nonces = 1000;
  const auto never = issue(client);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().type, "badNonce");
  EXPECT_GT(authority_.bad_nonces, 900);
}

TEST_F(ClientTest, WaitsAsLongAsItIsAskedToAndThenGivesUp) {
  Client client = make();
  authority_.processing = 3;
  authority_.retry_after = "20";
  ASSERT_TRUE(issue(client));
  EXPECT_THAT(authority_.waited, ElementsAre(20s, 20s));
  authority_.processing = 1000;
  const WallTime begun = authority_.clock;
  const auto never = issue(client);
  ASSERT_FALSE(never);
  EXPECT_THAT(never.error().what, HasSubstr("in time"));
  EXPECT_LE(authority_.clock - begun, 5min);
}

TEST_F(ClientTest, AnotherWayIsTriedWhereOneFails) {
  Client client = make();
  authority_.broken["http-01 mx.example.org"] = error("connection");
  ASSERT_TRUE(issue(client));
  ASSERT_EQ(authority_.offered.size(), 2U);
  EXPECT_EQ(authority_.offered[1].type, "tls-alpn-01");
  EXPECT_EQ(authority_.forgotten.size(), 2U);
}

TEST_F(ClientTest, EachNameFindsItsOwnWay) {
  Client client = make();
  authority_.broken["http-01 b.example.org"] = error("unauthorized");
  authority_.broken["http-01 a.example.org"] = error("connection");
  EXPECT_TRUE(issue(client, {.names = {"a.example.org", "b.example.org", "c.example.org"}}));
  EXPECT_EQ(authority_.count("/order"), 3U);
}

TEST_F(ClientTest, WhereNoWayIsLeftTheReasonIsTold) {
  Client client = make();
  authority_.broken["http-01 mx.example.org"] = error("connection");
  authority_.broken["tls-alpn-01 mx.example.org"] = error("tls");
  const auto refused = issue(client);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("mx.example.org by tls-alpn-01"));
  EXPECT_THAT(refused.error().what, HasSubstr("because"));
  EXPECT_EQ(authority_.count("/order"), 2U);
  // What no other way would mend is not tried by another.
  authority_.broken["http-01 b.example.org"] = error("caa");
  const auto caa = issue(client, {.names = {"b.example.org"}});
  ASSERT_FALSE(caa);
  EXPECT_THAT(caa.error().remedy, HasSubstr("CAA"));
  EXPECT_EQ(authority_.count("/order"), 3U);
}

TEST_F(ClientTest, AWayThatThisServerDoesNotHaveIsPassedOver) {
  Client client = make();
  authority_.unable = {"http-01"};
  ASSERT_TRUE(issue(client));
  EXPECT_EQ(authority_.offered.front().type, "tls-alpn-01");
  authority_.unable = {"http-01", "tls-alpn-01"};
  const auto none = issue(client, {.names = {"other.example.org"}});
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().what, HasSubstr("http-01: there is no listener; tls-alpn-01: there is"));
  EXPECT_THAT(none.error().remedy, HasSubstr("listen.http"));
}

TEST_F(ClientTest, ARefusedOrderIsToldWithItsSubproblems) {
  Client client = make();
  auto& said = authority_.says["/order"] =
      FakeAuthority::problem(403, "rejectedIdentifier", "policy");
  said.body = json({{"type", "urn:ietf:params:acme:error:rejectedIdentifier"},
                    {"detail", "policy"},
                    {"subproblems",
                     {{{"type", "urn:ietf:params:acme:error:rejectedIdentifier"},
                       {"detail", "blocked"},
                       {"identifier", {{"type", "dns"}, {"value", "b.example.org"}}}}}}})
                  .dump();
  const auto refused = issue(client);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("b.example.org"));
  EXPECT_THAT(refused.error().remedy, HasSubstr("acme.names"));
}

TEST_F(ClientTest, ARateLimitIsHonoured) {
  Client client = make();
  authority_.says["/order"] = FakeAuthority::problem(429, "rateLimited", "too many");
  authority_.says["/order"].fields = {{"retry-after", "7200"}};
  const auto refused = issue(client);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().not_before, authority_.clock + 2h);
  EXPECT_THAT(refused.error().remedy, HasSubstr("wait"));
  EXPECT_EQ(authority_.count("/order"), 1U);
}

TEST_F(ClientTest, AnAccountIsMadeOnceAndItsBindingGoesWithIt) {
  Client client = make({.email = "admin@example.org"});
  const auto place = loop_.wait(client.enter(key_));
  ASSERT_TRUE(place) << place.error().what;
  EXPECT_EQ(*place, "https://ca.test/acct/1");
  EXPECT_EQ(authority_.payloads[0]["contact"][0], "mailto:admin@example.org");
  EXPECT_EQ(authority_.payloads[0]["termsOfServiceAgreed"], true);
  EXPECT_FALSE(authority_.payloads[0].contains("externalAccountBinding"));

  authority_.meta = {{"externalAccountRequired", true}};
  Client unbound = make();
  const auto refused = loop_.wait(unbound.enter(key_));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().remedy, HasSubstr("acme.eab_key_id"));
  EXPECT_EQ(authority_.accounts, 1);

  Client bound = make({.binding = Binding{"kid-1", "secret"}});
  ASSERT_TRUE(loop_.wait(bound.enter(key_)));
  EXPECT_TRUE(authority_.payloads.back()["externalAccountBinding"].contains("signature"));
}

TEST_F(ClientTest, ADeactivatedAccountIsTold) {
  Client client = make();
  authority_.account_status = "deactivated";
  EXPECT_EQ(loop_.wait(client.enter(key_)).error().type, kAccountGone);
  authority_.says["/order"] = FakeAuthority::problem(403, "unauthorized", "not valid");
  EXPECT_EQ(issue(client).error().type, kAccountGone);
  // An order may be refused by that word while the account is good.
  authority_.account_status = "valid";
  EXPECT_EQ(issue(client).error().type, "unauthorized");
}

TEST_F(ClientTest, NewTermsAreToldWithTheirPlace) {
  Client client = make();
  auto said = FakeAuthority::problem(403, "userActionRequired", "new terms");
  said.body.insert(said.body.size() - 1, R"(,"instance":"https://ca.test/terms/2")");
  authority_.says["/order"] = said;
  EXPECT_THAT(issue(client).error().remedy, HasSubstr("https://ca.test/terms/2"));
}

TEST_F(ClientTest, OneIsReplacedOnlyWhereTheAuthorityKnowsOfThat) {
  const Wish wish{.names = {"mx.example.org"}, .replaces = "a.b"};
  Client plain = make();
  ASSERT_TRUE(issue(plain, wish));
  EXPECT_FALSE(authority_.payloads[0].contains("replaces"));
  authority_.has_renewal_info = true;
  authority_.payloads.clear();
  Client knowing = make();
  ASSERT_TRUE(issue(knowing, wish));
  EXPECT_EQ(authority_.payloads[0]["replaces"], "a.b");
  // Replaced already: asked for without that, once.
  authority_.says["/order"] = FakeAuthority::problem(409, "alreadyReplaced", "done");
  authority_.says_times["/order"] = 1;
  authority_.payloads.clear();
  ASSERT_TRUE(issue(knowing, wish));
  EXPECT_FALSE(authority_.payloads[0].contains("replaces"));
}

TEST_F(ClientTest, TheWindowOfARenewalIsAskedFor) {
  Client client = make();
  EXPECT_EQ(loop_.wait(client.find_window("a.b")).value(), std::nullopt);
  authority_.has_renewal_info = true;
  authority_.says["/ari/a.b"] = {
      .status = 200,
      .fields = {{"retry-after", "21600"}},
      .body =
          R"({"suggestedWindow":{"start":"2026-01-02T04:00:00Z","end":"2026-01-03T04:00:00Z"}})"};
  Client knowing = make();
  const auto found = loop_.wait(knowing.find_window("a.b")).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->again, 6h);
  authority_.says["/ari/a.b"].fields = {{"retry-after", "1"}};
  EXPECT_EQ(loop_.wait(knowing.find_window("a.b")).value()->again, 60s);
  EXPECT_FALSE(loop_.wait(knowing.find_window("c.d")));
}

TEST_F(ClientTest, RevokesAndTakesWhatIsDoneForDone) {
  Client client = make();
  const Client::Account account{key_, "https://ca.test/acct/1"};
  ASSERT_TRUE(loop_.wait(client.revoke(account, "der", Reason::key_compromise)));
  EXPECT_EQ(authority_.payloads[0]["reason"], 1);
  EXPECT_EQ(authority_.payloads[0]["certificate"], encode_base64url("der"));
  authority_.says["/revoke"] = FakeAuthority::problem(400, "alreadyRevoked", "done");
  EXPECT_TRUE(loop_.wait(client.revoke(account, "der", Reason::superseded)));
  authority_.says["/revoke"] = FakeAuthority::problem(403, "unauthorized", "not yours");
  EXPECT_FALSE(loop_.wait(client.revoke(account, "der", Reason::superseded)));
}

// Whatever stands in place of any one answer, an attempt ends, and with a reason and a remedy.
TEST_F(ClientTest, NonsenseAnywhereIsToldAndEndsTheAttempt) {
  for (const char* path : {"/dir", "/nonce", "/order", "/authz/0", "/chall/http-01/0", "/order/0",
                           "/finalize/0", "/cert/0"}) {
    for (const int status : {200, 404, 500, 503}) {
      for (const char* body : {"", "{}", "[1", "<html>", R"({"status":"banana"})"}) {
        FakeAuthority authority;
        authority.sign = [](const std::string& der) { return der; };
        authority.says[path] = {.status = status, .body = body};
        Client client(authority, authority,
                      {.directory = FakeAuthority::kUrl, .challenges = {"http-01"}});
        const auto ended = loop_.wait(client.issue({key_, "https://ca.test/acct/1"},
                                                   {.names = {"mx.example.org"}}, "request"));
        if (ended) {
          // These say nothing that is needed.
          EXPECT_EQ(status, 200);
          continue;
        }
        EXPECT_FALSE(ended.error().what.empty());
        EXPECT_FALSE(ended.error().remedy.empty());
        EXPECT_LT(authority.asked.size(), 100U) << path << " " << body;
        EXPECT_EQ(authority.offered.size(), authority.forgotten.size()) << path;
      }
    }
  }
}

}  // namespace
}  // namespace posthorn::acme
