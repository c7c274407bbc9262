// Who has to hand an authority's question on, and in which words that program is told to.
#include "process/challenge_ways.h"

#include <gmock/gmock.h>

#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

using ::testing::HasSubstr;

struct Machine {
  std::vector<std::string> http, https;
  std::string at_80, at_443;  // who listens there; "?": somebody of another account

  config::Config config() const {
    config::Config config;
    config.server.hostname = "mx.test";
    config.acme.directory = "letsencrypt";
    config.listen.http = http;
    config.listen.https = https;
    config.paths.acme = "/nonexistent/acme";
    return config;
  }
  FindHolder holders() const {
    return [this](int port) -> std::optional<PortHolder> {
      const std::string& name = port == 80 ? at_80 : at_443;
      if (name.empty()) return std::nullopt;
      return name == "?" ? PortHolder{} : PortHolder{"42", name};
    };
  }
  std::string told() const {
    std::string text;
    for (const auto& finding : find_challenge_doubts(config(), holders())) {
      EXPECT_EQ(finding.weight, config::Weight::warning);
      EXPECT_FALSE(finding.remedy.empty());
      text += finding.text() + "\n";
    }
    return text;
  }
};

TEST(ChallengeWays, OneOpenWayIsEnough) {
  EXPECT_EQ((Machine{{"0.0.0.0:80"}, {}, "", ""}.told()), "");
  EXPECT_EQ((Machine{{"[::]:80"}, {}, "", ""}.told()), "");
  EXPECT_EQ((Machine{{"192.0.2.1:80"}, {}, "nginx", ""}.told()), "");
  EXPECT_EQ((Machine{{"127.0.0.1:8080"}, {"0.0.0.0:443"}, "nginx", ""}.told()), "");
  EXPECT_EQ((Machine{{}, {"[::]:443"}, "", ""}.told()), "");
  EXPECT_EQ((Machine{{"127.0.0.1:8080", "0.0.0.0:80"}, {}, "", ""}.told()), "");
  EXPECT_EQ(describe_ways(Machine{{"0.0.0.0:80"}, {}, "", ""}.config()), "");
}

TEST(ChallengeWays, WhoHasThePortIsToldWhatToWrite) {
  const std::pair<std::string, std::string> rows[] = {
      {"nginx", "location ^~ /.well-known/acme-challenge/ { proxy_pass http://127.0.0.1:8080; }"},
      {"apache2",
       "ProxyPass /.well-known/acme-challenge/ "
       "http://127.0.0.1:8080/.well-known/acme-challenge/"},
      {"httpd", "ProxyPass"},
      {"caddy", "handle /.well-known/acme-challenge/* { reverse_proxy 127.0.0.1:8080 }"},
      {"haproxy", "path_beg /.well-known/acme-challenge/"},
      {"lighttpd", "\"port\" => 8080"},
      {"docker-proxy", "proxy_pass http://127.0.0.1:8080"},
  };
  for (const auto& [name, words] : rows) {
    SCOPED_TRACE(name);
    const std::string told = Machine{{"0.0.0.0:8080"}, {}, name, name}.told();
    EXPECT_THAT(told, HasSubstr(name + " (process 42) has port 80, not this server"));
    EXPECT_THAT(told, HasSubstr(words));
    EXPECT_THAT(told, HasSubstr("listen.https is empty, and " + name));
    const std::string closed = Machine{{}, {}, name, ""}.told();
    EXPECT_THAT(closed, HasSubstr("listen.http is empty, and " + name));
    EXPECT_THAT(closed, HasSubstr("set listen.http = [\"127.0.0.1:8080\"]"));
    EXPECT_THAT(closed, HasSubstr(words));
  }
}

TEST(ChallengeWays, WhereWeAreReachedIsWhatWeListenOn) {
  const auto told = [](const std::string& address) {
    return Machine{{address}, {}, "nginx", ""}.told();
  };
  EXPECT_THAT(told("127.0.0.1:80"), HasSubstr("proxy_pass http://127.0.0.1:80;"));
  EXPECT_THAT(told("[::]:8080"), HasSubstr("proxy_pass http://[::1]:8080;"));
  EXPECT_THAT(told("[::1]:80"), HasSubstr("proxy_pass http://[::1]:80;"));
  EXPECT_THAT(told("192.0.2.1:81"), HasSubstr("proxy_pass http://192.0.2.1:81;"));
}

TEST(ChallengeWays, NobodyAndSomebodyUnseen) {
  EXPECT_THAT((Machine{{}, {}, "", ""}.told()), HasSubstr("[\"0.0.0.0:80\", \"[::]:80\"]"));
  EXPECT_THAT((Machine{{}, {}, "?", ""}.told()), HasSubstr("another program has port 80"));
  EXPECT_THAT((Machine{{"0.0.0.0:8080"}, {}, "", ""}.told()),
              HasSubstr("this server does not listen on port 80"));
  EXPECT_THAT((Machine{{}, {"0.0.0.0:8443"}, "", "nginx"}.told()),
              HasSubstr("nginx (process 42) has port 443"));
}

TEST(ChallengeWays, OnlyTheChallengesThatMayBeUsedAreToldOf) {
  config::Config config = Machine{{}, {"0.0.0.0:443"}, "", ""}.config();
  config.acme.challenges = {"http-01"};
  EXPECT_EQ(find_challenge_doubts(config, [](int) { return std::nullopt; }).size(), 1U);
  EXPECT_THAT(describe_ways(config), HasSubstr("http-01: listen.http is empty"));
  config.acme.directory.clear();
  EXPECT_TRUE(find_challenge_doubts(config, [](int) { return std::nullopt; }).empty());
}

TEST(ChallengeWays, ACertificateShowsThatThereIsAWay) {
  const test::TempFolder folder;
  const Machine machine{{"127.0.0.1:8080"}, {}, "nginx", "nginx"};
  config::Config config = machine.config();
  config.paths.acme = folder.path();
  EXPECT_EQ(find_challenge_doubts(config, machine.holders()).size(), 2U);
  folder.write("mx.test.pem", "");
  EXPECT_TRUE(find_challenge_doubts(config, machine.holders()).empty());
}

TEST(ChallengeWays, TheAnsweringRoleKnowsWhatItCannotDo) {
  const config::Config config = Machine{{"127.0.0.1:8080"}, {}, "", ""}.config();
  EXPECT_EQ(why_unanswerable(config, "http-01"), "");
  EXPECT_THAT(why_unanswerable(config, "tls-alpn-01"), HasSubstr("listen.https is empty"));
}

}  // namespace
}  // namespace posthorn::process
