#include "config/account_path.h"

#include <array>
#include <string>

namespace posthorn::config {
namespace {

constexpr std::size_t kFolderNameMax = 255;  // bytes on disk

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

}  // namespace posthorn::config
