// SEARCH and UID SEARCH (RFC 3501 section 6.4.4). What memory can answer is asked first; a
// message's file is read, in the pool, only when its header or text decides, and no further than
// the header when no key asks for more. Texts are compared folded (RFC 5051), in any charset.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "imap/server/session_impl.h"
#include "message/charset.h"
#include "message/part.h"
#include "store/line_ends.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kKeysMax = 2000;
constexpr std::size_t kTogether = 64;  // messages that are opened and read in one go

struct Key {
  enum class Kind {
    all,
    none_of,
    any_of,
    all_of,
    sequence,
    uid,
    flag,
    no_flag,
    keyword,
    no_keyword,
    recent,
    old,
    is_new,
    before,
    on,
    since,
    sent_before,
    sent_on,
    sent_since,
    larger,
    smaller,
    header,
    body,
    text
  };
  Kind kind = Kind::all;
  std::vector<Key> keys;
  SequenceSet set;
  std::vector<Range> ranges;
  store::Flags flag = 0;
  std::int64_t number = 0;
  std::string name, text;
};

class KeyParser {
 public:
  explicit KeyParser(Parser& parser) : parser_(parser) {}

  std::optional<Key> parse_all(char end) {
    Key all{.kind = Key::Kind::all_of,
            .keys = {},
            .set = {},
            .ranges = {},
            .flag = 0,
            .number = 0,
            .name = {},
            .text = {}};
    do {
      auto key = parse(0);
      if (!key) return std::nullopt;
      all.keys.push_back(*std::move(key));
    } while (parser_.take_space());
    if (end != '\0' && !parser_.take(end)) return std::nullopt;
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
    if (parser_.take('(')) {
      Key all = make(Kind::all_of);
      do {
        auto key = parse(depth + 1);
        if (!key) return std::nullopt;
        all.keys.push_back(*std::move(key));
      } while (parser_.take_space());
      if (!parser_.take(')')) return std::nullopt;
      return all;
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
    if (name == "KEYWORD" || name == "UNKEYWORD")
      return with_text(name == "KEYWORD" ? Kind::keyword : Kind::no_keyword, parser_.atom());
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
    if (name == "BODY") return with_text(Kind::body, parser_.astring());
    if (name == "TEXT") return with_text(Kind::text, parser_.astring());
    std::string field = name;
    if (name == "HEADER") {
      const auto given = parser_.astring();
      if (!given || !parser_.take_space()) return std::nullopt;
      field = *given;
    } else if (name != "FROM" && name != "TO" && name != "CC" && name != "BCC" &&
               name != "SUBJECT") {
      return std::nullopt;
    }
    auto key = with_text(Kind::header, parser_.astring());
    if (key) key->name = field;
    return key;
  }

  static std::optional<Key> flag_key(const std::string& name) {
    static constexpr std::pair<std::string_view, store::Flags> kFlags[] = {
        {"ANSWERED", store::flag::answered},
        {"DELETED", store::flag::deleted},
        {"DRAFT", store::flag::draft},
        {"FLAGGED", store::flag::flagged},
        {"SEEN", store::flag::seen}};
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
    auto set = parser_.sequence_set();
    if (!set) return std::nullopt;
    Key key = make(kind);
    key.set = *std::move(set);
    return key;
  }

  static std::optional<Key> with_text(Kind kind, std::optional<std::string> text) {
    if (!text) return std::nullopt;
    Key key = make(kind);
    key.text = *std::move(text);
    return key;
  }

  Parser& parser_;
  std::size_t count_ = 0;
};

bool in_ranges(const std::vector<Range>& ranges, std::uint32_t n) {
  const auto at = std::ranges::upper_bound(ranges, n, {}, &Range::first);
  return at != ranges.begin() && n <= std::prev(at)->second;
}

// needle is folded already.
bool holds(std::string_view text, const std::string& needle) {
  return message::fold_for_search(text).find(needle) != std::string::npos;
}

// "Fri, 21 Nov 1997 09:55:06 -0600": the day as it is written, whatever the zone (RFC 3501:
// disregarding it).
std::optional<std::int64_t> sent_day(const std::string& date) {
  const std::size_t begin = date.find_first_of("0123456789");
  if (begin == std::string::npos) return std::nullopt;
  std::string words = date.substr(begin, 14);
  std::replace(words.begin(), words.end(), ' ', '-');
  const std::size_t second = words.find('-', words.find('-') + 1);
  if (second == std::string::npos) return std::nullopt;
  Parser parser(words);
  const std::string day = "\"" + words.substr(0, second + 5) + "\"";
  return Parser(day).date();
}

// What memory knows of a message.
struct Facts {
  store::Entry entry;
  std::uint32_t sequence = 0;
  bool is_recent = false;
  std::vector<std::string> keywords;  // upper case
};

bool flag_holds(const Key& key, const Facts& facts) {
  using Kind = Key::Kind;
  const bool is_seen = (facts.entry.flags & store::flag::seen) != 0;
  switch (key.kind) {
    case Kind::flag:
      return (facts.entry.flags & key.flag) != 0;
    case Kind::no_flag:
      return (facts.entry.flags & key.flag) == 0;
    case Kind::recent:
      return facts.is_recent;
    case Kind::old:
      return !facts.is_recent;
    case Kind::is_new:
      return facts.is_recent && !is_seen;
    default:
      return (std::ranges::find(facts.keywords, key.text) != facts.keywords.end()) ==
             (key.kind == Kind::keyword);
  }
}

// A key that has no keys inside; nullopt: the file must be asked.
std::optional<bool> leaf_from_memory(const Key& key, const Facts& facts) {
  using Kind = Key::Kind;
  const std::int64_t day = facts.entry.internal_date / 86'400;
  const auto size = static_cast<std::int64_t>(facts.entry.wire_size);
  switch (key.kind) {
    case Kind::all:
      return true;
    case Kind::sequence:
      return in_ranges(key.ranges, facts.sequence);
    case Kind::uid:
      return in_ranges(key.ranges, facts.entry.uid);
    case Kind::before:
      return day < key.number;
    case Kind::on:
      return day == key.number;
    case Kind::since:
      return day >= key.number;
    case Kind::larger:
      return size > key.number;
    case Kind::smaller:
      return size < key.number;
    case Kind::sent_before:
    case Kind::sent_on:
    case Kind::sent_since:
    case Kind::header:
    case Kind::body:
    case Kind::text:
      return std::nullopt;
    default:
      return flag_holds(key, facts);
  }
}

// The tree, with leaf(key) giving true, false or "not known"; what is known may decide.
template <class Leaf>
std::optional<bool> evaluate(const Key& key, const Leaf& leaf) {
  using Kind = Key::Kind;
  if (key.kind == Kind::none_of) {
    const auto inner = evaluate(key.keys.front(), leaf);
    return inner ? std::optional(!*inner) : std::nullopt;
  }
  if (key.kind != Kind::any_of && key.kind != Kind::all_of) return leaf(key);
  const bool deciding = key.kind == Kind::any_of;
  bool is_open = false;
  for (const Key& inner : key.keys) {
    const auto value = evaluate(inner, leaf);
    if (value && *value == deciding) return deciding;
    is_open |= !value;
  }
  return is_open ? std::nullopt : std::optional(!deciding);
}

template <class Test>
bool any_key(const Key& key, const Test& test) {
  return test(key) ||
         std::ranges::any_of(key.keys, [&](const Key& inner) { return any_key(inner, test); });
}

// A message's file as far as the keys need it. Lives in the pool.
class Text {
 public:
  Text(std::string wire, bool is_whole) : wire_(std::move(wire)) {
    if (is_whole) {
      root_ = message::parse_parts(wire_);
    } else {
      root_.body_begin = root_.body_end = wire_.size();
    }
  }

  bool leaf(const Key& key) const {
    using Kind = Key::Kind;
    const std::string_view header = std::string_view(wire_).substr(0, root_.body_begin);
    if (key.kind == Kind::body) return part_holds(root_, key.text, 0);
    if (key.kind == Kind::text)
      return holds(header, key.text) || holds(message::decode_words(header), key.text) ||
             part_holds(root_, key.text, 0);
    const message::Headers headers(header);
    if (key.kind == Kind::header)
      return std::ranges::any_of(headers.find_all(key.name), [&](const std::string& value) {
        return key.text.empty() || holds(message::decode_words(value), key.text);
      });
    const auto sent = sent_day(headers.find("Date").value_or(""));
    if (!sent) return false;
    return key.kind == Kind::sent_before ? *sent < key.number
           : key.kind == Kind::sent_on   ? *sent == key.number
                                         : *sent >= key.number;
  }

 private:
  bool part_holds(const message::Part& part, const std::string& needle, int depth) const {
    if (part.is_multipart() || part.is_message()) {
      return depth < kNestingMax &&
             std::ranges::any_of(
                 part.children,
                 [&](const message::Part& child) { return part_holds(child, needle, depth + 1); });
    }
    if (part.type != "text" && part.type != "message") return false;
    const std::string text = message::decode_transfer(
        std::string_view(wire_).substr(part.body_begin, part.body_end - part.body_begin),
        part.encoding);
    const auto charset = std::ranges::find_if(part.parameters, [](const auto& parameter) {
      return equals_ignoring_case(parameter.first, "charset");
    });
    if (charset != part.parameters.end())
      if (const auto converted = message::to_utf8(text, charset->second))
        return holds(*converted, needle);
    return holds(text, needle);
  }

  std::string wire_;
  message::Part root_;
};

// The header of a message's file, or all of it.
Result<Text> read_text(const store::OpenMessage& opened, bool needs_body) {
  store::CrlfReader reader(opened.file, 0, opened.size);
  if (needs_body) {
    TRY(std::string wire, reader.read_all(opened.wire_size + 1));
    return Text(std::move(wire), true);
  }
  message::HeaderCollector header;
  std::string piece;
  while (!header.is_whole()) {
    piece.resize(16'384);
    TRY(const std::size_t n, reader.read(piece));
    if (n == 0) break;
    header.feed(std::string_view(piece).substr(0, n));
  }
  header.finish();
  return Text(header.block(), false);
}

// Search texts from the command's charset to folded UTF-8.
bool fold_texts(Key& key, const std::string& charset) {
  if (key.kind == Key::Kind::keyword || key.kind == Key::Kind::no_keyword) {
    key.text = to_upper(key.text);
  } else if (!key.text.empty()) {
    const auto utf8 = message::to_utf8(key.text, charset);
    if (!utf8) return false;
    key.text = message::fold_for_search(*utf8);
  }
  return std::ranges::all_of(key.keys, [&](Key& inner) { return fold_texts(inner, charset); });
}

void resolve(Key& key, std::uint32_t last_sequence, std::uint32_t last_uid) {
  if (key.kind == Key::Kind::sequence) key.ranges = key.set.resolve(last_sequence);
  if (key.kind == Key::Kind::uid) key.ranges = key.set.resolve(last_uid);
  for (Key& inner : key.keys) resolve(inner, last_sequence, last_uid);
}

bool asks_for_size(const Key& key) {
  return any_key(key, [](const Key& k) {
    return k.kind == Key::Kind::larger || k.kind == Key::Kind::smaller;
  });
}

bool asks_for_body(const Key& key) {
  return any_key(
      key, [](const Key& k) { return k.kind == Key::Kind::body || k.kind == Key::Kind::text; });
}

bool asks_for_keywords(const Key& key) {
  return any_key(key, [](const Key& k) {
    return k.kind == Key::Kind::keyword || k.kind == Key::Kind::no_keyword;
  });
}

}  // namespace

// One SEARCH command at work.
struct SearchRun {
  Session& session;
  const Key& key;
  bool needs_body = false;
  bool needs_keywords = false;

  std::optional<Facts> facts_of(store::Uid uid, std::uint32_t sequence) const {
    const store::Mailbox& mailbox = session.view_->mailbox();
    const store::Entry* entry = mailbox.find(uid);
    if (entry == nullptr) return std::nullopt;
    Facts facts{*entry, sequence, session.view_->is_recent(uid), {}};
    if (!needs_keywords) return facts;
    for (const std::string_view name : mailbox.keyword_names(entry->keywords))
      facts.keywords.push_back(to_upper(name));
    return facts;
  }

  // Several messages whose files must be asked: opened together and read together.
  net::Task<std::vector<bool>> read_some(const std::vector<Facts>& facts) {
    std::vector<store::Uid> uids;
    for (const Facts& one : facts) uids.push_back(one.entry.uid);
    CO_TRY(const auto opened, co_await session.view_->mailbox().open_messages(std::move(uids)));
    co_return co_await session.services_.pool.run([&]() -> Result<std::vector<bool>> {
      std::vector<bool> good(facts.size());
      for (std::size_t i = 0; i < facts.size(); ++i) {
        if (!opened[i]) continue;  // it went meanwhile
        TRY(const Text text, read_text(*opened[i], needs_body));
        good[i] = *evaluate(key, [&](const Key& leaf) -> std::optional<bool> {
          const auto known = leaf_from_memory(leaf, facts[i]);
          return known ? *known : text.leaf(leaf);
        });
      }
      return good;
    });
  }

  // Sequence numbers and UIDs of what matches, in order.
  net::Task<std::vector<std::pair<std::uint32_t, store::Uid>>> all() {
    std::vector<std::pair<std::uint32_t, store::Uid>> found;
    std::vector<Facts> open;  // not decided yet; what was decided behind them waits in found
    for (std::uint32_t sequence = 1; sequence <= session.view_->size(); ++sequence) {
      const auto facts = facts_of(session.view_->uid_of(sequence), sequence);
      if (!facts) continue;
      const auto quick =
          evaluate(key, [&](const Key& leaf) { return leaf_from_memory(leaf, *facts); });
      if (quick) {
        if (*quick) found.emplace_back(sequence, facts->entry.uid);
        continue;
      }
      open.push_back(*facts);
      if (open.size() < kTogether && sequence < session.view_->size()) continue;
      CO_TRY_OK(co_await settle(open, found));
    }
    if (!open.empty()) CO_TRY_OK(co_await settle(open, found));
    std::ranges::sort(found);
    co_return found;
  }

  net::Task<> settle(std::vector<Facts>& open,
                     std::vector<std::pair<std::uint32_t, store::Uid>>& found) {
    CO_TRY(const auto good, co_await read_some(open));
    for (std::size_t i = 0; i < open.size(); ++i)
      if (good[i]) found.emplace_back(open[i].sequence, open[i].entry.uid);
    open.clear();
    co_return Result<>{};
  }
};

net::Awaitable<Outcome> Session::search_sequence(Parser& parser) {
  return search(parser, Numbers::sequence);
}
net::Awaitable<Outcome> Session::search_uid(Parser& parser) {
  return search(parser, Numbers::uid);
}

net::Awaitable<Outcome> Session::search(Parser& parser, Numbers numbers) {
  if (!parser.take_space()) co_return bad("SEARCH needs keys");
  std::string charset = "UTF-8";
  if (parser.take_word("CHARSET ")) {
    const auto given = parser.astring();
    if (!given || !parser.take_space()) co_return bad("SEARCH needs keys");
    charset = *given;
    if (!message::is_charset(charset))
      co_return no("This charset is not known", "BADCHARSET (US-ASCII UTF-8)");
  }
  auto key = KeyParser(parser).parse_all('\0');
  if (!key || !parser.at_end()) co_return bad("SEARCH: the keys have a fault");
  if (!fold_texts(*key, charset)) co_return no("The text is not of its charset");
  const std::uint32_t count = view_->size();
  resolve(*key, count, count == 0 ? 0 : view_->uid_of(count));
  if (asks_for_size(*key)) {
    std::vector<store::Uid> unknown;
    for (const store::Entry& entry : view_->mailbox().entries())
      if (entry.wire_size == 0) unknown.push_back(entry.uid);
    if (!unknown.empty()) {
      const auto loaded = co_await view_->mailbox().load_sizes(std::move(unknown));
      if (!loaded) co_return failed(loaded.error());
    }
  }
  SearchRun run{*this, *key, asks_for_body(*key), asks_for_keywords(*key)};
  const auto matching = co_await run.all();
  if (!matching) co_return failed(matching.error());
  std::string found;
  for (const auto& [sequence, uid] : *matching)
    fmt::format_to(std::back_inserter(found), " {}", numbers == Numbers::uid ? uid : sequence);
  out_ += "* SEARCH" + found + "\r\n";
  co_return ok("Search completed");
}

}  // namespace posthorn::imap
