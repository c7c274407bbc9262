#include "net/tls.h"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/assert.h"
#include "base/backoff.h"
#include "net/ticket_keys.h"
#include "net/tls_error.h"

namespace posthorn::net {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* value) const {
    Free(value);
  }
};
using ContextPtr = std::shared_ptr<SSL_CTX>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

constexpr std::size_t kFolderPairsMax = 1000;

// Mozilla's intermediate list for TLS 1.2; TLS 1.3 keeps OpenSSL's.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

Result<ContextPtr> make_context(const SSL_METHOD* method) {
  ContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) return fail(ErrorKind::temporary, tls_error("SSL_CTX_new"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), kCiphers);
  SSL_CTX_set1_groups_list(context.get(), "X25519:P-256:P-384");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

std::string asn1_text(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

CertificateInfo read_info(X509* certificate) {
  CertificateInfo info;
  std::tm tm{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
    info.not_after = WallTime(std::chrono::seconds(timegm(&tm)));
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) info.names.push_back(asn1_text(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size());
      info.names.emplace_back(text.data());
    }
  }
  GENERAL_NAMES_free(names);
  return info;
}

// Tells a changed file by what a rename or a write changes.
struct Stamp {
  std::uint64_t inode = 0, size = 0;
  WallTime modified{};
  mode_t mode = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const Path& path) {
  std::error_code error;
  const Path target = std::filesystem::canonical(path, error);  // certbot's live/ holds links
  const auto info = find_file_info(error ? path : target);
  if (!info || !*info) return {};
  return {(*info)->inode, (*info)->size, (*info)->modified, (*info)->mode};
}

struct Pair {
  CertificateFiles files;
  Stamp certificate_stamp, key_stamp;
  ContextPtr context;
  CertificateInfo info;
  Backoff retry{1s};
  std::string told;  // why the files of now are not in use
};

Result<ContextPtr> load_pair(const CertificateFiles& files, CertificateInfo& info) {
  TRY(auto context, make_context(TLS_server_method()));
  const auto wrong = [&](const Path& path) {
    return fail(ErrorKind::config,
                fmt::format("{}:1: {}", path.native(), tls_error("cannot be used")));
  };
  // As at the start: a key that every account of the machine can read is nobody's proof any more.
  if ((stamp_of(files.key).mode & S_IROTH) != 0)
    return fail(ErrorKind::config,
                fmt::format("{}:1: every account of this machine can read this key; chmod o-r {}",
                            files.key.native(), files.key.native()));
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return wrong(files.certificate);
  const bool has_key =
      SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  const bool is_other = reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH;
  if (!has_key && !is_other) return wrong(files.key);
  if (!has_key || SSL_CTX_check_private_key(context.get()) != 1)
    return fail(ErrorKind::config, fmt::format("{}:1: the key is not the one of {}",
                                               files.key.native(), files.certificate.native()));
  ERR_clear_error();
  info = read_info(SSL_CTX_get0_certificate(context.get()));
  static constexpr unsigned char kSessionContext[] = "posthorn";
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  return context;
}

}  // namespace

std::string tls_error(std::string_view what) {
  std::string text(what);
  std::array<char, 256> buffer{};
  bool any = false;
  while (const unsigned long code = ERR_get_error()) {
    ERR_error_string_n(code, buffer.data(), buffer.size());
    text += any ? "; " : ": ";
    text += buffer.data();
    any = true;
  }
  if (!any) text += ": no reason given";
  return text;
}

struct TlsServer::State {
  TicketKeys tickets;
  std::vector<Pair> pairs;
  Path folder;
  std::size_t named = 0;      // pairs that do not come from the folder stand first
  std::vector<Pair> refused;  // of the folder, as they were when they were told of
  bool folder_refused = false;
  std::vector<std::string> faults;

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
}  // namespace

namespace {

Pair stamped(CertificateFiles files) {
  Pair pair;
  pair.certificate_stamp = stamp_of(files.certificate);
  pair.key_stamp = stamp_of(files.key);
  pair.files = std::move(files);
  return pair;
}

Result<> load_into(Pair& pair, TlsServer* server, TicketKeys& tickets) {
  TRY(pair.context, load_pair(pair.files, pair.info));
  tickets.install(pair.context.get());
  SSL_CTX_set_tlsext_servername_callback(pair.context.get(), choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(pair.context.get(), server);
  return {};
}

// There, or not to be seen: then reading it will tell why.
bool may_be_there(const Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) || status.type() == std::filesystem::file_type::none;
}

}  // namespace

// A folder without a certificate is passed over: it is being made, or holds something else.
Result<std::vector<CertificateFiles>> find_certificates(const Path& folder) {
  std::vector<CertificateFiles> found;
  std::error_code error;
  if (folder.empty() || !may_be_there(folder)) return found;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (found.size() == kFolderPairsMax) break;
    for (const auto& [certificate, key] :
         {std::pair{"fullchain.pem", "privkey.pem"}, {"cert.pem", "key.pem"}}) {
      if (!may_be_there(at->path() / certificate) || !may_be_there(at->path() / key)) continue;
      found.push_back({at->path() / certificate, at->path() / key});
      break;
    }
  }
  if (error)
    return fail(ErrorKind::config, fmt::format("{}: {}", folder.native(), error.message()));
  std::ranges::sort(found, {}, &CertificateFiles::certificate);
  return found;
}

TlsServer::TlsServer() : state_(std::make_unique<State>()) {}
TlsServer::~TlsServer() = default;

Result<std::unique_ptr<TlsServer>> TlsServer::load(std::vector<CertificateFiles> pairs,
                                                   const Path& folder) {
  ASSERT(!pairs.empty());
  std::unique_ptr<TlsServer> server(new TlsServer);
  State& state = *server->state_;
  for (CertificateFiles& files : pairs) {
    Pair pair = stamped(std::move(files));
    TRY_OK(load_into(pair, server.get(), state.tickets));
    state.pairs.push_back(std::move(pair));
  }
  state.named = state.pairs.size();
  state.folder = folder;
  for (auto added = server->add_folders(); !added; added = server->add_folders())
    state.faults.push_back(added.error().what);
  return server;
}

// Those of the folder that are not known, or that were refused and are others now. A fault ends it;
// the next call goes on behind it.
Result<bool> TlsServer::add_folders() {
  bool changed = false;
  const SteadyTime now = Clock::system().steady_now();
  const auto looked = find_certificates(state_->folder);
  if (!looked) {
    if (std::exchange(state_->folder_refused, true)) return false;
    return std::unexpected(looked.error());
  }
  state_->folder_refused = false;
  const std::vector<CertificateFiles>& found = *looked;
  const auto is_there = [&](const Pair& pair) {
    return std::ranges::find(found, pair.files.certificate, &CertificateFiles::certificate) !=
           found.end();
  };
  const auto named = static_cast<std::ptrdiff_t>(state_->named);
  std::vector<Pair>& pairs = state_->pairs;
  // Its folder is gone: a file that is missing for a moment is no reason.
  const auto gone = std::remove_if(pairs.begin() + named, pairs.end(), [](const Pair& pair) {
    const auto info = find_file_info(pair.files.certificate.parent_path());
    return info && !*info;
  });
  changed = gone != pairs.end();
  pairs.erase(gone, pairs.end());
  std::erase_if(state_->refused, [&](const Pair& pair) { return !is_there(pair); });
  for (const CertificateFiles& files : found) {
    const auto is_it = [&](const Pair& pair) {
      return pair.files.certificate == files.certificate;
    };
    if (std::ranges::any_of(pairs, is_it)) continue;
    Pair pair = stamped(files);
    const auto before = std::ranges::find_if(state_->refused, is_it);
    const bool was_refused = before != state_->refused.end();
    const bool same = was_refused && before->certificate_stamp == pair.certificate_stamp &&
                      before->key_stamp == pair.key_stamp;
    if (same && !before->retry.is_due(now)) continue;
    if (same) {
      pair.retry = before->retry;
      pair.told = before->told;
    }
    if (was_refused) state_->refused.erase(before);
    if (const auto loaded = load_into(pair, this, state_->tickets); !loaded) {
      pair.retry.fail(now);
      const bool is_news = loaded.error().what != pair.told;
      pair.told = loaded.error().what;
      state_->refused.push_back(std::move(pair));
      if (is_news) return std::unexpected(loaded.error());
      continue;
    }
    pair.retry.succeed();
    pairs.push_back(std::move(pair));
    changed = true;
  }
  return changed;
}

Result<bool> TlsServer::reload() {
  bool changed = false;
  std::optional<Error> fault;
  const SteadyTime now = Clock::system().steady_now();
  for (Pair& pair : state_->pairs) {
    Pair found = stamped(pair.files);
    const bool same =
        found.certificate_stamp == pair.certificate_stamp && found.key_stamp == pair.key_stamp;
    // What could not be read a moment ago may be readable now without looking any different.
    if (same && !pair.retry.is_due(now)) continue;
    pair.certificate_stamp = found.certificate_stamp;
    pair.key_stamp = found.key_stamp;
    const auto loaded = load_into(found, this, state_->tickets);
    if (!same || loaded) pair.retry.succeed();
    if (!loaded) {
      pair.retry.fail(now);
      // Told once and not at every look.
      if (!same || loaded.error().what != pair.told) fault = loaded.error();
      pair.told = loaded.error().what;
      continue;
    }
    pair.context = std::move(found.context);
    pair.info = std::move(found.info);
    changed = true;
  }
  const auto added = add_folders();
  if (fault) return std::unexpected(*std::move(fault));
  TRY_OK(added);
  return changed || *added;
}

std::vector<TlsServer::Loaded> TlsServer::certificates() const {
  std::vector<Loaded> loaded;
  for (const Pair& pair : state_->pairs) loaded.push_back({pair.files.certificate, pair.info});
  return loaded;
}
const std::vector<std::string>& TlsServer::faults() const {
  return state_->faults;
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

Result<SelfSigned> make_self_signed(const std::vector<std::string>& dns_names,
                                    const std::vector<std::string>& addresses) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  const auto wrong = [] { return fail(ErrorKind::temporary, tls_error("making a certificate")); };
  if (!key || !certificate) return wrong();
  X509_set_version(certificate.get(), X509_VERSION_3);
  BIGNUM* serial = BN_new();
  BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate.get()));
  BN_free(serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 10L * 365 * 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::string common = dns_names.empty() ? "localhost" : dns_names.front().substr(0, 64);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  std::string alternatives;
  for (const std::string& dns : dns_names)
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + dns;
  for (const std::string& address : addresses)
    alternatives += (alternatives.empty() ? "IP:" : ",IP:") + address;
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate.get(), certificate.get(), nullptr, nullptr, 0);
  const std::pair<int, std::string> extensions[] = {{NID_subject_alt_name, alternatives},
                                                    {NID_basic_constraints, "critical,CA:TRUE"},
                                                    {NID_ext_key_usage, "serverAuth"}};
  for (const auto& [id, value] : extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    if (extension == nullptr) return wrong();
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) return wrong();
  const auto to_pem = [](auto write) -> std::string {
    const BioPtr bio(BIO_new(BIO_s_mem()));
    write(bio.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  };
  return SelfSigned{
      to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); }), to_pem([&](BIO* bio) {
        PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
      })};
}

}  // namespace posthorn::net
