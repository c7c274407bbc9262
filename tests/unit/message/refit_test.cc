// Proves the conversion to 7 bits (RFC 6152 section 3) and to short lines (RFC 5322 section 2.1.1):
// which parts are converted and how their headers then read, that each decodes to the same bytes,
// that what is signed or must not be encoded stays as it was, and that a hostile message costs no
// more than its size.
#include "message/refit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "message/charset.h"
#include "message/headers.h"
#include "message/part.h"
#include "tests/support/cpu_time.h"

namespace posthorn::message {
namespace {

constexpr Fit kSevenBit{.seven_bit = true};
constexpr Fit kShort{.short_lines = true};

std::string convert(std::string_view text) {
  return refit(text, plan_refit(text, kSevenBit));
}

TEST(SevenBit, WhatIsSevenBitStaysAsItIs) {
  for (const std::string text : {"", "Subject: a\r\n\r\nbody\r\n", "\r\n", "no header at all",
                                 "Content-Transfer-Encoding: 8bit\r\n\r\nonly the label\r\n"}) {
    const RefitPlan plan = plan_refit(text, kSevenBit);
    EXPECT_FALSE(plan.is_changed) << text;
    EXPECT_EQ(refit(text, plan), text);
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
    const RefitPlan plan = plan_refit(row.text, kSevenBit);
    EXPECT_EQ(refit(row.text, plan), row.text);
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

std::size_t longest_line(std::string_view text) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t newline = std::min(text.find('\n', at), text.size());
    const bool has_cr = newline > at && text[newline - 1] == '\r';
    longest = std::max(longest, newline - at - (has_cr ? 1 : 0));
    at = newline + 1;
  }
  return longest;
}

std::string shorten(std::string_view text) {
  return refit(text, plan_refit(text, kShort));
}

// Each part of the two decodes to the same bytes.
void expect_same_parts(std::string_view before, const Part& a, std::string_view after,
                       const Part& b) {
  ASSERT_EQ(a.children.size(), b.children.size());
  if (a.children.empty()) {
    const auto body = [](std::string_view text, const Part& part) {
      return decode_transfer(text.substr(part.body_begin, part.body_end - part.body_begin),
                             part.encoding);
    };
    EXPECT_EQ(body(before, a), body(after, b));
  }
  for (std::size_t i = 0; i < a.children.size(); ++i)
    expect_same_parts(before, a.children[i], after, b.children[i]);
}

TEST(ShortLines, WhatIsShortStaysAsItIs) {
  for (const std::string& text :
       {"Subject: a\r\n\r\n" + std::string(998, 'x') + "\r\n",
        "Subject: " + std::string(989, 'x') + "\r\n\r\n\xc3\xbc\r\n",
        std::string(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\nx\r\n--b--")}) {
    EXPECT_FALSE(plan_refit(text, kShort).is_changed) << text.substr(0, 40);
    EXPECT_EQ(shorten(text), text);
  }
}

TEST(ShortLines, EachKindOfPartIsMendedAndDecodesToTheSame) {
  const std::string line(2'500, 'x');
  const std::string base64(4'000, 'A');
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: ";
  const std::string multipart = head + "multipart/mixed; boundary=b\r\n\r\n";
  const struct {
    std::string text, part_of_after;
  } rows[] = {
      {"Subject: a\r\n\r\n" + line + "\r\nend \r\n", "Content-Transfer-Encoding: quoted-printable"},
      {head + "text/html; charset=utf-8\r\n\r\n" + line + "\xc3\xbc\r\n",
       "Content-Transfer-Encoding: quoted-printable"},
      {head + "application/json\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + line + "\r\n",
       "Content-Transfer-Encoding: base64"},
      // Encoded already: its lines are cut, and nothing is encoded twice.
      {head + "image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64 + "\r\n",
       "\r\n" + std::string(76, 'A') + "\r\n"},
      {head + "text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + line +
           "=3D=C3=BC=\r\nsame line\r\n",
       "xxx=\r\n"},
      // Only the part that needs it, the preamble, and a message within.
      {multipart + line + "\r\n--b\r\n\r\nshort\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + line +
           "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n" + line +
           "\r\n--b--\r\n",
       "--b\r\n\r\nshort\r\n--b\r\n"},
  };
  for (const auto& row : rows) {
    const std::string after = shorten(row.text);
    EXPECT_LE(longest_line(after), kLineMax);
    EXPECT_NE(after.find(row.part_of_after), std::string::npos) << after.substr(0, 300);
    expect_same_parts(row.text, parse_parts(row.text), after, parse_parts(after));
    EXPECT_EQ(shorten(after), after);
  }
}

TEST(ShortLines, WhatIsSignedOrEncryptedStays) {
  const std::string line(2'500, 'x');
  for (const std::string head :
       {"DKIM-Signature: v=1\r\nSubject: a\r\n\r\n",
        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n",
        "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n",
        "Content-Type: message/partial\r\n\r\n", "Content-Transfer-Encoding: x-uuencode\r\n\r\n"}) {
    const std::string text = head + line + "\r\n--b--\r\n";
    EXPECT_EQ(shorten(text), text) << head;
    EXPECT_FALSE(plan_refit(text, kShort).has_signed_part);
  }
}

TEST(ShortLines, FieldsAreFoldedAsReadersUnfoldThem) {
  std::string references = "References:", glued = "References: ", to = "To: ", word = "X-Word: ";
  for (int i = 0; i < 100; ++i) {
    references += fmt::format(" <{}.a-long-message-id@host.example.org>", i);
    glued += fmt::format("<{}.a-long-message-id@host.example.org>", i);
    to += fmt::format("user{}@a-long-domain.example.org,", i);
    word += "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac";
  }
  for (const std::string* field : {&references, &glued, &to, &word}) {
    const std::string text = "Subject: a\r\n" + *field + "\r\nX-Next: b\r\n\r\nbody\r\n";
    const std::string after = shorten(text);
    EXPECT_LE(longest_line(after), kLineMax);
    const Headers headers(after);
    ASSERT_EQ(headers.fields().size(), 3U) << after;
    std::string without = *headers.find(field->substr(0, field->find(':')));
    EXPECT_EQ(to_utf8(without, "utf-8"), without);  // no letter is cut
    std::string value = field->substr(field->find(':') + 1);
    for (std::string* text_of : {&without, &value}) std::erase(*text_of, ' ');
    EXPECT_EQ(without, value);
    for (std::string_view rest = after; !rest.empty();) {  // no line of blanks in the header
      const std::size_t end = rest.find("\r\n");
      if (end == 0) break;
      EXPECT_NE(rest.substr(0, end).find_first_not_of(" \t"), std::string_view::npos);
      rest.remove_prefix(end + 2);
    }
    EXPECT_EQ(shorten(after), after);
  }
  const std::string after = shorten(references + "\r\n\r\n");
  EXPECT_LE(longest_line(after), 78U);
  EXPECT_TRUE(after.starts_with("References: <0."));
  const std::string blanks = "X-Blank:" + std::string(3'000, ' ') + "\r\n\r\n";
  EXPECT_EQ(shorten(blanks), blanks);
}

TEST(ShortLines, TheStreamingCheckSeesThemInPiecesOfEverySize) {
  const std::string fits = "a: b\r\n\r\n" + std::string(998, 'x') + "\r\n" + std::string(998, 'x');
  const std::string not_fits = fits + "yy\r\n";
  for (const std::size_t step : {1U, 7U, 999U, 5'000U}) {
    const auto check = [step](std::string_view text, Fit fit) {
      FitCheck seen(fit);
      bool found = false;
      for (std::size_t at = 0; at < text.size() && !found; at += step)
        found = seen.feed(text.substr(at, step));
      return found;
    };
    EXPECT_FALSE(check(fits, kShort));
    EXPECT_TRUE(check(not_fits, kShort));
    EXPECT_FALSE(check(not_fits, kSevenBit));
    EXPECT_TRUE(check("\xe4", kSevenBit));
  }
}

TEST(SevenBit, AHostileMessageCostsNoMoreThanItsSize) {
  const std::string line(2'000, 'x');
  std::string deep;
  for (int i = 0; i < 10'000; ++i)
    deep += fmt::format("Content-Type: multipart/mixed; boundary=b{}\r\n\r\n--b{}\r\n", i, i);
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 50'000; ++i) many += "--b\r\n\r\n\xe4\r\n";
  std::string long_line = "Subject: a\r\n\r\n" + std::string(10'000'000, '\xe4');
  for (const std::string* text : {&deep, &many, &long_line}) {
    // A converted octet costs more than a copied one, the more under the sanitizers; a quadratic
    // plan would cost thousands of passes for each megabyte.
    const double megabytes = static_cast<double>(text->size()) / (1U << 20U) + 1;
    EXPECT_LT(test::cpu_passes([&] { (void)convert(*text + "\xe4"); }),
              megabytes * test::kPassesMax);
    EXPECT_LT(test::cpu_passes([&] { (void)shorten(*text + line); }), megabytes * test::kPassesMax);
  }
}

}  // namespace
}  // namespace posthorn::message
