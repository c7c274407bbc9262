#include "imap/server/search_keys.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/charset.h"
#include "message/part.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kKeysMax = 2000;

class KeyParser {
 public:
  explicit KeyParser(Parser& parser) : parser_(parser) {}

  // Keys one behind the other: all of a command, or all between parentheses.
  std::optional<SearchKey> parse_all(int depth) {
    SearchKey all = make(Kind::all_of);
    do {
      auto key = parse(depth);
      if (!key) return std::nullopt;
      all.keys.push_back(*std::move(key));
    } while (parser_.take_next());
    return all;
  }

 private:
  using Kind = SearchKey::Kind;

  static SearchKey make(Kind kind) {
    SearchKey key;
    key.kind = kind;
    return key;
  }

  std::optional<SearchKey> parse(int depth) {
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
      SearchKey key = make(name == "NOT" ? Kind::none_of : Kind::any_of);
      for (int i = 0; i < (name == "NOT" ? 1 : 2); ++i) {
        if (i > 0 && !parser_.take_space()) return std::nullopt;
        auto inner = parse(depth + 1);
        if (!inner) return std::nullopt;
        key.keys.push_back(*std::move(inner));
      }
      return key;
    }
    if (name == "UID") return sequence(Kind::uid);
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
      SearchKey key = make(kind);
      key.number = *day;
      return key;
    }
    if (name == "LARGER" || name == "SMALLER") {
      const auto size = parser_.number();
      if (!size) return std::nullopt;
      SearchKey key = make(name == "LARGER" ? Kind::larger : Kind::smaller);
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

  static std::optional<SearchKey> flag_key(const std::string& name) {
    static constexpr std::pair<std::string_view, store::Flags> kFlags[] = {
        {"ANSWERED", store::flag::answered},
        {"DELETED", store::flag::deleted},
        {"DRAFT", store::flag::draft},
        {"FLAGGED", store::flag::flagged},
        {"SEEN", store::flag::seen}};
    const bool negated = name.starts_with("UN") && name != "UNKEYWORD";
    for (const auto& [text, flag] : kFlags) {
      if ((negated ? std::string_view(name).substr(2) : std::string_view(name)) != text) continue;
      SearchKey key = make(negated ? Kind::no_flag : Kind::flag);
      key.flag = flag;
      return key;
    }
    return std::nullopt;
  }

  std::optional<SearchKey> sequence(Kind kind) {
    auto set = parser_.sequence_set();
    if (!set) return std::nullopt;
    SearchKey key = make(kind);
    key.set = *std::move(set);
    return key;
  }

  static std::optional<SearchKey> with_text(Kind kind, std::optional<std::string> text) {
    if (!text) return std::nullopt;
    SearchKey key = make(kind);
    key.text = *std::move(text);
    return key;
  }

  Parser& parser_;
  std::size_t count_ = 0;
};

template <class Test>
bool any_key(const SearchKey& key, const Test& test) {
  return test(key) || std::ranges::any_of(
                          key.keys, [&](const SearchKey& inner) { return any_key(inner, test); });
}

}  // namespace

std::optional<SearchKey> parse_search_keys(Parser& parser) {
  auto key = KeyParser(parser).parse_all(0);
  if (!key || !parser.at_end()) return std::nullopt;
  return key;
}

// Search texts from the command's charset to folded UTF-8.
bool fold_texts(SearchKey& key, const std::string& charset) {
  if (key.kind == SearchKey::Kind::keyword || key.kind == SearchKey::Kind::no_keyword) {
    key.text = to_upper(key.text);
  } else if (!key.text.empty()) {
    const auto utf8 = message::to_utf8(key.text, charset);
    if (!utf8) return false;
    key.text = message::fold_for_search(*utf8);
  }
  return std::ranges::all_of(key.keys,
                             [&](SearchKey& inner) { return fold_texts(inner, charset); });
}

void resolve(SearchKey& key, std::uint32_t last_sequence, std::uint32_t last_uid) {
  if (key.kind == SearchKey::Kind::sequence) key.ranges = key.set.resolve(last_sequence);
  if (key.kind == SearchKey::Kind::uid) key.ranges = key.set.resolve(last_uid);
  for (SearchKey& inner : key.keys) resolve(inner, last_sequence, last_uid);
}

bool asks_for_size(const SearchKey& key) {
  return any_key(key, [](const SearchKey& k) {
    return k.kind == SearchKey::Kind::larger || k.kind == SearchKey::Kind::smaller;
  });
}

bool asks_for_body(const SearchKey& key) {
  return any_key(key, [](const SearchKey& k) {
    return k.kind == SearchKey::Kind::body || k.kind == SearchKey::Kind::text;
  });
}

bool asks_for_keywords(const SearchKey& key) {
  return any_key(key, [](const SearchKey& k) {
    return k.kind == SearchKey::Kind::keyword || k.kind == SearchKey::Kind::no_keyword;
  });
}

}  // namespace posthorn::imap
