#include "auth/password.h"

#include <gtest/gtest.h>

#include "auth/user_file.h"

namespace posthorn::auth {
namespace {

TEST(Password, WhatItHashesItVerifies) {
  for (const char* scheme : {"SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "ARGON2ID", "ARGON2I"}) {
    const auto hash = hash_password(scheme, "secret");
    ASSERT_TRUE(hash) << scheme << hash.error().what;
    EXPECT_EQ(verify_password(*hash, "secret").value(), true) << scheme;
    EXPECT_EQ(verify_password(*hash, "Secret").value(), false) << scheme;
  }
}

TEST(Password, HashesOfOthers) {
  const std::pair<const char*, bool> rows[] = {
      {"{PLAIN}secret", true},
      {"{plain}other", false},
      {"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", true},
      {"{SHA256.HEX}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", true},
      {"$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", false},
      {"!", false},
      {"*", false},
      {"", false},
      {"{SHA512-CRYPT}!", false},
  };
  for (const auto& [stored, good] : rows) {
    const auto result = verify_password(stored, "secret");
    ASSERT_TRUE(result) << stored << result.error().what;
    EXPECT_EQ(*result, good) << stored;
  }
  EXPECT_FALSE(verify_password("{ROT13}frperg", "secret"));
  EXPECT_FALSE(
      verify_password("{ARGON2ID}$argon2id$v=19$m=9999999,t=3,p=1$c2FsdHNhbHQ$aGFzaA", "secret"));
}

TEST(Users, ParseAndEditKeepWhatTheyDoNotKnow) {
  const std::string text =
      "# "
      "comment\nalice@example.org:{PLAIN}a:1000:1000::/home/"
      "a::extra=1\n\nBob@example.org:{PLAIN}b\n";
  const auto users = parse_users(text, "users");
  EXPECT_TRUE(users.faults.empty());
  EXPECT_EQ(users.hashes.at("bob@example.org"), "{PLAIN}b");
  const std::string hash = "{PLAIN}new";
  EXPECT_EQ(edit_users(text, "alice@example.org", &hash),
            "# "
            "comment\nalice@example.org:{PLAIN}new:1000:1000::/home/"
            "a::extra=1\n\nBob@example.org:{PLAIN}b\n");
  EXPECT_EQ(edit_users(text, "bob@example.org", nullptr),
            "# comment\nalice@example.org:{PLAIN}a:1000:1000::/home/a::extra=1\n\n");
  EXPECT_EQ(edit_users(text, "carol@example.org", nullptr), std::nullopt);
  EXPECT_EQ(parse_users("nonsense\n", "users").faults.front(),
            "users:1: the form is user:{SCHEME}hash");
}

}  // namespace
}  // namespace posthorn::auth
