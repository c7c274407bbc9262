#include "imap/proto/metadata.h"

#include <algorithm>
#include <fmt/format.h>

#include "imap/proto/response.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kEntriesMax = 2000;  // of one command

std::optional<Depth> take_depth(Parser& parser) {
  if (parser.take_word("infinity")) return Depth::infinity;
  const auto depth = parser.number();
  if (depth == 0) return Depth::none;
  if (depth == 1) return Depth::one;
  return std::nullopt;
}

bool take_option(Parser& parser, MetadataOptions& options) {
  if (parser.take_word("MAXSIZE")) {
    if (!parser.take_space()) return false;
    options.size_max = parser.number();
    return options.size_max.has_value();
  }
  if (!parser.take_word("DEPTH") || !parser.take_space()) return false;
  const auto depth = take_depth(parser);
  if (depth) options.depth = *depth;
  return depth.has_value();
}

// nstring / literal8 (RFC 5464 section 5, RFC 3516).
bool take_value(Parser& parser, std::optional<std::string>& value) {
  if (parser.peek() != '"' && parser.peek() != '{' && parser.peek() != '~')
    return parser.take_word("NIL");
  if (parser.take('~') && parser.peek() != '{') return false;
  value = parser.string();
  return value.has_value();
}

}  // namespace

std::optional<MetadataOptions> take_metadata_options(Parser& parser) {
  Parser ahead = parser;
  MetadataOptions options;
  if (!ahead.take_open()) return std::nullopt;
  do {
    if (!take_option(ahead, options)) return std::nullopt;
  } while (ahead.take_next());
  if (!ahead.take_close()) return std::nullopt;
  parser = ahead;
  return options;
}

std::optional<std::vector<std::string>> parse_entries(Parser& parser) {
  std::vector<std::string> entries;
  const bool is_list = parser.take_open();
  do {
    auto entry = parser.astring();
    if (!entry || entries.size() == kEntriesMax) return std::nullopt;
    entries.push_back(*std::move(entry));
  } while (parser.take_next());
  if ((is_list && !parser.take_close()) || !parser.at_end()) return std::nullopt;
  return entries;
}

std::optional<std::vector<EntryValue>> parse_entry_values(Parser& parser) {
  std::vector<EntryValue> values;
  if (!parser.take_open()) return std::nullopt;
  do {
    EntryValue& one = values.emplace_back();
    auto name = parser.astring();
    if (!name || values.size() > kEntriesMax || !parser.take_space()) return std::nullopt;
    one.name = *std::move(name);
    if (!take_value(parser, one.value)) return std::nullopt;
  } while (parser.take_next());
  if (!parser.take_close() || !parser.at_end()) return std::nullopt;
  return values;
}

bool is_within(std::string_view name, std::string_view entry, Depth depth) {
  if (!name.starts_with(entry)) return false;
  const std::string_view below = name.substr(entry.size());
  if (below.empty()) return true;
  if (below.front() != '/' || depth == Depth::none) return false;
  return depth == Depth::infinity || below.find('/', 1) == std::string_view::npos;
}

void append_value(std::string& out, std::optional<std::string_view> value) {
  if (value && value->find('\0') != std::string_view::npos) {
    out += fmt::format("~{{{}}}\r\n", value->size());
    out += *value;
  } else {
    append_nstring(out, value);
  }
}

}  // namespace posthorn::imap
