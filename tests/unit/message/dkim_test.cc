// DKIM's canonical forms (RFC 6376 section 3.4, its example in every piece size), which fields are
// signed, the signature's field, and the lists of tags.
#include "message/dkim.h"

#include <gmock/gmock.h>

namespace posthorn::message {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kSimple = Canonicalization::simple;
constexpr auto kRelaxed = Canonicalization::relaxed;

std::string body(std::string_view text, Canonicalization form) {
  std::string whole;
  for (std::size_t step = text.size() + 1; step > 0; --step) {
    std::string out;
    BodyCanonicalizer canonical(form, [&](std::string_view bytes) { out += bytes; });
    for (std::size_t at = 0; at < text.size(); at += step) canonical.feed(text.substr(at, step));
    canonical.finish();
    if (step == text.size() + 1) whole = out;
    EXPECT_EQ(out, whole) << "in pieces of " << step;
  }
  return whole;
}

// RFC 6376 section 3.4.5.
constexpr std::string_view kExampleBody = " C \r\nD \t E\r\n\r\n\r\n";

TEST(Dkim, TheRfcsExampleRelaxed) {
  EXPECT_EQ(canonical_field("A: X\r\n", kRelaxed), "a:X\r\n");
  EXPECT_EQ(canonical_field("B : Y\t\r\n\tZ  \r\n", kRelaxed), "b:Y Z\r\n");
  EXPECT_EQ(body(kExampleBody, kRelaxed), " C\r\nD E\r\n");
}

TEST(Dkim, TheRfcsExampleSimple) {
  EXPECT_EQ(canonical_field("A: X\r\n", kSimple), "A: X\r\n");
  EXPECT_EQ(canonical_field("B : Y\t\r\n\tZ  \r\n", kSimple), "B : Y\t\r\n\tZ  \r\n");
  EXPECT_EQ(body(kExampleBody, kSimple), " C \r\nD \t E\r\n");
}

TEST(Dkim, EmptyBodies) {
  for (const std::string_view text : {"", "\r\n", "\r\n\r\n\r\n"}) {
    EXPECT_EQ(body(text, kSimple), "\r\n");
    EXPECT_EQ(body(text, kRelaxed), "");
  }
  EXPECT_EQ(body(" \t\r\n\r\n", kRelaxed), "");
  EXPECT_EQ(body(" \t\r\n\r\n", kSimple), " \t\r\n");
}

TEST(Dkim, ALastLineWithoutItsEndGetsIt) {
  EXPECT_EQ(body("a", kSimple), "a\r\n");
  EXPECT_EQ(body("a \t", kRelaxed), "a\r\n");
  EXPECT_EQ(body("a \t", kSimple), "a \t\r\n");
}

TEST(Dkim, EmptyLinesWithinStay) {
  EXPECT_EQ(body("\r\n\r\na\r\n \r\n\r\nb\r\n\t\r\n", kRelaxed), "\r\n\r\na\r\n\r\n\r\nb\r\n");
  EXPECT_EQ(body("\r\n\r\na\r\n \r\n\r\nb\r\n\r\n", kSimple), "\r\n\r\na\r\n \r\n\r\nb\r\n");
}

TEST(Dkim, CrAndLfAloneAreBytesLikeOthers) {
  EXPECT_EQ(body("a\rb\nc\r\r\n\r", kSimple), "a\rb\nc\r\r\n\r\r\n");
  EXPECT_EQ(body("a \r b\n\r", kRelaxed), "a \r b\n\r\r\n");
}

TEST(Dkim, ManyEmptyLinesAreGivenOnInSmallPieces) {
  std::size_t largest = 0, sum = 0;
  BodyCanonicalizer canonical(kRelaxed, [&](std::string_view bytes) {
    largest = std::max(largest, bytes.size());
    sum += bytes.size();
  });
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "\r\n";
  for (int i = 0; i < 1000; ++i) canonical.feed(lines);
  EXPECT_EQ(sum, 0U);
  canonical.feed("x");
  canonical.finish();
  EXPECT_EQ(sum, 2'000'003U);
  EXPECT_LT(largest, 40'000U);
}

TEST(Dkim, FieldsRelaxed) {
  EXPECT_EQ(canonical_field("SUBJECT\t :\t\r\n  two \t words\t\r\n", kRelaxed),
            "subject:two words\r\n");
  EXPECT_EQ(canonical_field("X: : y\r\n", kRelaxed), "x:: y\r\n");
  EXPECT_EQ(canonical_field("X:\r\n", kRelaxed), "x:\r\n");
  EXPECT_EQ(canonical_field("X: \r\n \r\n", kRelaxed), "x:\r\n");
}

std::string chosen(std::string_view block) {
  const Headers headers(block);
  std::string text;
  for (const auto& [name, field] : choose_signed_fields(headers)) {
    text += std::string(name) + "=";
    text += field == nullptr ? "-" : std::string(trim(field->value));
    text += ' ';
  }
  return text;
}

TEST(Dkim, WhatMatteredIsSignedAndSealed) {
  EXPECT_EQ(chosen("Received: x\r\nSubject: s\r\nFrom: f\r\nX-Mailer: y\r\nDate: d\r\n"),
            "From=f From=- To=- Cc=- Subject=s Subject=- Reply-To=- Date=d Date=- ");
}

TEST(Dkim, RepeatedFieldsAreTakenFromTheBottom) {
  EXPECT_EQ(chosen("to: 1\r\nFrom: f\r\nTO: 2\r\nTo: 3\r\nList-Post: a\r\nList-Post: b\r\n"),
            "From=f From=- To=3 To=2 To=1 To=- Cc=- Subject=- Reply-To=- List-Post=b List-Post=a ");
}

TEST(Dkim, EndlessRepetitionIsBounded) {
  std::string block = "From: f\r\n";
  for (int i = 0; i < 500; ++i) block += "List-Help: x\r\nCc: y\r\n";
  EXPECT_LT(choose_signed_fields(Headers(block)).size(), 120U);
}

SignatureTags tags() {
  return {.algorithm = "rsa-sha256",
          .domain = "example.org",
          .selector = "mail",
          .body_hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
          .time = 1'700'000'000,
          .expires = {}};
}

TEST(Dkim, TheFieldIsFoldedAndItsTagsCanBeRead) {
  const Headers headers("From: a@b\r\nSubject: s\r\nMIME-Version: 1.0\r\nReferences: <x>\r\n");
  SignatureTags wish = tags();
  wish.expires = 1'700'003'600;
  const std::string signature(344, 'A');
  const std::string field =
      finish_signature_field(make_signature_field(wish, choose_signed_fields(headers)), signature);
  ASSERT_TRUE(field.ends_with("\r\n"));
  for (std::size_t at = 0, end = 0; at < field.size(); at = end + 2) {
    end = field.find("\r\n", at);
    EXPECT_LE(end - at, 78U);
    EXPECT_GT(end - at, 1U);
  }
  const Headers read(field);
  ASSERT_EQ(read.fields().size(), 1U);
  const auto found = parse_tags(read.fields().front().value);
  ASSERT_TRUE(found);
  EXPECT_EQ(find_tag(*found, "v"), "1");
  EXPECT_EQ(find_tag(*found, "a"), "rsa-sha256");
  EXPECT_EQ(find_tag(*found, "c"), "relaxed/relaxed");
  EXPECT_EQ(find_tag(*found, "d"), "example.org");
  EXPECT_EQ(find_tag(*found, "s"), "mail");
  EXPECT_EQ(find_tag(*found, "t"), "1700000000");
  EXPECT_EQ(find_tag(*found, "x"), "1700003600");
  EXPECT_EQ(find_tag(*found, "bh"), wish.body_hash);
  EXPECT_EQ(find_tag(*found, "b"), signature);
  EXPECT_EQ(find_tag(*found, "h"),
            "From:From:To:Cc:Subject:Subject:Reply-To:References:References:"
            "MIME-Version:MIME-Version");
}

TEST(Dkim, WithoutAnEndThereIsNoX) {
  EXPECT_THAT(make_signature_field(tags(), {}), Not(HasSubstr("x=")));
}

TEST(Dkim, TheSignatureItselfIsHashedWithoutItsValue) {
  const Headers headers("From: A  <a@b>\r\nTo: x\r\n");
  const auto fields = choose_signed_fields(headers);
  EXPECT_EQ(make_signing_input({fields[0], fields[1]}, "DKIM-Signature: v=1;\r\n b=", kRelaxed),
            "from:A <a@b>\r\ndkim-signature:v=1; b=");
  EXPECT_EQ(make_signing_input({fields[0], fields[1]}, "DKIM-Signature: v=1;\r\n b=", kSimple),
            "From: A  <a@b>\r\nDKIM-Signature: v=1;\r\n b=");
}

std::optional<std::string> signer(const std::string& block) {
  return find_signing_domain(Headers(block));
}

TEST(Dkim, TheFromDomainSigns) {
  EXPECT_EQ(signer("From: \"A, B\" (c@d) <alice@Example.ORG>\r\n"), "example.org");
  EXPECT_EQ(signer("From: a@one.test, b@two.test\r\n"), "one.test");
  EXPECT_EQ(signer("From: a@one.test\r\nSender: b@ONE.test\r\n"), "one.test");
}

TEST(Dkim, NobodySignsWhatIsNotTheirs) {
  EXPECT_EQ(signer("To: a@b.test\r\n"), std::nullopt);
  EXPECT_EQ(signer("From: root\r\n"), std::nullopt);
  EXPECT_EQ(signer("From: a@[192.0.2.1]\r\n"), std::nullopt);
  EXPECT_EQ(signer("From: a@../../etc\r\n"), std::nullopt);
  // Two From fields: each reader shows another.
  EXPECT_EQ(signer("From: a@one.test\r\nFrom: a@one.test\r\n"), std::nullopt);
  // submission.check_from: the user may not write as From.
  EXPECT_EQ(signer("From: boss@one.test\r\nSender: eve@two.test\r\n"), std::nullopt);
  EXPECT_EQ(signer("X-Sieve-Redirected-From: a@one.test\r\nFrom: boss@one.test\r\n"), std::nullopt);
}

TEST(Dkim, ASignatureThatIsThereIsFound) {
  const Headers headers(
      "DKIM-Signature: v=1; d=Example.org;\r\n s=mail; b=AB\r\n CD\r\n"
      "DKIM-Signature: v=1; d=example.org; s=other; b=\r\nDKIM-Signature: nonsense\r\n");
  EXPECT_TRUE(has_signature(headers, "example.org", "mail"));
  EXPECT_FALSE(has_signature(headers, "example.org", "other"));  // an empty one
  EXPECT_FALSE(has_signature(headers, "example.net", "mail"));
}

TEST(Dkim, ListsOfTags) {
  const auto found = parse_tags(" v = DKIM1;k=rsa ; p=AB C\r\n D==; ");
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, ElementsAre(std::pair("v", "DKIM1"), std::pair("k", "rsa"),
                                  std::pair("p", "ABCD==")));
  EXPECT_EQ(find_tag(*found, "z"), "");
  EXPECT_TRUE(parse_tags(""));
  EXPECT_FALSE(parse_tags("a=1; a=2"));
  EXPECT_FALSE(parse_tags("a=1; b; c=3"));
  EXPECT_FALSE(parse_tags("a=1;; c=3"));
  EXPECT_FALSE(parse_tags("=1"));
  EXPECT_FALSE(parse_tags("words"));
}

TEST(Dkim, Names) {
  for (const std::string_view good : {"a", "example.org", "xn--mnchen-3ya.de", "2026_a.mail-1"})
    EXPECT_TRUE(is_dkim_name(good)) << good;
  for (const std::string_view bad :
       {"", ".", "..", "a..b", ".a", "a.", "a/b", "A.b", "a b", "\xc3\xbc"})
    EXPECT_FALSE(is_dkim_name(bad)) << bad;
  EXPECT_FALSE(is_dkim_name(std::string(64, 'a')));
}

TEST(Dkim, ARecordIsCutIntoStrings) {
  const std::string record = make_key_record("rsa", std::string(392, 'A'));
  EXPECT_EQ(record.substr(0, 20), "v=DKIM1; k=rsa; p=AA");
  const std::string line = make_zone_line("mail._domainkey.example.org", record);
  EXPECT_EQ(line, "mail._domainkey.example.org. IN TXT ( \"" + record.substr(0, 255) + "\" \"" +
                      record.substr(255) + "\" )");
}

}  // namespace
}  // namespace posthorn::message
