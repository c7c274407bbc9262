// Proves the MIME tree against structures written by hand: nested, broken, cut off, with boundaries
// that are prefixes of each other. Its caps hold: deeper or more than allowed is one opaque leaf,
// and no text costs more than a pass or makes the tree point outside of it.
#include "message/part.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/cpu_time.h"

namespace posthorn::message {
namespace {

using namespace std::string_literals;

// As BODYSTRUCTURE nests: "(text/plain)(text/html)mixed", "msg(...)"; a leaf with its body.
std::string show(std::string_view text, const Part& part) {
  std::string out;
  if (part.is_multipart()) {
    for (const Part& child : part.children) out += show(text, child);
    return "[" + out + " " + part.subtype + "]";
  }
  if (part.is_message()) return "<" + show(text, part.children.front()) + ">";
  return fmt::format("({}/{} '{}')", part.type, part.subtype,
                     text.substr(part.body_begin, part.body_end - part.body_begin));
}

std::string shown(std::string_view text) {
  return show(text, parse_parts(text));
}

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

TEST(Parts, Structures) {
  const struct {
    std::string text, expected;  // both with LF; CRLF goes to the parser
  } rows[] = {
      {"", "(text/plain '')"},
      {"Subject: x\n\nbody\n", "(text/plain 'body\n')"},
      {"Content-Type: text/HTML\n\nb", "(text/html 'b')"},
      {"Content-Type: text\n\nb", "(text/plain 'b')"},
      {"Content-Type: /plain\n\nb", "(text/plain 'b')"},
      {"Content-Type: ;;;\n\nb", "(text/plain 'b')"},
      {"Content-Type: multipart/mixed; "
       "boundary=b\n\npreamble\n--b\n\none\n--b\n\ntwo\n--b--\nepilogue\n",
       "[(text/plain 'one')(text/plain 'two') mixed]"},
      {"Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b\n\none\n--a b--\n",
       "[(text/plain 'one') mixed]"},
      // White space behind a boundary is allowed, text is not.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\none\n--bx\nstill\n--b--  \n",
       "[(text/plain 'one\n--bx\nstill') mixed]"},
      // The end is missing.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n", "[(text/plain 'one\n') mixed]"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b",
       "[(text/plain 'one')(text/plain '') mixed]"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b", "[(text/plain '') mixed]"},
      // No part, or no boundary: a leaf.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "(multipart/mixed '--b--\n')"},
      {"Content-Type: multipart/mixed; boundary=b\n\nnothing\n", "(multipart/mixed 'nothing\n')"},
      {"Content-Type: multipart/mixed\n\n--\n\nx\n----\n", "(multipart/mixed '--\n\nx\n----\n')"},
      {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
       "(multipart/mixed '--\n\nx\n----\n')"},
      // A boundary that begins another.
      {"Content-Type: multipart/mixed; boundary=ab\n\n--ab\n"
       "Content-Type: multipart/alternative; "
       "boundary=abc\n\n--abc\n\none\n--abc\n\ntwo\n--abc--\n--ab\n\n"
       "three\n--ab--\n",
       "[[(text/plain 'one')(text/plain 'two') alternative](text/plain 'three') mixed]"},
      {"Content-Type: multipart/mixed; boundary=abc\n\n--abc\n"
       "Content-Type: multipart/alternative; "
       "boundary=ab\n\n--ab\n\none\n--ab--\n--abc\n\ntwo\n--abc--\n",
       "[[(text/plain 'one') alternative](text/plain 'two') mixed]"},
      // The inner end is missing: the outer boundary ends both.
      {"Content-Type: multipart/mixed; boundary=o\n\n--o\n"
       "Content-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--\n",
       "[[(text/plain 'one') mixed](text/plain 'two') mixed]"},
      // Behind the end there is nothing more.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n",
       "[(text/plain 'one') mixed]"},
      // A part without a header, and one that is only a header.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\n--b\nContent-Type: "
       "text/html\n--b--\n",
       "[(text/plain '')(text/html '') mixed]"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--\n",
       "[(text/plain '')(text/plain '') mixed]"},
      {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b\nContent-Type: "
       "text/plain\n\n"
       "two\n--b--\n",
       "[<(text/plain 'one')>(text/plain 'two') digest]"},
      {"Content-Type: message/rfc822\n\nSubject: x\nContent-Type: text/html\n\nb\n",
       "<(text/html 'b\n')>"},
      {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: x\n\nb\n",
       "<(text/plain 'b\n')>"},
      {"Content-Type: message/rfc822\n\n", "<(text/plain '')>"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n--b\n"
       "Content-Type: message/rfc822\n--b\n\nx\n--b--\n",
       "[<(text/plain '')><(text/plain '')>(text/plain 'x') mixed]"},
      {"Content-Type: multipart/mixed; boundary=\"a:b\"\n\n--a:b\nSubject: "
       "x\n--a:b\n\none\n--a:b--\n",
       "[(text/plain '')(text/plain 'one') mixed]"},
      // A boundary in parts (RFC 2231), and two of them: the first one counts.
      {"Content-Type: multipart/mixed; boundary*1=y; boundary*0=x\n\n--xy\n\none\n--xy--\n",
       "[(text/plain 'one') mixed]"},
      {"Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\none\n--b\n--a--\n",
       "[(text/plain 'one\n--b') mixed]"},
      // A header line that is no field ends no header.
      {"word\nContent-Type: text/html\n\nb\n", "(text/html 'b\n')"},
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\n folded\nContent-Type: "
       "text/html\n\none\n--b\njust text\n--b--\n",
       "[(text/html 'one')(text/plain '') mixed]"},
      {"Content-Type: multipart/mixed; boundary=\"b--\"\n\n--b--\n\none\n--b----\n",
       "[(text/plain 'one') mixed]"},
      {"Content-Type: message/rfc822\n\nno header at all\n", "<(text/plain '')>"},
      {"Content-Type: message/partial; id=x\n\nb", "(message/partial 'b')"},
      // The same boundary within itself: the first one found belongs to the outside.
      {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; "
       "boundary=b\n\n--b\n\n"
       "one\n--b--\n",
       "[(multipart/mixed '')(text/plain 'one') mixed]"},
  };
  for (const auto& row : rows) EXPECT_EQ(shown(crlf(row.text)), crlf(row.expected)) << row.text;
}

// RFC 2231 section 3, each row as Dovecot's BODYSTRUCTURE shows it.
TEST(Parts, ParametersInParts) {
  const std::pair<std::string_view, Parameters> rows[] = {
      {"n*0=\"one \"; n*1=two.txt", {{"n", "one two.txt"}}},
      {"n*1=b; n*0=a", {{"n", "ab"}}},
      {"n*0=a", {{"n", "a"}}},
      {"n*00=a; n*01=b", {{"n", "ab"}}},
      {"N*0=a; n*1=b", {{"N", "ab"}}},
      {"n*0=\"\"; n*1=\"\"", {{"n", ""}}},
      {"n*0=\"a\\\"b\"; n*1=c", {{"n", "a\"bc"}}},
      {"n*10=k; n*2=c; n*1=b; n*0=a; n*3=d; n*4=e; n*5=f; n*6=g; n*7=h; n*8=i; n*9=j",
       {{"n", "abcdefghijk"}}},
      {"n*0=a; x=y; n*1=b; size=3", {{"x", "y"}, {"size", "3"}, {"n", "ab"}}},
      {"n=plain; n*0=a; n*1=b", {{"n", "plain"}, {"n", "ab"}}},
      {"n*0=a; m*0=b", {{"m", "b"}, {"n", "a"}}},
      // Percent-encoded: with the charset's place in front, and all parts alike.
      {"n*0*=utf-8'de'%C3%A4; n*1*=%C3%B6; n*2=\" x%20\"",
       {{"n*", "utf-8'de'%C3%A4%C3%B6 x%2520"}}},
      {"n*0=one; n*1*=%20two; n*2=three", {{"n*", "''one%20twothree"}}},
      {"n*0=a%41; n*1*=b%41", {{"n*", "''a%2541b%41"}}},
      {"n*0*=a; n*1=b", {{"n*", "ab"}}},
      {"n*=utf-8''%C3%A4", {{"n*", "utf-8''%C3%A4"}}},
      {"n=plain; n*=utf-8''x", {{"n", "plain"}, {"n*", "utf-8''x"}}},
      // With a hole, without a beginning, twice the same: as they came.
      {"n*0=a; n*2=c", {{"n*0", "a"}, {"n*2", "c"}}},
      {"n*1=b; n*2=c", {{"n*1", "b"}, {"n*2", "c"}}},
      {"n*0=a; n*0=b; n*1=c", {{"n*0", "a"}, {"n*0", "b"}, {"n*1", "c"}}},
      {"n*x=a", {{"n*x", "a"}}},
      {"n*0x=a", {{"n*0x", "a"}}},
      {"n*99999999999999999999=a", {{"n*99999999999999999999", "a"}}},
      {"*0=a", {{"*0", "a"}}},
  };
  for (const auto& [text, wanted] : rows)
    EXPECT_EQ(parse_parameterized("x; " + std::string(text)).parameters, wanted) << text;
}

TEST(Parts, Fields) {
  const std::string text = crlf(
      "Content-Type: (c) Text/Plain (d) ; charset = \"utf-8\" ; NAME*0=a; name*1=\"b \\\"c\\\"\"; "
      "empty=; =x\n"
      "Content-Transfer-Encoding: (x) Quoted-Printable (y)\n"
      "Content-Disposition: attachment; filename=\"a;b.txt\"\n"
      "Content-Language: en, (c) de-DE\n"
      "Content-ID: <1@x>\nContent-MD5: abc==\nContent-Location: x/y\nContent-Description: "
      "=?utf-8?Q?a?=\n"
      "\none\ntwo\nthree");
  const Part part = parse_parts(text);
  EXPECT_EQ(part.type + "/" + part.subtype, "text/plain");
  EXPECT_EQ(part.parameters,
            (Parameters{{"charset", "utf-8"}, {"empty", ""}, {"NAME", "ab \"c\""}}));
  EXPECT_EQ(part.encoding, "quoted-printable");
  EXPECT_EQ(part.disposition, "attachment");
  EXPECT_EQ(part.disposition_parameters, (Parameters{{"filename", "a;b.txt"}}));
  EXPECT_EQ(part.languages, (std::vector<std::string>{"en", "de-DE"}));
  EXPECT_EQ(part.id, "<1@x>");
  EXPECT_EQ(part.md5, "abc==");
  EXPECT_EQ(part.location, "x/y");
  EXPECT_EQ(part.description, "=?utf-8?Q?a?=");
  EXPECT_EQ(part.lines, 2U);
  EXPECT_EQ(parse_parameterized("x; a=\"open").parameters, (Parameters{{"a", "open"}}));
  EXPECT_EQ(parse_parameterized("x; a=\"\\").parameters.size(), 1U);
  EXPECT_EQ(parse_parameterized("").value, "");
  EXPECT_EQ(parse_parameterized("(((((").value, "");
}

struct Shape {
  std::size_t parts = 0, depth = 0;
};
// Every part lies within its parent, in order.
void measure(const Part& part, std::size_t depth, Shape& shape) {
  ++shape.parts;
  shape.depth = std::max(shape.depth, depth);
  ASSERT_LE(part.header_begin, part.body_begin);
  ASSERT_LE(part.body_begin, part.body_end);
  std::size_t from = part.body_begin;
  for (const Part& child : part.children) {
    ASSERT_GE(child.header_begin, from);
    ASSERT_LE(child.body_end, part.body_end);
    from = child.body_end;
    measure(child, depth + 1, shape);
  }
}
Shape shape_of(std::string_view text) {
  Shape shape;
  measure(parse_parts(text), 0, shape);
  return shape;
}

TEST(Parts, CapsHold) {
  std::string nested;
  for (int i = 0; i < 2'000; ++i)
    nested += fmt::format("Content-Type: multipart/mixed; boundary=b{}\r\n\r\n--b{}\r\n", i, i);
  EXPECT_EQ(shape_of(nested).depth, 100U);

  std::string same;
  for (int i = 0; i < 2'000; ++i)
    same += "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
  EXPECT_LE(shape_of(same).parts, 10'001U);

  std::string chain;
  for (int i = 0; i < 5'000; ++i) chain += "Content-Type: message/rfc822\r\n\r\n";
  EXPECT_EQ(shape_of(chain).depth, 100U);

  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 30'000; ++i) many += "--b\r\n";
  const Shape shape = shape_of(many);
  EXPECT_GE(shape.parts, 9'999U);
  EXPECT_LE(shape.parts, 10'001U);

  const std::string boundary(10'000, 'b');
  EXPECT_EQ(shown("Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary +
                  "\r\n\r\none\r\n--" + boundary + "--\r\n"),
            "[(text/plain 'one') mixed]");
  std::string parameters = "Content-Type: text/plain";
  for (int i = 0; i < 50'000; ++i) parameters += fmt::format(";\r\n n*{}*=x", i);
  EXPECT_LE(parse_parts(parameters + "\r\n\r\n").parameters.size(), 100U);
}

TEST(Parts, HostileTextEndsSoon) {
  double passes = 0;
  for (const std::string piece : {"--b\r\n", "--b--\r\n", "--b", "\r\n", "\n", "\r", "(",
                                  "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
                                  "Content-Type: message/rfc822\r\n\r\n--b\r\n", "A: b\r\n", ""}) {
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    while (text.size() < (1U << 18U)) text += piece.empty() ? std::string(1, '\0') : piece;
    std::size_t parts = 0;
    passes = std::max(passes, test::cpu_passes([&] { parts = shape_of(text).parts; }));
    EXPECT_LE(parts, 10'001U) << piece;
  }
  for (const std::string field :
       {"Content-Type", "Content-Disposition", "Content-Language", "Content-Transfer-Encoding"})
    for (const std::string piece : {"(", ";", "=", "\"", "a=b;", "\\", ",", "x ", ";a=\""}) {
      std::string text = field + ": x";
      while (text.size() < (1U << 17U)) text += piece;
      passes = std::max(passes, test::cpu_passes([&] { (void)parse_parts(text + "\r\n\r\n"); }));
    }
  EXPECT_LT(passes, test::kPassesMax);
}

// Depth multiplies no work: a hundred levels around one text cost about what one does.
TEST(Parts, DepthCostsNothing) {
  for (const std::string field : {"multipart/mixed; boundary=b", "message/rfc822; x="}) {
    std::string text;
    for (int i = 0; i < 99; ++i)
      text +=
          fmt::format("Content-Type: {}{}\r\n\r\n{}", field, i,
                      field.starts_with("m") && field[1] == 'u' ? fmt::format("--b{}\r\n", i) : "");
    text += "\r\n";
    while (text.size() < (1U << 20U)) text += "\r\n";
    EXPECT_LT(test::cpu_passes([&] { EXPECT_EQ(shape_of(text).depth, 99U); }), test::kPassesMax);
  }
}

TEST(Parts, LinesOfBodies) {
  const std::string text = crlf(
      "Content-Type: multipart/mixed; boundary=b\n\nx\n--b\n\none\ntwo\n--b\n\n\n--b\nA: b\n--b\n"
      "Content-Type: message/rfc822\n\nSubject: x\n\n1\n2\n3\n\n--b--\ny\n");
  const Part root = parse_parts(text);
  EXPECT_EQ(root.lines, 21U);
  ASSERT_EQ(root.children.size(), 4U);
  EXPECT_EQ(root.children[0].lines, 1U);
  EXPECT_EQ(root.children[1].lines, 0U);
  EXPECT_EQ(root.children[2].lines, 0U);
  EXPECT_EQ(root.children[3].lines, 5U);
  EXPECT_EQ(root.children[3].children.front().lines, 3U);
}

TEST(DecodeTransfer, Rows) {
  const struct {
    std::string encoding, body, text;
  } rows[] = {
      {"7bit", "a=20b", "a=20b"},
      {"unknown", "YQ==", "YQ=="},
      {"quoted-printable", "", ""},
      {"quoted-printable", "caf=C3=A9", "caf\xc3\xa9"},
      {"quoted-printable", "caf=c3=a9", "caf\xc3\xa9"},
      {"quoted-printable", "a=\r\nb", "ab"},
      {"quoted-printable", "a=\nb", "ab"},
      {"quoted-printable", "a=  \r\nb", "ab"},  // blanks that a relay put there
      {"quoted-printable", "a=", "a="},
      {"quoted-printable", "a=4", "a=4"},
      {"quoted-printable", "a=ZZb", "a=ZZb"},
      {"quoted-printable", "a_b", "a_b"},
      {"quoted-printable", "==41", "=A"},
      {"quoted-printable", "=00", "\0"s},
      {"base64", "", ""},
      {"base64", "Y2Fmw6k=", "caf\xc3\xa9"},
      {"base64", "Y2F\r\nmw6\r\nk=\r\n", "caf\xc3\xa9"},
      {"base64", "Y 2!F*m\xff", "caf"},
      {"base64", "Y2Fm", "caf"},
      {"base64", "Y2F", "ca"},
      {"base64", "Y", ""},
      {"base64", "====", ""},
      {"base64", "Y2Fm====\r\nfooter", "caf"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(decode_transfer(row.body, row.encoding), row.text) << row.encoding << " " << row.body;
  for (const std::string encoding : {"base64", "quoted-printable"})
    for (const std::string piece : {"=", "A", "=\r\n", "=4", "\xff"}) {
      std::string body;
      while (body.size() < (1U << 18U)) body += piece;
      EXPECT_LE(decode_transfer(body, encoding).size(), body.size()) << encoding << piece;
    }
}

}  // namespace
}  // namespace posthorn::message
