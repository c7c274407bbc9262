// What leaves with a signature and what does not, and that it is made of the bytes that are sent:
// each is checked with the public key against what the peer got.
#include <fstream>

#include "base/base64.h"
#include "deliver/dkim_key.h"
#include "message/dkim.h"
#include "tests/unit/deliver/dkim_keys.h"
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kMail =
    "From: Alice <alice@one.test>\r\nSubject:  a   b\r\n\tc\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "gr\xc3\xbc\xc3\x9f\x65  x \r\n.\r\n\r\n\r\n";

std::string without_dots(std::string_view body) {
  std::string out;
  for (std::size_t at = 0; at < body.size(); ++at) {
    const bool is_first = at == 0 || body[at - 1] == '\n';
    if (is_first && body.substr(at).starts_with("..")) ++at;
    out += body[at];
  }
  return out;
}

// The fields of DKIM on top of a message that hold: each selector once; "!" before one that does
// not. Ed25519 and RSA sign alike each time, so the same key signs again.
std::string verify(const std::string& text, message::Canonicalization form) {
  const auto end = message::find_header_end(text, message::Input::whole);
  const message::Headers headers(std::string_view(text).substr(0, end->header_size));
  Sha256 body_hash;
  message::BodyCanonicalizer body(form, [&](std::string_view bytes) { body_hash.update(bytes); });
  body.feed(std::string_view(text).substr(end->body_begin));
  body.finish();
  const std::string bh = encode_base64(body_hash.finish());
  std::string found;
  for (const message::Field& field : headers.fields()) {
    if (field.name != "DKIM-Signature") continue;
    const auto tags = message::parse_tags(field.value);
    std::vector<message::SignedField> fields;
    std::map<std::string, std::size_t> used;
    std::string names(message::find_tag(*tags, "h"));
    for (std::string_view rest = names; !rest.empty();) {
      const std::string name = to_lower(rest.substr(0, rest.find(':')));
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
      std::size_t skip = used[name]++;
      for (auto one = headers.fields().rbegin(); one != headers.fields().rend(); ++one)
        if (equals_ignoring_case(one->name, name) && skip-- == 0) {
          fields.push_back({one->name, &*one});
          break;
        }
    }
    const std::string raw(field.raw);
    const std::string own = raw.substr(0, raw.rfind("b=") + 2);
    Sha256 hash;
    hash.update(message::make_signing_input(fields, own, form));
    const auto key =
        DkimKey::parse(message::find_tag(*tags, "a") == "rsa-sha256" ? kRsaPem : kEd25519Pem);
    const bool holds = message::find_tag(*tags, "bh") == bh &&
                       *key->sign(hash.finish()) == message::find_tag(*tags, "b");
    found += (holds ? "" : "!") + std::string(message::find_tag(*tags, "s")) + " ";
  }
  return found;
}

class DkimSigningTest : public TransportsTest {
 protected:
  DkimSigningTest() {
    config_.dkim.folder = folder_.path() / "dkim";
    add_key("one.test/mail.pem", kRsaPem);
  }
  void add_key(const std::string& name, const std::string& pem) {
    const Path path = config_.dkim.folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << pem;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  }

  struct Sent {
    std::string kinds, text;
    std::vector<std::string> commands;
  };
  enum class Whose { ours, stranger };
  Sent send(const std::string& mail, Whose whose = Whose::ours, const std::string& ehlo = kPlain,
            std::string prefix = {}) {
    FakeSmtpPeer peer({{"EHLO", {say(ehlo)}}});
    Body text = body(mail, std::move(prefix));
    text.is_ours = whose == Whose::ours;
    message::Envelope to = envelope(1);
    to.eight_bit = true;
    const Attempted attempted = attempt(relay(peer.port()), std::move(to), std::move(text));
    peer.stop();
    return {kinds(attempted), without_dots(peer.session().body), peer.session().commands};
  }

  using Form = message::Canonicalization;
};

TEST_F(DkimSigningTest, OursIsSignedAsItIsSent) {
  for (const std::string& ehlo : {kPipelining, kPlain}) {  // the second takes 7 bits only
    const Sent sent = send(kMail, Whose::ours, ehlo, "X-Spam-Flag: NO\r\n");
    EXPECT_EQ(sent.kinds, "D");
    EXPECT_THAT(sent.text, StartsWith("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"));
    EXPECT_EQ(verify(sent.text, Form::relaxed), "mail ");
  }
}

TEST_F(DkimSigningTest, TheSizeThatIsToldHoldsTheSignature) {
  const Sent sent = send(kMail, Whose::ours, "250-peer.test\r\n250-8BITMIME\r\n250 SIZE\r\n");
  EXPECT_THAT(sent.commands[1], HasSubstr(" SIZE=" + std::to_string(sent.text.size())));
}

TEST_F(DkimSigningTest, EachKeyOfTheDomainSigns) {
  add_key("one.test/ed.pem", kEd25519Pem);
  add_key("two.test/other.pem", kEd25519Pem);
  EXPECT_EQ(verify(send(kMail).text, Form::relaxed), "ed mail ");
  EXPECT_EQ(verify(send("From: x@TWO.test\r\n\r\n").text, Form::relaxed), "other ");
}

TEST_F(DkimSigningTest, TheSimpleForms) {
  config_.dkim.canonicalization = config::Canonicalization::simple_simple;
  const Sent sent = send(kMail);
  EXPECT_THAT(sent.text, HasSubstr("c=simple/simple;"));
  EXPECT_EQ(verify(sent.text, Form::simple), "mail ");
}

TEST_F(DkimSigningTest, AnEndIsToldWhereOneIsWished) {
  EXPECT_THAT(send(kMail).text, Not(HasSubstr("x=")));
  config_.dkim.life = 24h;
  EXPECT_THAT(send(kMail).text, HasSubstr("x="));
}

TEST_F(DkimSigningTest, WhatIsNotSigned) {
  const auto is_signed = [&](const std::string& mail, Whose whose = Whose::ours) {
    const Sent sent = send(mail, whose);
    EXPECT_EQ(sent.kinds, "D");
    return sent.text.find("DKIM-Signature: v=1; a=") == 0;
  };
  EXPECT_TRUE(is_signed("From: a@one.test\r\n\r\n"));
  EXPECT_FALSE(is_signed(kMail, Whose::stranger));
  EXPECT_FALSE(is_signed("From: a@none.test\r\n\r\n"));
  EXPECT_FALSE(is_signed("From: a@one.test\r\nno field ends this header\r\n"));
  EXPECT_FALSE(is_signed("From: a@one.test\r\n"));
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "X: y\r\n";
  EXPECT_FALSE(is_signed("From: a@one.test\r\n" + many + "From: b@one.test\r\n\r\n"));
  config_.dkim.sign = false;
  EXPECT_FALSE(is_signed("From: a@one.test\r\n\r\n"));
}

TEST_F(DkimSigningTest, WhatIsSignedAlreadyIsSignedOnce) {
  const std::string once = send(kMail, Whose::ours, kPipelining).text;
  const Sent again = send(once, Whose::ours, kPipelining);
  EXPECT_EQ(again.text, once);
  add_key("one.test/ed.pem", kEd25519Pem);
  EXPECT_EQ(verify(send(once, Whose::ours, kPipelining).text, Form::relaxed), "ed mail ");
  // Converted to 7 bits the first one does not hold any more.
  EXPECT_EQ(verify(send(once).text, Form::relaxed), "ed mail !mail ");
}

TEST_F(DkimSigningTest, ALargeBodyAndALongHeader) {
  std::string mail = "From: a@one.test\r\n";
  for (int i = 0; i < 3000; ++i) mail += "X-Filler: " + std::string(60, 'x') + "\r\n";
  mail += "Subject: behind all of them\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) mail += "line  " + std::to_string(i) + " \r\n\r\n";
  EXPECT_EQ(verify(send(mail).text, Form::relaxed), "mail ");
}

TEST_F(DkimSigningTest, AKeyThatCannotBeUsed) {
  std::filesystem::permissions(config_.dkim.folder / "one.test/mail.pem",
                               std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  Sent sent = send(kMail, Whose::ours, kPipelining);
  EXPECT_EQ(sent.kinds, "D");
  EXPECT_EQ(sent.text, kMail);
  add_key("one.test/ed.pem", kEd25519Pem);  // the other one signs
  EXPECT_EQ(verify(send(kMail).text, Form::relaxed), "ed ");
  config_.dkim.when_broken = config::WhenBroken::wait;
  sent = send(kMail);
  EXPECT_EQ(sent.kinds, "d");
  EXPECT_EQ(sent.text, "");
}

}  // namespace
}  // namespace posthorn::deliver
