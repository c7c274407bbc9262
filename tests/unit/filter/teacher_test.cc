// What spamd is taught, and what becomes of it in every way it can answer: what may pass by itself
// is told apart from what is the mail's own fault. The answers are those of spamd 4.0.
#include "filter/teacher.h"

#include <gtest/gtest.h>

#include "tests/support/fake_spamd.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::filter {
namespace {

using message::MailClass;
using test::FakeSpamd;
using test::Wire;
using Outcome = Taught::Outcome;

const std::string kMail = "Subject: x\r\n\r\nbody \x80\xFF.\r\n";
constexpr std::string_view kOff =
    "SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled, set the --allow-tell "
    "switch.\r\n";
constexpr std::string_view kGood = "SPAMD/1.1 0 EX_OK\r\n\r\n\r\n";

class TeacherTest : public ::testing::Test {
 protected:
  TeacherTest() { config_.timeout = 400ms; }

  Result<Taught> teach(const net::Address& spamd, Lesson lesson) {
    Teacher teacher(loop_.scope(), config_, spamd);
    auto taught = loop_.run(teacher.teach(std::move(lesson)));
    end(teacher);
    return taught;
  }
  // The mail is answered by text, and the question without one by probe.
  Result<Taught> teach(std::string_view text, std::string_view probe = kGood) {
    FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request& request) {
      wire.say(request.body == kMail ? text : probe);
    });
    return teach(spamd.address(), {.what = MailClass::spam, .account = {}, .message = kMail});
  }
  Result<bool> may_teach(const net::Address& spamd) {
    Teacher teacher(loop_.scope(), config_, spamd);
    auto may = loop_.run(teacher.may_teach());
    end(teacher);
    return may;
  }
  void end(Teacher& teacher) {
    teacher.stop();
    loop_.until([this] { return loop_.scope().running() == 0; });
  }

  config::Filter config_;
  test::TestLoop loop_;
};

TEST_F(TeacherTest, SaysTheClassAndWhoseItIs) {
  struct Row {
    MailClass what;
    std::string account, user, fields;
  };
  const Row rows[] = {
      {MailClass::spam, "", "", "Message-class: spam\r\nSet: local\r\n"},
      {MailClass::ham, "bob@example.org", "",
       "Message-class: ham\r\nSet: local\r\nUser: bob@example.org\r\n"},
      {MailClass::ham, "", "site", "Message-class: ham\r\nSet: local\r\nUser: site\r\n"},
      {MailClass::ham, "a\r\nRemove: local", "",
       "Message-class: ham\r\nSet: local\r\nUser: a??Remove: local\r\n"}};
  for (const Row& row : rows) {
    config_.user = row.user;
    FakeSpamd spamd([](Wire& wire, const FakeSpamd::Request&) {
      wire.say("SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n\r\n\r\n");
    });
    const auto taught = teach(spamd.address(), {row.what, row.account, kMail});
    ASSERT_TRUE(taught) << taught.error().what;
    EXPECT_EQ(taught->outcome, Outcome::learned);
    ASSERT_EQ(spamd.requests().size(), 1U);
    EXPECT_EQ(spamd.requests()[0].head, "TELL SPAMC/1.5\r\nContent-length: " +
                                            std::to_string(kMail.size()) + "\r\n" + row.fields);
    EXPECT_EQ(spamd.requests()[0].body, kMail);
  }
}

TEST_F(TeacherTest, WhatItAnswers) {
  EXPECT_EQ(teach("SPAMD/1.1 0 EX_OK\r\nDidSet: local,remote\r\n\r\n\r\n")->outcome,
            Outcome::learned);
  EXPECT_EQ(teach(kGood)->outcome, Outcome::known);
  EXPECT_EQ(teach("SPAMD/1.1 0 EX_OK\r\nDidRemove: local\r\n\r\n")->outcome, Outcome::known);
  for (const char* text : {"SPAMD/1.0 64 EX_USAGE\r\n", "SPAMD/1.0 65 Data error\r\n",
                           "SPAMD/1.0 66 x\r\n", "SPAMD/1.0 98 Too big\r\n"})
    EXPECT_EQ(teach(text)->outcome, Outcome::refused) << text;
}

TEST_F(TeacherTest, WhoseFaultItIs) {
  // spamd's own: it waits.
  EXPECT_EQ(teach(kOff, kOff).error().kind, ErrorKind::closed);
  for (const std::string_view none : {std::string_view(), kOff, std::string_view("?\r\n")}) {
    EXPECT_EQ(teach("", none).error().kind, ErrorKind::closed) << none;
    EXPECT_EQ(teach("", kGood).error().kind, ErrorKind::temporary);
  }
  const test::ClosedPort closed;
  EXPECT_EQ(teach(net::TcpAddress{"127.0.0.1", closed.port()}, {.message = kMail}).error().kind,
            ErrorKind::closed);
  // This mail's: it is tried a few times.
  for (const char* text : {"SPAMD/1.0 74 EX_IOERR\r\n", "SPAMD/1.0 75 EX_TEMPFAIL\r\n", "x\r\n",
                           "SPAMD/1.1 0 EX_OK\r\nDidSet: lo"})
    EXPECT_EQ(teach(text).error().kind, ErrorKind::temporary) << text;
}

TEST_F(TeacherTest, AskingWhetherItMayBeTaughtTeachesNothing) {
  FakeSpamd on([](Wire& wire, const FakeSpamd::Request&) { wire.say(kGood); });
  EXPECT_TRUE(may_teach(on.address()).value_or(false));
  ASSERT_EQ(on.requests().size(), 1U);
  EXPECT_EQ(on.requests()[0].head.find("Set:"), std::string::npos);
  EXPECT_EQ(on.requests()[0].head.find("Remove:"), std::string::npos);
  FakeSpamd off([](Wire& wire, const FakeSpamd::Request&) { wire.say(kOff); });
  EXPECT_FALSE(may_teach(off.address()).value_or(true));
  FakeSpamd odd([](Wire& wire, const FakeSpamd::Request&) { wire.say("SPAMD/1.0 75 x\r\n"); });
  EXPECT_FALSE(may_teach(odd.address()));
  const test::ClosedPort closed;
  EXPECT_FALSE(may_teach(net::TcpAddress{"127.0.0.1", closed.port()}));
}

}  // namespace
}  // namespace posthorn::filter
