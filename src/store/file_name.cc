#include "store/file_name.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/ids.h"

namespace posthorn::store {
namespace {

struct LetterFlag {
  char letter;
  Flags flag;
};
constexpr LetterFlag kLetters[] = {{'D', flag::draft},  {'F', flag::flagged},
                                   {'P', flag::passed}, {'R', flag::answered},
                                   {'S', flag::seen},   {'T', flag::deleted}};

bool is_known(char letter) {
  return (letter >= 'a' && letter <= 'z') ||
         std::ranges::any_of(kLetters, [&](const LetterFlag& l) { return l.letter == letter; });
}

}  // namespace

std::optional<FileName> parse_file_name(std::string_view name) {
  if (name.empty() || name.front() == '.') return std::nullopt;
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    // A line feed would end a line of the uidlist; the other controls are for terminals, not for
    // names.
    if (u < 0x20 || u == 0x7F || c == '/') return std::nullopt;
  }
  const std::size_t at = name.find(":2,");
  if (at == std::string_view::npos) return FileName{.base = name, .info = {}, .has_info = false};
  if (at == 0) return std::nullopt;
  return FileName{.base = name.substr(0, at), .info = name.substr(at + 3), .has_info = true};
}

Letters parse_info(std::string_view info) {
  Letters letters;
  for (const char c : info) {
    if (c >= 'a' && c <= 'z')
      letters.keywords |= std::uint32_t{1} << static_cast<unsigned>(c - 'a');
    for (const LetterFlag& l : kLetters)
      if (l.letter == c) letters.flags |= l.flag;
  }
  return letters;
}

std::string format_info(Letters letters, std::string_view old_info) {
  std::string out;
  for (const LetterFlag& l : kLetters)
    if ((letters.flags & l.flag) != 0) out += l.letter;
  for (unsigned i = 0; i < kKeywordLettersMax; ++i)
    if ((letters.keywords >> i & 1U) != 0) out += static_cast<char>('a' + i);
  for (const char c : old_info)
    if (!is_known(c)) out += c;
  std::ranges::sort(out);
  return out;
}

std::optional<std::uint64_t> size_in_name(std::string_view base, char kind) {
  const char key[] = {',', kind, '=', '\0'};
  const std::size_t at = base.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = base.substr(at + 3);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || (end != digits.data() + digits.size() && *end != ','))
    return std::nullopt;
  return value;
}

std::string uid_mark(std::uint32_t uidvalidity, Uid uid) {
  return fmt::format(",V={}.{}", uidvalidity, uid);
}

std::optional<Uid> uid_in_name(std::string_view base, std::uint32_t uidvalidity) {
  const std::size_t at = base.find(",V=");
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = base.substr(at + 3);
  rest = rest.substr(0, rest.find(','));
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto validity = to_number<std::uint32_t>(rest.substr(0, dot));
  const auto uid = to_number<Uid>(rest.substr(dot + 1));
  if (validity != uidvalidity || !uid || *uid == 0) return std::nullopt;
  return uid;
}

UniqueNames::UniqueNames(std::string_view hostname) {
  for (const char c : hostname.substr(0, 64)) {
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '.' || c == '-';
    host_ += is_fine ? c : '_';
  }
  if (host_.empty()) host_ = "localhost";
  // The pid and four random bytes: two openings of an account in one process differ as well.
  process_ = fmt::format("P{}R{}", ::getpid(), random_hex(4));
}

std::string UniqueNames::make(WallTime now) {
  const std::int64_t ms = now.time_since_epoch().count();
  return fmt::format("{}.M{}{}Q{}.{}", ms / 1000, (ms % 1000) * 1000, process_, count_++, host_);
}

std::string UniqueNames::make(WallTime now, std::uint64_t size, std::uint64_t wire_size) {
  return fmt::format("{},S={},W={}", make(now), size, wire_size);
}

}  // namespace posthorn::store
