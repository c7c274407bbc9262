#include "store/mailbox_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace posthorn::store {
namespace {

// RFC 3501 section 5.1.3: base64 with ',' for '/', without padding.
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

// The next code point of valid UTF-8 (RFC 3629 section 4), nullopt: it is not valid.
std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  if (lead < 0x80) {
    text.remove_prefix(1);
    return lead;
  }
  std::size_t length = 0;
  char32_t point = 0;
  char32_t smallest = 0;
  if ((lead & 0xE0U) == 0xC0) {
    length = 2, point = lead & 0x1FU, smallest = 0x80;
  } else if ((lead & 0xF0U) == 0xE0) {
    length = 3, point = lead & 0x0FU, smallest = 0x800;
  } else if ((lead & 0xF8U) == 0xF0) {
    length = 4, point = lead & 0x07U, smallest = 0x10000;
  }
  if (length == 0 || text.size() < length) return std::nullopt;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80) return std::nullopt;
    point = (point << 6U) | (at(i) & 0x3FU);
  }
  if (point < smallest || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
    return std::nullopt;
  text.remove_prefix(length);
  return point;
}

void append_utf8(char32_t point, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0U | (point >> 6U));
    put(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    put(0xE0U | (point >> 12U));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  } else {
    put(0xF0U | (point >> 18U));
    put(0x80U | ((point >> 12U) & 0x3FU));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  }
}

bool is_direct(char32_t point) {
  return point >= 0x20 && point <= 0x7E;
}

void append_base64(const std::vector<std::uint16_t>& units, std::string& out) {
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const std::uint16_t unit : units) {
    bits = (bits << 16U) | unit;
    held += 16;
    while (held >= 6) {
      held -= 6;
      out += kBase64[(bits >> held) & 0x3FU];
    }
    bits &= (1U << held) - 1U;
  }
  if (held > 0) out += kBase64[(bits << (6U - held)) & 0x3FU];
}

std::optional<std::vector<std::uint16_t>> decode_base64(std::string_view text) {
  std::vector<std::uint16_t> units;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 16) {
      held -= 16;
      units.push_back(static_cast<std::uint16_t>(bits >> held));
      bits &= (1U << held) - 1U;
    }
  }
  if (held >= 6 || bits != 0) return std::nullopt;
  return units;
}

bool is_inbox(std::string_view level) {
  constexpr std::string_view kInbox = "inbox";
  return level.size() == kInbox.size() &&
         std::equal(level.begin(), level.end(), kInbox.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

}  // namespace

std::optional<std::string> utf8_to_utf7(std::string_view utf8) {
  std::string out;
  std::vector<std::uint16_t> units;
  const auto flush = [&] {
    if (units.empty()) return;
    out += '&';
    append_base64(units, out);
    out += '-';
    units.clear();
  };
  while (!utf8.empty()) {
    const auto point = take_code_point(utf8);
    if (!point) return std::nullopt;
    if (is_direct(*point)) {
      flush();
      out += static_cast<char>(*point);
      if (*point == '&') out += '-';
    } else if (*point < 0x10000) {
      units.push_back(static_cast<std::uint16_t>(*point));
    } else {
      const char32_t rest = *point - 0x10000;
      units.push_back(static_cast<std::uint16_t>(0xD800U | (rest >> 10U)));
      units.push_back(static_cast<std::uint16_t>(0xDC00U | (rest & 0x3FFU)));
    }
  }
  flush();
  return out;
}

std::optional<std::string> utf7_to_utf8(std::string_view utf7) {
  std::string out;
  for (std::size_t i = 0; i < utf7.size(); ++i) {
    const char c = utf7[i];
    if (!is_direct(static_cast<unsigned char>(c))) return std::nullopt;
    if (c != '&') {
      out += c;
      continue;
    }
    const std::size_t end = utf7.find('-', i);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view shifted = utf7.substr(i + 1, end - i - 1);
    i = end;
    if (shifted.empty()) {
      out += '&';
      continue;
    }
    const auto units = decode_base64(shifted);
    if (!units || units->empty()) return std::nullopt;
    for (std::size_t u = 0; u < units->size(); ++u) {
      char32_t point = (*units)[u];
      if (point >= 0xD800 && point <= 0xDBFF) {
        if (u + 1 == units->size()) return std::nullopt;
        const char32_t low = (*units)[++u];
        if (low < 0xDC00 || low > 0xDFFF) return std::nullopt;
        point = 0x10000 + ((point & 0x3FFU) << 10U) + (low & 0x3FFU);
      } else if (point >= 0xDC00 && point <= 0xDFFF) {
        return std::nullopt;
      }
      if (point < 0x20) return std::nullopt;  // a NUL or line feed in disguise
      append_utf8(point, out);
    }
  }
  // One name, one spelling: what does not come back the same is refused.
  const auto back = utf8_to_utf7(out);
  if (!back || *back != utf7) return std::nullopt;
  return out;
}

std::optional<std::string> check_mailbox_name(std::string_view utf8) {
  if (utf8.empty() || utf8.size() > 4 * kFolderNameMax) return std::nullopt;
  std::string_view rest = utf8;
  while (!rest.empty()) {
    const auto point = take_code_point(rest);
    if (!point || *point < 0x20 || *point == '/' || (*point >= 0x7F && *point <= 0x9F) ||
        *point == 0x2028 || *point == 0x2029)
      return std::nullopt;
  }
  std::size_t depth = 1;
  char before = kSeparator;
  for (const char c : utf8) {
    if (c == kSeparator && before == kSeparator) return std::nullopt;  // an empty level
    if (c == kSeparator) ++depth;
    before = c;
  }
  if (before == kSeparator || depth > kDepthMax) return std::nullopt;
  if (utf8.front() == '~') return std::nullopt;
  std::string name(utf8);
  // RFC 3501 section 5.1: INBOX in any case is the one INBOX; the same for its level in longer
  // names.
  const std::size_t first = std::min(name.find(kSeparator), name.size());
  if (is_inbox(std::string_view(name).substr(0, first))) name.replace(0, first, "INBOX");
  if (folder_of(name).size() > kFolderNameMax) return std::nullopt;
  return name;
}

std::string folder_of(std::string_view checked_name) {
  if (checked_name == "INBOX") return {};
  return "." + utf8_to_utf7(checked_name).value_or("");
}

std::optional<std::string> name_of_folder(std::string_view folder) {
  if (folder.size() < 2 || folder.front() != '.') return std::nullopt;
  const auto utf8 = utf7_to_utf8(folder.substr(1));
  if (!utf8) return std::nullopt;
  auto name = check_mailbox_name(*utf8);
  // ".inbox" on disk would be a second INBOX; ".INBOX" itself is not one either.
  if (!name || *name != *utf8 || *name == "INBOX") return std::nullopt;
  return name;
}

std::string_view parent_of(std::string_view name) {
  const std::size_t dot = name.rfind(kSeparator);
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool is_below(std::string_view name, std::string_view above) {
  return name.size() > above.size() + 1 && name.starts_with(above) &&
         name[above.size()] == kSeparator;
}

namespace {

// No component may lead out of the root, hide, or mean something to another program. What a name
// may hold besides (RFC 5321 atext and quoted text) stands as %xx, so that two names never meet.
Result<std::string> folder_part(std::string_view value, bool may_escape) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::permanent, "\"" + std::string(value) + "\" " + std::string(why));
  };
  std::string part;
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                         c == '+' || c == '=' || c == '-' || (c == '@' && may_escape);
    const bool leads = c == '.' && part.empty();
    if (is_fine && !leads) {
      part += c;
      continue;
    }
    if (!may_escape || u < 0x20 || u == 0x7F || (c >= 'A' && c <= 'Z'))
      return refuse("has a character that no folder name may have");
    constexpr std::string_view kDigits = "0123456789abcdef";
    part += '%';
    part += kDigits[u >> 4U];
    part += kDigits[u & 15U];
  }
  return part;
}

}  // namespace

Result<Path> account_path(const Path& root, std::string_view location, std::string_view account) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::permanent, "account " + std::string(account) + ": " + std::string(why));
  };
  const std::size_t at = account.rfind('@');
  const std::string_view user = account.substr(0, at);
  const std::string_view domain =
      at == std::string_view::npos ? std::string_view() : account.substr(at + 1);
  std::string text;
  for (std::size_t i = 0; i < location.size();) {
    bool replaced = false;
    for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"{user}", user},
                                      {"{domain}", domain},
                                      {"{address}", account},
                                      {"{account}", account}}) {
      if (!location.substr(i).starts_with(name)) continue;
      if (value.empty()) return refuse("has no part for " + std::string(name));
      TRY(const std::string part, folder_part(value, name != "{domain}"));
      if (part.size() > kFolderNameMax) return refuse("is too long");
      text += part;
      i += name.size();
      replaced = true;
      break;
    }
    if (!replaced) text += location[i++];
  }
  for (const Path& part : Path(text))
    if (part == ".." || part == "." || part.empty())
      return refuse("store.location does not name a folder below paths.mail");
  // A misspelt placeholder would put everybody's mail into one folder of that name.
  if (text.find_first_of("{}") != std::string::npos)
    return refuse("store.location holds a placeholder other than {domain}, {user}, {address}");
  if (text.empty() || text.front() == '/')
    return refuse("store.location does not name a folder below paths.mail");
  return root / text;
}

}  // namespace posthorn::store
