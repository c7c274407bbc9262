#include "net/tls.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/assert.h"
#include "base/last_good.h"
#include "net/authority.h"
#include "net/certificate_folder.h"
#include "net/challenge_certificate.h"
#include "net/openssl.h"
#include "net/ticket_keys.h"
#include "net/tls_error.h"
#include "net/tls_pair.h"

namespace posthorn::net {
namespace {

struct Pair {
  CertificateFiles files;
  Stamp certificate_stamp, key_stamp;
  ContextPtr own;      // with this pair alone
  ContextPtr context;  // and with the one of the other kind of key for the same name
  CertificateInfo info;
  bool is_spare = false;  // what it is for another one does: its state is nobody's worry
};

}  // namespace

struct TlsServer::State {
  std::vector<Pair> pairs;  // those that do not come from the folder first

  // RFC 6066: the certificate whose name fits: exactly, then by wildcard, then the default.
  const Pair& choose(std::string_view name) const {
    const std::string wanted = to_lower(name);
    const std::size_t dot = wanted.find('.');
    const std::string wildcard = dot == std::string::npos ? "" : "*" + wanted.substr(dot);
    const Pair* by_wildcard = nullptr;
    for (const Pair& pair : pairs) {
      for (const std::string& candidate : pair.info.names) {
        if (to_lower(candidate) == wanted) return pair;
        if (by_wildcard == nullptr && !wildcard.empty() && to_lower(candidate) == wildcard)
          by_wildcard = &pair;
      }
    }
    return by_wildcard != nullptr ? *by_wildcard : pairs.front();
  }
  const Pair* find(const CertificateFiles& files) const {
    const auto found = std::ranges::find_if(pairs, [&](const Pair& pair) {
      return pair.files.certificate == files.certificate && pair.files.key == files.key;
    });
    return found == pairs.end() ? nullptr : &*found;
  }
};

namespace {
int choose_by_name(SSL* ssl, int*, void* argument) {
  const auto* self = static_cast<const TlsServer*>(argument);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name != nullptr && std::strlen(name) <= 255) {
    const auto context = self->context_for(name);
    if (context.get() != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, context.get());
  }
  return SSL_TLSEXT_ERR_OK;
}

// Before all else of the handshake: the answer to a challenge is another session's than any.
int answer_challenge(SSL* ssl, int*, void* argument) {
  const auto* self = static_cast<const TlsServer*>(argument);
  const auto name = find_challenged_name(ssl);
  if (!name) return SSL_CLIENT_HELLO_SUCCESS;
  if (const auto context = self->challenges()->find(*name)) {
    SSL_set_SSL_CTX(ssl, context.get());
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}
}  // namespace

namespace {

CertificateFiles readable(const CertificateFiles& files, const Path& handed) {
  return {find_readable(files.certificate, handed), find_readable(files.key, handed)};
}

Pair stamped(CertificateFiles files, const Path& handed) {
  Pair pair;
  const CertificateFiles real = readable(files, handed);
  pair.certificate_stamp = stamp_of(real.certificate);
  pair.key_stamp = stamp_of(real.key);
  pair.files = std::move(files);
  return pair;
}

void choose_contexts(const ContextPtr& context, const TlsServer* server, TicketKeys& tickets) {
  tickets.install(context.get());
  SSL_CTX_set_tlsext_servername_callback(context.get(), choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(context.get(), const_cast<TlsServer*>(server));
  if (server->challenges() != nullptr)
    SSL_CTX_set_client_hello_cb(context.get(), answer_challenge, const_cast<TlsServer*>(server));
}

int key_kind(const ContextPtr& context) {
  return EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(context.get()));
}

bool share_a_name(const Pair& a, const Pair& b) {
  return std::ranges::any_of(a.info.names, [&](const std::string& name) {
    return std::ranges::any_of(
        b.info.names, [&](const std::string& other) { return to_lower(name) == to_lower(other); });
  });
}

bool add_to(SSL_CTX* context, const ContextPtr& from) {
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(from.get(), &chain);
  return SSL_CTX_use_cert_and_key(context, SSL_CTX_get0_certificate(from.get()),
                                  SSL_CTX_get0_privatekey(from.get()), chain, 1) == 1;
}

// An ECDSA and an RSA pair for one name both serve: each client gets the one it can use.
ContextPtr join(const Pair& pair, const std::vector<Pair>& pairs, const TlsServer* server,
                TicketKeys& tickets) {
  const auto other = std::ranges::find_if(pairs, [&](const Pair& one) {
    return key_kind(one.own) != key_kind(pair.own) && share_a_name(one, pair);
  });
  if (other == pairs.end()) return pair.own;
  auto context = make_context(TLS_server_method());
  if (!context || !add_to(context->get(), other->own) || !add_to(context->get(), pair.own)) {
    ERR_clear_error();
    return pair.own;
  }
  static constexpr unsigned char kSessionContext[] = "posthorn";
  SSL_CTX_set_session_id_context(context->get(), kSessionContext, sizeof kSessionContext - 1);
  choose_contexts(*context, server, tickets);
  return *std::move(context);
}

// For a start without a usable pair.
Result<Pair> make_stand_in(const CertificateFiles& files, const std::string& hostname) {
  const ServerNames names{{hostname.empty() ? "localhost" : hostname}, {}};
  TRY(const KeyPair authority, make_authority(names));
  TRY(const KeyPair made, issue_certificate(authority, names));
  Pair pair;
  pair.files = files;
  TRY(pair.own, make_context(TLS_server_method()));
  const auto bio = [](const std::string& text) {
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  };
  const CertificatePtr certificate(
      PEM_read_bio_X509(bio(made.certificate_pem).get(), nullptr, nullptr, nullptr));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio(made.key_pem).get(), nullptr, nullptr, nullptr));
  if (SSL_CTX_use_cert_and_key(pair.own.get(), certificate.get(), key.get(), nullptr, 1) != 1)
    return fail(ErrorKind::temporary, tls_error("a certificate to stand in"));
  pair.info = read_info(certificate.get());
  return pair;
}

bool covers(const CertificateInfo& info, const std::string& hostname) {
  const std::string wanted = to_lower(hostname);
  const std::size_t dot = wanted.find('.');
  return std::ranges::any_of(info.names, [&](const std::string& name) {
    const std::string lower = to_lower(name);
    return lower == wanted || (dot != std::string::npos && lower == "*" + wanted.substr(dot));
  });
}

// A certificate by ACME takes the place of what serves until there is one.
bool is_replaced(const CertificateInfo& info, const CertificateInfo& by) {
  return info.is_of_own_authority ||
         std::ranges::all_of(info.names, [&](const std::string& name) { return covers(by, name); });
}

// What works, but not as it was meant.
void add_warnings(config::Findings& findings, const std::vector<Pair>& pairs,
                  const std::string& hostname, std::chrono::milliseconds ahead) {
  const WallTime now = Clock::system().now();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Pair& pair = pairs[i];
    const auto warn = [&](std::string reason, std::string remedy = "") {
      findings.push_back({pair.files.certificate.native() + ":1", std::move(reason),
                          std::move(remedy), config::Weight::warning});
    };
    if (pair.certificate_stamp == Stamp{} || pair.is_spare) continue;  // Stamp{}: a stand-in
    if (pair.info.not_after <= now)
      warn("the certificate has expired: clients refuse it",
           pair.info.is_of_own_authority ? "posthorn certificate renew" : "renew it");
    else if (pair.info.not_after - now < ahead)
      warn(fmt::format("the certificate ends at {}", format_log_time(pair.info.not_after)),
           pair.info.is_of_own_authority
               ? "posthorn certificate renew"
               : "renew it where it was issued (certbot renew); a new pair is taken at once");
    else if (pair.info.not_before > now)
      warn("the certificate is not valid yet: clients refuse it", "look at this machine's clock");
    if (i == 0 && !hostname.empty() && !covers(pair.info, hostname))
      warn(fmt::format("the certificate is for {}, not for server.hostname {}",
                       fmt::join(pair.info.names, " "), hostname),
           "clients that are told that name refuse it; name this server as the certificate does, "
           "or get one for it");
    if (pair.info.lacks_issuer)
      warn("the file ends with the server's own certificate, without the one that signed it",
           "many clients refuse it; put the intermediate behind it (certbot: fullchain.pem)");
    for (std::size_t before = 0; before < i; ++before)
      if (key_kind(pairs[before].own) == key_kind(pair.own) &&
          std::ranges::all_of(pair.info.names,
                              [&](const std::string& name) {
                                return std::ranges::find(pairs[before].info.names, name) !=
                                       pairs[before].info.names.end();
                              }) &&
          !pair.info.names.empty()) {
        warn(fmt::format("never used: {} has all its names and the same kind of key",
                         pairs[before].files.certificate.native()));
        break;
      }
  }
}

}  // namespace

Path find_readable(const Path& file, const Path& handed) {
  if (handed.empty() || ::access(file.c_str(), R_OK) == 0 || errno != EACCES) return file;
  Path copy = handed / flat_name(file);
  return ::access(copy.c_str(), R_OK) == 0 ? copy : file;
}

TlsServer::TlsServer()
    : tickets_(std::make_unique<TicketKeys>()), state_(std::make_shared<State>()) {}
TlsServer::~TlsServer() = default;

std::unique_ptr<TlsServer> TlsServer::make(std::vector<CertificateFiles> pairs, const Path& folder,
                                           std::string hostname, Path handed, Path acme) {
  ASSERT(!pairs.empty());
  std::unique_ptr<TlsServer> server(new TlsServer);
  server->named_ = std::move(pairs);
  server->folder_ = folder;
  server->hostname_ = std::move(hostname);
  server->handed_ = std::move(handed);
  server->acme_ = std::move(acme);
  return server;
}

Result<std::unique_ptr<TlsServer>> TlsServer::load(std::vector<CertificateFiles> pairs,
                                                   const Path& folder) {
  auto server = make(std::move(pairs), folder);
  Next next = server->prepare();
  for (const Pair& pair : next.state->pairs)
    if (pair.certificate_stamp == Stamp{})  // a stand-in
      return fail(ErrorKind::config, next.findings.front().text());
  if (next.state->pairs.size() < server->named_.size())
    return fail(ErrorKind::config, next.findings.front().text());
  (void)server->commit(std::move(next));
  return server;
}

std::string TlsServer::look() const {
  std::string text;
  const auto add = [&](const CertificateFiles& files) {
    for (const Path* path : {&files.certificate, &files.key}) {
      const Stamp stamp = stamp_of(find_readable(*path, handed_));
      text += fmt::format("{}:{}:{}:{}:{:o};", path->native(), stamp.inode, stamp.size,
                          stamp.modified.time_since_epoch().count(), stamp.mode);
    }
  };
  for (const CertificateFiles& files : named_) add(files);
  for (const auto& found : {find_certificates(folder_), find_acme_certificates(acme_)}) {
    if (!found) text += "!";
    for (const CertificateFiles& files : found ? *found : std::vector<CertificateFiles>{})
      add(files);
  }
  return text;
}

// false: there is none for these files.
bool TlsServer::add(const CertificateFiles& files, Next& next) const {
  std::vector<Pair>& pairs = next.state->pairs;
  const Pair* before = state_->find(files);
  Pair pair = stamped(files, handed_);
  if (before != nullptr && before->certificate_stamp == pair.certificate_stamp &&
      before->key_stamp == pair.key_stamp && before->certificate_stamp != Stamp{}) {
    pairs.push_back(*before);
    return true;
  }
  auto context = load_pair(readable(files, handed_), pair.info);
  if (context) {
    pair.own = *std::move(context);
    choose_contexts(pair.own, this, *tickets_);
    pairs.push_back(std::move(pair));
    next.changed = true;
    return true;
  }
  next.findings.push_back(config::finding_of(context.error().what));
  next.may_pass = true;
  if (before == nullptr) return false;
  pairs.push_back(*before);
  return true;
}

std::vector<CertificateFiles> TlsServer::take_found(Result<std::vector<CertificateFiles>> found,
                                                    Next& next) {
  if (found) return *std::move(found);
  next.findings.push_back(config::finding_of(found.error().what));
  next.may_pass = true;
  return {};
}

// Those that do not come from the folder: by ACME the one for this server's name first, if there is
// one, else the one that is named; the others by ACME last.
void TlsServer::add_own(const std::vector<CertificateFiles>& by_acme, Next& next) const {
  std::vector<Pair>& pairs = next.state->pairs;
  for (const CertificateFiles& files : by_acme) (void)add(files, next);
  std::vector<Pair> got = std::exchange(pairs, {});
  const auto own = std::ranges::find_if(
      got, [this](const Pair& pair) { return !hostname_.empty() && covers(pair.info, hostname_); });
  const bool has_own = own != got.end();
  if (has_own) {
    pairs.push_back(std::move(*own));
    got.erase(own);
  }
  for (const CertificateFiles& files : named_) {
    if (has_own && !may_be_there(files.certificate)) continue;  // nobody misses it
    if (add(files, next)) {
      pairs.back().is_spare = has_own && is_replaced(pairs.back().info, pairs.front().info);
      continue;
    }
    if (!pairs.empty()) continue;
    auto stand_in = make_stand_in(files, hostname_);
    ASSERT(stand_in);
    choose_contexts(stand_in->own, this, *tickets_);
    pairs.push_back(*std::move(stand_in));
    next.changed = true;
  }
  std::ranges::move(got, std::back_inserter(pairs));
}

TlsServer::Next TlsServer::prepare() const {
  Next next{.state = std::make_shared<State>()};
  std::vector<Pair>& pairs = next.state->pairs;
  add_own(take_found(find_acme_certificates(acme_), next), next);
  const auto files = take_found(find_certificates(folder_), next);
  // A file of one in use that is missing for a moment is no reason; its folder's end is. What is by
  // ACME is never missing for a moment.
  for (const Pair& pair : state_->pairs) {
    const auto is_it = [&](const CertificateFiles& one) {
      return one.certificate == pair.files.certificate;
    };
    if (std::ranges::any_of(named_, is_it) || std::ranges::any_of(files, is_it) ||
        std::ranges::any_of(pairs, is_it, &Pair::files))
      continue;
    const auto info = find_file_info(pair.files.certificate.parent_path());
    const bool is_kept = pair.files.certificate.parent_path() != acme_ && (!info || *info);
    if (is_kept)
      pairs.push_back(pair);
    else
      next.changed = true;
  }
  for (const CertificateFiles& one : files) (void)add(one, next);
  std::ranges::move(find_folder_doubts(folder_, files), std::back_inserter(next.findings));
  for (const Pair& pair : pairs)
    if (pair.files.certificate.parent_path().parent_path() == folder_)
      if (auto doubt = find_name_doubt(pair.files, pair.info))
        next.findings.push_back(*std::move(doubt));
  if (next.changed || pairs.size() != state_->pairs.size()) {
    next.changed = true;
    for (Pair& pair : pairs) pair.context = join(pair, pairs, this, *tickets_);
  }
  add_warnings(next.findings, pairs, hostname_, ahead_);
  return next;
}

std::shared_ptr<const void> TlsServer::commit(Next next) {
  return std::exchange(state_, std::move(next.state));
}

Result<bool> TlsServer::reload() {
  Next next = prepare();
  const bool changed = next.changed;
  const config::Findings faults = config::faults_of(next.findings);
  (void)commit(std::move(next));
  if (!faults.empty()) return fail(ErrorKind::config, faults.front().text());
  return changed;
}

std::vector<TlsServer::Loaded> TlsServer::certificates() const {
  std::vector<Loaded> loaded;
  for (const Pair& pair : state_->pairs)
    if (!pair.is_spare) loaded.push_back({pair.files.certificate, pair.info});
  return loaded;
}

Result<TrustAnchor> read_trust_anchor(const Path& file) {
  constexpr std::size_t kFileMax = 1U << 20U;
  TRY(const auto text, read_file(file, kFileMax));
  if (!text)
    return fail(ErrorKind::config, fmt::format("{}: there is no such file", file.native()));
  const BioPtr in(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  CertificatePtr last;
  while (CertificatePtr next{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)})
    last = std::move(next);
  ERR_clear_error();  // the end of the file is one, too
  if (!last)
    return fail(ErrorKind::config, fmt::format("{}: it holds no certificate", file.native()));
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(out.get(), last.get()) != 1)
    return fail(ErrorKind::temporary, tls_error("PEM_write_bio_X509"));
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned digest_size = 0;
  if (X509_digest(last.get(), EVP_sha256(), digest.data(), &digest_size) != 1)
    return fail(ErrorKind::temporary, tls_error("X509_digest"));
  return TrustAnchor{
      .pem = std::string(data, static_cast<std::size_t>(size)),
      .sha256 = fmt::format("{:02X}", fmt::join(std::span(digest).first(digest_size), ":")),
      .is_self_issued =
          X509_NAME_cmp(X509_get_subject_name(last.get()), X509_get_issuer_name(last.get())) == 0};
}

CertificateInfo TlsServer::info() const {
  return state_->pairs.front().info;
}
std::shared_ptr<ssl_ctx_st> TlsServer::context() const {
  return state_->pairs.front().context;
}
std::shared_ptr<ssl_ctx_st> TlsServer::context_for(std::string_view name) const {
  return state_->choose(name).context;
}

struct TlsClient::State {
  ContextPtr context;
  Verify verify = Verify::required;
};

TlsClient::TlsClient() : state_(std::make_unique<State>()) {}
TlsClient::~TlsClient() = default;

Result<std::unique_ptr<TlsClient>> TlsClient::make(Verify verify, const Path& trust_file) {
  std::unique_ptr<TlsClient> client(new TlsClient);
  client->state_->verify = verify;
  TRY(client->state_->context, make_context(TLS_client_method()));
  SSL_CTX* context = client->state_->context.get();
  const int loaded = trust_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                        : SSL_CTX_load_verify_file(context, trust_file.c_str());
  if (loaded != 1 && verify == Verify::required)
    return fail(ErrorKind::config, fmt::format("{}:1: {}", trust_file.native(),
                                               tls_error("no authorities could be read")));
  ERR_clear_error();
  return client;
}

std::shared_ptr<ssl_ctx_st> TlsClient::context() const {
  return state_->context;
}
TlsClient::Verify TlsClient::verify() const {
  return state_->verify;
}

}  // namespace posthorn::net
