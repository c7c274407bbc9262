#include "store/annotations.h"

#include <algorithm>

#include "base/ascii.h"

namespace posthorn::store {
namespace {

constexpr std::pair<char, char> kEscapes[] = {
    {'\\', '\\'}, {'\t', 't'}, {'\r', 'r'}, {'\n', 'n'}, {'\0', '0'}};

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    const auto* const escape = std::ranges::find(kEscapes, c, &std::pair<char, char>::first);
    if (escape == std::end(kEscapes)) {
      out += c;
    } else {
      out += '\\';
      out += escape->second;
    }
  }
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto* const escape =
        text[i] == '\\' && i + 1 < text.size()
            ? std::ranges::find(kEscapes, text[i + 1], &std::pair<char, char>::second)
            : std::end(kEscapes);
    if (escape == std::end(kEscapes)) {
      out += text[i];
    } else {
      out += escape->first;
      ++i;
    }
  }
  return out;
}

constexpr SpecialUse kUses[] = {SpecialUse::drafts, SpecialUse::sent, SpecialUse::trash,
                                SpecialUse::junk, SpecialUse::archive};

}  // namespace

std::optional<std::string> check_annotation_name(std::string_view name) {
  if (name.size() > kAnnotationNameMax || !name.starts_with('/') || name.ends_with('/') ||
      name.find("//") != std::string_view::npos)
    return std::nullopt;
  const bool is_plain = std::ranges::all_of(name, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 && u < 0x7F && c != '*' && c != '%';
  });
  if (!is_plain) return std::nullopt;
  std::string small = to_lower(name);
  // RFC 5464 section 6: no other scope is defined.
  const std::string_view scope = std::string_view(small).substr(0, small.find('/', 1));
  if (scope != "/private" && scope != "/shared") return std::nullopt;
  return small;
}

bool may_have_value(std::string_view checked_name) {
  const auto slashes = std::ranges::count(checked_name, '/');
  const std::size_t second = checked_name.find('/', 1);
  if (second == std::string_view::npos) return false;
  const std::string_view rest = checked_name.substr(second);
  return (rest != "/vendor" && !rest.starts_with("/vendor/")) || slashes >= 4;
}

Annotations parse_annotations(std::string_view text) {
  Annotations out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    auto name = check_annotation_name(line.substr(0, tab));
    if (!name || !may_have_value(*name)) continue;
    out.insert_or_assign(*std::move(name), unescape(line.substr(tab + 1)));
  }
  return out;
}

std::string format_annotations(const Annotations& annotations) {
  std::string out;
  for (const auto& [name, value] : annotations) {
    out += name;
    out += '\t';
    append_escaped(out, value);
    out += '\n';
  }
  return out;
}

std::optional<SpecialUse> parse_special_use(std::string_view text) {
  text = trim(text);
  if (text.empty()) return SpecialUse::none;
  for (const SpecialUse use : kUses)
    if (equals_ignoring_case(text, to_string(use))) return use;
  return std::nullopt;
}

std::optional<SpecialUse> special_use_in(const Annotations& annotations) {
  const auto at = annotations.find(kSpecialUseEntry);
  return at == annotations.end() ? std::nullopt : parse_special_use(at->second);
}

AnnotationResult apply(const std::vector<AnnotationChange>& changes, Annotations& annotations) {
  const auto bytes_of = [&] {
    std::size_t bytes = 0;
    for (const auto& [name, value] : annotations) bytes += name.size() + value.size();
    return bytes;
  };
  const std::size_t count_before = annotations.size();
  const std::size_t bytes_before = bytes_of();
  for (const AnnotationChange& change : changes) {
    if (!may_have_value(change.name)) return AnnotationResult::bad_name;
    if (!change.value) {
      annotations.erase(change.name);
      continue;
    }
    if (change.value->size() > kAnnotationValueMax) return AnnotationResult::too_long;
    if (change.name == kSpecialUseEntry && !parse_special_use(*change.value))
      return AnnotationResult::bad_use;
    annotations.insert_or_assign(change.name, *change.value);
  }
  // Who is above a limit already may always make it less.
  if (annotations.size() > std::max(kAnnotationsMax, count_before) ||
      bytes_of() > std::max(kAnnotationBytesMax, bytes_before))
    return AnnotationResult::too_many;
  return AnnotationResult::done;
}

}  // namespace posthorn::store
