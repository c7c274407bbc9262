// Proves that address lists of header fields are read as ENVELOPE wants them: groups, comments,
// obsolete routes and dots, names that are encoded, quoted or broken. Whatever the text, the reader
// ends in one pass with a bounded list.
#include "message/address.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

std::string show(const std::optional<std::string>& text) {
  return text ? "'" + *text + "'" : "NIL";
}

// As in ENVELOPE: (name route mailbox host)…
std::string shown(std::string_view header) {
  std::string out;
  for (const Address& address : parse_addresses(header))
    out += "(" + show(address.name) + " " + show(address.route) + " " + show(address.mailbox) +
           " " + show(address.host) + ")";
  return out;
}

struct Row {
  std::string text, expected;
};

TEST(Addresses, Plain) {
  const Row rows[] = {
      {"", ""},
      {"   ", ""},
      {"a@b.example", "(NIL NIL 'a' 'b.example')"},
      {"<a@b.example>", "(NIL NIL 'a' 'b.example')"},
      {"Ann <a@b.example>", "('Ann' NIL 'a' 'b.example')"},
      {"Ann Lee <a@b>", "('Ann Lee' NIL 'a' 'b')"},
      {"\"Lee, Ann\" <a@b>", "('Lee, Ann' NIL 'a' 'b')"},
      {"\"A \\\"x\\\" B\" <a@b>", "('A \"x\" B' NIL 'a' 'b')"},
      {"Ann <a@b>, c@d", "('Ann' NIL 'a' 'b')(NIL NIL 'c' 'd')"},
      {"a@b,c@d,,e@f,", "(NIL NIL 'a' 'b')(NIL NIL 'c' 'd')(NIL NIL 'e' 'f')"},
      {"=?utf-8?Q?Andr=C3=A9?= <a@b>", "('=?utf-8?Q?Andr=C3=A9?=' NIL 'a' 'b')"},
      {"\"a b\"@c", "(NIL NIL 'a b' 'c')"},
      {"<\"a@b\"@c>", "(NIL NIL 'a@b' 'c')"},
      {"a@[192.0.2.1]", "(NIL NIL 'a' '[192.0.2.1]')"},
      {"a@[IPv6:2001:db8::1]", "(NIL NIL 'a' '[IPv6:2001:db8::1]')"},
      {"Ann\r\n Lee\r\n\t<a@b>", "('Ann Lee' NIL 'a' 'b')"},
      {"andr\xc3\xa9@b", "(NIL NIL 'andr\xc3\xa9' 'b')"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.expected) << row.text;
}

TEST(Addresses, Groups) {
  const Row rows[] = {
      {"undisclosed-recipients:;", "(NIL NIL 'undisclosed-recipients' NIL)(NIL NIL NIL NIL)"},
      {"Team: a@b, Ann <c@d>;",
       "(NIL NIL 'Team' NIL)(NIL NIL 'a' 'b')('Ann' NIL 'c' 'd')(NIL NIL NIL NIL)"},
      {"A Team:a@b;, e@f",
       "(NIL NIL 'A Team' NIL)(NIL NIL 'a' 'b')(NIL NIL NIL NIL)(NIL NIL 'e' 'f')"},
      {"Team: a@b", "(NIL NIL 'Team' NIL)(NIL NIL 'a' 'b')(NIL NIL NIL NIL)"},
      {"\"x\":;", "(NIL NIL 'x' NIL)(NIL NIL NIL NIL)"},
      {":;", "(NIL NIL '' NIL)(NIL NIL NIL NIL)"},
      {";", ""},
      {";;;", ""},
      // A group in a group is no group.
      {"A: B: a@b;;", "(NIL NIL 'A' NIL)(NIL NIL 'B a' 'b')(NIL NIL NIL NIL)"},
  };
  for (const Row& row : rows) {
    // What stands between a group's colon and an address is not judged here, only that it ends.
    if (row.text.starts_with("A: B:")) {
      const std::string got = shown(row.text);
      EXPECT_TRUE(got.starts_with("(NIL NIL 'A' NIL)")) << got;
      EXPECT_TRUE(got.ends_with("'b')(NIL NIL NIL NIL)")) << got;
    } else {
      EXPECT_EQ(shown(row.text), row.expected) << row.text;
    }
  }
}

TEST(Addresses, CommentsAndObsoleteForms) {
  const Row rows[] = {
      {"a@b (Ann Lee)", "('Ann Lee' NIL 'a' 'b')"},
      {"a@b (Ann (the boss) Lee)", "('Ann (the boss) Lee' NIL 'a' 'b')"},
      {"Ann (x) <a@b> (y)", "('Ann' NIL 'a' 'b')"},
      {"<a@b> (Ann)", "('Ann' NIL 'a' 'b')"},
      {"(x)a(y)@(z)b", "('y' NIL 'a' 'b')"},
      {"a@b (one), c@d (two)", "('one' NIL 'a' 'b')('two' NIL 'c' 'd')"},
      {"a@b (\\) x)", "(') x' NIL 'a' 'b')"},
      {"Ann <@r1,@r2:a@b>", "('Ann' '@r1,@r2' 'a' 'b')"},
      {"<@r1:a@b>", "(NIL '@r1' 'a' 'b')"},
      {"a . b @ c . d", "(NIL NIL 'a.b' 'c.d')"},
      {"J. R. Hartley <a@b>", "('J. R. Hartley' NIL 'a' 'b')"},
      {"Dr. Ann <a@b>", "('Dr. Ann' NIL 'a' 'b')"},
      {"Ann St.Clair <a@b>", "('Ann St.Clair' NIL 'a' 'b')"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.expected) << row.text;
}

TEST(Addresses, BrokenOnes) {
  const Row rows[] = {
      {"\"\" <>", "(NIL NIL '' '')"},
      {"<>", "(NIL NIL '' '')"},
      {"ann", "(NIL NIL 'ann' '')"},
      {"ann lee", "(NIL NIL 'ann lee' '')"},
      {"Ann <a@b", "('Ann' NIL 'a' 'b')"},
      {"Ann <a", "('Ann' NIL 'a' '')"},
      {"Ann <", "('Ann' NIL '' '')"},
      {"<@", "(NIL '@' '' '')"},
      {"@", "(NIL NIL '' '')"},
      {"@b", "(NIL NIL '' 'b')"},
      {"a@", "(NIL NIL 'a' '')"},
      {"\"open", "(NIL NIL 'open' '')"},
      {"a@b (open", "(NIL NIL 'a' 'b')"},
      {"a@b c@d", "(NIL NIL 'a' 'b')"},
      {"Ann <a@b, c@d", "('Ann' NIL 'a' 'b')(NIL NIL 'c' 'd')"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.expected) << row.text;
}

TEST(Addresses, HostileTextEndsInOnePass) {
  for (const std::string piece : {"(", "()", "<",  ">",     "\"",   "\\",   "@",
                                  ",", ";",  ":",  "a:",    "a@b,", "<@a,", "(\\",
                                  "[", "a ", ". ", "\"a\"", "a:b;", "\xff", "("}) {
    std::string text;
    while (text.size() < (1U << 17U)) text += piece;
    const auto addresses = parse_addresses(text);
    EXPECT_LE(addresses.size(), kAddressesMax + 2) << piece;
    std::size_t size = 0;
    for (const Address& address : addresses)
      size += address.name.value_or("").size() + address.mailbox.value_or("").size() +
              address.host.value_or("").size() + address.route.value_or("").size();
    EXPECT_LE(size, text.size() * 2) << piece;
  }
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "a@b, ";
  EXPECT_EQ(parse_addresses(many).size(), kAddressesMax);
}

}  // namespace
}  // namespace posthorn::message
