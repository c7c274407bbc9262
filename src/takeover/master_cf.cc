#include "takeover/master_cf.h"

#include <algorithm>
#include <fmt/format.h>

#include "takeover/main_cf.h"

namespace posthorn::takeover {
namespace {

// service type private unpriv chroot wakeup maxproc command, then its arguments.
constexpr std::size_t kFields = 8;

std::vector<std::string> blank_words(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (at < text.size()) {
    if (is_blank(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at, depth = 0;
    while (end < text.size() && (depth > 0 || !is_blank(text[end]))) {
      if (text[end] == '{') ++depth;
      if (text[end] == '}' && depth > 0) --depth;
      ++end;
    }
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

void add_override(Service& service, std::string_view text) {
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return;
  const auto trim = [](std::string_view part) {
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    return std::string(part);
  };
  service.overrides[trim(text.substr(0, equals))] = trim(text.substr(equals + 1));
}

}  // namespace

const Service* MasterCf::find_inet(std::string_view name, std::string_view port) const {
  const auto found = std::ranges::find_if(services, [&](const Service& service) {
    if (service.type != "inet") return false;
    const std::string_view all = service.name;
    const std::string_view own = all.substr(all.rfind(':') + 1);
    return own == name || own == port;
  });
  return found == services.end() ? nullptr : &*found;
}

MasterCf parse_master_cf(std::string_view text, const std::string& file) {
  MasterCf cf{.file = file, .services = {}, .faults = {}};
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string logical;
  std::size_t number = 0, begun = 0;
  const auto take = [&] {
    const std::vector<std::string> words = blank_words(logical);
    if (words.empty()) return;
    if (words.size() < kFields) {
      cf.faults.push_back({fmt::format("{}:{}", file, begun),
                           "no service: it has fewer than 8 fields",
                           "mend the line, and import again"});
      return;
    }
    Service service{
        .name = words[0], .type = words[1], .command = words[7], .line = begun, .overrides = {}};
    for (std::size_t i = kFields; i < words.size(); ++i) {
      if (words[i] == "-o" && i + 1 < words.size())
        add_override(service, words[++i]);
      else if (words[i].starts_with("-o") && words[i].size() > 2)
        add_override(service, std::string_view(words[i]).substr(2));
    }
    cf.services.push_back(std::move(service));
  };
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    const std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    ++number;
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    if (first > 0 && begun > 0) {
      logical += ' ';
      logical += line.substr(first);
      continue;
    }
    take();
    logical = line;
    begun = number;
  }
  take();
  return cf;
}

}  // namespace posthorn::takeover
