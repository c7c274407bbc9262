// Who asks as an authority does for a name that is to be proved gets the proof (RFC 8737); everybody
// else gets what everybody gets.
#include "net/challenge_certificate.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "net/openssl.h"
#include "tests/support/certificates.h"

namespace posthorn::net {
namespace {

using namespace std::string_literals;

struct OneName final : ChallengeSource {
  std::shared_ptr<ssl_ctx_st> find(const std::string& name) const override {
    return name == "proved.test" ? context : nullptr;
  }
  std::shared_ptr<ssl_ctx_st> context;
};

using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;

struct Shown {
  bool is_done = false, is_challenge = false, is_resumed = false;
  std::string protocol, name;
  CertificatePtr certificate;
  SessionPtr session;
};

class ChallengeCertificateTest : public ::testing::Test {
 protected:
  ChallengeCertificateTest() {
    const auto made = make_challenge_context("proved.test", "token.thumbprint");
    EXPECT_TRUE(made) << made.error().what;
    source_.context = *made;
    server_ = TlsServer::make({authority_.issue(folder_, "a", {.names = {"a.test"}}),
                               authority_.issue(folder_, "p", {.names = {"proved.test"}})});
    server_->answer_challenges(source_);
    EXPECT_TRUE(server_->reload());
  }

  // protocols: as on the wire, each behind its length.
  Shown ask(const std::string& protocols, const std::string& name, int version = TLS1_3_VERSION,
            SSL_SESSION* session = nullptr) {
    const ContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_set_max_proto_version(context.get(), version);
    const SslPtr client(SSL_new(context.get())), server(SSL_new(server_->context().get()));
    BIO *one = nullptr, *other = nullptr;
    BIO_new_bio_pair(&one, 0, &other, 0);
    SSL_set_bio(client.get(), one, one);
    SSL_set_bio(server.get(), other, other);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    if (!name.empty()) SSL_set_tlsext_host_name(client.get(), name.c_str());
    if (session != nullptr) SSL_set_session(client.get(), session);
    SSL_set_alpn_protos(client.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
    Shown shown;
    for (int i = 0; i < 10 && !shown.is_done; ++i) {
      const int at_client = SSL_do_handshake(client.get());
      shown.is_done = SSL_do_handshake(server.get()) == 1 && at_client == 1;
    }
    char byte = 0;
    (void)SSL_write(server.get(), "x", 1);  // and the tickets before it
    (void)SSL_read(client.get(), &byte, 1);
    shown.is_challenge = was_challenge(server.get());
    shown.is_resumed = SSL_session_reused(client.get()) == 1;
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.get(), &protocol, &size);
    shown.protocol.assign(protocol, protocol + size);
    shown.certificate.reset(SSL_get1_peer_certificate(client.get()));
    shown.session.reset(SSL_get1_session(client.get()));
    // A session whose connection ends unsaid is not resumed (SSL_shutdown(3)).
    SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    const NamesPtr names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(shown.certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
    EXPECT_EQ(sk_GENERAL_NAME_num(names.get()), 1);
    const ASN1_STRING* text = sk_GENERAL_NAME_value(names.get(), 0)->d.dNSName;
    shown.name.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
    return shown;
  }

  test::TempFolder folder_;
  test::Authority authority_;
  OneName source_;
  std::unique_ptr<TlsServer> server_;
};

const std::string kAcme =
    "\x0a"
    "acme-tls/1";

TEST_F(ChallengeCertificateTest, TheProofIsACriticalExtensionOfACertificateForTheNameAlone) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Shown shown = ask(kAcme, "proved.test", version);
    ASSERT_TRUE(shown.is_done);
    EXPECT_TRUE(shown.is_challenge);
    EXPECT_EQ(shown.protocol, "acme-tls/1");
    EXPECT_EQ(shown.name, "proved.test");
    X509* certificate = shown.certificate.get();
    EXPECT_EQ(X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)),
              0);
    EXPECT_EQ(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
    const ObjectPtr id(OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1));
    const int at = X509_get_ext_by_OBJ(certificate, id.get(), -1);
    ASSERT_GE(at, 0);
    X509_EXTENSION* extension = X509_get_ext(certificate, at);
    EXPECT_EQ(X509_EXTENSION_get_critical(extension), 1);
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const std::string text = "token.thumbprint";
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                          static_cast<std::size_t>(ASN1_STRING_length(value))),
              "\x04\x20"s + std::string(digest, digest + sizeof digest));
  }
}

TEST_F(ChallengeCertificateTest, OnlyWhoAsksAsAnAuthorityDoesForThatNameGetsIt) {
  struct Row {
    std::string protocols, name;
    bool is_challenge;
    std::string shown;
  };
  const Row rows[] = {
      {kAcme, "proved.test", true, "proved.test"},
      {kAcme, "PROVED.Test", true, "proved.test"},
      {kAcme, "", false, "a.test"},
      {kAcme, "a.test", false, "a.test"},
      {kAcme, "x.proved.test", false, "a.test"},
      {kAcme, "proved.test.", false, "a.test"},
      {kAcme, std::string(255, 'n'), false, "a.test"},
      {"", "proved.test", false, "proved.test"},
      {"\x08http/1.1", "proved.test", false, "proved.test"},
      {kAcme + "\x08http/1.1", "proved.test", false, "proved.test"},
      {"\x08http/1.1" + kAcme, "proved.test", false, "proved.test"},
      {kAcme + kAcme, "proved.test", false, "proved.test"},
      {"\x0a"
       "ACME-TLS/1",
       "proved.test", false, "proved.test"},
      {"\x0b"
       "acme-tls/1x",
       "proved.test", false, "proved.test"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.protocols + " " + row.name);
    const Shown shown = ask(row.protocols, row.name);
    EXPECT_TRUE(shown.is_done);
    EXPECT_EQ(shown.is_challenge, row.is_challenge);
    EXPECT_EQ(shown.protocol, row.is_challenge ? "acme-tls/1" : "");
    EXPECT_EQ(shown.name, row.shown);
    const ObjectPtr id(OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1));
    EXPECT_EQ(X509_get_ext_by_OBJ(shown.certificate.get(), id.get(), -1) >= 0, row.is_challenge);
  }
}

TEST_F(ChallengeCertificateTest, ASessionOfTheOrdinaryKindIsNotResumedAsAProofNorTheOtherWay) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Shown usual = ask("", "proved.test", version);
    EXPECT_TRUE(ask("", "proved.test", version, usual.session.get()).is_resumed);
    const Shown proof = ask(kAcme, "proved.test", version, usual.session.get());
    EXPECT_TRUE(proof.is_challenge);
    EXPECT_FALSE(proof.is_resumed);
    const Shown after = ask("", "proved.test", version, proof.session.get());
    EXPECT_TRUE(after.is_done);
    EXPECT_FALSE(after.is_resumed);
  }
}

}  // namespace
}  // namespace posthorn::net
