// Messages made to be slow: headers with a hundred thousand addresses, a million comments, nested
// multiparts without end. Each parser must be done in some passes over the text, with a
// bounded number of parts, addresses and parameters (CVE-2020-12100, CVE-2024-23184 and their kin).
#include <gtest/gtest.h>

#include "message/address.h"
#include "message/headers.h"
#include "message/part.h"
#include "tests/support/cpu_time.h"

namespace posthorn::message {
namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::size_t count_parts(const Part& part) {
  std::size_t parts = 1;
  for (const Part& child : part.children) parts += count_parts(child);
  return parts;
}

std::size_t depth_of(const Part& part) {
  std::size_t depth = 0;
  for (const Part& child : part.children) depth = std::max(depth, depth_of(child) + 1);
  return depth;
}

struct AddressRow {
  const char* name;
  std::string value;
  std::size_t addresses;
};

TEST(HostileAddresses, TakeLinearTimeAndAreBounded) {
  const AddressRow rows[] = {
      {"addresses", repeat("a@b.example, ", 100'000), kAddressesMax},
      {"groups", repeat("g:;", 100'000), kAddressesMax},
      {"one group that never ends", "g:" + repeat("a,", 100'000), kAddressesMax + 1},
      {"open comments", repeat("(", 1'000'000), 0},
      {"comments", repeat("()", 500'000), 0},
      {"comments in an address", "a" + repeat("(x)", 300'000) + "@b.example", 1},
      {"nested comments", repeat("(", 500'000) + repeat(")", 500'000) + "a@b", 1},
      {"escapes in a comment", "(" + repeat("\\", 1'000'000), 0},
      {"open quotes", repeat("\"", 999'999), 1},
      {"open angles", repeat("<", 100'000), kAddressesMax},
      {"a route", "<" + repeat("@a,", 300'000) + ":b@c>", 1},
      {"words", repeat("word ", 200'000), 1},
      {"dots", "a" + repeat(" . a", 200'000) + "@b", 1},
      {"literals", "a@" + repeat("[", 1'000'000), 1},
      {"closing brackets", repeat(">", 1'000'000), 1},
  };
  for (const AddressRow& row : rows) {
    std::vector<Address> addresses;
    const auto took = test::cpu_passes([&] { addresses = parse_addresses(row.value); });
    EXPECT_LT(took, test::kPassesMax) << row.name;
    EXPECT_LE(addresses.size(), kAddressesMax + 1) << row.name;
    if (row.addresses != kAddressesMax) EXPECT_EQ(addresses.size(), row.addresses) << row.name;
  }
}

std::string nested_multiparts(std::size_t levels) {
  std::string out;
  for (std::size_t i = 0; i < levels; ++i)
    out += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
           std::to_string(i) + "\r\n";
  return out + "\r\ninnermost\r\n";
}

struct PartRow {
  const char* name;
  std::string text;
  std::size_t parts_max;
  std::size_t depth;
};

TEST(HostileParts, TakeLinearTimeAndAreBounded) {
  const std::string multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const PartRow rows[] = {
      {"nested multiparts", nested_multiparts(10'000), 101, 100},
      {"nested multiparts, then many lines", nested_multiparts(100) + repeat("\r\n", 500'000), 101,
       100},
      {"nested multiparts, then near boundaries",
       nested_multiparts(100) + repeat("--b99x\r\n", 200'000), 101, 100},
      {"nested messages", repeat("Content-Type: message/rfc822\r\n\r\n", 5'000) + "\r\nx\r\n", 101,
       100},
      {"one boundary for all levels", repeat(multipart + "--b\r\n", 10'000), 10'001, 1},
      {"empty parts", multipart + repeat("--b\r\n", 200'000), 10'001, 1},
      {"empty parts of a digest",
       "Content-Type: multipart/digest; boundary=b\r\n\r\n" + repeat("--b\r\n\r\n", 50'000), 10'101,
       100},
      {"a boundary of 10 000 bytes",
       "Content-Type: multipart/mixed; boundary=" + std::string(10'000, 'b') + "\r\n\r\n" +
           repeat("--" + std::string(10'000, 'b') + "x\r\n", 100),
       1, 0},
      {"header lines", repeat("X-Header: value\r\n", 100'000) + "\r\nbody\r\n", 1, 0},
      {"one long field", "Subject: " + std::string(10U << 20U, 'x') + "\r\n\r\nbody\r\n", 1, 0},
      {"languages", "Content-Language: " + repeat("en,", 300'000) + "\r\n\r\n", 1, 0},
      {"comments", "Content-Type: text/plain" + repeat("(", 1'000'000) + "\r\n\r\n", 1, 0},
      {"an escape at the end of a comment", "Content-Type: text/plain; charset (\\\r\n\r\n", 1, 0},
  };
  for (const PartRow& row : rows) {
    Part part;
    const auto took = test::cpu_passes([&] { part = parse_parts(row.text); });
    EXPECT_LT(took, test::kPassesMax) << row.name;
    EXPECT_LE(count_parts(part), row.parts_max) << row.name;
    EXPECT_LE(depth_of(part), row.depth) << row.name;
  }
}

TEST(HostileParameters, TakeLinearTimeAndAreBounded) {
  std::string continued = "application/octet-stream";
  for (int i = 0; i < 50'000; ++i) continued += "; name*" + std::to_string(i) + "*=a%20b";
  for (const std::string& text :
       {continued, "a/b" + repeat(";", 1'000'000), "a/b" + repeat("; x", 300'000),
        "a/b" + repeat("; (", 300'000), "a/b; c=" + repeat("\"", 1'000'000),
        "a/b; c=\"" + repeat("\\", 1'000'000)}) {
    ParameterizedValue parsed;
    EXPECT_LT(test::cpu_passes([&] { parsed = parse_parameterized(text); }), test::kPassesMax);
    EXPECT_LE(parsed.parameters.size(), 100U);
  }
}

TEST(HostileHeaders, AHeaderInManyPiecesCostsNoMoreThanAWholeOne) {
  const std::string rows[] = {
      repeat("X-Header: value\r\n", 100'000) + "\r\nbody",
      "Subject: " + std::string(8U << 20U, 'x') + "\r\n\r\nbody",
      "References:" + repeat("\r\n <a@b.example>", 100'000) + "\r\n\r\nbody",
      std::string(12U << 20U, 'x'),  // no field at all
  };
  for (const std::string& text : rows) {
    HeaderCollector collector;
    const auto took = test::cpu_passes([&] {
      for (std::size_t at = 0; at < text.size() && !collector.is_whole(); at += 256)
        collector.feed(std::string_view(text).substr(at, 256));
      collector.finish();
    });
    EXPECT_LT(took, test::kPassesMax) << text.substr(0, 20);
    const auto whole = find_header_end(text, Input::whole);
    EXPECT_EQ(collector.block().size(), whole->header_size) << text.substr(0, 20);
  }
}

TEST(HostileHeaders, FieldsAreBounded) {
  const std::string block = repeat("To: a@b.example\r\n", 300'000);
  std::size_t fields = 0;
  EXPECT_LT(test::cpu_passes([&] { fields = Headers(block).fields().size(); }), test::kPassesMax);
  EXPECT_EQ(fields, kFieldsMax);
}

TEST(HostileWords, TakeLinearTime) {
  for (const std::string& text :
       {repeat("=?", 500'000), repeat("=?a?q?", 200'000), repeat("=?utf-8?q?=41?= ", 100'000),
        repeat("=?utf-8?b?", 100'000) + "?=", "=?" + repeat("?", 1'000'000)}) {
    std::string decoded;
    EXPECT_LT(test::cpu_passes([&] { decoded = decode_words(text); }), test::kPassesMax)
        << text.substr(0, 12);
    EXPECT_LE(decoded.size(), 2 * text.size());
  }
}

}  // namespace
}  // namespace posthorn::message
