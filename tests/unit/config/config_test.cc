#include "config/config.h"

#include <gtest/gtest.h>

namespace posthorn::config {
namespace {

std::string fault(std::string_view text) {
  const auto config = parse(text, "/etc/x/conf/posthorn.toml");
  return config ? "" : config.error().what;
}

TEST(Config, DefaultsParseBackToThemselves) {
  const std::string text = to_toml(Config{});
  const auto config = parse(text, "/srv/mail/conf/posthorn.toml");
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->paths.maps, "/srv/mail/maps");
  EXPECT_EQ(config->smtp.message_max, 50U << 20U);
  EXPECT_EQ(config->queue.expire_after, std::chrono::hours(120));
  EXPECT_EQ(config->tls.reload_interval, 1s);
  EXPECT_EQ(config->listen.imaps, Listen{}.imaps);
}

TEST(Config, FaultsNameFileLineAndReason) {
  EXPECT_EQ(
      fault("[smtp]\n\nmesage_max = 3\n"),
      "/etc/x/conf/posthorn.toml:3: unknown key \"mesage_max\", did you mean \"message_max\"?");
  EXPECT_EQ(fault("[smpt]\n"),
            "/etc/x/conf/posthorn.toml:1: unknown section \"smpt\", did you mean \"smtp\"?");
  EXPECT_EQ(
      fault("[smtp]\nmessage_max = \"3TB\"\n"),
      "/etc/x/conf/posthorn.toml:2: smtp.message_max must be a size, as 1024 or \"50MB\" (B, KB, "
      "MB, GB)");
  EXPECT_EQ(fault("[smtp]\nmessage_max = \"3GB\"\n"),
            "/etc/x/conf/posthorn.toml:2: smtp.message_max must be 1KB to 2GB");
  EXPECT_EQ(fault("[smtp]\nhops_max = 1\n"),
            "/etc/x/conf/posthorn.toml:2: smtp.hops_max is 1, must be 10 to 1000");
  EXPECT_EQ(fault("[relay]\ntls = \"maybe\"\n"),
            "/etc/x/conf/posthorn.toml:2: relay.tls is \"maybe\", must be one of: verify, encrypt, "
            "may, none");
  EXPECT_EQ(fault("[auth]\nban = 10\n"),
            "/etc/x/conf/posthorn.toml:2: auth.ban must be a time, as \"30s\" (ms, s, m, h, d)");
  EXPECT_EQ(fault("[auth]\nallow_plaintext = \"yes\"\n"),
            "/etc/x/conf/posthorn.toml:2: auth.allow_plaintext must be true or false");
  EXPECT_NE(fault("[auth\n").find("/etc/x/conf/posthorn.toml:1: "), std::string::npos);
}

TEST(Config, WhatTheTomlReaderWouldEndOnIsToldAsAFault) {
  for (const char* text : {"\n[", "\n[\n", "\n[ ", "\n[!x]", "\n[[", "\n [[ \t", "\n[[[a]]]",
                           "\n[=]", "\n[{}]", "\n[\x14", "\n[\xC3\xA4]"})
    EXPECT_EQ(fault(text), "/etc/x/conf/posthorn.toml:2: a section is opened with its name: [name]")
        << text;
  for (const char* text : {"\n\xCF\x94", "# \xC3\xA4\n\xC3\xA4 = 1", "[smtp]\nbanner = \x01",
                           "[smtp]\n\xE2\x80\xAFhops_max = 50", "[smtp]\nhops_max\xC2\xA0= 50",
                           "\n\x7F", "[smtp]\nhops_max = 50\xE3\x80\x80"})
    EXPECT_EQ(fault(text),
              "/etc/x/conf/posthorn.toml:2: this character may stand in quotes and in comments "
              "only; quotes are the plain \", and the file is in UTF-8")
        << text;
}

TEST(Config, BracketsOfOneKindCloseEachOther) {
  for (const char* text :
       {"\na = [}", "\na = [1,}", "a = [\n\"b\"}", "a = [ # [\n}", "\na = {b = 1]", "\na = [[}]"})
    EXPECT_EQ(fault(text), "/etc/x/conf/posthorn.toml:2: a bracket closes another kind of bracket")
        << text;
}

TEST(Config, AQuoteStandsWhereATextBegins) {
  for (const char* text :
       {"\na = 0x\" \xD0\xA4", "\na = \"b\" \"\xD0\xA4\"", "\na\"b = 1", "\na = 1 'b'"})
    EXPECT_EQ(fault(text),
              "/etc/x/conf/posthorn.toml:2: a quote in the middle of a word; the form is key = "
              "\"text\", and [\"one\", \"two\"] of a list")
        << text;
  EXPECT_EQ(fault("[ 'smtp' . \"x\" ]\n{").find("a quote"), std::string::npos);
}

TEST(Config, ABracketStandsWhereAListBegins) {
  for (const char* text : {"\na = 0[\"''[ho\xD1\xA3 p", "\na = b{", "\na = [1 [2]]", "\na[ = 1"})
    EXPECT_EQ(fault(text), "/etc/x/conf/posthorn.toml:2: a bracket in the middle of a word")
        << text;
}

TEST(Config, NoSettingIsADate) {
  for (const std::string text :
       {"[smtp]\nmessage_max = 1980-05-27Tr7:32:00Z\n", "[smtp]\nmessage_max = 1980-05-27\n",
        "[smtp]\nmessage_max=1980-05-27 x\n", "[smtp]\nbanner = [1980-05-27T]\n"})
    EXPECT_EQ(fault(text), "/etc/x/conf/posthorn.toml:2: a date: no setting takes one") << text;
  for (const std::string text : {"[smtp]\nbanner = \"1980-05-27T\"\n", "# 1980-05-27Tr\n"})
    EXPECT_EQ(fault(text), "") << text;
}

TEST(Config, QuotesAndCommentsMayHoldWhatTheyLike) {
  for (const char* text :
       {"# [!x \xC3\xA4\n[smtp] # [\nbanner = \"[!x] \xC3\xA4\"\n",
        "[smtp]\nbanner = '[ \xC3\xA4'\n", "[smtp]\nbanner = \"\"\"\n[\n\\\"[!\"\"\"\n",
        "[smtp]\nbanner = '''\n[\n'''\nhops_max = 50\n",
        "[smtp]\nbanner = \"\"\"a\"\"\"\"\nhops_max = 50\n",
        "[maps]\naliases = [\n \"a\",\n \"b\" ]\n", "\xEF\xBB\xBF[smtp]\nhops_max = 50\n"})
    EXPECT_EQ(fault(text), "") << text;
  const std::string told = fault("[maps]\naliases = [\n [\n");
  EXPECT_EQ(told.find("a section is opened"), std::string::npos) << told;
}

TEST(Config, ControlCharactersAreWrittenAsEscapes) {
  const auto config = parse("[smtp]\nbanner = \"a\\nb\\u001B\\u007F\\t\\\"\"\n", "/x/conf/c.toml");
  ASSERT_TRUE(config) << config.error().what;
  const auto back = parse(to_toml(*config), "/x/conf/c.toml");
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(back->smtp.banner, "a\nb\x1B\x7F\t\"");
}

TEST(Config, AShortFileHasTheDefaultsForTheRest) {
  const auto config =
      parse("[server]\nhostname = \"mx.example.org\"\n[listen]\nsmtp = \"127.0.0.1:2525\"\n",
            "/a/conf/p.toml");
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->server.hostname, "mx.example.org");
  EXPECT_EQ(config->listen.smtp, std::vector<std::string>{"127.0.0.1:2525"});
  EXPECT_EQ(config->relay.tls, TlsPolicy::verify);
}

}  // namespace
}  // namespace posthorn::config
