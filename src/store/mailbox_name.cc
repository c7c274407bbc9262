#include "store/mailbox_name.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/mutf7.h"

namespace posthorn::store {
namespace {

bool is_inbox(std::string_view level) {
  return equals_ignoring_case(level, "INBOX");
}

}  // namespace

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
  if (name == kNoMailbox || is_below(name, kNoMailbox)) return std::nullopt;
  return name;
}

std::string folder_of(std::string_view checked_name) {
  if (checked_name == "INBOX") return {};
  return "." + message::encode_mutf7(checked_name).value_or("");
}

std::optional<std::string> name_of_folder(std::string_view folder) {
  if (folder.size() < 2 || folder.front() != '.') return std::nullopt;
  const auto utf8 = message::decode_mutf7(folder.substr(1));
  if (!utf8) return std::nullopt;
  auto name = check_mailbox_name(*utf8);
  // ".inbox" on disk would be a second INBOX; ".INBOX" itself is not one either.
  if (!name || *name != *utf8 || *name == "INBOX") return std::nullopt;
  return name;
}

namespace {

std::string as_utf8(std::string_view raw) {
  if (auto decoded = message::decode_mutf7(raw)) return *std::move(decoded);
  if (is_utf8(raw)) return std::string(raw);
  std::string out;  // as if it were Latin-1
  for (const char c : raw) append_code_point(out, static_cast<unsigned char>(c));
  return out;
}

// Without what no name may hold, and cut so that a number still fits behind it.
std::string made_fit(std::string_view text) {
  constexpr std::size_t kRoom = 8;
  std::string out;
  std::size_t depth = 1;
  while (!text.empty()) {
    const std::string_view whole = text;
    const auto point = take_code_point(text);
    if (!point) break;
    const std::string_view one = whole.substr(0, whole.size() - text.size());
    std::string piece(one);
    if (one == ".") {
      if (out.empty() || out.back() == kSeparator || text.empty()) continue;
      if (depth == kDepthMax) piece = "-";
      ++depth;
    } else if (*point < 0x20 || (*point >= 0x7F && *point <= 0x9F) || one == "/" ||
               *point == 0x2028 || *point == 0x2029 || (out.empty() && one == "~")) {
      piece = "_";
    }
    if (folder_of(out + piece).size() + kRoom > kFolderNameMax) break;
    out += piece;
  }
  while (!out.empty() && out.back() == kSeparator) out.pop_back();
  return out.empty() ? "folder" : out;
}

}  // namespace

std::optional<std::string> readable_name(std::string_view folder,
                                         const std::function<bool(std::string_view)>& is_taken) {
  if (folder.size() < 2 || folder.front() != '.' || folder == ".." ||
      folder.starts_with("..posthorn-"))
    return std::nullopt;
  const std::string text = made_fit(as_utf8(folder.substr(1)));
  if (text == kNoMailbox || is_below(text, kNoMailbox)) return std::nullopt;
  for (int number = 1; number < 10'000; ++number) {
    auto name = check_mailbox_name(number == 1 ? text : text + "-" + std::to_string(number));
    if (name && *name != "INBOX" && !is_taken(*name)) return name;
  }
  return std::nullopt;
}

std::optional<std::string> mailbox_name_from(std::string_view foreign) {
  std::string name(foreign);
  std::ranges::replace(name, '/', kSeparator);
  const std::size_t first = name.find(kSeparator);
  if (first != std::string::npos && is_inbox(std::string_view(name).substr(0, first)))
    name.erase(0, first + 1);
  return check_mailbox_name(name);
}

OddFolders parse_odd_folders(std::string_view text) {
  OddFolders out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    std::string folder;
    for (std::size_t i = 0; i < tab; ++i) {
      const auto byte = line[i] == '%' && i + 2 < tab
                            ? to_number<unsigned char>(line.substr(i + 1, 2), 16)
                            : std::nullopt;
      folder += byte ? static_cast<char>(*byte) : line[i];
      if (byte) i += 2;
    }
    const auto name = check_mailbox_name(line.substr(tab + 1));
    const bool is_inside = folder.size() > 1 && folder.front() == '.' && folder != ".." &&
                           folder.find('/') == std::string::npos &&
                           folder.find('\0') == std::string::npos;
    if (name && *name != "INBOX" && is_inside) out.emplace(*name, folder);
  }
  return out;
}

std::string format_odd_folders(const OddFolders& folders) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const auto& [name, folder] : folders) {
    for (const char c : folder) {
      const auto u = static_cast<unsigned char>(c);
      if (u >= 0x20 && u != 0x7F && c != '%') {
        out += c;
        continue;
      }
      out += '%';
      out += kHex[u >> 4U];
      out += kHex[u & 15U];
    }
    out += "\t" + name + "\n";
  }
  return out;
}

std::string_view parent_of(std::string_view name) {
  const std::size_t dot = name.rfind(kSeparator);
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool is_below(std::string_view name, std::string_view above) {
  return name.size() > above.size() + 1 && name.starts_with(above) &&
         name[above.size()] == kSeparator;
}

}  // namespace posthorn::store
