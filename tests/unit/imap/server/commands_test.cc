// The table of commands, row by row in every state, and what the loop reads in it.
#include "imap/server/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "base/ascii.h"

namespace posthorn::imap {
namespace {

using ::testing::ElementsAre;
using Names = std::vector<std::string_view>;

Names names_with(CommandFlag flag) {
  Names names;
  for (const Command& command : commands())
    if (command.has(flag)) names.push_back(command.name);
  return names;
}

// RFC 3501 sections 6.1 to 6.4: the commands of the selected state, and no other, need a mailbox.
TEST(Legality, EveryCommandInEveryState) {
  const std::set<std::string_view> of_selected = {
      "CHECK",     "CLOSE", "UNSELECT",  "EXPUNGE", "UID EXPUNGE", "SEARCH", "UID SEARCH", "FETCH",
      "UID FETCH", "STORE", "UID STORE", "COPY",    "UID COPY",    "MOVE",   "UID MOVE"};
  for (const Command& command : commands()) {
    EXPECT_FALSE(refuse_illegal(&command, State::selected)) << command.name;
    const auto refused = refuse_illegal(&command, State::authenticated);
    EXPECT_EQ(refused.has_value(), of_selected.contains(command.name)) << command.name;
    if (refused) EXPECT_EQ(refused->status, "BAD") << command.name;
  }
  for (const std::string_view name : of_selected)
    EXPECT_THAT(command_names(), ::testing::Contains(name));
  for (const State state : {State::authenticated, State::selected}) {
    const auto refused = refuse_illegal(nullptr, state);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, "BAD");
  }
}

// RFC 3501 section 7.4.1: an EXPUNGE must not come while these three run; with UIDs it may.
TEST(Table, HoldsExpungesBackWhereNumbersCount) {
  EXPECT_THAT(names_with(kHoldsExpunges), ElementsAre("SEARCH", "FETCH", "STORE"));
}

TEST(Table, FetchAloneGoesOnWhereTheLastOneEnded) {
  EXPECT_THAT(names_with(kKeepsResume), ElementsAre("FETCH", "UID FETCH"));
}

TEST(Table, SetmetadataAloneHasValuesThatMayBeTooLong) {
  EXPECT_THAT(names_with(kHasValues), ElementsAre("SETMETADATA"));
}

// What is refused before it runs must not leave a message in the connection that nobody reads away.
TEST(Table, WhatReadsAMessageItselfIsLegalEverywhere) {
  EXPECT_THAT(names_with(kReadsMessage), ElementsAre("APPEND"));
  for (const Command& command : commands())
    EXPECT_FALSE(command.has(kReadsMessage) && command.has(kSelected)) << command.name;
}

TEST(Table, NamesAreFoundInAnyCase) {
  std::set<std::string_view> seen;
  for (const Command& command : commands()) {
    EXPECT_TRUE(seen.insert(command.name).second) << command.name << " stands there twice";
    for (const std::string& text :
         {std::string(command.name), to_lower(command.name) + " 1:* (FLAGS)"}) {
      Parser parser(text);
      EXPECT_EQ(take_command(parser), &command) << text;
    }
  }
  for (const std::string_view text : {"", "UID", "UID ", "UID NOOP", "FETC", "FETCHED", "NOOP("}) {
    Parser parser(text);
    const Command* found = take_command(parser);
    EXPECT_TRUE(found == nullptr || parser.rest() == "(") << text;
  }
}

TEST(Table, EveryNameIsTold) {
  Names names;
  for (const Command& command : commands()) names.push_back(command.name);
  EXPECT_EQ(command_names(), names);
}

}  // namespace
}  // namespace posthorn::imap
