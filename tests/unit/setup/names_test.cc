// Proves what is taken for a name, an address and a password, and what a machine proposes by itself.
#include "setup/names.h"

#include <gtest/gtest.h>
#include <set>

#include "setup/answers.h"

namespace posthorn::setup {
namespace {

TEST(Names, AreMeantAsTheyCanBeUnderstood) {
  for (const auto& [typed, meant] : {std::pair{"example.org", "example.org"},
                                     {"  Example.ORG ", "example.org"},
                                     {"http://example.org", "example.org"},
                                     {"HTTPS://example.org/mail/", "example.org"},
                                     {"example.org.", "example.org"},
                                     {"http://example.org./", "example.org"},
                                     {"müller.test", "xn--mller-kva.test"},
                                     {"MÜLLER.test.", "xn--mller-kva.test"},
                                     {"a@example.org", "a@example.org"},
                                     {"", ""}})
    EXPECT_EQ(meant_name(typed), meant) << typed;
}

TEST(Names, WithoutADotAreNobodyElses) {
  EXPECT_FALSE(find_name_fault("mail"));
  EXPECT_TRUE(find_public_name_fault("mail"));
  EXPECT_FALSE(find_public_name_fault("example.org"));
  for (const char* none : {"", "a b", "a@b.test", "a.test:25", "*.a.test", "a_b.test", "192.0.2.1",
                           "a..b", "-a.test", "a.test."})
    EXPECT_TRUE(find_name_fault(none)) << none;
}

TEST(Names, AccountsBecomeFolders) {
  for (const char* good : {"alice@example.org", "a.b_c=d-e@example.org"})
    EXPECT_FALSE(find_account_fault(good, "+")) << good;
  for (const char* none : {"alice", "", "@example.org", "alice@", "Alice@example.org", ".a@x.test",
                           "a+b@x.test", "a b@x.test", "a/b@x.test", "ä@x.test"})
    EXPECT_TRUE(find_account_fault(none, "+")) << none;
  EXPECT_FALSE(find_account_fault("a+b@x.test", ""));
}

TEST(Names, PasswordsAreWhatCanBeSent) {
  for (const char* good :
       {"12345678", "two words  here ", "colon:colon:", "\xC3\xA4\xC3\xB6\xC3\xBC-ok"})
    EXPECT_FALSE(find_password_fault(good)) << good;
  for (const char* none : {"", "short", "arrow\x1B[A-key", "latin\xE4one", "tab\tinside"})
    EXPECT_TRUE(find_password_fault(none)) << none;
  EXPECT_TRUE(find_password_fault(std::string(501, 'x')));
}

TEST(Names, MadePasswordsUseEveryLetterAlike) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  std::map<char, int> seen;
  for (const char c : make_password(all)) ++seen[c];
  seen.erase('-');
  EXPECT_EQ(seen.size(), 32U);
  for (const auto& [letter, count] : seen) EXPECT_EQ(count, 8) << letter;
  EXPECT_EQ(make_password(std::string(kMadePasswordBytes, '\0')), "aaaaa-aaaaa-aaaaa-aaaaa");
  EXPECT_FALSE(find_password_fault(make_password(std::string(kMadePasswordBytes, '\0'))));
}

TEST(Names, OfAMachineAreThoseThatLieOnIt) {
  EXPECT_EQ(propose_host({.name = "Mail.example.org"}), "mail.example.org");
  const std::string debian = "127.0.0.1\tlocalhost\n127.0.1.1\tmail.example.org mail # here\n";
  EXPECT_EQ(propose_host({.name = "mail", .hosts = debian}), "mail.example.org");
  EXPECT_EQ(propose_host({.name = "mai", .hosts = debian}), "");
  EXPECT_EQ(propose_host({.name = "mail", .hosts = "127.0.1.1 mail\n# 1 mail.example.org mail"}),
            "");
  EXPECT_EQ(propose_host({.name = "localhost", .hosts = "::1 localhost.localdomain localhost"}),
            "");
  EXPECT_EQ(propose_host({.name = "my_host.example.org"}), "");
  EXPECT_EQ(propose_host({}), "");
}

TEST(Names, OfADomainFollowFromTheHost) {
  EXPECT_EQ(propose_domain({}, "mail.example.org"), "example.org");
  EXPECT_EQ(propose_domain({}, "example.org"), "example.org");
  EXPECT_EQ(propose_domain({}, "mx.mail.example.co.uk"), "mail.example.co.uk");
  EXPECT_EQ(propose_domain({.mailname = "example.net\n"}, "mail.example.org"), "example.net");
  EXPECT_EQ(propose_domain({.name = "vps1.example.org", .mailname = "vps1.example.org\n"},
                           "vps1.example.org"),
            "example.org");
  EXPECT_EQ(propose_domain({.mailname = "debian\n"}, "mail.example.org"), "example.org");
}

TEST(Relays, AreHostsWithAPort) {
  std::string why;
  for (const auto& [typed, hop] : {std::pair{"sendgrid", "[smtp.sendgrid.net]:587"},
                                   {"SendGrid", "[smtp.sendgrid.net]:587"},
                                   {"smtp.example.net", "[smtp.example.net]:587"},
                                   {"smtp.Example.net:2525", "[smtp.example.net]:2525"},
                                   {"[smtp.example.net]", "[smtp.example.net]:587"},
                                   {"[smtp.example.net]:25", "[smtp.example.net]:25"},
                                   {"smtp://smtp.example.net:25/", "[smtp.example.net]:25"},
                                   {"[192.0.2.1]:25", "[192.0.2.1]:25"},
                                   {"[2001:db8::1]:25", "[2001:db8::1]:25"}})
    EXPECT_EQ(meant_relay(typed, why).value_or(why), hop) << typed;
  for (const char* none : {"", "smtp.example.net:465", "smtp.example.net:no", "smtp.example.net:0",
                           "https://x.test", "a b", "[x.test", "me@smtp.example.net"})
    EXPECT_FALSE(meant_relay(none, why)) << none;
}

TEST(Relays, LoginsFitALineOfTheTable) {
  EXPECT_FALSE(find_relay_login_fault("apikey"));
  EXPECT_FALSE(find_relay_login_fault("me@example.net"));
  EXPECT_TRUE(find_relay_login_fault("a:b"));
  EXPECT_FALSE(find_relay_password_fault("a:b c\xC3\xA4#"));
  for (const char* none : {"", " x", "x ", "a\nb", "\xE4"})
    EXPECT_TRUE(find_relay_password_fault(none)) << none;
}

TEST(Directories, AreKnownByNameOrByUrl) {
  for (const auto& [typed, meant] : {std::pair{"LetsEncrypt", "letsencrypt"},
                                     {"staging", "letsencrypt-staging"},
                                     {"letsencrypt-staging ", "letsencrypt-staging"},
                                     {"https://Ca.test/dir", "https://Ca.test/dir"}}) {
    EXPECT_EQ(meant_directory(typed), meant);
    EXPECT_FALSE(find_directory_fault(meant)) << meant;
  }
  for (const char* none :
       {"", "letsencrypt2", "http://ca.test/dir", "https://", "ca.test", "zerossl"})
    EXPECT_TRUE(find_directory_fault(none)) << none;
}

}  // namespace
}  // namespace posthorn::setup
