// Session tickets: one is good until the key after the next, in every context of the process and
// in no other process, whatever the version of TLS.
#include "net/ticket_keys.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/support/certificates.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"

namespace posthorn::net {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;
using SessionPtr = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

struct TicketTest : testing::TestWithParam<int> {
  ContextPtr make_server(TicketKeys& keys) {
    ContextPtr context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    const CertificateFiles files = authority.issue(folder, "a", {.names = {"a.test"}});
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("t"), 1);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context.get(), 1'000'000);
    keys.install(context.get());
    return context;
  }
  struct Done {
    bool resumed = false;
    SessionPtr session{nullptr, SSL_SESSION_free};
  };
  // In memory; session: what the client brings.
  Done connect(SSL_CTX* server_context, SSL_SESSION* session = nullptr) {
    ContextPtr client_context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_set_max_proto_version(client_context.get(), GetParam());
    const SslPtr server(SSL_new(server_context), SSL_free);
    const SslPtr client(SSL_new(client_context.get()), SSL_free);
    BIO *a = nullptr, *b = nullptr;
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(server.get(), a, a);
    SSL_set_bio(client.get(), b, b);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
    if (session != nullptr) SSL_set_session(client.get(), session);
    for (int turn = 0; turn < 10; ++turn) {
      SSL_do_handshake(client.get());
      SSL_do_handshake(server.get());
    }
    EXPECT_EQ(SSL_is_init_finished(client.get()), 1);
    char byte = 'x';
    EXPECT_EQ(SSL_write(server.get(), &byte, 1), 1);
    EXPECT_EQ(SSL_read(client.get(), &byte, 1), 1);  // and the tickets before it
    Done done;
    done.resumed = SSL_session_reused(client.get()) == 1;
    done.session.reset(SSL_get1_session(client.get()));
    SSL_shutdown(client.get());
    return done;
  }

  test::TempFolder folder;
  test::Authority authority;
  test::ManualClock clock;
};

TEST_P(TicketTest, AKeyDecryptsForTwoLives) {
  TicketKeys keys(clock);
  const ContextPtr server = make_server(keys);
  const Done first = connect(server.get());
  EXPECT_FALSE(first.resumed);
  clock.advance(kTicketKeyLife - 1s);
  const Done late = connect(server.get());  // by the same key, near its end
  EXPECT_TRUE(connect(server.get(), first.session.get()).resumed);
  clock.advance(2s);
  const Done renewed = connect(server.get(), first.session.get());
  EXPECT_TRUE(renewed.resumed);
  clock.advance(kTicketKeyLife);
  EXPECT_FALSE(connect(server.get(), first.session.get()).resumed);
  EXPECT_FALSE(connect(server.get(), late.session.get()).resumed);
  // What the key before had renewed goes on.
  EXPECT_TRUE(connect(server.get(), renewed.session.get()).resumed);
  clock.advance(20 * kTicketKeyLife);
  EXPECT_FALSE(connect(server.get(), renewed.session.get()).resumed);
}

TEST_P(TicketTest, OneProcess) {
  TicketKeys keys(clock), others(clock);
  const ContextPtr server = make_server(keys), sibling = make_server(keys),
                   stranger = make_server(others);
  const Done first = connect(server.get());
  EXPECT_TRUE(connect(sibling.get(), first.session.get()).resumed);
  EXPECT_FALSE(connect(stranger.get(), first.session.get()).resumed);
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

}  // namespace
}  // namespace posthorn::net
