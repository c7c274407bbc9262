// The name of a client: only one that has its address, too; what is not known is an Error and not
// "none", here and over the channel between roles.
#include "net/client_name.h"

#include "net/listener.h"
#include "tests/support/fake_dns.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

using test::FakeDns;
using Fault = FakeDns::Fault;

class ClientNameTest : public ::testing::Test {
 protected:
  ClientNameTest() {
    const UnixAddress address{folder_.path() / "names"};
    resolver_ = *Resolver::make(loop_.executor(),
                                {.servers = dns_.server(), .try_timeout = 1s, .tries = 1});
    names_.emplace(*resolver_, Clock::system());
    listener_.emplace(loop_.scope(), *bind_socket(address), Listener::Options{.name = "names"},
                      [this](StreamPtr stream) {
                        return serve_lines(
                            loop_.scope(), std::move(stream),
                            [this](Message request) { return names_->answer(std::move(request)); });
                      });
    listener_->start();
    channel_.emplace(loop_.scope(), address);
    dns_.ptr("1.2.0.192.in-addr.arpa", "mail.test").a("mail.test", "192.0.2.1");
  }
  ~ClientNameTest() override {
    channel_->close();
    listener_->stop();
    loop_.idle(1ms);
  }
  std::string name(const std::string& address) {
    const auto text = [](const Result<std::string>& found) {
      return found ? *found : "error " + std::string(to_string(found.error().kind));
    };
    const std::string here = text(loop_.run(find_client_name(*resolver_, address, soon(3s))));
    EXPECT_EQ(text(loop_.run(ask_client_name(*channel_, address, soon(3s)))), here) << address;
    return here;
  }

  FakeDns dns_;
  test::TestLoop loop_;
  const test::TempFolder folder_;
  std::unique_ptr<Resolver> resolver_;
  std::optional<ClientNames> names_;
  std::optional<Listener> listener_;
  std::optional<LineChannel> channel_;
};

TEST_F(ClientNameTest, Rows) {
  dns_.ptr("2.2.0.192.in-addr.arpa", "other.test").a("other.test", "192.0.2.1");
  dns_.ptr("3.2.0.192.in-addr.arpa", "gone.test").ptr("3.2.0.192.in-addr.arpa", "mine.test");
  dns_.a("mine.test", "192.0.2.3");
  dns_.ptr("4.2.0.192.in-addr.arpa", "x(y).test").a("x(y).test", "192.0.2.4");
  dns_.fault("5.2.0.192.in-addr.arpa", Fault::servfail);
  dns_.ptr("6.2.0.192.in-addr.arpa", "broken.test").fault("broken.test", Fault::servfail);
  dns_.ptr("7.2.0.192.in-addr.arpa", "broken.test").ptr("7.2.0.192.in-addr.arpa", "seven.test");
  dns_.a("seven.test", "192.0.2.7");
  for (int i = 0; i < 9; ++i)
    dns_.ptr("8.2.0.192.in-addr.arpa", "many" + std::to_string(i) + ".test");
  dns_.fault("9.2.0.192.in-addr.arpa", Fault::silent);
  const std::pair<std::string, std::string> rows[] = {{"192.0.2.1", "mail.test"},
                                                      {"192.0.2.2", ""},
                                                      {"192.0.2.3", "mine.test"},
                                                      {"192.0.2.4", "error temporary"},
                                                      {"192.0.2.6", "error temporary"},
                                                      {"192.0.2.5", "error temporary"},
                                                      {"192.0.2.7", "seven.test"},
                                                      {"192.0.2.8", ""},
                                                      {"192.0.2.9", "error temporary"},
                                                      {"192.0.2.99", ""},
                                                      {"2001:db8::1", ""},
                                                      {"", ""},
                                                      {"mail.test", ""}};
  for (const auto& [address, expected] : rows) EXPECT_EQ(name(address), expected) << address;
  // Only so many names of an address are looked at.
  std::ptrdiff_t many = 0;
  for (const std::string& asked : dns_.asked()) many += asked.starts_with("A many") ? 1 : 0;
  EXPECT_LE(many, 6);
}

TEST_F(ClientNameTest, TooManyAtOnceAreNotKnown) {
  dns_.fault("9.2.0.192.in-addr.arpa", Fault::silent);
  std::vector<Result<std::string>> answers(300, fail(ErrorKind::config, "unanswered"));
  for (auto& answer : answers)
    loop_.scope().spawn([](LineChannel* channel, Result<std::string>* out) -> Awaitable<void> {
      *out = co_await ask_client_name(*channel, "192.0.2.9", soon(5s));
    }(&*channel_, &answer));
  loop_.idle(3s);
  std::size_t told = 0;
  for (const auto& answer : answers)
    if (!answer && answer.error().what == "too many names are asked for") ++told;
  EXPECT_GE(told, 1U);
  EXPECT_EQ(told + dns_.questions(), 300U);  // told at once, or asked
  for (const auto& answer : answers) EXPECT_FALSE(answer);
  EXPECT_EQ(name("192.0.2.1"), "mail.test");
}

TEST_F(ClientNameTest, ASocketForNothingElse) {
  const auto answer = loop_.run(channel_->ask(Message("mx").add("name", "d.test"), soon(1s)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->verb, "temporary");
  EXPECT_EQ(dns_.questions(), 0U);
}

}  // namespace
}  // namespace posthorn::net
