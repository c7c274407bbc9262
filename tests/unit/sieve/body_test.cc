// body: what of a message each transform looks at.
#include <gtest/gtest.h>

#include "question.h"

namespace posthorn::sieve {
namespace {

constexpr std::string_view kMail =
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n"
    "Before all.\r\n--outer\r\n"
    "Content-Type: multipart/alternative; boundary=inner\r\n\r\n"
    "Before inner.\r\n--inner\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n--inner\r\n"
    "Content-Type: text/html\r\n\r\n<html><style>p{color:red}</style><p>V<b>ia</b>gra "
    "&amp; &#8364; &uuml;</p></html>\r\n--inner--\r\nBehind inner.\r\n--outer\r\n"
    "Content-Type: message/rfc822\r\n\r\nSubject: within\r\n\r\nPlease say hello.\r\n--outer\r\n"
    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "c2VjcmV0\r\n--outer\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\n"
    "oddly\r\n--outer--\r\nBehind all.\r\n";

TEST(BodyTest, EachTransformSeesItsOwn) {
  Question question{"\"body\", \"relational\"", std::string(kMail)};
  const Asked kRows[] = {
      {"body :raw :contains \"--inner\"", "yes"},
      {"body :raw :contains \"Subject: x\"", "no"},
      {"body :raw :contains \"gr\xC3\xBC\"", "no"},
      {"body :text :contains \"Gr\xC3\xBC\xC3\x9F\x65\"", "yes"},
      {"body :contains \"Viagra & \xE2\x82\xAC \xC3\xBC\"", "yes"},
      {"body :text :contains [\"<p>\", \"color\", \"Before\", \"Behind\", \"within\"]", "no"},
      {"body :text :contains \"Please say hello\"", "yes"},
      {"body :text :contains [\"secret\", \"oddly\"]", "no"},
      {"body :content \"text/html\" :contains \"<b>ia</b>\"", "yes"},
      {"body :content \"text/plain\" :contains \"<b>ia</b>\"", "no"},
      {"body :content \"application\" :is \"secret\"", "yes"},
      {"body :content \"\" :contains \"secret\"", "yes"},
      {"body :content \"multipart\" :is \"Before all.\"", "yes"},
      {"body :content \"multipart\" :contains \"Behind inner.\"", "yes"},
      {"body :content \"multipart\" :contains [\"--inner\", \"--outer\"]", "no"},
      {"body :content \"message/rfc822\" :contains \"Subject: within\"", "yes"},
      {"body :content \"message/rfc822\" :contains \"Please\"", "no"},
      {"body :content [\"text/\", \"/plain\", \"text/plain/x\"] :contains \"\"", "no"},
      {"body :content \"text\" :count \"eq\" \"3\"", "yes"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
}

// RFC 5173 section 4.
TEST(BodyTest, AMessageWithoutABodyMatchesNothing) {
  Question question{"\"body\"", "Subject: x\r\n"};
  EXPECT_EQ(question.ask("body :raw :contains \"\""), "no");
  question.mail = "Subject: x\r\n\r\n";
  EXPECT_EQ(question.ask("body :raw :contains \"\""), "yes");
}

// RFC 5173 section 6.
TEST(BodyTest, MatchValuesStayAsTheyWere) {
  Tried tried;
  EXPECT_EQ(
      told(tried.run("require [\"body\", \"variables\", \"fileinto\"];"
                     "if allof (header :matches \"subject\" \"a*\", body :raw :matches \"x*\")"
                     "{ fileinto \"${1}\"; }",
                     "Subject: abc\r\n\r\nxyz")),
      "fileinto bc");
}

TEST(BodyTest, TheTextIsFetchedOnlyWhenAScriptAsks) {
  Tried tried;
  tried.world.has_text = false;
  EXPECT_EQ(told(tried.run("require \"body\"; if false { if body :contains \"x\" {} }",
                           "Subject: x\r\n\r\nx")),
            "keep");
  EXPECT_EQ(told(tried.run("require \"body\"; if body :contains \"x\" { discard; }",
                           "Subject: x\r\n\r\nx")),
            "waiting");
}

}  // namespace
}  // namespace posthorn::sieve
