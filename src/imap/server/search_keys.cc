#include "imap/server/search_keys.h"

#include <algorithm>

#include "base/ascii.h"

namespace posthorn::imap {
namespace {

using search::Key;

constexpr std::size_t kKeysMax = 2000;

class KeyParser {
 public:
  KeyParser(Parser& parser, LastMessage last) : parser_(parser), last_(last) {}

  // Keys one behind the other: all of a command, or all between parentheses.
  std::optional<Key> parse_all(int depth) {
    Key all = make(Kind::all_of);
    do {
      auto key = parse(depth);
      if (!key) return std::nullopt;
      all.keys.push_back(*std::move(key));
    } while (parser_.take_next());
    return all;
  }

 private:
  using Kind = Key::Kind;

  static Key make(Kind kind) {
    Key key;
    key.kind = kind;
    return key;
  }

  std::optional<Key> parse(int depth) {
    if (depth > kNestingMax || ++count_ > kKeysMax) return std::nullopt;
    if (parser_.take_open()) {
      auto all = parse_all(depth + 1);
      return parser_.take_close() ? std::move(all) : std::nullopt;
    }
    if (parser_.peek() == '*' || (parser_.peek() >= '0' && parser_.peek() <= '9'))
      return sequence(Kind::sequence);
    const auto word = parser_.atom();
    if (!word) return std::nullopt;
    const std::string name = to_upper(*word);
    if (auto key = flag_key(name)) return key;
    if (name == "ALL") return make(Kind::all);
    if (name == "NEW") return make(Kind::is_new);
    if (name == "OLD") return make(Kind::old);
    if (name == "RECENT") return make(Kind::recent);
    if (!parser_.take_space()) return std::nullopt;
    if (name == "NOT" || name == "OR") {
      Key key = make(name == "NOT" ? Kind::none_of : Kind::any_of);
      for (int i = 0; i < (name == "NOT" ? 1 : 2); ++i) {
        if (i > 0 && !parser_.take_space()) return std::nullopt;
        auto inner = parse(depth + 1);
        if (!inner) return std::nullopt;
        key.keys.push_back(*std::move(inner));
      }
      return key;
    }
    if (name == "UID") return sequence(Kind::uid);
    // RFC 8474 section 5.4. No message has a THREADID here, so that no UID is what it asks for.
    if (name == "EMAILID") return with_text(Kind::email_id, parser_.astring());
    if (name == "THREADID")
      return parser_.astring() ? std::optional(make(Kind::uid)) : std::nullopt;
    if (name == "KEYWORD" || name == "UNKEYWORD")
      return with_text(name == "KEYWORD" ? Kind::keyword : Kind::no_keyword, parser_.astring());
    static constexpr std::pair<std::string_view, Kind> kDates[] = {
        {"BEFORE", Kind::before},  {"ON", Kind::on},
        {"SINCE", Kind::since},    {"SENTBEFORE", Kind::sent_before},
        {"SENTON", Kind::sent_on}, {"SENTSINCE", Kind::sent_since}};
    for (const auto& [text, kind] : kDates) {
      if (name != text) continue;
      const auto day = parser_.date();
      if (!day) return std::nullopt;
      Key key = make(kind);
      key.number = *day;
      return key;
    }
    if (name == "LARGER" || name == "SMALLER") {
      const auto size = parser_.number();
      if (!size) return std::nullopt;
      Key key = make(name == "LARGER" ? Kind::larger : Kind::smaller);
      key.number = static_cast<std::int64_t>(std::min<std::uint64_t>(*size, INT64_MAX));
      return key;
    }
    if (name == "BODY") return with_text(Kind::body, parser_.list_mailbox());
    if (name == "TEXT") return with_text(Kind::text, parser_.list_mailbox());
    std::string field = name;
    if (name == "HEADER") {
      const auto given = parser_.astring();
      if (!given || !parser_.take_space()) return std::nullopt;
      field = *given;
    } else if (name != "FROM" && name != "TO" && name != "CC" && name != "BCC" &&
               name != "SUBJECT") {
      return std::nullopt;
    }
    auto key = with_text(Kind::header, parser_.list_mailbox());
    if (key) key->name = field;
    return key;
  }

  static std::optional<Key> flag_key(const std::string& name) {
    static constexpr std::pair<std::string_view, search::Flags> kFlags[] = {
        {"ANSWERED", search::flag::answered},
        {"DELETED", search::flag::deleted},
        {"DRAFT", search::flag::draft},
        {"FLAGGED", search::flag::flagged},
        {"SEEN", search::flag::seen}};
    const bool negated = name.starts_with("UN") && name != "UNKEYWORD";
    for (const auto& [text, flag] : kFlags) {
      if ((negated ? std::string_view(name).substr(2) : std::string_view(name)) != text) continue;
      Key key = make(negated ? Kind::no_flag : Kind::flag);
      key.flag = flag;
      return key;
    }
    return std::nullopt;
  }

  std::optional<Key> sequence(Kind kind) {
    const auto set = parser_.sequence_set();
    if (!set) return std::nullopt;
    Key key = make(kind);
    key.ranges = set->resolve(kind == Kind::uid ? last_.uid : last_.sequence);
    return key;
  }

  static std::optional<Key> with_text(Kind kind, std::optional<std::string> text) {
    if (!text) return std::nullopt;
    Key key = make(kind);
    key.text = *std::move(text);
    return key;
  }

  Parser& parser_;
  LastMessage last_;
  std::size_t count_ = 0;
};

}  // namespace

std::optional<search::Key> parse_search_keys(Parser& parser, LastMessage last) {
  auto key = KeyParser(parser, last).parse_all(0);
  if (!key || !parser.at_end()) return std::nullopt;
  return key;
}

}  // namespace posthorn::imap
