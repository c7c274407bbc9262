// SEARCH and UID SEARCH (RFC 3501 section 6.4.4). What memory can answer is asked first; a
// message's file is read only when its header or text decides.
#include <algorithm>
#include <fmt/format.h>

#include "imap/server/session_impl.h"
#include "message/part.h"
#include "store/line_ends.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kKeysMax = 2000;

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
    const std::string name = upper(*word);
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
    key.text = upper(*text);
    return key;
  }

  Parser& parser_;
  std::size_t count_ = 0;
};

bool in_ranges(const std::vector<Range>& ranges, std::uint32_t n) {
  const auto at = std::ranges::upper_bound(ranges, n, {}, &Range::first);
  return at != ranges.begin() && n <= std::prev(at)->second;
}

bool holds(std::string_view text, const std::string& upper_needle) {
  return upper(text).find(upper_needle) != std::string::npos;
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

bool text_holds(std::string_view text, const message::Part& part, const std::string& needle,
                int depth) {
  if (part.is_multipart() || part.is_message()) {
    for (const message::Part& child : part.children)
      if (depth < kNestingMax && text_holds(text, child, needle, depth + 1)) return true;
    return false;
  }
  if (part.type != "text" && part.type != "message") return false;
  return holds(message::decode_transfer(
                   text.substr(part.body_begin, part.body_end - part.body_begin), part.encoding),
               needle);
}

}  // namespace

// One SEARCH command at work: the message it looks at, its text once it is needed.
struct SearchRun {
  Session& session;
  store::Uid uid = 0;
  std::uint32_t sequence = 0;
  std::optional<std::string> wire;
  std::optional<message::Part> root;

  static void resolve(Key& key, std::uint32_t last_sequence, std::uint32_t last_uid) {
    if (key.kind == Key::Kind::sequence) key.ranges = key.set.resolve(last_sequence);
    if (key.kind == Key::Kind::uid) key.ranges = key.set.resolve(last_uid);
    for (Key& inner : key.keys) resolve(inner, last_sequence, last_uid);
  }

  net::Task<> load() {
    if (wire) co_return Result<>{};
    wire.emplace();
    CO_TRY(const auto opened, co_await session.view_->mailbox().open_message(uid));
    if (opened) {
      CO_TRY(*wire, co_await session.services_.pool.run([&] {
        return store::CrlfReader(opened->file, 0, opened->size).read_all(opened->wire_size + 1);
      }));
    }
    root = message::parse_parts(*wire);
    co_return Result<>{};
  }

  net::Task<bool> matches(const Key& key) {
    using Kind = Key::Kind;
    store::Mailbox& mailbox = session.view_->mailbox();
    const store::Entry* entry = mailbox.find(uid);
    if (entry == nullptr) co_return false;
    const std::int64_t day = entry->internal_date / 86'400;
    switch (key.kind) {
      case Kind::all:
        co_return true;
      case Kind::sequence:
        co_return in_ranges(key.ranges, sequence);
      case Kind::uid:
        co_return in_ranges(key.ranges, uid);
      case Kind::flag:
        co_return (entry->flags & key.flag) != 0;
      case Kind::no_flag:
        co_return (entry->flags & key.flag) == 0;
      case Kind::recent:
        co_return session.view_->is_recent(uid);
      case Kind::old:
        co_return !session.view_->is_recent(uid);
      case Kind::is_new:
        co_return session.view_->is_recent(uid) && (entry->flags & store::flag::seen) == 0;
      case Kind::before:
        co_return day < key.number;
      case Kind::on:
        co_return day == key.number;
      case Kind::since:
        co_return day >= key.number;
      case Kind::larger:
        co_return static_cast<std::int64_t>(entry->wire_size) > key.number;
      case Kind::smaller:
        co_return static_cast<std::int64_t>(entry->wire_size) < key.number;
      case Kind::keyword:
      case Kind::no_keyword: {
        bool found = false;
        for (const std::string_view name : mailbox.keyword_names(entry->keywords))
          found |= upper(name) == key.text;
        co_return found == (key.kind == Kind::keyword);
      }
      case Kind::none_of: {
        CO_TRY(const bool inner, co_await matches(key.keys.front()));
        co_return !inner;
      }
      case Kind::any_of:
      case Kind::all_of:
        for (const Key& inner : key.keys) {
          CO_TRY(const bool good, co_await matches(inner));
          if (good == (key.kind == Kind::any_of)) co_return good;
        }
        co_return key.kind == Kind::all_of;
      default:
        break;
    }
    CO_TRY_OK(co_await load());
    const std::string_view header = std::string_view(*wire).substr(0, root->body_begin);
    if (key.kind == Kind::body) co_return text_holds(*wire, *root, key.text, 0);
    if (key.kind == Kind::text)
      co_return holds(header, key.text) || holds(message::decode_words(header), key.text) ||
          text_holds(*wire, *root, key.text, 0);
    const message::Headers headers(header);
    if (key.kind == Kind::header) {
      for (const std::string& value : headers.find_all(key.name))
        if (key.text.empty() || holds(value, key.text) ||
            holds(message::decode_words(value), key.text))
          co_return true;
      co_return false;
    }
    const auto sent = sent_day(headers.find("Date").value_or(""));
    if (!sent) co_return false;
    co_return key.kind == Kind::sent_before ? *sent < key.number
    : key.kind == Kind::sent_on             ? *sent == key.number
                                            : *sent >= key.number;
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
  if (parser.take_word("CHARSET ")) {
    const auto charset = parser.astring();
    if (!charset || !parser.take_space()) co_return bad("SEARCH needs keys");
    if (!equals(*charset, "UTF-8") && !equals(*charset, "US-ASCII"))
      co_return no("This charset is not known", "BADCHARSET (US-ASCII UTF-8)");
  }
  auto key = KeyParser(parser).parse_all('\0');
  if (!key || !parser.at_end()) co_return bad("SEARCH: the keys have a fault");
  const std::uint32_t count = view_->size();
  SearchRun::resolve(*key, count, count == 0 ? 0 : view_->uid_of(count));
  std::string found;
  for (std::uint32_t sequence = 1; sequence <= view_->size(); ++sequence) {
    SearchRun run{*this, view_->uid_of(sequence), sequence, {}, {}};
    const auto good = co_await run.matches(*key);
    if (!good) co_return failed(good.error());
    if (*good) found += fmt::format(" {}", numbers == Numbers::uid ? run.uid : sequence);
  }
  out_ += "* SEARCH" + found + "\r\n";
  co_return ok("Search completed");
}

}  // namespace posthorn::imap
