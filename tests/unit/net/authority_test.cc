// The small authority that init makes: what it issues is a server's certificate that a client which
// trusts the authority believes; for any other name, and as an authority itself, it is refused.
#include "net/authority.h"

#include <gtest/gtest.h>

#include "net/tls.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

const ServerNames kNames{{"mx.example.org", "localhost"}, {"127.0.0.1", "::1"}};

class AuthorityTest : public ::testing::Test {
 protected:
  // Whether a client that trusts the authority believes the pair for this name.
  bool believes(const KeyPair& authority, const KeyPair& pair, const std::string& name) {
    const test::TempFolder folder;
    const auto server = TlsServer::load({{folder.write("cert.pem", pair.certificate_pem),
                                          folder.write_secret("key.pem", pair.key_pem)}});
    EXPECT_TRUE(server) << server.error().what;
    const auto client = TlsClient::make(TlsClient::Verify::required,
                                        folder.write("trust.pem", authority.certificate_pem));
    return server && client && handshake(loop_, **server, **client, name).client.has_value();
  }

  test::TestLoop loop_;
};

TEST_F(AuthorityTest, WhatItIssuesIsBelievedForTheServersNamesAlone) {
  const KeyPair authority = *make_authority(kNames);
  const KeyPair pair = *issue_certificate(authority, kNames);
  for (const std::string name : {"mx.example.org", "localhost", "127.0.0.1", "::1"})
    EXPECT_TRUE(believes(authority, pair, name)) << name;
  EXPECT_FALSE(believes(authority, pair, "other.example.org"));
  // Somebody who stole its key: constrained to the names (RFC 5280 section 4.2.1.10).
  for (const ServerNames& others :
       {ServerNames{{"bank.test"}, {}}, ServerNames{{"mx.example.org", "bank.test"}, {}},
        ServerNames{{}, {"192.0.2.1"}}, ServerNames{{}, {"127.0.0.2"}}}) {
    const KeyPair stolen = *issue_certificate(authority, others);
    EXPECT_FALSE(believes(authority, stolen,
                          others.dns.empty() ? others.addresses.front() : others.dns.front()));
    EXPECT_EQ(may_issue(authority, others), false);
  }
  EXPECT_EQ(may_issue(authority, kNames), true);
  EXPECT_FALSE(believes(*make_authority(kNames), pair, "mx.example.org"));  // another one's
}

TEST_F(AuthorityTest, ARenewedOneKeepsItsKeyAndIsBelieved) {
  const KeyPair authority = *make_authority(kNames);
  const KeyPair first = *issue_certificate(authority, kNames);
  const KeyPair second = *issue_certificate(authority, kNames, first.key_pem);
  EXPECT_EQ(first.key_pem, second.key_pem);
  EXPECT_NE(first.certificate_pem, second.certificate_pem);
  EXPECT_TRUE(believes(authority, second, "mx.example.org"));
}

TEST_F(AuthorityTest, BadInputIsAnError) {
  const KeyPair authority = *make_authority(kNames);
  const KeyPair other = *make_authority(kNames);
  EXPECT_FALSE(issue_certificate({authority.certificate_pem, other.key_pem}, kNames));
  EXPECT_FALSE(issue_certificate({"", ""}, kNames));
  EXPECT_FALSE(issue_certificate(authority, kNames, "no key"));
  const auto wrong = issue_certificate(authority, {{"a b,DNS:evil.test"}, {"no address"}});
  EXPECT_FALSE(wrong);
}

TEST_F(AuthorityTest, AChainSaysWhoseItIs) {
  const test::TempFolder folder;
  const KeyPair authority = *make_authority(kNames);
  const KeyPair pair = *issue_certificate(authority, kNames);
  const Path file = folder.write("cert.pem", pair.certificate_pem);
  const auto server = TlsServer::load({{file, folder.write_secret("key.pem", pair.key_pem)}});
  ASSERT_TRUE(server);
  EXPECT_TRUE((*server)->info().is_of_own_authority);
  EXPECT_EQ((*server)->info().names.size(), 4U);
  const auto anchor = read_trust_anchor(file);
  ASSERT_TRUE(anchor);
  EXPECT_TRUE(anchor->is_self_issued);
  EXPECT_EQ(anchor->pem, authority.certificate_pem);
}

}  // namespace
}  // namespace posthorn::net
