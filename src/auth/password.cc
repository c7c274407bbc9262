#include "auth/password.h"

#include <algorithm>
#include <argon2.h>
#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/ids.h"
#include "net/openssl.h"

namespace posthorn::auth {
namespace {

constexpr std::uint32_t kArgonMemoryMax = 1U << 18U;  // KiB: 256 MiB
constexpr std::uint32_t kArgonPassesMax = 20;
constexpr std::uint32_t kArgonLanesMax = 16;  // each is a thread
constexpr std::uint64_t kRoundsMax = 1'000'000;
constexpr std::size_t kCryptPasswordMax = 511;  // of libxcrypt
constexpr std::string_view kCryptLetters =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

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
  const auto digit = [&](std::size_t at) {
    return at < stored.size() ? kCryptLetters.find(stored[at]) : std::string_view::npos;
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

// How many letters each kind has behind its last $ (crypt(5)): one with more or fewer was cut, or
// joined with something, on its way here, and is no password's.
struct CryptForm {
  std::string_view mark;
  std::size_t size;
  std::string_view name;
};
constexpr CryptForm kCryptForms[] = {
    {"$1$", 22, "MD5-CRYPT"}, {"$md5", 22, "SUN-MD5"},       {"$sha1$", 28, "SHA1-CRYPT"},
    {"$3$", 32, "NT"},        {"$5$", 43, "SHA256-CRYPT"},   {"$6$", 86, "SHA512-CRYPT"},
    {"$y$", 43, "YESCRYPT"},  {"$gy$", 43, "GOST-YESCRYPT"}, {"$7$", 43, "SCRYPT"},
    {"$2", 53, "BLF-CRYPT"},  // its salt and hash in one
};
constexpr std::size_t kDesSize = 13;
constexpr std::size_t kBsdiSize = 20;

std::optional<std::string> find_cut(std::string_view stored) {
  std::string_view letters = stored;
  std::size_t size = stored.starts_with('_') ? kBsdiSize : kDesSize;
  if (stored.starts_with('_')) {
    letters.remove_prefix(1);
    --size;
  }
  if (stored.starts_with('$')) {
    const auto* const form = std::ranges::find_if(
        kCryptForms, [&](const CryptForm& one) { return stored.starts_with(one.mark); });
    if (form == std::end(kCryptForms)) return std::nullopt;
    letters = stored.substr(stored.rfind('$') + 1);
    size = form->size;
  }
  if (letters.size() != size)
    return fmt::format("a hash that was cut or damaged: {} letters where its kind has {}",
                       letters.size(), size);
  if (letters.find_first_not_of(kCryptLetters) != std::string_view::npos)
    return "a hash that was damaged: a sign in it that none has";
  return std::nullopt;
}

// Cheap: it says whether crypt() could compute it at a fair price.
Result<> check_crypt(const std::string& stored) {
  if (!crypt_cost_is_fair(stored))
    return fail(ErrorKind::config, "a hash that costs more than a login may");
  // DES is the one form without a mark: thirteen letters, or it is a password that stands there.
  const int known = crypt_checksalt(stored.c_str());
  if (known == CRYPT_SALT_INVALID || known == CRYPT_SALT_METHOD_DISABLED)
    return fail(ErrorKind::config, "a hash that crypt() does not know");
  if (auto why = find_cut(stored)) return fail(ErrorKind::config, *std::move(why));
  return {};
}

Result<bool> verify_crypt(std::string_view stored, std::string_view password) {
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

std::optional<std::string> decode_padded(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  return decode_base64(padded);
}

Result<> check_argon(std::string_view stored) {
  if (!stored.starts_with("$argon2id$") && !stored.starts_with("$argon2i$"))
    return fail(ErrorKind::config, "a hash that argon2 does not know");
  if (!argon_cost_is_fair(stored))
    return fail(ErrorKind::config,
                "an argon2 hash that costs more than 256 MiB, 20 passes or 16 threads");
  // "$argon2id$v=19$m=65536,t=3,p=1$salt$hash", the last two in base64; of 1.0 without v=.
  const std::string_view text = stored;
  const std::size_t hash = text.rfind('$') + 1;
  const std::size_t salt = text.rfind('$', hash - 2) + 1;
  const auto salt_bytes = decode_padded(text.substr(salt, hash - 1 - salt));
  const auto hash_bytes = decode_padded(text.substr(hash));
  // Whoever makes one makes 16, 24, 32 or 64 bytes: of what lost a letter the rest may be base64 by
  // chance, but not so long.
  constexpr std::size_t kSaltMin = 8, kHashMin = 16, kHashStep = 4;
  if (!salt_bytes || !hash_bytes || salt_bytes->size() < kSaltMin ||
      hash_bytes->size() < kHashMin || hash_bytes->size() % kHashStep != 0)
    return fail(ErrorKind::config, "an argon2 hash that was cut or damaged");
  return {};
}

Result<bool> verify_argon(std::string_view stored, std::string_view password) {
  const std::string encoded(stored);
  const auto type = stored.starts_with("$argon2id$") ? Argon2_id : Argon2_i;
  const int result = argon2_verify(encoded.c_str(), password.data(), password.size(), type);
  if (result == ARGON2_OK) return true;
  if (result == ARGON2_VERIFY_MISMATCH) return false;
  return fail(ErrorKind::config, argon2_error_message(result));
}

Result<std::string> digest(const EVP_MD* kind, std::string_view a, std::string_view b) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  const net::DigestContextPtr context(EVP_MD_CTX_new());
  if (EVP_DigestInit_ex(context.get(), kind, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), a.data(), a.size()) != 1 ||
      EVP_DigestUpdate(context.get(), b.data(), b.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1)
    return fail(ErrorKind::temporary, "this machine's OpenSSL computes no such digest");
  return out;
}

Result<std::string> derive(const EVP_MD* kind, std::string_view password, std::string_view salt,
                           std::uint64_t rounds) {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                        reinterpret_cast<const unsigned char*>(salt.data()),
                        static_cast<int>(salt.size()), static_cast<int>(rounds), kind,
                        static_cast<int>(out.size()),
                        reinterpret_cast<unsigned char*>(out.data())) != 1)
    return fail(ErrorKind::temporary, "PBKDF2 failed");
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

// How the bytes behind the scheme's name are written, where no suffix (.HEX, .B64) says it.
enum class Encoding { none, hex, base64 };
// locked: no password is ever right, and that is meant.
enum class Form { locked, plain, crypt, argon, digest, salted_digest, pbkdf2, scram };

struct Scheme {
  std::string_view name;
  Form form;
  Encoding encoding = Encoding::none;
  const EVP_MD* (*digest)() = nullptr;
};
// Dovecot's names. Of its others CRAM-MD5, HMAC-MD5 and DIGEST-MD5 hold what only those mechanisms
// check (or the user's name), OTP is used up by each login, and MD4 is in no OpenSSL any more.
constexpr Scheme kSchemes[] = {
    {"PLAIN", Form::plain},
    {"CLEAR", Form::plain},
    {"CLEARTEXT", Form::plain},
    {"CRYPT", Form::crypt},
    {"DES-CRYPT", Form::crypt},
    {"MD5", Form::crypt},
    {"MD5-CRYPT", Form::crypt},
    {"BLF-CRYPT", Form::crypt},
    {"SHA256-CRYPT", Form::crypt},
    {"SHA512-CRYPT", Form::crypt},
    {"ARGON2I", Form::argon},
    {"ARGON2ID", Form::argon},
    {"PLAIN-MD5", Form::digest, Encoding::hex, EVP_md5},
    {"LDAP-MD5", Form::digest, Encoding::base64, EVP_md5},
    {"SHA", Form::digest, Encoding::base64, EVP_sha1},
    {"SHA1", Form::digest, Encoding::base64, EVP_sha1},
    {"SHA256", Form::digest, Encoding::base64, EVP_sha256},
    {"SHA512", Form::digest, Encoding::base64, EVP_sha512},
    {"SMD5", Form::salted_digest, Encoding::base64, EVP_md5},
    {"SSHA", Form::salted_digest, Encoding::base64, EVP_sha1},
    {"SSHA256", Form::salted_digest, Encoding::base64, EVP_sha256},
    {"SSHA512", Form::salted_digest, Encoding::base64, EVP_sha512},
    {"PBKDF2", Form::pbkdf2, Encoding::none, EVP_sha1},
    {"SCRAM-SHA-1", Form::scram, Encoding::none, EVP_sha1},
    {"SCRAM-SHA-256", Form::scram, Encoding::none, EVP_sha256},
};

// A stored hash as read, before anything is computed.
struct Stored {
  Form form = Form::locked;
  std::string text = {};  // the password itself, crypt's or argon2's form, or the digest
  std::string salt = {};
  std::uint64_t rounds = 0;
  const EVP_MD* digest = nullptr;
};

bool is_locked(std::string_view text) {
  return text.empty() || text.front() == '!' || text.front() == '*';
}

Result<Stored> read_crypt(std::string text) {
  if (is_locked(text)) return Stored{};
  if (text.starts_with("$argon2")) {
    TRY_OK(check_argon(text));
    return Stored{.form = Form::argon, .text = std::move(text)};
  }
  TRY_OK(check_crypt(text));
  return Stored{.form = Form::crypt, .text = std::move(text)};
}

// digest, or digest and salt in one.
Result<Stored> read_digest(const Scheme& scheme, std::string raw) {
  const EVP_MD* kind = scheme.digest();
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(kind));
  if (raw.size() < size || (scheme.form == Form::digest && raw.size() != size))
    return fail(ErrorKind::config, "a digest of the wrong length");
  return Stored{scheme.form, raw.substr(0, size), raw.substr(size), 0, kind};
}

// "$1$salt$rounds$hex", the salt as the letters it is written with.
Result<Stored> read_pbkdf2(const Scheme& scheme, std::string_view text) {
  const std::size_t salt = 3, rounds = text.find('$', salt) + 1;
  const std::size_t hash = rounds == 0 ? 0 : text.find('$', rounds) + 1;
  if (!text.starts_with("$1$") || hash == 0)
    return fail(ErrorKind::config, "PBKDF2's form is $1$salt$rounds$hash");
  const std::uint64_t count = read_number(text.substr(rounds)).value_or(0);
  auto raw = decode_hex(text.substr(hash));
  const EVP_MD* kind = scheme.digest();
  if (count == 0 || !raw || raw->size() != static_cast<std::size_t>(EVP_MD_get_size(kind)))
    return fail(ErrorKind::config, "PBKDF2's form is $1$salt$rounds$hash");
  if (count > kRoundsMax) return fail(ErrorKind::config, "a hash that costs more than a login may");
  return Stored{scheme.form, *std::move(raw), std::string(text.substr(salt, rounds - 1 - salt)),
                count, kind};
}

// "rounds,salt,StoredKey,ServerKey", the three in base64 (RFC 5803's parts as Dovecot writes them).
Result<Stored> read_scram(const Scheme& scheme, std::string_view text) {
  const std::size_t salt = text.find(',') + 1;
  const std::size_t key = salt == 0 ? 0 : text.find(',', salt) + 1;
  const std::size_t last = key == 0 ? 0 : text.find(',', key) + 1;
  const EVP_MD* kind = scheme.digest();
  if (last != 0) {
    const std::uint64_t count = read_number(text).value_or(0);
    auto salt_bytes = decode_padded(text.substr(salt, key - 1 - salt));
    auto key_bytes = decode_padded(text.substr(key, last - 1 - key));
    if (count > kRoundsMax)
      return fail(ErrorKind::config, "a hash that costs more than a login may");
    if (count > 0 && salt_bytes && key_bytes &&
        key_bytes->size() == static_cast<std::size_t>(EVP_MD_get_size(kind)))
      return Stored{scheme.form, *std::move(key_bytes), *std::move(salt_bytes), count, kind};
  }
  return fail(ErrorKind::config, "SCRAM's form is rounds,salt,stored key,server key");
}

Result<Stored> read_stored(std::string_view stored) {
  const std::size_t end = stored.find('}');
  // A bare text is crypt's, as with Dovecot.
  if (!stored.starts_with('{') || end == std::string_view::npos)
    return read_crypt(std::string(stored));
  std::string name = to_upper(stored.substr(1, end - 1));
  std::string value(stored.substr(end + 1));
  std::optional<Encoding> given;
  for (const std::string_view suffix : {".HEX", ".B64", ".BASE64"}) {
    if (!name.ends_with(suffix)) continue;
    name.resize(name.size() - suffix.size());
    given = suffix == ".HEX" ? Encoding::hex : Encoding::base64;
    break;
  }
  const auto* const scheme = std::ranges::find(kSchemes, name, &Scheme::name);
  if (scheme == std::end(kSchemes))
    return fail(ErrorKind::config, fmt::format("unknown password scheme {{{}}}", name));
  if (const Encoding encoding = given.value_or(scheme->encoding); encoding != Encoding::none) {
    auto raw = encoding == Encoding::hex ? decode_hex(value) : decode_padded(value);
    if (!raw) return fail(ErrorKind::config, "a hash that is not written as its scheme says");
    value = *std::move(raw);
  }
  switch (scheme->form) {
    case Form::locked:
    case Form::plain:
      return Stored{.form = Form::plain, .text = std::move(value)};
    case Form::crypt:
      return read_crypt(std::move(value));
    case Form::argon:
      TRY_OK(check_argon(value));
      return Stored{.form = Form::argon, .text = std::move(value)};
    case Form::digest:
    case Form::salted_digest:
      return read_digest(*scheme, std::move(value));
    case Form::pbkdf2:
      return read_pbkdf2(*scheme, value);
    case Form::scram:
      return read_scram(*scheme, value);
  }
  return Stored{};
}

// RFC 5802 section 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")).
Result<bool> verify_scram(const Stored& stored, std::string_view password) {
  TRY(const auto salted, derive(stored.digest, password, stored.salt, stored.rounds));
  constexpr std::string_view kText = "Client Key";
  std::string key(salted.size(), '\0');
  unsigned size = 0;
  if (HMAC(stored.digest, salted.data(), static_cast<int>(salted.size()),
           reinterpret_cast<const unsigned char*>(kText.data()), kText.size(),
           reinterpret_cast<unsigned char*>(key.data()), &size) == nullptr)
    return fail(ErrorKind::temporary, "HMAC failed");
  TRY(const auto hashed, digest(stored.digest, key, ""));
  return equal(hashed, stored.text);
}

}  // namespace

Result<bool> verify_password(std::string_view stored, std::string_view password) {
  // An empty password is never one, whatever the file says (RFC 4616 section 2, RFC 4513's lesson).
  if (password.empty() || password.find('\0') != std::string_view::npos) return false;
  TRY(const Stored read, read_stored(stored));
  switch (read.form) {
    case Form::locked:
      return false;
    case Form::plain:
      return equal(read.text, password);
    case Form::crypt:
      return verify_crypt(read.text, password);
    case Form::argon:
      return verify_argon(read.text, password);
    case Form::digest:
    case Form::salted_digest: {
      TRY(const auto hashed, digest(read.digest, password, read.salt));
      return equal(hashed, read.text);
    }
    case Form::pbkdf2: {
      TRY(const auto hashed, derive(read.digest, password, read.salt, read.rounds));
      return equal(hashed, read.text);
    }
    case Form::scram:
      return verify_scram(read, password);
  }
  return false;
}

Result<bool> has_password(std::string_view stored) {
  TRY(const Stored read, read_stored(stored));
  return read.form != Form::locked && (read.form != Form::plain || !read.text.empty());
}

std::string scheme_of(std::string_view stored) {
  constexpr std::size_t kNameMax = 40;
  const std::size_t end = stored.find('}');
  if (stored.starts_with('{') && end != std::string_view::npos)
    return to_upper(stored.substr(1, std::min(end - 1, kNameMax)));
  if (stored.starts_with("$argon2id$")) return "ARGON2ID";
  if (stored.starts_with("$argon2i$")) return "ARGON2I";
  const auto* const form = std::ranges::find_if(
      kCryptForms, [&](const CryptForm& one) { return stored.starts_with(one.mark); });
  return form == std::end(kCryptForms) ? "CRYPT" : std::string(form->name);
}

std::optional<std::string> find_hash_fault(std::string_view stored) {
  const auto read = read_stored(stored);
  if (!read) return read.error().what;
  if (read->form == Form::plain && read->text.empty()) return "an empty password is never right";
  if (read->form == Form::locked && stored.find_first_of("!*") == std::string_view::npos)
    return "there is no password";
  return std::nullopt;
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
