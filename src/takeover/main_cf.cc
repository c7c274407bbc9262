#include "takeover/main_cf.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace posthorn::takeover {
namespace {

constexpr std::size_t kDepthMax = 20;
constexpr std::size_t kNamesMax = 10'000;     // in one value: what refers to itself twice grows
constexpr std::size_t kValueMax = 1U << 20U;  // what grows beyond is no configuration

// Those that others refer to in the files that Debian and guides bring (postconf -d).
constexpr std::pair<std::string_view, std::string_view> kDefaults[] = {
    {"alias_database", "hash:/etc/aliases"},
    {"alias_maps", "hash:/etc/aliases, nis:mail.aliases"},
    {"command_directory", "/usr/sbin"},
    {"config_directory", "/etc/postfix"},
    {"daemon_directory", "/usr/lib/postfix/sbin"},
    {"data_directory", "/var/lib/postfix"},
    {"default_database_type", "hash"},
    {"local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"},
    {"mail_name", "Postfix"},
    {"mail_owner", "postfix"},
    {"mail_version", "3.7"},
    {"meta_directory", "/etc/postfix"},
    {"mydestination", "$myhostname, localhost.$mydomain, localhost"},
    {"myorigin", "$myhostname"},
    {"queue_directory", "/var/spool/postfix"},
    {"relay_domains", ""},
    {"smtpd_sasl_local_domain", ""},
    {"virtual_alias_domains", "$virtual_alias_maps"},
    {"virtual_mailbox_domains", "$virtual_mailbox_maps"},
};

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}
bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}
std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The place behind the bracket that closes the one at `at`; npos: none does.
std::size_t find_close(std::string_view text, std::size_t at, char open, char close) {
  std::size_t depth = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == open) ++depth;
    if (text[at] == close && --depth == 0) return at + 1;
  }
  return std::string_view::npos;
}

class Expander {
 public:
  explicit Expander(const MainCf& cf) : cf_(cf) {}

  std::string expand(std::string_view text, std::size_t depth) {
    std::string out;
    std::size_t at = 0;
    while (at < text.size() && out.size() < kValueMax) {
      const std::size_t dollar = std::min(text.find('$', at), text.size());
      out += text.substr(at, dollar - at);
      at = dollar;
      if (at < text.size()) at = replace(text, at, depth, out);
    }
    return out;
  }

  std::string named(const std::string& name, std::size_t depth) {
    if (depth >= kDepthMax || ++names_ > kNamesMax) return "";
    const auto found = cf_.settings.find(name);
    if (found != cf_.settings.end()) return expand(found->second.value, depth + 1);
    if (const auto own = cf_.defaults.find(name); own != cf_.defaults.end())
      return expand(own->second, depth + 1);
    if (name == "mydomain") {
      const std::string host = named("myhostname", depth + 1);
      const std::size_t dot = host.find('.');
      return dot == std::string::npos ? "localdomain" : host.substr(dot + 1);
    }
    const auto usual = std::ranges::find(kDefaults, std::string_view(name),
                                         &std::pair<std::string_view, std::string_view>::first);
    return usual == std::end(kDefaults) ? "" : expand(usual->second, depth + 1);
  }

 private:
  // Of the $ at that place; gives where the text goes on.
  std::size_t replace(std::string_view text, std::size_t at, std::size_t depth, std::string& out) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (next == '$') {
      out += '$';
      return at + 2;
    }
    if (next == '{' || next == '(') {
      const std::size_t end = find_close(text, at + 1, next, next == '{' ? '}' : ')');
      if (end == std::string_view::npos) {
        out += text.substr(at);
        return text.size();
      }
      out += inside(text.substr(at + 2, end - at - 3), depth);
      return end;
    }
    std::size_t end = at + 1;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end == at + 1)
      out += '$';
    else
      out += named(std::string(text.substr(at + 1, end - at - 1)), depth);
    return end;
  }

  // "name", "name?text", "name:text", "name?{text}:{text}".
  std::string inside(std::string_view text, std::size_t depth) {
    text = trim(text);
    std::size_t end = 0;
    while (end < text.size() && is_name(text[end])) ++end;
    const std::string value = named(std::string(text.substr(0, end)), depth);
    std::string_view rest = trim(text.substr(end));
    if (rest.empty()) return value;
    const bool wants_full = rest.front() == '?';
    if (!wants_full && rest.front() != ':') return "";  // a comparison: nothing that we know of
    rest = trim(rest.substr(1));
    std::string_view first = rest, second;
    if (rest.starts_with('{')) {
      const std::size_t close = find_close(rest, 0, '{', '}');
      if (close == std::string_view::npos) return "";
      first = rest.substr(1, close - 2);
      second = trim(rest.substr(close));
      if (second.starts_with(':')) second = trim(second.substr(1));
      if (second.starts_with('{') && second.ends_with('}'))
        second = second.substr(1, second.size() - 2);
    }
    const bool is_first = value.empty() != wants_full;
    return expand(trim(is_first ? first : second), depth + 1);
  }

  const MainCf& cf_;
  std::size_t names_ = 0;
};

}  // namespace

std::string MainCf::value_of(const std::string& name) const {
  return Expander(*this).named(name, 0);
}

std::string MainCf::expand(std::string_view text) const {
  return Expander(*this).expand(text, 0);
}

MainCf parse_main_cf(std::string_view text, const std::string& file) {
  MainCf cf{.file = file, .settings = {}, .defaults = {}, .faults = {}};
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string logical;
  std::size_t number = 0, begun = 0;
  const auto take = [&] {
    const std::string_view line = trim(logical);
    if (line.empty()) return;
    // Those of services may have hyphens: policyd-spf_time_limit.
    std::size_t end = 0;
    while (end < line.size() && line[end] != '=' && !is_blank(line[end])) ++end;
    const std::string_view rest = trim(line.substr(end));
    if (end == 0 || !rest.starts_with('='))
      cf.faults.push_back({fmt::format("{}:{}", file, begun), "no \"name = value\"",
                           "mend the line, and import again"});
    else
      cf.settings[std::string(line.substr(0, end))] = {std::string(trim(rest.substr(1))), begun};
  };
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    ++number;
    const std::string_view bare = trim(line);
    // Comments and empty lines do not end what they stand in.
    if (bare.empty() || bare.starts_with('#')) continue;
    if (is_blank(line.front()) && begun > 0) {
      logical += ' ';
      logical += bare;
      continue;
    }
    take();
    logical = bare;
    begun = number;
  }
  take();
  return cf;
}

std::vector<std::string> list_words(std::string_view text) {
  std::vector<std::string> words;
  const auto is_between = [](char c) { return is_blank(c) || c == ',' || c == '\n'; };
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_between(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_between(text[end])) {
      if (text[end] != '{') {
        ++end;
        continue;
      }
      end = std::min(find_close(text, end, '{', '}'), text.size());
    }
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace posthorn::takeover
