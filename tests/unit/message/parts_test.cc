// Headers, addresses, parameters, parts and encoded words on rows that a wrong reading fails: what
// looks like a boundary, an escape at the very end, a word that is none.
#include <gtest/gtest.h>

#include "message/address.h"
#include "message/headers.h"
#include "message/mailbox_address.h"
#include "message/part.h"

namespace posthorn::message {
namespace {

// "mixed(plain html)" and the like.
std::string shape(const Part& part) {
  if (part.children.empty()) return part.subtype;
  std::string out = part.subtype + "(";
  for (const Part& child : part.children) out += (out.ends_with('(') ? "" : " ") + shape(child);
  return out + ")";
}

std::string mixed(std::string_view body) {
  return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + std::string(body);
}

TEST(Parts, Boundaries) {
  const std::pair<std::string, const char*> rows[] = {
      {mixed("--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"), "mixed(plain plain)"},
      {mixed("preamble\r\n--b\r\n\r\none\r\n--b--\r\nepilogue\r\n--b\r\n"), "mixed(plain)"},
      {mixed("--b \t\r\n\r\none\r\n--b-- \r\n"), "mixed(plain)"},
      {mixed("--bb\r\n\r\none\r\n--b x\r\n--b-\r\n"), "mixed"},
      {mixed(" --b\r\nx--b\r\n"), "mixed"},
      {mixed("--b\n\none\n--b--\n"), "mixed(plain)"},
      {mixed("--b\r\n\r\nnever ended"), "mixed(plain)"},
      {mixed("--b"), "mixed(plain)"},
      {mixed("--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n"
             "--b\r\n\r\ntwo\r\n--c\r\n--b--\r\n"),
       "mixed(alternative(plain) plain)"},
      {mixed("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n"),
       "mixed(rfc822(plain))"},
      {"Content-Type: multipart/digest; boundary=\"b c\"\r\n\r\n--b c\r\n\r\nSubject: in\r\n\r\n",
       "digest(rfc822(plain))"},
      {"Content-Type: multipart/mixed; boundary=\"b:\"\r\n\r\n--b:\r\n--b:\r\n\r\nx\r\n--b:--",
       "mixed(plain plain)"},
      {"Content-Type: multipart/mixed\r\n\r\n--\r\n", "mixed"},
      {"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n----\r\n", "mixed"},
  };
  for (const auto& [text, wanted] : rows) EXPECT_EQ(shape(parse_parts(text)), wanted) << text;
}

TEST(Parts, PlacesAndLines) {
  const std::string text = mixed("--b\r\n\r\none\r\ntwo\r\n\r\n--b\r\nX: y\r\n\r\n--b--\r\n");
  const Part root = parse_parts(text);
  ASSERT_EQ(root.children.size(), 2U);
  const auto body = [&](const Part& part) {
    return text.substr(part.body_begin, part.body_end - part.body_begin);
  };
  EXPECT_EQ(body(root.children[0]), "one\r\ntwo\r\n");
  EXPECT_EQ(root.children[0].lines, 2U);
  EXPECT_EQ(body(root.children[1]), "");
  EXPECT_EQ(root.lines, 9U);
}

TEST(Parts, LinesAreCountedAcrossTheWholeText) {
  std::string text = "\r\n";
  for (std::size_t i = 0; i < 3000; ++i) text += std::string(i % 7, 'x') + "\r\n";
  EXPECT_EQ(parse_parts(text).lines, 3000U);
}

TEST(Parameters, Rows) {
  const std::pair<std::string_view, Parameters> rows[] = {
      {"a/b; c=d; e=\"f \\\"g\"", {{"c", "d"}, {"e", "f \"g"}}},
      {"a/b; (comment) c (more) = (still) d", {{"c", "d"}}},
      {"a/b; c; d=e", {{"d", "e"}}},
      {"a/b;;; c=d", {{"c", "d"}}},
      // What ends in the middle of an escape or a comment.
      {"a/b; c (\\", {}},
      {"a/b; c=(\\", {{"c", ""}}},
      {"a/b; c=\"\\", {{"c", "\\"}}},
      {"a/b; (\\", {}},
  };
  for (const auto& [text, wanted] : rows) {
    const ParameterizedValue parsed = parse_parameterized(text);
    EXPECT_EQ(parsed.value, "a/b") << text;
    EXPECT_EQ(parsed.parameters, wanted) << text;
  }
}

TEST(Words, Rows) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"plain", "plain"},
      {"=?utf-8?q?a_b=41?=", "a bA"},
      {"=?UTF-8?B?w6Q=?= x", "ä x"},
      {"=?iso-8859-1?q?=E4?=", "ä"},
      {"=?utf-8?q?a?= \r\n =?utf-8?q?b?=", "ab"},
      {"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
      {"=?utf-8?q?"
       "?=",
       ""},
      {"=?klingon?q?a?=", "=?klingon?q?a?="},
      // What is no word stays, and hides none behind it.
      {"1=?2 =?utf-8?q?a?=", "1=?2 a"},
      {"=?=?utf-8?q?a?=", "=?a"},
      {"=?utf-8?q?a?= =?x =?utf-8?q?b?=", "a =?x b"},
      {"=?utf-8?q?open", "=?utf-8?q?open"},
      {"a =?", "a =?"},
      {"=?utf-8?q", "=?utf-8?q"},
  };
  for (const auto& [text, wanted] : rows) EXPECT_EQ(decode_words(text), wanted) << text;
}

TEST(Addresses, NoLineEndComesOut) {
  const auto addresses = parse_addresses("\"a\r\nb\" <c\r\n d@[192.0\r\n.2.1]> (e\r\n\\\nf)");
  ASSERT_EQ(addresses.size(), 1U);
  EXPECT_EQ(addresses[0].name, "ab");
  EXPECT_EQ(addresses[0].host, "[192.0.2.1]");
}

TEST(MailboxAddress, OnlyValidUtf8) {
  EXPECT_TRUE(parse_mailbox_address("\xC3\xA4@x.example"));
  EXPECT_TRUE(parse_mailbox_address("\xF0\x9F\x98\x80@x.example"));
  for (const char* wrong : {"\xC3@x.example", "\xC0\xAF@x.example", "\xE0\x80\xAF@x.example",
                            "\xED\xA0\x80@x.example", "\xF0\x80\x80\xAF@x.example",
                            "\xF4\x90\x80\x80@x.example", "\xC2\x85@x.example", "\xFF@x.example"})
    EXPECT_FALSE(parse_mailbox_address(wrong)) << wrong;
}

TEST(HeaderCollector, GivesTheSameInPiecesOfEverySize) {
  for (const std::string_view text :
       {"Subject: a\r\n b\r\nTo: c\r\n\r\nbody", "Subject: a\n\nbody\n", "From x\nTo: a\n\n",
        "Subject: a\r\nno field\r\n\r\n", "\r\nbody", "Subject", "Subject: a\r\n", " a: b\r\n",
        "To:\r\n\t\r\n\r\n"}) {
    const std::size_t wanted = find_header_end(text, Input::whole)->header_size;
    for (std::size_t size = 1; size <= text.size(); ++size) {
      HeaderCollector collector;
      for (std::size_t at = 0; at < text.size(); at += size) collector.feed(text.substr(at, size));
      collector.finish();
      EXPECT_EQ(collector.block(), text.substr(0, wanted)) << text << " by " << size;
    }
  }
}

}  // namespace
}  // namespace posthorn::message
