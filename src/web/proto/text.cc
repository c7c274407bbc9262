#include "web/proto/text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::web {
namespace {

// XML 1.0 section 2.2 has no U+FFFE and no U+FFFF.
std::size_t markup_length(std::string_view text) {
  return text.starts_with("\xEF\xBF\xBE") || text.starts_with("\xEF\xBF\xBF") ? 0
                                                                              : utf8_length(text);
}

constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};

std::optional<std::string> decode_entities(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '&') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto* const found = std::ranges::find_if(
        kEntities, [&](const auto& entity) { return text.starts_with(entity.first); });
    if (found == kEntities.end()) return std::nullopt;
    out += found->second;
    text.remove_prefix(found->first.size());
  }
  return out;
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = markup_length(text);
    const auto u = static_cast<unsigned char>(c);
    const bool is_bad =
        length == 0 || (u < 0x20 && c != '\t' && c != '\n' && c != '\r') || u == 0x7F;
    if (is_bad)
      out += "\xEF\xBF\xBD";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

bool is_plain_address(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || text.size() > 254) return false;
  const std::string_view domain = text.substr(at + 1);
  const auto is_atom = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
  };
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  };
  return !domain.empty() && !domain.starts_with('.') && !domain.ends_with('.') &&
         domain.find("..") == std::string_view::npos &&
         std::ranges::all_of(text.substr(0, at), is_atom) && std::ranges::all_of(domain, is_name);
}

std::optional<std::string> find_autodiscover_address(std::string_view xml) {
  // A document type is where entities are declared; comments and CDATA could hide an element from
  // one reader and show it to another. No honest client sends any of them.
  if (xml.find("<!") != std::string_view::npos) return std::nullopt;
  if (xml.find('\0') != std::string_view::npos) return std::nullopt;
  static constexpr std::string_view kOpen = "<EMailAddress>";
  static constexpr std::string_view kClose = "</EMailAddress>";
  const std::size_t open = xml.find(kOpen);
  if (open == std::string_view::npos) return std::nullopt;
  const std::string_view rest = xml.substr(open + kOpen.size());
  const std::size_t close = rest.find('<');
  if (close == std::string_view::npos || !rest.substr(close).starts_with(kClose))
    return std::nullopt;
  if (rest.find(kOpen) != std::string_view::npos) return std::nullopt;
  std::string_view inner = rest.substr(0, close);
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!inner.empty() && is_space(inner.front())) inner.remove_prefix(1);
  while (!inner.empty() && is_space(inner.back())) inner.remove_suffix(1);
  auto address = decode_entities(inner);
  if (!address || !is_plain_address(*address)) return std::nullopt;
  return address;
}

}  // namespace posthorn::web
