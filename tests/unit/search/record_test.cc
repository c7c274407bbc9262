// Records: what is read from one is what its message says, over all odd mails; what was cut off,
// damaged or is of another version gives nothing.
#include "search/record.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>

#include "tests/support/same_facts.h"
#include "tests/support/tree.h"

namespace posthorn::search {
namespace {

std::string with_crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n" : std::string(1, c);
  return out;
}

// Name and wire text of each mail of tests/corpus, and of a few more.
const std::map<std::string, std::string>& mails() {
  static const std::map<std::string, std::string> all = [] {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(test::tests_folder() / "corpus")) {
      if (entry.path().extension() != ".eml") continue;
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      found[entry.path().filename()] = with_crlf(text.str());
    }
    found["empty"] = "";
    found["plain"] =
        "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nFrom: \"A, B\" <a@x.test>, c@y.test (See)\r\n"
        "Sender: \"A, B\" <a@x.test>, c@y.test (See)\r\nTo: Group: d@z.test;, undisclosed:;\r\n"
        "Cc: <@r.test,@s.test:e@z.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n again\r\n"
        "Message-ID: <1@x.test>\r\nIn-Reply-To: <0@x.test>\r\n\r\nText\r\n";
    std::string nested = "Subject: in\r\nFrom: z@x.test\r\nReply-To: z@x.test\r\n\r\nbody\r\n";
    for (int i = 0; i < 120; ++i) nested = "Content-Type: message/rfc822\r\n\r\n" + nested;
    found["deep"] = nested;
    found["mixed"] =
        "Content-Type: multipart/mixed; boundary=\"b b\"\r\nContent-Language: de, en\r\n\r\n"
        "--b b\r\nContent-ID: <i@x>\r\nContent-Description: d\r\nContent-MD5: m\r\n"
        "Content-Location: l\r\n\r\none\r\n--b b\r\nContent-Type: application/pdf; "
        "name*0=\"a\"; name*1=\"b.pdf\"\r\nContent-Disposition: attachment; filename=\"ab.pdf\"; "
        "size=3\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAAA\r\n--b b\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b b--\r\n";
    std::string many = "Content-Type: multipart/digest; boundary=b\r\n\r\n";
    for (int i = 0; i < 11'000; ++i) many += "--b\r\n\r\nSubject: x\r\n\r\ny\r\n";
    found["many parts"] = many;
    return found;
  }();
  return all;
}

// As a test that damages records has it: what the header says, then what the structure says.
constexpr std::string_view kSmall =
    "From: Ann <ann@x.test>\r\nTo: Bob <bob@y.test>\r\nSubject: lunch\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "From: c@z.test\r\n\r\nin\r\n--b\r\n\r\nx\r\n--b--\r\n";

TEST(Record, SaysWhatTheMessageSays) {
  EXPECT_GT(mails().size(), 50U);
  for (const auto& [name, text] : mails()) {
    const std::string record = make_record(text);
    const auto facts = read_record(record);
    ASSERT_TRUE(facts && facts->header && facts->structure) << name;
    const message::Part root = message::parse_parts(text);
    EXPECT_TRUE(test::is_same(*facts->header, text.substr(0, root.body_begin))) << name;
    EXPECT_TRUE(test::is_same(*facts->structure, root, text)) << name;
    EXPECT_TRUE(test::is_possible(*facts->structure, 0, text.size())) << name;
    // Each half alone says the same.
    EXPECT_EQ(read_record(record, Half::header)->header, facts->header) << name;
    EXPECT_FALSE(read_record(record, Half::header)->structure) << name;
    EXPECT_EQ(read_record(record, Half::structure)->structure, facts->structure) << name;
    EXPECT_FALSE(read_record(record, Half::structure)->header) << name;
    const std::string header = make_header_record(text.substr(0, root.body_begin));
    EXPECT_EQ(read_record(header)->header, facts->header) << name;
    EXPECT_FALSE(read_record(header)->structure) << name;
  }
}

TEST(Record, OfAllThatFieldsCanHold) {
  std::string block;
  for (int i = 0; i < 30; ++i) {
    block += "To: ";
    for (int j = 0; j < 500; ++j) block += fmt::format("Name {} <user{}@host{}.test>,", j, i, j);
    block += "\r\n";
  }
  block += "From: " + std::string(100'000, 'x') + "\r\nSubject:\r\nDate\t: now\r\n";
  const std::string record = make_header_record(block);
  const auto facts = read_record(record);
  ASSERT_TRUE(facts && facts->header);
  EXPECT_TRUE(test::is_same(*facts->header, block));
  std::size_t addresses = 0;
  for (const Field& field : facts->header->fields)
    if (field.name == FieldName::to) addresses += field.addresses.size();
  EXPECT_GE(addresses, message::kAddressesMax);
  EXPECT_LT(addresses, 2 * message::kAddressesMax);
  EXPECT_EQ(facts->header->find(FieldName::subject)->value, "");
  EXPECT_EQ(facts->header->find(FieldName::date)->value, "now");
  EXPECT_EQ(facts->header->find(FieldName::cc), nullptr);
}

// An address is told by its place in the field, a word that mails often have by its number.
TEST(Record, IsSmall) {
  const std::string text =
      "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nFrom: Ann Example <ann@sender.example.org>\r\n"
      "Sender: Ann Example <ann@sender.example.org>\r\nTo: bob@receiver.example.org\r\n"
      "Subject: The meeting of next week\r\nMessage-ID: <20261130.1234567@sender.example.org>\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
      "\r\nText\r\n";
  const std::size_t values = std::string_view(
                                 "Fri, 21 Nov 1997 09:55:06 -0600"
                                 "Ann Example <ann@sender.example.org>"
                                 "bob@receiver.example.org"
                                 "The meeting of next week"
                                 "<20261130.1234567@sender.example.org>")
                                 .size();
  EXPECT_LT(make_record(text).size(), values + 75);
}

TEST(Record, CutOffIsNone) {
  for (const auto& [name, text] : mails()) {
    if (text.size() > 20'000) continue;
    const std::string record = make_record(text);
    for (std::size_t size = 0; size < record.size(); ++size)
      ASSERT_FALSE(read_record(std::string_view(record).substr(0, size))) << name << ' ' << size;
    EXPECT_FALSE(read_record(record + '\0')) << name;
  }
}

TEST(Record, DamagedIsNone) {
  for (const auto& [name, text] : mails()) {
    if (text.size() > 20'000) continue;
    std::string record = make_record(text);
    for (std::size_t bit = 0; bit < 8 * record.size(); ++bit) {
      char& byte = record[bit / 8];
      byte = static_cast<char>(byte ^ 1 << bit % 8);
      ASSERT_FALSE(read_record(record)) << name << ' ' << bit;
      byte = static_cast<char>(byte ^ 1 << bit % 8);
    }
    EXPECT_TRUE(read_record(record)) << name;
  }
}

TEST(Record, OfAnotherVersionIsNone) {
  std::string record = make_record(kSmall);
  for (int version = 0; version < 256; ++version) {
    record[0] = static_cast<char>(version);
    EXPECT_EQ(read_record(record).has_value(), version == kRecordVersion);
  }
  for (const char* text : {"", "x", "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"})
    EXPECT_FALSE(read_record(text));
}

// Behind a check that holds, whatever stands there is read within its bounds.
TEST(Record, WrongInsideIsReadWithinBounds) {
  const std::string content = make_record(kSmall).substr(kRecordHead);
  std::size_t read = 0;
  const auto look = [&](std::string_view changed) {
    const std::string record = seal_record(changed);
    const auto facts = read_record(record);
    if (!facts) return;
    ++read;
    if (facts->structure) EXPECT_TRUE(test::is_possible(*facts->structure, 0, UINT64_MAX));
  };
  std::string changed = content;
  for (std::size_t at = 0; at < content.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      changed[at] = static_cast<char>(value);
      look(changed);
    }
    changed[at] = content[at];
    look(std::string_view(content).substr(0, at));
    look(content.substr(0, at) + content.substr(at + 1));
    look(content.substr(0, at) + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F" + content.substr(at));
  }
  EXPECT_GT(read, 1000U);  // letters that are other letters
}

}  // namespace
}  // namespace posthorn::search
