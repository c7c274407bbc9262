#include "deliver/dkim_key.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <tuple>

#include "base/ascii.h"
#include "base/assert.h"
#include "base/base64.h"
#include "message/dkim.h"
#include "net/openssl.h"

namespace posthorn::deliver {
namespace {

constexpr std::size_t kFileMax = 64U << 10U;
constexpr std::size_t kKeysMax = 8;  // of a domain: each makes a signature
constexpr std::size_t kDomainsMax = 10'000;
constexpr int kBitsMin = 1024;  // RFC 8301 section 3.2: fewer are worth nothing
constexpr int kBitsMax = 8192;
// Ours, and the one that opendkim and rspamd write.
constexpr std::string_view kSuffixes[] = {".pem", ".private"};

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string text_of(const net::BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// A key with a password: nobody is there to be asked.
int no_password(char*, int, int, void*) {
  return -1;
}

// What a key's file is called by others: OpenDKIM writes SELECTOR.private.
bool is_key_name(std::string_view name) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{".pem", ".private", ".key"},
                             [&](std::string_view end) { return name.ends_with(end); });
}

std::unexpected<Error> wrong(std::string_view what) {
  ERR_clear_error();
  return fail(ErrorKind::config, std::string(what));
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  ASSERT(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}
void Sha256::update(std::string_view bytes) {
  ASSERT(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}
std::string Sha256::finish() {
  std::string digest(32, '\0');
  ASSERT(EVP_DigestFinal_ex(context_.get(), bytes_of(digest), nullptr) == 1);
  return digest;
}

DkimKey::DkimKey(evp_pkey_st* key) : key_(key, EVP_PKEY_free) {}

bool DkimKey::is_rsa() const {
  return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA;
}

Result<DkimKey> DkimKey::parse(const std::string& pem) {
  const net::BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  DkimKey key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  if (!key.key_) return wrong("this is no private key in PEM form, or it has a password");
  ERR_clear_error();
  const int id = EVP_PKEY_get_base_id(key.key_.get());
  if (id != EVP_PKEY_RSA && id != EVP_PKEY_ED25519)
    return wrong("DKIM knows RSA and Ed25519 keys, and this is another");
  if (key.is_rsa() && (key.bits() < kBitsMin || key.bits() > kBitsMax))
    return wrong(fmt::format("an RSA key of {} bits; it needs {} to {}, and best has 2048",
                             key.bits(), kBitsMin, kBitsMax));
  return key;
}

Result<DkimKey> DkimKey::read(const Path& file) {
  const auto at = [&](std::string_view reason) {
    return fail(ErrorKind::config, fmt::format("{}:1: {}", file.native(), reason));
  };
  // As its account sees it: a folder that is closed to it tells, too.
  const auto text = read_file(file, kFileMax);
  if (!text) return at(text.error().what);
  if (!*text) return at("there is no such file");
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  using enum std::filesystem::perms;
  for (const auto& [right, what] : {std::pair{others_read, "read"}, {others_write, "change"}})
    if ((status.permissions() & right) != none)
      return at(fmt::format("every account of this machine can {} this key; chmod o-rw {}", what,
                            file.native()));
  auto key = parse(**text);
  if (!key) return at(key.error().what);
  return key;
}

Result<DkimKey> DkimKey::make_rsa(unsigned bits) {
  DkimKey key(EVP_RSA_gen(bits));
  if (!key.key_) return wrong("an RSA key could not be made");
  return key;
}
Result<DkimKey> DkimKey::make_ed25519() {
  DkimKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key.key_) return wrong("an Ed25519 key could not be made");
  return key;
}

std::string DkimKey::type() const {
  return is_rsa() ? "rsa" : "ed25519";
}
std::string DkimKey::algorithm() const {
  return type() + "-sha256";
}
int DkimKey::bits() const {
  return EVP_PKEY_get_bits(key_.get());
}

// RFC 6376 section 3.6.1: a SubjectPublicKeyInfo; RFC 8463 section 4: the 32 bytes alone.
std::string DkimKey::public_base64() const {
  std::string bytes;
  if (is_rsa()) {
    const net::BioPtr out(BIO_new(BIO_s_mem()));
    ASSERT(i2d_PUBKEY_bio(out.get(), key_.get()) == 1);
    bytes = text_of(out);
  } else {
    std::size_t size = 32;
    bytes.resize(size);
    ASSERT(EVP_PKEY_get_raw_public_key(key_.get(), bytes_of(bytes), &size) == 1);
  }
  return encode_base64(bytes);
}

Result<std::string> DkimKey::to_pem() const {
  const net::BioPtr out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return wrong("the key could not be written as PEM");
  return text_of(out);
}

Result<std::string> DkimKey::sign(std::string_view digest) const {
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t size = signature.size();
  bool done = false;
  if (is_rsa()) {
    const net::KeyContextPtr context(EVP_PKEY_CTX_new(key_.get(), nullptr));
    done = context && EVP_PKEY_sign_init(context.get()) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
           EVP_PKEY_sign(context.get(), bytes_of(signature), &size, bytes_of(digest),
                         digest.size()) == 1;
  } else {
    // RFC 8463 section 3: PureEdDSA of the digest.
    const net::DigestContextPtr context(EVP_MD_CTX_new());
    done = context &&
           EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
           EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(digest),
                          digest.size()) == 1;
  }
  if (!done) return wrong("the key could not be used to sign");
  signature.resize(size);
  return encode_base64(signature);
}

Result<std::vector<DkimKeyFile>> find_dkim_keys(const Path& folder, std::string_view domain) {
  std::vector<DkimKeyFile> keys;
  if (!message::is_dkim_name(domain)) return keys;
  const Path place = folder / std::string(domain);
  std::error_code error;
  for (std::filesystem::directory_iterator at(place, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().native();
    const auto* suffix =
        std::ranges::find_if(kSuffixes, [&](std::string_view end) { return name.ends_with(end); });
    if (suffix == std::end(kSuffixes)) continue;
    std::string selector = name.substr(0, name.size() - suffix->size());
    if (message::is_dkim_name(selector) && keys.size() < kKeysMax)
      keys.push_back({std::move(selector), at->path()});
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    return fail(ErrorKind::config, fmt::format("{}: {}", place.native(), error.message()));
  // Where a selector has both, its .pem comes first, and counts.
  std::ranges::sort(keys, [](const DkimKeyFile& a, const DkimKeyFile& b) {
    return std::tie(a.selector, a.path) < std::tie(b.selector, b.path);
  });
  const auto doubles = std::ranges::unique(keys, {}, &DkimKeyFile::selector);
  keys.erase(doubles.begin(), doubles.end());
  return keys;
}

Result<std::vector<std::string>> find_dkim_domains(const Path& folder) {
  std::vector<std::string> domains;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    std::string name = at->path().filename().native();
    if (message::is_dkim_name(name) && at->is_directory(ignored) && domains.size() < kDomainsMax)
      domains.push_back(std::move(name));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(ErrorKind::config, fmt::format("{}: {}", folder.native(), error.message()));
  std::ranges::sort(domains);
  return domains;
}

std::vector<std::string> find_dkim_faults(const Path& folder) {
  std::vector<std::string> faults;
  const auto domains = find_dkim_domains(folder);
  if (!domains) return {domains.error().what};
  for (const std::string& domain : *domains) {
    const auto keys = find_dkim_keys(folder, domain);
    if (!keys) {
      faults.push_back(keys.error().what);
      continue;
    }
    for (const DkimKeyFile& file : *keys)
      if (const auto key = DkimKey::read(file.path); !key) faults.push_back(key.error().what);
  }
  return faults;
}

config::Findings find_dkim_doubts(const Path& folder) {
  constexpr std::size_t kDoubtsMax = 20;
  config::Findings doubts;
  const auto warn = [&](const Path& path, std::string reason, std::string remedy) {
    if (doubts.size() < kDoubtsMax)
      doubts.push_back(
          {path.native(), std::move(reason), std::move(remedy), config::Weight::warning});
  };
  std::error_code error;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator at(folder, error), end;
       !error && at != end && ++seen < kDomainsMax; at.increment(error)) {
    const std::string name = at->path().filename().native();
    std::error_code ignored;
    if (!at->is_directory(ignored)) {
      if (is_key_name(name))
        warn(at->path(), "signs nothing: each domain's keys lie in a folder of its name",
             fmt::format("move it to {}/DOMAIN/SELECTOR.pem", folder.native()));
      continue;
    }
    if (name != to_lower(name)) {
      warn(at->path(), "signs nothing: domains are looked for in small letters",
           fmt::format("mv {} {}", at->path().native(), (folder / to_lower(name)).native()));
      continue;
    }
    const auto rights = std::filesystem::status(at->path(), ignored).permissions();
    if ((rights & std::filesystem::perms::others_write) != std::filesystem::perms::none)
      warn(at->path(), "every account of this machine can put a key of its own there",
           fmt::format("chmod o-w {}", at->path().native()));
    const auto keys = find_dkim_keys(folder, name);
    if (!keys || !keys->empty()) continue;
    for (std::filesystem::directory_iterator one(at->path(), ignored);
         !ignored && one != end && ++seen < kDomainsMax; one.increment(ignored))
      if (is_key_name(one->path().filename().native()))
        warn(one->path(),
             fmt::format("{} is not signed: no file there is called SELECTOR.pem", name),
             fmt::format("mv {0} {1}.pem", one->path().native(),
                         (at->path() / one->path().stem()).native()));
  }
  return doubts;
}

}  // namespace posthorn::deliver
