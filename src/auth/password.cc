#include "auth/password.h"

#include <argon2.h>
#include <crypt.h>
#include <fmt/format.h>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/ids.h"

namespace posthorn::auth {
namespace {

constexpr std::uint32_t kArgonMemoryMax = 1U << 18U;  // KiB: 256 MiB
constexpr std::uint32_t kArgonPassesMax = 20;
constexpr std::uint32_t kArgonLanesMax = 16;  // each is a thread
constexpr std::uint64_t kRoundsMax = 1'000'000;
constexpr std::size_t kCryptPasswordMax = 511;  // of libxcrypt

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The number at the front of text, at most UINT32_MAX; nullopt: there is none.
std::optional<std::uint64_t> read_number(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < text.size() && text[i] >= '0' && text[i] <= '9' && n < UINT32_MAX;
       ++i)
    n = n * 10 + static_cast<std::uint64_t>(text[i] - '0');
  return n;
}

// What a crypt hash would cost stands in its front; more than about a second or 256 MiB is no
// password file's hash but a way to stop the server.
bool crypt_cost_is_fair(std::string_view stored) {
  constexpr std::string_view kDigits =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const auto digit = [&](std::size_t at) {
    return at < stored.size() ? kDigits.find(stored[at]) : std::string_view::npos;
  };
  if (const std::size_t at = stored.find("rounds="); at != std::string_view::npos)
    return read_number(stored.substr(at + 7)).value_or(0) <= kRoundsMax;
  if (stored.starts_with("$2"))  // "$2y$12$": the logarithm
    return stored.size() > 4 && read_number(stored.substr(4)).value_or(99) <= 15;
  if (stored.starts_with("$sha1$"))
    return read_number(stored.substr(6)).value_or(UINT64_MAX) <= kRoundsMax;
  if (stored.starts_with("_"))  // BSDi: 24 bits of rounds, the lowest six first
    return digit(4) == 0 && digit(3) < 4;
  // yescrypt: flags, then the logarithm of N less one, then r less one.
  if (stored.starts_with("$y$") || stored.starts_with("$gy$")) {
    const std::size_t at = stored.find('$', 1) + 1;
    return stored.substr(at).starts_with('j') && digit(at + 1) <= 15 && digit(at + 2) <= 31;
  }
  if (stored.starts_with("$7$"))  // scrypt: the logarithm of N, then r and p of five digits
    return digit(3) <= 16 && stored.substr(4).starts_with("U..../....");
  return true;
}

Result<bool> verify_crypt(std::string_view stored, std::string_view password) {
  if (!crypt_cost_is_fair(stored))
    return fail(ErrorKind::config, "a hash that costs more than a login may");
  if (password.size() > kCryptPasswordMax) return false;
  auto data = std::make_unique<crypt_data>();
  const std::string setting(stored);
  const std::string text(password);
  const char* hashed = crypt_r(text.c_str(), setting.c_str(), data.get());
  if (hashed == nullptr || hashed[0] == '*')
    return fail(ErrorKind::config, "a hash that crypt() does not know");
  return equal(hashed, stored);
}

// "$argon2id$v=19$m=65536,t=3,p=1$salt$hash": what it would cost stands in it.
bool argon_cost_is_fair(std::string_view stored) {
  const auto number_after = [&](std::string_view mark) -> std::uint64_t {
    const std::size_t at = stored.find(mark);
    if (at == std::string_view::npos) return UINT64_MAX;
    return read_number(stored.substr(at + mark.size())).value_or(UINT64_MAX);
  };
  return number_after("$m=") <= kArgonMemoryMax && number_after(",t=") <= kArgonPassesMax &&
         number_after(",p=") <= kArgonLanesMax;
}

Result<bool> verify_argon(std::string_view stored, std::string_view password) {
  if (!argon_cost_is_fair(stored))
    return fail(ErrorKind::config,
                "an argon2 hash that costs more than 256 MiB, 20 passes or 16 threads");
  const std::string encoded(stored);
  const auto type = stored.starts_with("$argon2id$") ? Argon2_id : Argon2_i;
  const int result = argon2_verify(encoded.c_str(), password.data(), password.size(), type);
  if (result == ARGON2_OK) return true;
  if (result == ARGON2_VERIFY_MISMATCH) return false;
  return fail(ErrorKind::config, argon2_error_message(result));
}

std::string digest(const EVP_MD* kind, std::string_view a, std::string_view b) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, kind, nullptr);
  EVP_DigestUpdate(context, a.data(), a.size());
  EVP_DigestUpdate(context, b.data(), b.size());
  EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(out.data()), nullptr);
  EVP_MD_CTX_free(context);
  return out;
}

std::optional<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    if (value(text[i]) < 0 || value(text[i + 1]) < 0) return std::nullopt;
    out += static_cast<char>(value(text[i]) * 16 + value(text[i + 1]));
  }
  return out;
}

// Dovecot's digest schemes: base64 (or .HEX) of digest(password + salt) followed by the salt.
Result<bool> verify_digest(const EVP_MD* kind, bool salted, bool hex, std::string_view stored,
                           std::string_view password) {
  std::string padded(stored);
  while (!hex && padded.size() % 4 != 0) padded += '=';
  const auto raw = hex ? decode_hex(stored) : decode_base64(padded);
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(kind));
  if (!raw || raw->size() < size || (!salted && raw->size() != size))
    return fail(ErrorKind::config, "a digest of the wrong length");
  return equal(digest(kind, password, std::string_view(*raw).substr(size)),
               std::string_view(*raw).substr(0, size));
}

struct Scheme {
  std::string name;
  bool hex = false;
};

Scheme scheme_of(std::string_view stored) {
  Scheme scheme;
  scheme.name = to_upper(stored.substr(1, stored.find('}') - 1));
  for (const std::string_view suffix : {".HEX", ".B64", ".BASE64"}) {
    if (!scheme.name.ends_with(suffix)) continue;
    scheme.name.resize(scheme.name.size() - suffix.size());
    scheme.hex = suffix == ".HEX";
  }
  return scheme;
}

}  // namespace

Result<bool> verify_password(std::string_view stored, std::string_view password) {
  // An empty password is never one, whatever the file says (RFC 4616 section 2, RFC 4513's lesson).
  if (password.empty() || password.find('\0') != std::string_view::npos) return false;
  if (!stored.starts_with('{') || stored.find('}') == std::string_view::npos) {
    // A bare text is crypt's; locked accounts ("!", "*") match nothing.
    if (stored.empty() || stored.front() == '!' || stored.front() == '*') return false;
    return stored.starts_with("$argon2") ? verify_argon(stored, password)
                                         : verify_crypt(stored, password);
  }
  const Scheme scheme = scheme_of(stored);
  const std::string_view value = stored.substr(stored.find('}') + 1);
  if (scheme.name == "PLAIN" || scheme.name == "CLEARTEXT" || scheme.name == "CLEAR")
    return equal(value, password);
  for (const std::string_view crypted :
       {"SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "CRYPT", "DES-CRYPT"})
    if (scheme.name == crypted) {
      if (value.empty() || value.front() == '!' || value.front() == '*') return false;
      return verify_crypt(value, password);
    }
  if (scheme.name == "ARGON2ID" || scheme.name == "ARGON2I") return verify_argon(value, password);
  const struct {
    std::string_view name;
    const EVP_MD* kind;
    bool salted;
  } digests[] = {{"SSHA", EVP_sha1(), true},      {"SSHA256", EVP_sha256(), true},
                 {"SSHA512", EVP_sha512(), true}, {"SHA", EVP_sha1(), false},
                 {"SHA1", EVP_sha1(), false},     {"SHA256", EVP_sha256(), false},
                 {"SHA512", EVP_sha512(), false}};
  for (const auto& row : digests)
    if (scheme.name == row.name)
      return verify_digest(row.kind, row.salted, scheme.hex, value, password);
  return fail(ErrorKind::config, fmt::format("unknown password scheme {{{}}}", scheme.name));
}

Result<std::string> hash_password(std::string_view scheme, std::string_view password) {
  if (scheme == "ARGON2ID" || scheme == "ARGON2I") {
    const std::string salt = random_bytes(16);
    const auto type = scheme == "ARGON2ID" ? Argon2_id : Argon2_i;
    constexpr std::uint32_t kPasses = 3, kMemory = 65'536, kLanes = 1, kSize = 32;
    std::string encoded(argon2_encodedlen(kPasses, kMemory, kLanes, 16, kSize, type), '\0');
    const int result = argon2_hash(kPasses, kMemory, kLanes, password.data(), password.size(),
                                   salt.data(), salt.size(), nullptr, kSize, encoded.data(),
                                   encoded.size(), type, ARGON2_VERSION_13);
    if (result != ARGON2_OK) return fail(ErrorKind::temporary, argon2_error_message(result));
    return fmt::format("{{{}}}{}", scheme, encoded.c_str());
  }
  const char* prefix = scheme == "SHA512-CRYPT"   ? "$6$"
                       : scheme == "SHA256-CRYPT" ? "$5$"
                       : scheme == "BLF-CRYPT"    ? "$2y$"
                                                  : nullptr;
  if (prefix == nullptr) return fail(ErrorKind::config, fmt::format("cannot hash with {}", scheme));
  const std::string salt = random_bytes(16);
  auto data = std::make_unique<crypt_data>();
  std::string setting(CRYPT_GENSALT_OUTPUT_SIZE, '\0');
  if (crypt_gensalt_rn(prefix, 0, salt.data(), static_cast<int>(salt.size()), setting.data(),
                       static_cast<int>(setting.size())) == nullptr)
    return fail(ErrorKind::temporary, "crypt_gensalt failed");
  const char* hashed = crypt_r(std::string(password).c_str(), setting.c_str(), data.get());
  if (hashed == nullptr || hashed[0] == '*') return fail(ErrorKind::temporary, "crypt failed");
  return fmt::format("{{{}}}{}", scheme, hashed);
}

void verify_nothing(std::string_view password) {
  (void)verify_crypt(
      "$6$aaaaaaaaaaaaaaaa$"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000.",
      password);
}

}  // namespace posthorn::auth
