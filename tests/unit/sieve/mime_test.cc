// foreverypart, mime, extracttext, replace, enclose: the parts of a message, and a message made
// anew.
#include <gtest/gtest.h>

#include "message/part.h"
#include "question.h"

namespace posthorn::sieve {
namespace {

constexpr std::string_view kMail =
    "From: ann@example.org\r\nSubject: outside\r\nReceived: by mx\r\n"
    "Content-Type: multipart/mixed; boundary=AA\r\nX-Test: a\r\n\r\n"
    "--AA\r\nContent-Type: multipart/alternative; boundary=BB\r\nX-Test: b\r\n\r\n"
    "--BB\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n"
    "X-Test: c\r\n\r\nGr\xFC\xDF"
    "e\r\n"
    "--BB\r\nContent-Type: text/html\r\nX-Test: d\r\n\r\n<b>html</b>\r\n--BB--\r\n"
    "--AA\r\nContent-Type: image/png; name=\"x.png\"\r\nX-Test: e\r\nContent-Disposition: "
    "attachment;\r\n filename*0*=utf-8'en'gr%C3%BC; filename*1*=n.exe\r\n\r\npng\r\n--AA--\r\n";

constexpr std::string_view kAll =
    "require [\"foreverypart\", \"mime\", \"extracttext\", \"variables\", \"fileinto\", "
    "\"replace\","
    "\"enclose\", \"body\"];\r\n";

std::string filed(std::string_view script) {
  Tried tried;
  return told(tried.run(std::string(kAll) + std::string(script), std::string(kMail)));
}

// Notes the X-Test of each part it comes by.
std::string walked(std::string_view inner) {
  return filed(
      "set \"w\" \"\"; foreverypart :name \"outer\" {"
      "if header :mime :matches \"x-test\" \"*\" { set \"w\" \"${w}${1}\"; }" +
      std::string(inner) + "} fileinto \"${w}\";");
}

// RFC 5703 section 3: a loop in a loop goes over what is within the part.
TEST(ForeverypartTest, EachPartInItsOrder) {
  EXPECT_EQ(walked(""), "fileinto abcde");
  EXPECT_EQ(walked("set \"w\" \"${w}(\"; foreverypart { if header :mime :matches \"x-test\" \"*\" "
                   "{ set \"w\" \"${w}${1}\"; } } set \"w\" \"${w})\";"),
            "fileinto a(bcde)b(cd)c()d()e()");
}

TEST(ForeverypartTest, BreakLeavesTheLoopItNames) {
  EXPECT_EQ(walked("if header :mime \"x-test\" \"c\" { break; }"), "fileinto abc");
  EXPECT_EQ(walked("foreverypart { break; }"), "fileinto abcde");
  EXPECT_EQ(walked("foreverypart :name \"inner\" { break :name \"OUTER\"; }"), "fileinto a");
  EXPECT_EQ(walked("if header :mime \"x-test\" \"b\" { stop; }"), "keep");
}

TEST(ForeverypartTest, FaultsOfScripts) {
  const auto fault = [](std::string_view script) {
    return first_fault(std::string(kAll) + std::string(script));
  };
  EXPECT_EQ(fault("break;"), "`break` stands outside of every loop");
  EXPECT_EQ(fault("foreverypart { break :name \"x\"; }"),
            "no loop around this `break` has the name \"x\"");
  EXPECT_EQ(fault("foreverypart { foreverypart { foreverypart { foreverypart {} } } }"), "");
  EXPECT_EQ(
      fault("foreverypart { foreverypart { foreverypart { foreverypart { foreverypart {} } } } }"),
      "no more than 4 loops may stand in one another");
  EXPECT_EQ(fault("if header :type \"a\" \"b\" {}"),
            "what stands with `:mime` (`:anychild`, `:type`, `:param` …) needs it");
  EXPECT_EQ(fault("if header :mime :type :subtype \"a\" \"b\" {}"),
            "`:type` and `:subtype` exclude each other");
  EXPECT_EQ(fault("extracttext \"a\";"),
            "`extracttext` stands outside of every loop of `foreverypart`");
  EXPECT_EQ(first_fault("require [\"extracttext\", \"foreverypart\"];"),
            "`extracttext` needs `require [\"variables\"]` as well");
}

TEST(MimeTest, FieldsOfPartsAndTheirPieces) {
  Question question{"\"mime\", \"relational\"", std::string(kMail)};
  const Asked kRows[] = {
      {"header :mime \"x-test\" \"a\"", "yes"},
      {"header :mime \"x-test\" \"c\"", "no"},
      {"header :mime :anychild \"x-test\" \"c\"", "yes"},
      {"header :mime :type \"content-type\" \"multipart\"", "yes"},
      {"header :mime :anychild :subtype \"content-type\" \"html\"", "yes"},
      {"header :mime :anychild :contenttype \"content-type\" \"image/png\"", "yes"},
      {"header :mime :anychild :param \"NAME\" \"content-type\" \"x.png\"", "yes"},
      {"header :mime :anychild :param \"filename\" \"content-disposition\" \"gr\xC3\xBCn.exe\"",
       "yes"},
      {"header :mime :anychild :type \"content-disposition\" \"attachment\"", "yes"},
      {"header :mime :anychild :subtype \"content-disposition\" \"\"", "yes"},
      {"header :mime :anychild :type :contains \"subject\" \"\"", "no"},
      {"header :mime :anychild :count \"eq\" \"x-test\" \"5\"", "yes"},
      {"address :mime :anychild \"from\" \"ann@example.org\"", "yes"},
      {"exists :mime \"content-disposition\"", "no"},
      {"exists :mime :anychild [\"content-disposition\", \"x-test\"]", "yes"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
}

TEST(ExtracttextTest, TextOfThePartAsUtf8) {
  const std::string loop = "set \"w\" \"\"; foreverypart { extracttext ";
  EXPECT_EQ(filed(loop + "\"t\"; set \"w\" \"${w}[${t}]\"; } fileinto \"${w}\";"),
            "fileinto [][][Gr\xC3\xBC\xC3\x9F"
            "e][html][]");
  EXPECT_EQ(filed(loop + ":first 3 :upper \"t\"; set \"w\" \"${w}[${t}]\"; } fileinto \"${w}\";"),
            "fileinto [][][GR\xC3\xBC][HTM][]");
}

// What the implicit keep stores, header and body.
Version made(std::string_view script) {
  Tried tried;
  tried.settings.user_email = "bob@example.net";
  const Outcome outcome = tried.run(std::string(kAll) + std::string(script), std::string(kMail));
  EXPECT_EQ(outcome.end, Outcome::End::done) << outcome.fault;
  const VersionPtr& version = outcome.actions.back().version;
  return version ? *version : Version{};
}

message::Part parts_of(const Version& version, std::string& wire) {
  wire = version.header + "\r\n" + version.body.value_or("");
  return message::parse_parts(wire);
}

TEST(ReplaceTest, APartAndAllWithinIt) {
  const Version version = made(
      "foreverypart { if header :mime \"x-test\" \"b\" { replace \"gone\"; } }"
      "foreverypart { if header :mime :type \"content-type\" \"image\" {"
      "replace :mime \"Content-Type: text/x-note\r\nBcc: x@y\r\n\r\nanother\"; } }");
  std::string wire;
  const message::Part root = parts_of(version, wire);
  ASSERT_EQ(root.children.size(), 2U);
  EXPECT_EQ(root.children[0].type + "/" + root.children[0].subtype, "text/plain");
  EXPECT_EQ(wire.substr(root.children[0].body_begin, 4), "gone");
  EXPECT_EQ(root.children[1].subtype, "x-note");
  EXPECT_EQ(wire.find("Bcc"), std::string::npos);
  EXPECT_EQ(wire.find("html"), std::string::npos);
}

TEST(ReplaceTest, TheWholeMessage) {
  const Version version = made(
      "replace :subject \"n\xC3\xA9w\" :from \"x@example.org\" \"all of it\";"
      "if not body :is \"all of it\" { discard; }");
  std::string wire;
  const message::Part root = parts_of(version, wire);
  EXPECT_TRUE(root.children.empty());
  const message::Headers header(version.header);
  EXPECT_EQ(header.find("Original-Subject"), "outside");
  EXPECT_EQ(header.find("Original-From"), "ann@example.org");
  EXPECT_EQ(header.find_all("From"), std::vector<std::string>{"x@example.org"});
  EXPECT_EQ(header.find("Subject"), "=?utf-8?B?bsOpdw==?=");
  EXPECT_EQ(header.count("Content-Type"), 1U);
  EXPECT_EQ(version.body, "all of it");
}

TEST(EncloseTest, TheMessageBecomesAnAttachment) {
  const Version version =
      made("enclose :subject \"look\" :headers [\"X-Test\"] \"see\r\n--below\";");
  std::string wire;
  const message::Part root = parts_of(version, wire);
  ASSERT_EQ(root.children.size(), 2U);
  EXPECT_EQ(root.children[0].subtype, "plain");
  EXPECT_EQ(root.children[0].encoding, "base64");  // "--below" might end a part
  ASSERT_TRUE(root.children[1].is_message());
  EXPECT_EQ(wire.substr(root.children[1].body_begin,
                        root.children[1].body_end - root.children[1].body_begin),
            kMail);
  const message::Headers header(version.header);
  EXPECT_EQ(header.find("Subject"), "look");
  EXPECT_EQ(header.find("From"), "bob@example.net");
  EXPECT_EQ(header.find("X-Test"), "a");
  EXPECT_EQ(header.find("Received"), "by mx");
  EXPECT_TRUE(header.has("Date"));
}

TEST(EncloseTest, AgainAndAgainCosts) {
  Tried tried;
  tried.settings.steps_max = 5000;
  std::string many = std::string(kAll);
  for (int i = 0; i < 100; ++i) many += "enclose \"x\";";
  EXPECT_EQ(told(tried.run(many, std::string(kMail))), "fault: sieve:2: the script takes too long");
}

}  // namespace
}  // namespace posthorn::sieve
