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
#include "net/openssl.h"
#include "net/ticket_keys.h"
#include "net/tls_error.h"

namespace posthorn::net {
namespace {

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
  if (ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &tm) == 1)
    info.not_before = WallTime(std::chrono::seconds(timegm(&tm)));
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) info.names.push_back(asn1_text(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size());
      info.names.emplace_back(text.data());
    }
  }
  std::array<char, 65> organization{};
  if (X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_organizationName,
                                organization.data(), organization.size()) > 0)
    info.is_of_own_authority = organization.data() == kAuthorityOrganization;
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
  ContextPtr own;      // with this pair alone
  ContextPtr context;  // and with the one of the other kind of key for the same name
  CertificateInfo info;
};

enum class PartOfPair { certificate, key };

// What people put there in place of what belongs there, by its first bytes or its armour.
struct Mistaken {
  PartOfPair part;
  std::string_view sign;
  std::string_view meaning;
};
constexpr Mistaken kMistaken[] = {
    {PartOfPair::certificate, "BEGIN CERTIFICATE REQUEST",
     "a request for a certificate, which an authority has not signed yet; put what it sends there"},
    {PartOfPair::certificate, "BEGIN CERTIFICATE",
     "a certificate that is cut or damaged; copy it again, whole"},
    {PartOfPair::certificate, "PRIVATE KEY",
     "a key and no certificate; certificate and key have changed places"},
    {PartOfPair::key, "ENCRYPTED",
     "a key with a passphrase, which nobody types at a start; openssl pkey -in OLD -out NEW takes "
     "it off"},
    {PartOfPair::key, "BEGIN PUBLIC KEY", "a public key; the private one belongs here"},
    {PartOfPair::key, "BEGIN CERTIFICATE",
     "a certificate and no key; certificate and key have changed places"},
    {PartOfPair::key, "PRIVATE KEY", "a key that is cut or damaged; copy it again, whole"},
};

// In our words first; OpenSSL's stand behind them.
std::string why_unusable(const Path& path, PartOfPair part) {
  const auto text = read_file(path, 1U << 20U);
  if (!text || !*text) {
    ERR_clear_error();
    return text ? "there is no such file; put one there, or `posthorn certificate renew` makes a "
                  "pair of the server's own"
                : text.error().what;
  }
  std::string_view meaning = "nothing in PEM form (-----BEGIN ...); ask for that form";
  if ((*text)->empty()) meaning = "nothing: the file is empty; copy it again";
  if ((*text)->starts_with('\x30'))
    meaning =
        "the binary form (DER or PKCS#12); openssl x509 -inform DER, openssl pkey -inform DER "
        "or openssl pkcs12 make PEM of it";
  for (const Mistaken& mistaken : kMistaken) {
    if (mistaken.part != part || (*text)->find(mistaken.sign) == std::string::npos) continue;
    meaning = mistaken.meaning;
    break;
  }
  return tls_error(fmt::format("cannot be used as the {}: it holds {} (OpenSSL says",
                               part == PartOfPair::key ? "key" : "certificate", meaning)) +
         ")";
}

Result<ContextPtr> load_pair(const CertificateFiles& files, CertificateInfo& info) {
  TRY(auto context, make_context(TLS_server_method()));
  // A key with a passphrase: nobody is there to be asked, on a terminal either.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
  const auto wrong = [&](const Path& path, PartOfPair part) {
    return fail(ErrorKind::config,
                fmt::format("{}:1: {}", path.native(), why_unusable(path, part)));
  };
  // As at the start: a key that every account of the machine can read is nobody's proof any more.
  // (A link that leads where this account cannot follow says nothing: reading it will.)
  if (const mode_t mode = stamp_of(files.key).mode; S_ISREG(mode) && (mode & S_IROTH) != 0)
    return fail(ErrorKind::config,
                fmt::format("{}:1: every account of this machine can read this key; chmod o-r {}",
                            files.key.native(), files.key.native()));
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return wrong(files.certificate, PartOfPair::certificate);
  const bool has_key =
      SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  const bool is_other = reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH;
  if (!has_key && !is_other) return wrong(files.key, PartOfPair::key);
  if (!has_key || SSL_CTX_check_private_key(context.get()) != 1)
    return fail(ErrorKind::config,
                fmt::format("{}:1: the key is not the one of {}; put the two that belong "
                            "together there, this server's own certificate before its chain",
                            files.key.native(), files.certificate.native()));
  ERR_clear_error();
  X509* leaf = SSL_CTX_get0_certificate(context.get());
  info = read_info(leaf);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context.get(), &chain);
  info.lacks_issuer = sk_X509_num(chain) <= 0 &&
                      X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) != 0;
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
    if (pair.certificate_stamp == Stamp{}) continue;  // a stand-in
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

// There, or not to be seen: then reading it will tell why.
bool may_be_there(const Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) || status.type() == std::filesystem::file_type::none;
}

}  // namespace

Path find_readable(const Path& file, const Path& handed) {
  if (handed.empty() || ::access(file.c_str(), R_OK) == 0 || errno != EACCES) return file;
  Path copy = handed / flat_name(file);
  return ::access(copy.c_str(), R_OK) == 0 ? copy : file;
}

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

TlsServer::TlsServer()
    : tickets_(std::make_unique<TicketKeys>()), state_(std::make_shared<State>()) {}
TlsServer::~TlsServer() = default;

std::unique_ptr<TlsServer> TlsServer::make(std::vector<CertificateFiles> pairs, const Path& folder,
                                           std::string hostname, Path handed) {
  ASSERT(!pairs.empty());
  std::unique_ptr<TlsServer> server(new TlsServer);
  server->named_ = std::move(pairs);
  server->folder_ = folder;
  server->hostname_ = std::move(hostname);
  server->handed_ = std::move(handed);
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
  const auto found = find_certificates(folder_);
  if (!found) return text + "!";
  for (const CertificateFiles& files : *found) add(files);
  return text;
}

TlsServer::Next TlsServer::prepare() const {
  Next next{.state = std::make_shared<State>()};
  std::vector<Pair>& pairs = next.state->pairs;
  // false: there is none for these files.
  const auto add = [&](const CertificateFiles& files) {
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
  };
  for (const CertificateFiles& files : named_) {
    if (add(files) || !pairs.empty()) continue;
    auto stand_in = make_stand_in(files, hostname_);
    ASSERT(stand_in);
    choose_contexts(stand_in->own, this, *tickets_);
    pairs.push_back(*std::move(stand_in));
    next.changed = true;
  }
  const auto found = find_certificates(folder_);
  if (!found) {
    next.findings.push_back(config::finding_of(found.error().what));
    next.may_pass = true;
  }
  std::vector<CertificateFiles> files = found ? *found : std::vector<CertificateFiles>{};
  // A file of one in use that is missing for a moment is no reason; its folder's end is.
  for (const Pair& pair : state_->pairs) {
    const auto is_it = [&](const CertificateFiles& one) {
      return one.certificate == pair.files.certificate;
    };
    if (std::ranges::any_of(named_, is_it) || std::ranges::any_of(files, is_it)) continue;
    const auto info = find_file_info(pair.files.certificate.parent_path());
    if (!info || *info)
      pairs.push_back(pair);
    else
      next.changed = true;
  }
  for (const CertificateFiles& one : files) (void)add(one);
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
  for (const Pair& pair : state_->pairs) loaded.push_back({pair.files.certificate, pair.info});
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
