// A record is read as it was written, whatever stood in it; what another role made up is refused;
// and it is found again by whom it names.
#include "trail/record.h"

#include <gmock/gmock.h>

#include "base/events.h"

namespace posthorn::trail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr WallTime kAt{1'796'079'905'490ms};

std::string logged(log::Fields fields) {
  return format_record(kAt, event::queue_delivered, "S1", "Q1", fields);
}

TEST(TrailRecord, WhatIsLoggedIsRead) {
  const auto read =
      parse_record(logged({{"to", "bob@example.org"}, {"reply", "250 a=b"}, {"ms", 7}}));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->at, kAt);
  EXPECT_EQ(read->event, "queue.delivered");
  EXPECT_EQ(read->session, "S1");
  EXPECT_EQ(read->queue_id, "Q1");
  EXPECT_EQ(read->get("reply"), "250 a=b");
  EXPECT_EQ(read->get("ms"), "7");
  EXPECT_EQ(read->get("none"), "");
  EXPECT_EQ(format_record(*read),
            logged({{"to", "bob@example.org"}, {"reply", "250 a=b"}, {"ms", 7}}));
  const auto bare = parse_record(format_record(kAt, event::queue_removed, "-", "-", {}));
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->session, "");
  EXPECT_EQ(bare->queue_id, "");
}

TEST(TrailRecord, NoValueEndsALineOrReachesATerminal) {
  for (const std::string value : {"a\nb=c", "\x1b[2J", "\xff\xfe",
                                  "\xc2\x9b"
                                  "31m",
                                  "a\rb", "\tx"}) {
    const auto read = parse_record(logged({{"reply", value}}));
    ASSERT_TRUE(read) << value;
    ASSERT_EQ(read->details.size(), 1U);
    for (const char c : read->get("reply")) EXPECT_TRUE(c >= ' ' && c != 0x7F) << value;
  }
  EXPECT_EQ(parse_record(logged({{"reply", "Grüße"}}))->get("reply"), "Grüße");
  const auto long_one = parse_record(logged({{"reply", std::string(5000, 'x')}}));
  ASSERT_TRUE(long_one);
  EXPECT_EQ(long_one->get("reply").size(), kValueMax);
}

TEST(TrailRecord, WhatIsNoneIsRefused) {
  for (const std::string text :
       {"", "x", "1", "1 a", "1 a b", "-1 a - -", "1 a - - x", "1 a\x1b - -", "1 a - -\nkey",
        "1 a - -\nk\xC3=1", "1 a - -\nk=\x1b", "1 a s/s -", "9999999999999999999 a - -"})
    EXPECT_FALSE(parse_record(text)) << text;
  EXPECT_FALSE(parse_record("1 a - -\nk=" + std::string(kTextMax, 'x')));
  std::string many = "1 a - -";
  for (std::size_t i = 0; i <= kDetailsMax; ++i) many += "\nk=";
  EXPECT_FALSE(parse_record(many));
}

std::vector<std::string> names(log::Fields fields) {
  std::vector<std::string> found;
  for (const Name& name : names_of(*parse_record(logged(fields)))) found.push_back(name.text);
  return found;
}

TEST(TrailRecord, ItIsFoundByWhomItNames) {
  EXPECT_THAT(names({{"from", "<Ann@Far.Test>"}, {"to", "b@x.test,C@x.test"}}),
              ElementsAre("ann@far.test", "b@x.test", "c@x.test"));
  EXPECT_THAT(names({{"message_id", "<Ab@C>"}}), ElementsAre("Ab@C"));
  EXPECT_THAT(names({{"client", "192.0.2.1"}, {"address", "192.0.2.1"}}), ElementsAre("192.0.2.1"));
  EXPECT_THAT(names({{"from", ""}, {"reply", "a@b"}, {"to", "<>"}}), IsEmpty());
}

TEST(TrailRecord, EdgeGivesBirthToNothing) {
  Record record = *parse_record(logged({{"child", "K1"}}));
  record.source = "store";
  EXPECT_EQ(child_of(record), "K1");
  record.source = "edge";
  EXPECT_EQ(child_of(record), "");
}

}  // namespace
}  // namespace posthorn::trail
