// LMTP to the store: one reply a recipient after the message, each to the right one, also when the
// store goes in the middle of them; a store that is not there keeps the mail.
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

class LmtpTest : public TransportsTest {
 protected:
  Attempted deliver(const Dialog& dialog) {
    FakeSmtpPeer store(dialog, {.protocol = FakeSmtpPeer::Protocol::lmtp,
                                .where = {.unix_path = folder_.path() / "lmtp.sock"}});
    store_.address = store.address();
    set_patience(dialog);
    const Attempted attempted = attempt(route::LocalPlan{"bob@me.test", ""}, 3);
    store.stop();
    session_ = store.session();
    return attempted;
  }
  FakeSmtpPeer::Session session_;
};

TEST_F(LmtpTest, EachRecipientHasItsReply) {
  const std::string lhlo = "250-store\r\n250-PIPELINING\r\n250 XFORWARD\r\n";
  const struct {
    std::string name;
    Dialog dialog;
    std::string kinds;
  } rows[] = {
      {"all well", {}, "DDD"},
      {"quota of the second",
       {{"EOD", {say("250 ok\r\n"), say("552 5.2.2 full\r\n"), say("250 ok\r\n")}}},
       "DFD"},
      {"the first is unknown",
       {{"RCPT", {say("550 5.1.1 who\r\n"), say("250 ok\r\n")}},
        {"EOD", {say("250 ok\r\n"), say("451 busy\r\n")}}},
       "FDd"},
      {"RCPT 354 is no yes",
       {{"RCPT", {say("354 go\r\n"), say("250 ok\r\n")}},
        {"EOD", {say("250 ok\r\n"), say("552 full\r\n")}}},
       "dDF"},
      {"gone before the replies", {{"EOD", {hang_up()}}}, "ddd"},
      {"gone between the replies", {{"EOD", {say("250 ok\r\n"), hang_up()}}}, "Ddd"},
      {"silent between the replies",
       {{"EOD", {say("250 ok\r\n"), say("554 no\r\n"), stall()}}},
       "DFd"},
      {"421 and gone", {{"banner", {say_and_close("421 stopping\r\n")}}}, "ddd"},
      {"LHLO refused", {{"EHLO", {say("502 what\r\n")}}}, "ddd"},
      {"DATA 250 took nothing", {{"DATA", {say("250 ok\r\n")}}}, "ddd"},
      {"XFORWARD refused", {{"EHLO", {say(lhlo)}}, {"other", {say("501 no\r\n")}}}, "DDD"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(kinds(deliver(row.dialog)), row.kinds);
    EXPECT_FALSE(session_.bare_line_ends);
  }
}

TEST_F(LmtpTest, NoStore) {
  store_.address = net::UnixAddress{folder_.path() / "nobody.sock"};
  EXPECT_EQ(kinds(attempt(route::LocalPlan{"bob@me.test", ""}, 2)), "dd");
  store_.address.reset();  // nobody knows where the account lives now
  EXPECT_EQ(kinds(attempt(route::LocalPlan{"bob@me.test", ""}, 2)), "dd");
}

}  // namespace
}  // namespace posthorn::deliver
