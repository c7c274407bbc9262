// Proves the conversion to 7 bits (RFC 6152 section 3): which parts are converted and how their
// headers then read, that each decodes to the same bytes, that what is signed or must not be
// encoded stays as it was, and that a hostile message costs no more than its size.
#include "message/seven_bit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "message/part.h"

namespace posthorn::message {
namespace {

std::string convert(std::string_view text) {
  return to_seven_bit(text, plan_seven_bit(text));
}

TEST(SevenBit, WhatIsSevenBitStaysAsItIs) {
  for (const std::string text : {"", "Subject: a\r\n\r\nbody\r\n", "\r\n", "no header at all",
                                 "Content-Transfer-Encoding: 8bit\r\n\r\nonly the label\r\n"}) {
    const SevenBit plan = plan_seven_bit(text);
    EXPECT_FALSE(plan.is_changed) << text;
    EXPECT_EQ(to_seven_bit(text, plan), text);
  }
}

TEST(SevenBit, Rows) {
  const struct {
    std::string before, after;
  } rows[] = {
      // The label is replaced, trailing blanks and "=" are safe, line ends stay.
      {"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: 8bit\r\nSubject: a\r\n\r\ngr\xc3\xbc\xc3\x9f=e dear all "
       "of you here, and the others \r\n.\r\n",
       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Subject: a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
       "gr=C3=BC=C3=9F=3De dear all of you here, and the others=20\r\n.\r\n"},
      // A text of another alphabet is shorter in base64.
      {"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
       "\xd0\xb0\xd0\xb1\xd0\xb2\r\n",
       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: base64\r\n\r\n0LDQsdCyDQo="},
      // No MIME: it says now what is known of it (RFC 1428).
      {"Subject: a\r\n\r\nAll the best wishes from \xc3\xbc\r\n",
       "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\nAll the best wishes from =C3=BC\r\n"},
      {"Subject: a\r\n\r\nAll the best wishes from \xfc\r\n",
       "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\nAll the best wishes from =FC\r\n"},
      // A line of the header that is no field is passed over.
      {"Subject: a\r\nAll the best\r\n\r\nwishes from \xc3\xbc\r\n",
       "Subject: a\r\nAll the best\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
       "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nwishes from "
       "=C3=BC\r\n"},
      // Only the parts that need it; what nobody reads is masked; the label above follows.
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
       "Content-Transfer-Encoding: 8bit\r\n\r\npre\xe4\r\n--b\r\n\r\nplain = text\r\n--b\r\n"
       "Content-Type: image/x\r\n\r\n\xff\xfe\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
       "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\nthe last of them \xe4"
       "\r\n--b--\r\n\xe4nd\r\n",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
       "Content-Transfer-Encoding: 7bit\r\n\r\npre*\r\n--b\r\n\r\nplain = text\r\n--b\r\n"
       "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n//4NCg==\r\n--b\r\n"
       "Content-Type: message/rfc822\r\n\r\n"
       "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\nthe last of them =E4"
       "\r\n--b--\r\n*nd\r\n"},
      // An LF alone is a line end, a CR alone is not.
      {"Content-Type: text/plain\nMIME-Version: 1.0\n\none line with a \xe4\r and a \r\r\nlast\n",
       "Content-Type: text/plain\nMIME-Version: 1.0\nContent-Transfer-Encoding: "
       "quoted-printable\r\n\none line with a =E4=0D and a =0D\r\nlast\n"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(convert(row.before), row.after);
    EXPECT_FALSE(is_eight_bit(convert(row.before)));
    EXPECT_EQ(convert(row.after), row.after);
  }
}

TEST(SevenBit, WhatMustNotBeTouched) {
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: ";
  const struct {
    std::string text;
    bool is_signed, is_other, is_header;
  } rows[] = {
      {head + "multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\nsig\r\n--b--\r\n",
       true, false, false},
      {head + "multipart/mixed; boundary=\"b\xe4\"\r\n\r\n--b\xe4\r\n\r\n\xe4\r\n--b\xe4--\r\n",
       false, true, true},
      {head + "multipart/mixed\r\n\r\n\xe4\r\n", false, true, false},
      {head + "message/partial\r\n\r\n\xe4\r\n", false, true, false},
      {head + "text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\xe4\r\n", false, true,
       false},
      {head + "text/plain\r\nSubject: \xe4\r\n\r\n7 bits\r\n", false, false, true},
  };
  for (const auto& row : rows) {
    const SevenBit plan = plan_seven_bit(row.text);
    EXPECT_EQ(to_seven_bit(row.text, plan), row.text);
    EXPECT_FALSE(plan.is_changed);
    EXPECT_EQ(plan.has_signed_part, row.is_signed) << row.text;
    EXPECT_EQ(plan.has_other_part, row.is_other) << row.text;
    EXPECT_EQ(plan.has_eight_bit_header, row.is_header) << row.text;
  }
  // Beside a signed part the others are converted, and the label above stays true.
  const std::string mixed =
      head +
      "multipart/mixed; boundary=o\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--o\r\n"
      "Content-Type: image/x\r\n\r\n\xe4\r\n--o\r\nContent-Type: multipart/signed; "
      "boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b\r\n\r\nsig\r\n--b--\r\n\r\n--o--\r\n";
  const std::string after = convert(mixed);
  EXPECT_NE(after.find("Content-Transfer-Encoding: 8bit\r\n\r\n--o"), std::string::npos);
  EXPECT_NE(after.find("Content-Transfer-Encoding: base64\r\n\r\n5A==\r\n--o"), std::string::npos);
  EXPECT_NE(after.find("--b\r\n\r\n\xe4\r\n--b\r\n"), std::string::npos);
}

TEST(SevenBit, LinesAreShortAndMakeNoBoundary) {
  std::string body;
  for (int i = 0; i < 2'000; ++i) body += "\xe4 = --b-- -\t";
  const std::string head =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
      "Content-Type: text/plain\r\n\r\n";
  const std::string text = head + body + "\r\n--b--\r\n";
  const std::string after = convert(text);
  std::size_t line = 0;
  for (const char c : after) {
    line = c == '\n' ? 0 : line + 1;
    ASSERT_LE(line, 77U);  // with the CR
  }
  const Part part = parse_parts(after);
  ASSERT_EQ(part.children.size(), 1U);
  const Part& leaf = part.children.front();
  EXPECT_EQ(decode_transfer(
                std::string_view(after).substr(leaf.body_begin, leaf.body_end - leaf.body_begin),
                leaf.encoding),
            body);
}

TEST(SevenBit, AHostileMessageCostsNoMoreThanItsSize) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i)
    deep += fmt::format("Content-Type: multipart/mixed; boundary=b{}\r\n\r\n--b{}\r\n", i, i);
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 50'000; ++i) many += "--b\r\n\r\n\xe4\r\n";
  std::string long_line = "Subject: a\r\n\r\n" + std::string(10'000'000, '\xe4');
  for (const std::string* text : {&deep, &many, &long_line}) {
    const SteadyTime begin = Clock::system().steady_now();
    (void)convert(*text + "\xe4");
    EXPECT_LT(Clock::system().steady_now() - begin, 10s);  // under the sanitizers
  }
}

}  // namespace
}  // namespace posthorn::message
