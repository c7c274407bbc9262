// Proves that a setting of a few words takes those and no other, and says them as they were read.
#include "config/choices.h"

#include <gtest/gtest.h>

namespace posthorn::config {
namespace {

TEST(Choices, EachWordIsAValueAndBack) {
  for (const std::string_view word : {"verify", "encrypt", "may", "none"}) {
    const auto policy = find_choice<TlsPolicy>(word);
    ASSERT_TRUE(policy) << word;
    EXPECT_EQ(to_string(*policy), word);
  }
  EXPECT_EQ(find_choice<AnyUser>("one-password"), AnyUser::one_password);
  EXPECT_EQ(find_choice<log::Level>("warning"), log::Level::warning);
  EXPECT_EQ(find_choice<Canonicalization>("simple/relaxed"), Canonicalization::simple_relaxed);
  for (const std::string_view word : {"", "Verify", "verify ", "maybe", "veri"})
    EXPECT_FALSE(find_choice<TlsPolicy>(word)) << word;
}

TEST(Choices, WhatIsNoWordChangesNothing) {
  Programs programs = Programs::relay;
  const ChoiceRef any(programs);
  EXPECT_EQ(any.word(), "relay");
  EXPECT_FALSE(any.set("everybody"));
  EXPECT_EQ(programs, Programs::relay);
  EXPECT_TRUE(any.set("off"));
  EXPECT_EQ(programs, Programs::off);
  EXPECT_EQ(any.words().size(), 3U);
}

}  // namespace
}  // namespace posthorn::config
