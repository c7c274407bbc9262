// The settings that are one of a few words, as the enums that they become when they are read: a
// word that its setting does not have is refused there, and nobody can ask for one that does not
// exist.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/log.h"

namespace posthorn::config {

// smtp.replies: whose words good replies are in.
enum class Replies { postfix, exim };
// smtp.bare_line_feed: what becomes of a LF or CR alone in a message.
enum class BareLineFeed {
  normalize,  // mended
  reject      // the message is refused
};
// submission.check_from: what becomes of a From field that names an address its sender may not
// use.
enum class CheckFrom {
  sender,  // a Sender field tells who it was
  reject,
  off
};
// submission.programs: to whom programs of this machine may write, by the socket submit.sock.
enum class Programs {
  local,  // to local recipients
  relay,  // to anybody
  off
};
// auth.any_user: who has no line in users.
enum class AnyUser {
  none,         // nobody gets in
  local_part,   // the password is the part before the @
  one_password  // the line of * is for all
};
// auth.default_scheme: how a new password is hashed.
enum class PasswordScheme { sha512_crypt, sha256_crypt, blf_crypt, argon2id, argon2i };
// auth.users: where accounts are.
enum class UserSource {
  text,  // the file paths.users
  pgsql  // PostgreSQL's table users
};
// route.any_domain: who may send to domains that stand in no table as to local ones.
enum class AnyDomain {
  none,   // nobody
  users,  // who is logged in
  anyone
};
// filter.when_down: what becomes of mail while spamd is down.
enum class WhenDown {
  deliver,  // unscanned
  wait
};
// filter.learn: whom spamd learns for from what users move into and out of the folder for spam.
enum class Learn {
  off,
  site,  // everybody
  user   // each for himself
};
// relay.tls, relay.mx_tls: TLS towards another server.
enum class TlsPolicy {
  verify,   // required, and the name must match
  encrypt,  // required
  may,      // where it is offered
  none
};
// relay.signed_eight_bit: what becomes of a signed part that the next server does not take as it
// is.
enum class SignedEightBit {
  send,  // as it is
  bounce
};
// dkim.canonicalization: what may change on the way, in header and body (RFC 6376 section 3.4).
enum class Canonicalization { relaxed_relaxed, relaxed_simple, simple_relaxed, simple_simple };
// dkim.when_broken: what becomes of mail whose key cannot be used.
enum class WhenBroken {
  send,  // unsigned
  wait
};
// sieve.engine: what runs the administrator's scripts.
enum class SieveEngine { posthorn, libsieve };
// imap.separator: what stands between the levels of a mailbox's name, as clients see it.
enum class Separator { dot, slash };

// Of a certificate by ACME.
enum class KeyType { ecdsa_p256, rsa_2048, rsa_3072, rsa_4096 };
// Over renewals; published: where TLSA records of it are.
enum class KeepKey { published, always, never };
// mta_sts.mode: what senders do that find no proven TLS here; none: a policy that is taken back;
// off: there is none.
enum class MtaStsMode { testing, enforce, none, off };
// sieve.vacation_sender: the envelope sender of what vacation answers.
enum class VacationSender {
  null,  // nobody: no bounce and no other program answers it (RFC 5230 section 5.1)
  user   // the address in its From, for relays that take nothing from nobody
};

// The words of each as they stand in the file, in the order of its values.
template <class E>
inline constexpr std::nullptr_t kWords = nullptr;
template <>
inline constexpr std::array<std::string_view, 2> kWords<Replies> = {"postfix", "exim"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<BareLineFeed> = {"normalize", "reject"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<CheckFrom> = {"sender", "reject", "off"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<Programs> = {"local", "relay", "off"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<AnyUser> = {"none", "local-part",
                                                                    "one-password"};
template <>
inline constexpr std::array<std::string_view, 5> kWords<PasswordScheme> = {
    "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "ARGON2ID", "ARGON2I"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<UserSource> = {"text", "pgsql"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<AnyDomain> = {"none", "users", "anyone"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<WhenDown> = {"deliver", "wait"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<Learn> = {"off", "site", "user"};
template <>
inline constexpr std::array<std::string_view, 4> kWords<TlsPolicy> = {"verify", "encrypt", "may",
                                                                      "none"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<SignedEightBit> = {"send", "bounce"};
template <>
inline constexpr std::array<std::string_view, 4> kWords<Canonicalization> = {
    "relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<WhenBroken> = {"send", "wait"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<SieveEngine> = {"posthorn", "libsieve"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<Separator> = {".", "/"};
template <>
inline constexpr std::array<std::string_view, 2> kWords<VacationSender> = {"null", "user"};
template <>
inline constexpr std::array<std::string_view, 4> kWords<KeyType> = {"ecdsa-p256", "rsa-2048",
                                                                    "rsa-3072", "rsa-4096"};
template <>
inline constexpr std::array<std::string_view, 3> kWords<KeepKey> = {"published", "always", "never"};
template <>
inline constexpr std::array<std::string_view, 4> kWords<MtaStsMode> = {"testing", "enforce", "none",
                                                                       "off"};
template <>
inline constexpr std::array<std::string_view, 4> kWords<log::Level> = {"debug", "info", "warning",
                                                                       "error"};

template <class E>
concept Choice = requires { kWords<E>.size(); };

template <Choice E>
constexpr std::string_view to_string(E value) {
  return kWords<E>[static_cast<std::size_t>(value)];
}

template <Choice E>
constexpr std::optional<E> find_choice(std::string_view word) {
  for (std::size_t i = 0; i < kWords<E>.size(); ++i)
    if (kWords<E>[i] == word) return static_cast<E>(i);
  return std::nullopt;
}

// Any of them, where its words are all that matters. Refers to the setting.
class ChoiceRef {
 public:
  template <Choice E>
  ChoiceRef(E& value)  // NOLINT(google-explicit-constructor)
      : value_(&value),
        words_(kWords<E>),
        get_([](const void* from) {
          return static_cast<std::size_t>(*static_cast<const E*>(from));
        }),
        set_([](void* to, std::size_t index) { *static_cast<E*>(to) = static_cast<E>(index); }) {}

  std::span<const std::string_view> words() const { return words_; }
  std::string_view word() const { return words_[get_(value_)]; }
  // False: it is none of the words.
  bool set(std::string_view word) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] != word) continue;
      set_(value_, i);
      return true;
    }
    return false;
  }

 private:
  void* value_;
  std::span<const std::string_view> words_;
  std::size_t (*get_)(const void* from);
  void (*set_)(void* to, std::size_t index);
};

}  // namespace posthorn::config
