// Proves the conversation of `posthorn init`, whole: each question with its proposal, what is taken,
// what is refused and asked again.
#include "setup/dialogue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "setup/names.h"

namespace posthorn::setup {
namespace {

Known known() {
  Known known;
  known.proposals.hostname = "mail.example.org";
  known.random = std::string(kMadePasswordBytes, '\0');
  return known;
}

// What is said and asked, a line each: "Host name [mail.example.org]: ANSWER", "! refused", "* taken".
std::string talk(Dialogue& dialogue, const std::vector<std::string>& answers) {
  std::string said;
  for (const std::string& answer : answers) {
    const auto question = dialogue.next();
    if (!question) return said + "(it is over)\n";
    const bool is_hidden = question->echo == Question::Echo::hidden;
    said += question->words;
    if (!question->proposal.empty()) said += fmt::format(" [{}]", question->proposal);
    said += fmt::format(": {}\n", is_hidden ? "***" : answer);
    const Remark remark = dialogue.take(answer);
    if (!remark.text.empty()) said += (remark.is_refusal ? "! " : "* ") + remark.text + "\n";
  }
  if (const auto question = dialogue.next()) said += question->words + "?\n";
  return said;
}

TEST(Dialogue, AllProposalsAreOneServer) {
  Dialogue dialogue(known());
  EXPECT_EQ(talk(dialogue, {"", "", "alice", "", "", "", "", "yes"}),
            "Host name [mail.example.org]: \n"
            "Mail domains [example.org]: \n"
            "Address: alice\n"
            "* Taken as alice@example.org.\n"
            "Password of alice@example.org: ***\n"
            "Relay [none]: \n"
            "Authority [letsencrypt]: \n"
            "E-mail address [alice@example.org]: \n"
            "Do you agree to them? (yes or no): yes\n");
  const Answers& a = dialogue.answers();
  EXPECT_EQ(a.hostname, "mail.example.org");
  EXPECT_EQ(a.domains, std::vector<std::string>{"example.org"});
  EXPECT_EQ(a.account.password, "aaaaa-aaaaa-aaaaa-aaaaa");
  EXPECT_TRUE(a.account.is_made);
  EXPECT_EQ(a.relay.hop, "");
  EXPECT_EQ(a.acme.directory, "letsencrypt");
  EXPECT_TRUE(a.acme.are_terms_agreed);
}

TEST(Dialogue, WhatIsNoAnswerIsAskedAgain) {
  Known some = known();
  some.proposals.hostname.clear();
  Dialogue dialogue(some);
  EXPECT_EQ(talk(dialogue, {"", "mail", "192.0.2.1", "http://Mail.Example.org./", "a@example.org",
                            "example.org, müller.test;example.org"}),
            "Host name: \n"
            "! No: the server needs a name, as in mail.example.org.\n"
            "Host name: mail\n"
            "! \"mail\": others find it by its full name only, as in mail.example.org.\n"
            "Host name: 192.0.2.1\n"
            "! \"192.0.2.1\": that is a number, and mail needs a name.\n"
            "Host name: http://Mail.Example.org./\n"
            "* Taken as mail.example.org.\n"
            "Mail domains [example.org]: a@example.org\n"
            "! \"a@example.org\": that is an address; the name is what stands behind the @.\n"
            "Mail domains [example.org]: example.org, müller.test;example.org\n"
            "* Taken as example.org xn--mller-kva.test.\n"
            "Address?\n");
}

TEST(Dialogue, APasswordIsTypedTwice) {
  Dialogue dialogue(known());
  EXPECT_EQ(talk(dialogue, {"example.org", "", "bob@other.test", "", "bob@Example.org", "short",
                            " blanks count ", "blanks count", " blanks count ", " blanks count "}),
            "Host name [mail.example.org]: example.org\n"
            "Mail domains [example.org]: \n"
            "Address: bob@other.test\n"
            "! \"bob@other.test\": the domain is none of yours: example.org.\n"
            "Address: \n"
            "! No: an address, or none.\n"
            "Address: bob@Example.org\n"
            "* Taken as bob@example.org.\n"
            "Password of bob@example.org: ***\n"
            "! No: it has fewer than 8 characters, and the whole Internet may guess at it.\n"
            "Password of bob@example.org: ***\n"
            "Again: ***\n"
            "* No: the two differ.\n"
            "Password of bob@example.org: ***\n"
            "Again: ***\n"
            "Relay?\n");
  EXPECT_EQ(dialogue.answers().account.password, " blanks count ");
  EXPECT_FALSE(dialogue.answers().account.is_made);
}

TEST(Dialogue, ARelayHasALogin) {
  Dialogue dialogue(known());
  EXPECT_EQ(talk(dialogue,
                 {"", "", "none", "smtp.example.net:465", "sendgrid", "", "", "SG.a:b c", "none"}),
            "Host name [mail.example.org]: \n"
            "Mail domains [example.org]: \n"
            "Address: none\n"
            "Relay [none]: smtp.example.net:465\n"
            "! \"smtp.example.net:465\": port 465 begins with TLS, and this server begins TLS by "
            "STARTTLS: the same host's port 587 or 2525.\n"
            "Relay [none]: sendgrid\n"
            "* Taken as [smtp.sendgrid.net]:587.\n"
            "Login [apikey]: \n"
            "API key (not shown): ***\n"
            "! No: it is empty.\n"
            "API key (not shown): ***\n"
            "Authority [letsencrypt]: none\n"
            "* The server goes on with a certificate of its own making.\n");
  EXPECT_EQ(dialogue.answers().relay.login, "apikey");
  EXPECT_EQ(dialogue.answers().relay.password, "SG.a:b c");
  EXPECT_EQ(dialogue.answers().acme.directory, "");
  EXPECT_EQ(dialogue.answers().account.address, "");
}

TEST(Dialogue, ARelayMayWantNone) {
  Dialogue dialogue(known());
  EXPECT_EQ(talk(dialogue, {"", "", "none", "[smtp.example.net]:587", "", "a:b", "none"}),
            "Host name [mail.example.org]: \n"
            "Mail domains [example.org]: \n"
            "Address: none\n"
            "Relay [none]: [smtp.example.net]:587\n"
            "Login: \n"
            "! \"\": it is empty.\n"
            "Login: a:b\n"
            "! \"a:b\": maps/relay-sasl has login:password, so a login has no colon.\n"
            "Login: none\n"
            "Authority?\n");
}

TEST(Dialogue, TermsAreAgreedToInWords) {
  Dialogue dialogue(known());
  talk(dialogue, {"", "", "none", "none"});
  EXPECT_EQ(
      talk(dialogue, {"http://ca.test", "staging", "nobody", "you@example.org", "", "maybe", "no"}),
      "Authority [letsencrypt]: http://ca.test\n"
      "! \"http://ca.test\": letsencrypt, letsencrypt-staging, or the https:// URL of another "
      "authority's directory.\n"
      "Authority [letsencrypt]: staging\n"
      "E-mail address [postmaster@example.org]: nobody\n"
      "! \"nobody\": that is no address, as in you@example.org.\n"
      "E-mail address [postmaster@example.org]: you@example.org\n"
      "Do you agree to them? (yes or no): \n"
      "! No: this one wants a yes or a no.\n"
      "Do you agree to them? (yes or no): maybe\n"
      "! No: this one wants a yes or a no.\n"
      "Do you agree to them? (yes or no): no\n"
      "* Then without ACME: the server goes on with a certificate of its own making.\n");
  EXPECT_EQ(dialogue.answers().acme.directory, "");
  EXPECT_EQ(dialogue.answers().acme.email, "");
}

TEST(Dialogue, WhatFlagsSaidIsNotAsked) {
  Known some = known();
  some.given.hostname = "mx.a.test";
  some.given.domains = {"a.test", "b.test"};
  some.given.account = {.address = "x@b.test", .password = "long enough"};
  some.given.relay = {.hop = "[r.test]:25", .login = "me", .password = "secret"};
  some.given.acme = {.directory = "letsencrypt", .email = "x@b.test"};
  Dialogue dialogue(some);
  const auto question = dialogue.next();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->about, "Its terms: https://letsencrypt.org/repository/");
  EXPECT_TRUE(dialogue.wants_terms());
  dialogue.tell_terms("Its terms: https://ca.test/terms");
  EXPECT_FALSE(dialogue.wants_terms());
  EXPECT_EQ(talk(dialogue, {"YES"}), "Do you agree to them? (yes or no): YES\n");
}

TEST(Dialogue, WhatAnInstanceHasIsNotAsked) {
  Known some = known();
  some.is_account_settled = some.is_relay_settled = some.is_acme_settled = true;
  Dialogue dialogue(some);
  EXPECT_EQ(talk(dialogue, {"", ""}),
            "Host name [mail.example.org]: \nMail domains [example.org]: \n");
  EXPECT_FALSE(dialogue.next());
}

// Each question says once what it is for.
TEST(Dialogue, TheSecondTimeItOnlyAsks) {
  Dialogue dialogue(known());
  EXPECT_NE(dialogue.next()->about, "");
  dialogue.take("mail");
  EXPECT_EQ(dialogue.next()->about, "");
  dialogue.take("mail.example.org");
  EXPECT_NE(dialogue.next()->about, "");
}

}  // namespace
}  // namespace posthorn::setup
