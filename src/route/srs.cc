#include "route/srs.h"

#include <array>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/ascii.h"
#include "message/mailbox_address.h"

namespace posthorn::route {
namespace {

constexpr std::size_t kHashSize = 6;
constexpr std::size_t kLocalMax = 64;  // RFC 5321 section 4.5.3.1.1
constexpr std::uint64_t kDaysMax = 21;
constexpr std::uint64_t kDays = 1024;  // two letters of base32
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::uint64_t day_of(WallTime now) {
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(now.time_since_epoch());
  return static_cast<std::uint64_t>(hours.count()) / 24 % kDays;
}

std::string write_day(std::uint64_t day) {
  return {kDigits[day >> 5U], kDigits[day & 31U]};
}

std::optional<std::uint64_t> read_day(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  std::uint64_t day = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
    if (digit == std::string_view::npos) return std::nullopt;
    day = day << 5U | digit;
  }
  return day;
}

// "local@domain"; nullopt: not both.
struct Parts {
  std::string_view local, domain;
};
std::optional<Parts> split(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) return std::nullopt;
  return Parts{address.substr(0, at), address.substr(at + 1)};
}

// Behind "SRS0" some write + or - instead of the first =.
bool is_tagged(std::string_view local, std::string_view tag) {
  return local.size() > tag.size() + 1 && to_lower(local.substr(0, tag.size())) == tag &&
         std::string_view("=+-").find(local[tag.size()]) != std::string_view::npos;
}

// Up to the next '=', which goes with it; nullopt: there is none.
std::optional<std::string_view> take(std::string_view& rest) {
  const std::size_t equal = rest.find('=');
  if (equal == std::string_view::npos) return std::nullopt;
  const std::string_view field = rest.substr(0, equal);
  rest.remove_prefix(equal + 1);
  return field;
}

}  // namespace

Srs::Srs(std::string_view domain, std::vector<std::string> secrets)
    : domain_(to_lower(domain)), secrets_(std::move(secrets)) {}

std::string Srs::sign(std::string_view secret, std::string_view text) const {
  const std::string message = to_lower(text);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
       &size);
  std::array<unsigned char, 65> encoded{};
  EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), kHashSize};
}

// Some servers change the case of a local part. How long it takes tells nothing about how much of
// a guess was right.
bool Srs::verify(std::string_view hash, std::string_view text) const {
  if (hash.size() != kHashSize) return false;
  const std::string given = to_lower(hash);
  bool is_good = false;
  for (const std::string& secret : secrets_)
    is_good |= CRYPTO_memcmp(to_lower(sign(secret, text)).data(), given.data(), kHashSize) == 0;
  return is_good;
}

std::string Srs::signed_local(std::string_view tag, std::string_view rest) const {
  const std::string hash = sign(secrets_.front(), fmt::format("{}={}", tag, rest));
  return fmt::format("{}={}={}", tag, hash, rest);
}

std::optional<std::string> Srs::forward(std::string_view sender, WallTime now) const {
  const auto parts = split(sender);
  // A domain with a = in it would lead back to another one.
  if (!is_on() || !parts || !message::parse_mailbox_address(sender) ||
      to_lower(parts->domain) == domain_)
    return std::nullopt;
  std::string local;
  if (is_tagged(parts->local, "srs1")) {
    std::string_view rest = parts->local.substr(5);
    if (take(rest) && rest.find("==") != std::string_view::npos) local = signed_local("SRS1", rest);
  } else if (is_tagged(parts->local, "srs0")) {
    local = signed_local("SRS1", fmt::format("{}={}", parts->domain, parts->local.substr(4)));
  }
  if (local.empty())
    local = signed_local(
        "SRS0", fmt::format("{}={}={}", write_day(day_of(now)), parts->domain, parts->local));
  // An address literal or a quoted local part makes none that needs no quotes.
  std::string address = fmt::format("{}@{}", local, domain_);
  if (local.size() > kLocalMax || !message::parse_mailbox_address(address)) return std::nullopt;
  return address;
}

bool Srs::is_ours(std::string_view address) const {
  const auto parts = split(address);
  return is_on() && parts && to_lower(parts->domain) == domain_ &&
         (is_tagged(parts->local, "srs0") || is_tagged(parts->local, "srs1"));
}

std::expected<std::string, Srs::Fault> Srs::reverse(std::string_view address, WallTime now) const {
  if (!is_ours(address)) return std::unexpected(Fault::forged);
  const std::string_view local = split(address)->local;
  std::string_view rest = local.substr(5);
  const auto hash = take(rest);
  // The tag is signed with it, so that none of one kind is a good one of the other.
  if (!hash || !verify(*hash, fmt::format("{}={}", local.substr(0, 4), rest)))
    return std::unexpected(Fault::forged);
  const bool is_first = is_tagged(local, "srs0");
  if (is_first) {
    const auto day = take(rest);
    const auto then = day ? read_day(*day) : std::nullopt;
    if (!then) return std::unexpected(Fault::forged);
    // Counted around the circle of days; one from tomorrow is a clock that differs.
    if ((day_of(now) + kDays + 1 - *then) % kDays > kDaysMax + 1)
      return std::unexpected(Fault::expired);
  }
  const auto domain = take(rest);
  if (!domain || rest.empty()) return std::unexpected(Fault::forged);
  // SRS1: what stands behind the first host begins with that host's separator.
  std::string first = fmt::format("{}{}@{}", is_first ? "" : "SRS0", rest, *domain);
  if (!message::parse_mailbox_address(first)) return std::unexpected(Fault::forged);
  return first;
}

}  // namespace posthorn::route
