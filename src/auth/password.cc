#include "auth/password.h"

#include <argon2.h>
#include <crypt.h>
#include <fmt/format.h>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "auth/proto/base64.h"
#include "base/ids.h"

namespace posthorn::auth {
namespace {

constexpr std::uint32_t kArgonMemoryMax = 1U << 18U;  // KiB: 256 MiB
constexpr std::uint32_t kArgonPassesMax = 20;

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<bool> verify_crypt(std::string_view stored, std::string_view password) {
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
    std::uint64_t n = 0;
    for (std::size_t i = at + mark.size();
         i < stored.size() && stored[i] >= '0' && stored[i] <= '9' && n < UINT32_MAX; ++i)
      n = n * 10 + static_cast<std::uint64_t>(stored[i] - '0');
    return n;
  };
  return number_after("m=") <= kArgonMemoryMax && number_after(",t=") <= kArgonPassesMax;
}

Result<bool> verify_argon(std::string_view stored, std::string_view password) {
  if (!argon_cost_is_fair(stored))
    return fail(ErrorKind::config, "an argon2 hash that costs more than 256 MiB or 20 passes");
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
  for (const char c : stored.substr(1, stored.find('}') - 1))
    scheme.name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (const std::string_view suffix : {".HEX", ".B64", ".BASE64"}) {
    if (!scheme.name.ends_with(suffix)) continue;
    scheme.name.resize(scheme.name.size() - suffix.size());
    scheme.hex = suffix == ".HEX";
  }
  return scheme;
}

}  // namespace

Result<bool> verify_password(std::string_view stored, std::string_view password) {
  if (password.find('\0') != std::string_view::npos) return false;
  if (!stored.starts_with('{') || stored.find('}') == std::string_view::npos) {
    // A bare text is crypt's; locked accounts ("!", "*") match nothing.
    if (stored.empty() || stored.front() == '!' || stored.front() == '*') return false;
    return verify_crypt(stored, password);
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
