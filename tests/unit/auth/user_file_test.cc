// Proves that a passwd-file is read as Dovecot reads it, line by line: fields, comments, byte order
// mark, CRLF; that each bad line is named with its number; and that editing one line leaves every
// other byte as it was.
#include "auth/user_file.h"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

using namespace std::string_literals;

TEST(UserFile, GoodLines) {
  const struct {
    std::string text, user, hash;
  } rows[] = {
      {"a@x:{PLAIN}p", "a@x", "{PLAIN}p"},
      {"a@x:{PLAIN}p\n", "a@x", "{PLAIN}p"},
      {"a@x:{PLAIN}p\r\n", "a@x", "{PLAIN}p"},
      {"A@X.Test:$6$s$h:1000:1000::/home/a::userdb_quota_rule=*:storage=1G\n", "a@x.test",
       "$6$s$h"},
      {"bob:{PLAIN}p\n", "bob", "{PLAIN}p"},
      {"a@x:\n", "a@x", ""},
      {"a@x:::::::\n", "a@x", ""},
      {"\xEF\xBB\xBF"
       "a@x:p\n",
       "a@x", "p"},
      {"# c\n\n   \n\t# indented: comment\na@x:p\n", "a@x", "p"},
      {"a@x:{PLAIN}two words\n", "a@x", "{PLAIN}two words"},
      {"#a@x:old\na@x:new\n", "a@x", "new"},
      {"andr\xc3\xa9@x:p\n", "andr\xc3\xa9@x", "p"},
  };
  for (const auto& row : rows) {
    const UserFile file = parse_users(row.text, "users");
    EXPECT_TRUE(file.faults.empty()) << row.text << file.faults.front();
    ASSERT_EQ(file.hashes.size(), 1U) << row.text;
    EXPECT_EQ(file.hashes.begin()->first, row.user);
    EXPECT_EQ(file.hashes.begin()->second, row.hash);
  }
  EXPECT_TRUE(parse_users("", "users").hashes.empty());
  EXPECT_TRUE(parse_users("", "users").faults.empty());
}

// It is the line's own matter: the others log in, and the file is taken.
TEST(UserFile, ALineNobodyCanLogInWithIsAWarning) {
  const UserFile file =
      parse_users("a@x:{PLAIN}p\nb@x:{CRAM-MD5}cd3ba7deaad6e5ca\nc@x:!\nd@x:plain\n", "users");
  EXPECT_TRUE(file.faults.empty());
  EXPECT_EQ(file.hashes.size(), 4U);
  ASSERT_EQ(file.warnings.size(), 2U);
  EXPECT_TRUE(file.warnings[0].starts_with(
      "users:2: nobody can log in as b@x: unknown password scheme {CRAM-MD5}"));
  EXPECT_TRUE(file.warnings[1].starts_with("users:4: nobody can log in as d@x: "));
  EXPECT_EQ(file.warnings[1].find("plain"), std::string::npos);
}

TEST(UserFile, BadLinesAreNamed) {
  const struct {
    std::string text, where;
  } rows[] = {
      {"nonsense\n", "users:1: "},     {"a@x:p\n\n# c\nnonsense", "users:4: "},
      {":p\n", "users:1: "},           {"a b:p\n", "users:1: "},
      {" a@x:p\n", "users:1: "},       {"a@x:p\na@x:q\n", "users:2: "},
      {"a@x:p\nA@X:q\n", "users:2: "}, {"a\0@x:p\n"s, "users:1: "},
      {"a@x:p\x1b[0m\n", "users:1: "}, {"a@x:p\rb@x:q\n", "users:1: "},
      {"a@x\n:\n", "users:1: "},
  };
  for (const auto& row : rows) {
    const UserFile file = parse_users(row.text, "users");
    ASSERT_FALSE(file.faults.empty()) << row.text;
    EXPECT_TRUE(file.faults.front().starts_with(row.where)) << file.faults.front();
    EXPECT_EQ(file.faults.front().find("{PLAIN}"), std::string::npos);
  }
  // The first of two lines counts, as long as somebody asks.
  EXPECT_EQ(parse_users("a@x:p\na@x:q\n", "users").hashes.at("a@x"), "p");
}

TEST(UserFile, LargeAndHostile) {
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "u" + std::to_string(i) + "@x:{PLAIN}p\n";
  EXPECT_EQ(parse_users(many, "users").hashes.size(), 20'000U);
  const UserFile line = parse_users("a@x:" + std::string(1U << 20U, 'h') + "\n", "users");
  EXPECT_EQ(line.hashes.at("a@x").size(), 1U << 20U);
  EXPECT_EQ(parse_users(std::string(10'000, ':') + "\n", "users").faults.size(), 1U);
}

TEST(UserFile, EditingKeepsEveryOtherByte) {
  const std::string hash = "{PLAIN}new";
  const struct {
    std::string before, user;
    const std::string* hash;
    std::optional<std::string> after;
  } rows[] = {
      {"", "a@x", &hash, "a@x:{PLAIN}new\n"},
      {"b@x:q", "a@x", &hash, "b@x:q\na@x:{PLAIN}new\n"},
      {"a@x:p", "a@x", &hash, "a@x:{PLAIN}new"},
      {"a@x:p\r\nb@x:q\r\n", "A@X", &hash, "a@x:{PLAIN}new\r\nb@x:q\r\n"},
      {"a@x:p:1:2::h::e=f:g\n", "a@x", &hash, "a@x:{PLAIN}new:1:2::h::e=f:g\n"},
      {"#a@x:p\na@x:p\n", "a@x", nullptr, "#a@x:p\n"},
      {"a@x:p\n", "b@x", nullptr, std::nullopt},
      {"nonsense\na@x:p\n\n", "a@x", nullptr, "nonsense\n\n"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(edit_users(row.before, row.user, row.hash), row.after) << row.before;
}

TEST(Users, WhatAnEditSetsIsWhatIsRead) {
  const std::string hash = "{PLAIN}new";
  for (const char* text :
       {"u:old\rmore\n", "u:old\r\n", "u:old", "u:old\r", "u:a\rb:1:2\n", "u:a\n",
        "u:a:1:\x1B:2\r\n", "\xEF\xBB\xBFu:old\nv:x\n", "u:x\r\r\nu:y\n", ""}) {
    const auto edited = edit_users(text, "u", &hash);
    ASSERT_TRUE(edited);
    const UserFile file = parse_users(*edited, "users");
    EXPECT_EQ(file.hashes.contains("u") ? file.hashes.at("u") : "none", hash) << text;
  }
  EXPECT_EQ(edit_users("\xEF\xBB\xBFu:old:1\r\nv:x\r\n", "u", &hash),
            "\xEF\xBB\xBFu:{PLAIN}new:1\r\nv:x\r\n");
  EXPECT_EQ(edit_users("\xEF\xBB\xBFu:old\nv:x\n", "u", nullptr), "\xEF\xBB\xBFv:x\n");
}

TEST(UserFile, ATablesForm) {
  const std::string text = "mailer\t$6$salt$hash\nother   {PLAIN}x\r\n";
  const UserFile file = parse_users(text, "users");
  EXPECT_TRUE(file.faults.empty());
  EXPECT_EQ(file.hashes.at("mailer"), "$6$salt$hash");
  EXPECT_EQ(file.hashes.at("other"), "{PLAIN}x");
  const std::string hash = "{PLAIN}new";
  EXPECT_EQ(edit_users(text, "Mailer", &hash), "mailer\t{PLAIN}new\nother   {PLAIN}x\r\n");
  EXPECT_EQ(edit_users(text, "other", nullptr), "mailer\t$6$salt$hash\n");
  for (const std::string bad : {"two words:{PLAIN}x\n", "user hash\n", "user \n", " {PLAIN}x\n"})
    EXPECT_EQ(parse_users(bad, "users").faults.size(), 1U) << bad;
}

TEST(UserFile, QuotaRulesStandInTheLastField) {
  const struct {
    std::string text, rules;
    std::size_t warnings;
  } rows[] = {
      {"a@x:{PLAIN}p:1:1::/home:/sh:userdb_quota_rule=*:storage=1G\n", "*:storage=1G", 0},
      {"a@x:{PLAIN}p::::::userdb_quota_rule=*:storage=1G:messages=7\r\n", "*:storage=1G:messages=7",
       0},
      {"a@x  {PLAIN}p::::::userdb_quota_rule=*:bytes=5M\n", "*:bytes=5M", 0},
      {"a@x:{PLAIN}p::::::home=/x userdb_quota_rule=*:storage=1G  userdb_quota_rule2=Trash:ignore "
       "y=z\n",
       "*:storage=1G Trash:ignore", 0},
      {"a@x:{PLAIN}p::::::userdb_quota_rule=1G userdb_quota_rule2=*:messages=5\n", "*:messages=5",
       1},
      {"a@x:{PLAIN}p::::::userdb_quota_rules=1G userdb_quota_rulex=*:messages=5\n", "", 0},
      {"a@x:{PLAIN}p:::::userdb_quota_rule=*:storage=1G\n", "", 0},
      {"a@x:{PLAIN}p\n", "", 0},
  };
  for (const auto& row : rows) {
    const UserFile file = parse_users(row.text, "users");
    EXPECT_TRUE(file.faults.empty()) << row.text;
    EXPECT_EQ(file.warnings.size(), row.warnings) << row.text;
    EXPECT_EQ(file.quota_rules.contains("a@x") ? file.quota_rules.at("a@x") : "", row.rules);
  }
  // Of two lines the first counts.
  EXPECT_EQ(parse_users("a@x:{PLAIN}p::::::userdb_quota_rule=*:bytes=1\n"
                        "a@x:{PLAIN}p::::::userdb_quota_rule=*:bytes=2\n",
                        "users")
                .quota_rules.at("a@x"),
            "*:bytes=1");
  EXPECT_TRUE(parse_users("b@x:{PLAIN}p\na@x:{PLAIN}p::::::userdb_quota_rule=1G\n", "users")
                  .warnings.front()
                  .starts_with("users:2: the quota rule \"1G\": "));
}

TEST(UserFile, EditingQuotaRulesKeepsTheRest) {
  const std::string two = "*:storage=1G Trash:ignore";
  const struct {
    std::string before, rules;
    std::optional<std::string> after;
  } rows[] = {
      {"a@x:p\n", "*:storage=1G", "a@x:p::::::userdb_quota_rule=*:storage=1G\n"},
      {"# c\r\nA@X:p\r\nb@x:q", two,
       "# c\r\nA@X:p::::::userdb_quota_rule=*:storage=1G userdb_quota_rule2=Trash:ignore\r\n"
       "b@x:q"},
      {"a@x:p:1:2::/home\n", "*:bytes=1", "a@x:p:1:2::/home::userdb_quota_rule=*:bytes=1\n"},
      {"a@x:p:1:2::/h::k=v userdb_quota_rule=*:bytes=2 userdb_quota_rule7=X:ignore z=*:y\n",
       "*:bytes=1", "a@x:p:1:2::/h::k=v z=*:y userdb_quota_rule=*:bytes=1\n"},
      {"a@x:p::::::userdb_quota_rule=*:bytes=2\n", "", "a@x:p\n"},
      {"a@x:p:1:::/h::userdb_quota_rule=*:bytes=2\n", "", "a@x:p:1:::/h::\n"},
      {"a@x:p\n", "", "a@x:p\n"},
      {"a@x {PLAIN}p\n", "*:bytes=1", "a@x {PLAIN}p::::::userdb_quota_rule=*:bytes=1\n"},
      {"b@x:p\n", "*:bytes=1", std::nullopt},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(edit_quota_rules(row.before, "a@x", row.rules), row.after) << row.before;
    if (row.after) EXPECT_EQ(edit_quota_rules(*row.after, "a@x", row.rules), row.after);
  }
  const std::string hash = "new";
  EXPECT_EQ(edit_users("a@x:p::::::userdb_quota_rule=*:bytes=1\n", "a@x", &hash),
            "a@x:new::::::userdb_quota_rule=*:bytes=1\n");
}

// What Dovecot would do by a field and this server does not: once for each kind, however many lines
// have it; a warning where somebody would be shut out by it.
TEST(UserFile, FieldsThatAreNotUsed) {
  using Texts = std::vector<std::string>;
  const UserFile file = parse_users(
      "a@x:!:1:2::/h::userdb_mail=maildir:~/m userdb_quota_rule=*:storage=1G k=v\n"
      "b@x:!::::::proxy=y userdb_mail=mbox:~/m userdb_x=1\n"
      "c@x:!::::::proxy userdb_x=2\n",
      "users");
  EXPECT_TRUE(file.faults.empty());
  EXPECT_EQ(file.warnings,
            (Texts{"users:2: the field proxy is not used: the login is served here"}));
  EXPECT_EQ(file.notes, (Texts{"users:1: the field userdb_mail is not used: mail lies where "
                               "store.location says",
                               "users:2: the field userdb_x is not used"}));
}

TEST(UserFile, FieldsThatShutSomebodyOut) {
  const UserFile file = parse_users(
      "a@x:{PLAIN}pw::::::nologin\n"
      "b@x:{PLAIN}pw::::::k=v nologin=y\n"
      "c@x:{PLAIN}pw::::::allow_nets=10.0.0.0/8,2001:db8::/32,local\n"
      "d@x:{PLAIN}pw::::::allow_nets=inner.test\n"
      "e@x:{PLAIN}pw::::::userdb_nologin=y nologins\n"
      "f@x:{PLAIN}pw::::::allow_nets=local\n",
      "users");
  EXPECT_TRUE(file.faults.empty());
  EXPECT_EQ(file.hashes.at("a@x"), "!");
  EXPECT_EQ(file.hashes.at("b@x"), "!");
  EXPECT_EQ(file.hashes.at("c@x"), "{PLAIN}pw");
  EXPECT_TRUE(file.allow_nets.at("c@x").contains("10.1.2.3"));
  EXPECT_TRUE(file.allow_nets.at("c@x").contains("2001:db8::1"));
  EXPECT_FALSE(file.allow_nets.at("c@x").contains("192.0.2.1"));
  EXPECT_EQ(file.hashes.at("d@x"), "!");
  EXPECT_EQ(file.hashes.at("e@x"), "{PLAIN}pw");
  EXPECT_FALSE(file.allow_nets.at("f@x").contains("127.0.0.1"));
  ASSERT_EQ(file.warnings.size(), 1U);
  EXPECT_TRUE(file.warnings.front().starts_with(
      "users:4: nobody can log in as d@x: allow_nets=inner.test names a network that is none"));
}

TEST(UserFile, OtherEncodings) {
  for (const std::string& text : {"\xFF\xFE"
                                  "a\0@\0"s,
                                  "\xFE\xFF\0a\0@"s, "a\0@\0"s, "\0a\0@"s}) {
    const UserFile file = parse_users(text, "users");
    EXPECT_FALSE(file.is_text);
    EXPECT_EQ(file.faults,
              std::vector<std::string>{"users:1: the file is in UTF-16; save it as UTF-8"});
  }
  // An edit makes none of a file that is not.
  const std::string hash = "{PLAIN}pw";
  for (const std::string& text : {"\0b\0"s, "a\0c"s, "\0b"s, "x:!\n\0b\0c"s, "x:!\na\0b\0"s}) {
    const auto set = edit_users(text, "bo@x", &hash);
    ASSERT_TRUE(set);
    EXPECT_TRUE(parse_users(*set, "users").is_text);
    EXPECT_EQ(parse_users(*set, "users").hashes.at("bo@x"), hash);
    EXPECT_EQ(edit_users(*set, "bo@x", &hash), set);
    if (const auto left = edit_users(*set, "x", nullptr))
      EXPECT_TRUE(parse_users(*left, "users").is_text);
  }
  const UserFile file = parse_users("# f\xFCr\na@x:!\nm\xFCller@x:!\nj\xF6rg@x:!\n", "users");
  EXPECT_TRUE(file.faults.empty());
  ASSERT_EQ(file.warnings.size(), 1U);
  EXPECT_TRUE(file.warnings.front().starts_with("users:3: not in UTF-8"));
}

}  // namespace
}  // namespace posthorn::auth
