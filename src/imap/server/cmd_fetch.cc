// FETCH and UID FETCH (RFC 3501 section 6.4.5). Flags, dates and sizes come from memory; envelope
// and structure from the index's cache once they were made; texts from the file, the whole message
// streamed without holding it.
#include <fmt/format.h>

#include "imap/server/session_impl.h"
#include "message/part.h"
#include "store/line_ends.h"

namespace posthorn::imap {
namespace {

constexpr int kCacheEnvelope = 101;  // the version of the form is part of the number
constexpr int kCacheBody = 102;
constexpr int kCacheStructure = 103;

struct Section {
  enum class Kind { all, header, header_fields, header_fields_not, text, mime };
  std::vector<std::uint32_t> path;
  Kind kind = Kind::all;
  std::vector<std::string> fields;
  bool peek = false;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> partial;
  std::string label;  // as it is answered: "BODY[1.HEADER]<0>"
};

struct Items {
  bool uid = false, flags = false, date = false, size = false, envelope = false, body = false,
       structure = false;
  std::vector<Section> sections;
  bool needs_text() const { return !sections.empty(); }
};

std::optional<Section> parse_section(Parser& parser, bool peek) {
  Section section;
  section.peek = peek;
  std::string name;
  while (parser.peek() >= '0' && parser.peek() <= '9') {
    const auto n = parser.number();
    if (!n || *n == 0 || *n > 100'000 || section.path.size() >= kNestingMax) return std::nullopt;
    section.path.push_back(static_cast<std::uint32_t>(*n));
    name += fmt::format("{}{}", name.empty() ? "" : ".", *n);
    if (!parser.take('.')) break;
    if (parser.peek() < '0' || parser.peek() > '9') {
      name += '.';
      break;
    }
  }
  const bool after_dot = name.ends_with('.');
  if (section.path.empty() || after_dot) {
    if (parser.take_word("HEADER.FIELDS.NOT"))
      section.kind = Section::Kind::header_fields_not;
    else if (parser.take_word("HEADER.FIELDS"))
      section.kind = Section::Kind::header_fields;
    else if (parser.take_word("HEADER"))
      section.kind = Section::Kind::header;
    else if (parser.take_word("TEXT"))
      section.kind = Section::Kind::text;
    else if (after_dot && parser.take_word("MIME"))
      section.kind = Section::Kind::mime;
    else if (after_dot)
      return std::nullopt;
  }
  static constexpr std::string_view kNames[] = {
      "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
  name += kNames[static_cast<std::size_t>(section.kind)];
  if (section.kind == Section::Kind::header_fields ||
      section.kind == Section::Kind::header_fields_not) {
    if (!parser.take_space() || !parser.take('(')) return std::nullopt;
    name += " (";
    do {
      const auto field = parser.astring();
      if (!field || section.fields.size() >= 1000) return std::nullopt;
      if (!section.fields.empty()) name += ' ';
      append_astring(name, *field);
      section.fields.push_back(*field);
    } while (parser.take_space());
    if (!parser.take(')')) return std::nullopt;
    name += ')';
  }
  if (!parser.take(']')) return std::nullopt;
  section.label = "BODY[" + name + "]";
  if (parser.take('<')) {
    const auto begin = parser.number();
    if (!begin || !parser.take('.')) return std::nullopt;
    const auto count = parser.number();
    if (!count || *count == 0 || !parser.take('>')) return std::nullopt;
    section.partial = {*begin, *count};
    section.label += fmt::format("<{}>", *begin);
  }
  return section;
}

bool parse_item(Parser& parser, Items& items) {
  if (parser.take_word("BODY.PEEK[")) {
    auto section = parse_section(parser, true);
    if (section) items.sections.push_back(*std::move(section));
    return section.has_value();
  }
  if (parser.take_word("BODY[")) {
    auto section = parse_section(parser, false);
    if (section) items.sections.push_back(*std::move(section));
    return section.has_value();
  }
  const auto word = parser.atom();
  if (!word) return false;
  const std::string name = upper(*word);
  const auto add = [&](Section::Kind kind, bool peek, std::string label) {
    Section section;
    section.kind = kind;
    section.peek = peek;
    section.label = std::move(label);
    items.sections.push_back(std::move(section));
  };
  if (name == "UID")
    items.uid = true;
  else if (name == "FLAGS")
    items.flags = true;
  else if (name == "INTERNALDATE")
    items.date = true;
  else if (name == "RFC822.SIZE")
    items.size = true;
  else if (name == "ENVELOPE")
    items.envelope = true;
  else if (name == "BODY")
    items.body = true;
  else if (name == "BODYSTRUCTURE")
    items.structure = true;
  else if (name == "RFC822")
    add(Section::Kind::all, false, "RFC822");
  else if (name == "RFC822.HEADER")
    add(Section::Kind::header, true, "RFC822.HEADER");
  else if (name == "RFC822.TEXT")
    add(Section::Kind::text, false, "RFC822.TEXT");
  else if (name == "ALL")
    items.flags = items.date = items.size = items.envelope = true;
  else if (name == "FAST")
    items.flags = items.date = items.size = true;
  else if (name == "FULL")
    items.flags = items.date = items.size = items.envelope = items.body = true;
  else
    return false;
  return true;
}

std::optional<Items> parse_items(Parser& parser) {
  Items items;
  if (!parser.take('(')) {
    if (!parse_item(parser, items)) return std::nullopt;
  } else {
    do {
      if (!parse_item(parser, items)) return std::nullopt;
    } while (parser.take_space());
    if (!parser.take(')')) return std::nullopt;
  }
  if (!parser.at_end()) return std::nullopt;
  return items;
}

// The part that a path names; a message's own body is its part 1 when it has no parts (RFC 3501
// section 6.4.5).
const message::Part* find_part(const message::Part& root, const std::vector<std::uint32_t>& path) {
  const message::Part* part = &root;
  for (const std::uint32_t number : path) {
    const message::Part* holder =
        part->is_message() && part != &root ? &part->children.front() : part;
    if (holder->is_multipart()) {
      if (number > holder->children.size()) return nullptr;
      part = &holder->children[number - 1];
    } else if (number == 1 && (part == &root || part->is_message())) {
      part = part->is_message() && part != &root ? &part->children.front() : holder;
      if (part == &root) return part;
    } else {
      return nullptr;
    }
  }
  return part;
}

std::string pick_fields(std::string_view header, const Section& section) {
  const message::Headers headers(header);
  std::string out;
  for (const message::Field& field : headers.fields()) {
    bool named = false;
    for (const std::string& name : section.fields)
      named |= message::equals_ignoring_case(name, field.name);
    if (named == (section.kind == Section::Kind::header_fields)) out += field.raw;
  }
  return out + "\r\n";
}

// nullopt: there is no such part (NIL).
std::optional<std::string> text_of(std::string_view text, const message::Part& root,
                                   const Section& section) {
  const message::Part* part = find_part(root, section.path);
  if (part == nullptr) return std::nullopt;
  const bool whole = section.path.empty();
  const auto slice = [&](std::size_t begin, std::size_t end) {
    return std::string(text.substr(begin, end - begin));
  };
  if (section.kind == Section::Kind::all)
    return whole ? std::string(text) : slice(part->body_begin, part->body_end);
  if (section.kind == Section::Kind::mime) return slice(part->header_begin, part->body_begin);
  // HEADER and TEXT of a part mean the message inside it.
  const message::Part* inside = whole                ? part
                                : part->is_message() ? &part->children.front()
                                                     : nullptr;
  if (inside == nullptr) return std::nullopt;
  if (section.kind == Section::Kind::text) return slice(inside->body_begin, inside->body_end);
  const std::string_view header =
      text.substr(inside->header_begin, inside->body_begin - inside->header_begin);
  if (section.kind == Section::Kind::header) return std::string(header);
  return pick_fields(header, section);
}

void append_literal(std::string& out, const Section& section, std::string_view text) {
  if (section.partial) {
    text = section.partial->first >= text.size()
               ? std::string_view()
               : text.substr(static_cast<std::size_t>(section.partial->first));
    text = text.substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(section.partial->second, text.size())));
  }
  out += fmt::format("{} {{{}}}\r\n", section.label, text.size());
  out += text;
}

}  // namespace

// One FETCH command at work.
struct FetchRun {
  Session& session;
  Items items;
  Numbers numbers;
  std::unordered_map<store::Uid, std::string> envelopes, bodies, structures;

  net::Task<> load_cache(const std::vector<store::Uid>& uids) {
    store::Mailbox& mailbox = session.view_->mailbox();
    const std::tuple<bool, int, std::unordered_map<store::Uid, std::string>*> kinds[] = {
        {items.envelope, kCacheEnvelope, &envelopes},
        {items.body, kCacheBody, &bodies},
        {items.structure, kCacheStructure, &structures}};
    for (const auto& [wanted, kind, into] : kinds) {
      if (!wanted) continue;
      CO_TRY(auto found, co_await mailbox.cache_get(uids, kind));
      for (store::CacheItem& item : found) (*into)[item.uid] = std::move(item.bytes);
    }
    co_return Result<>{};
  }

  bool is_streamable() const {
    return items.sections.size() == 1 && items.sections[0].kind == Section::Kind::all &&
           items.sections[0].path.empty() && !items.sections[0].partial;
  }

  net::Task<> one(store::Uid uid) {
    store::Mailbox& mailbox = session.view_->mailbox();
    const store::Entry* entry = mailbox.find(uid);
    const auto sequence = session.view_->sequence_of(uid);
    if (entry == nullptr || !sequence)
      co_return Result<>{};  // it went meanwhile; EXPUNGE will tell
    std::string out = fmt::format("* {} FETCH (", *sequence);
    bool first = true;
    const auto next = [&] {
      if (!first) out += ' ';
      first = false;
    };
    const auto add = [&](std::string_view text) {
      next();
      out += text;
    };
    if (items.uid || numbers == Numbers::uid) add(fmt::format("UID {}", uid));
    if (items.flags) add("FLAGS " + session.format_flags(uid, entry->flags, entry->keywords));
    if (items.date) add("INTERNALDATE " + format_internal_date(entry->internal_date));
    if (items.size) add(fmt::format("RFC822.SIZE {}", entry->wire_size));
    const bool has_envelope = !items.envelope || envelopes.contains(uid);
    const bool has_body = !items.body || bodies.contains(uid);
    const bool has_structure = !items.structure || structures.contains(uid);
    const bool streams = is_streamable();
    if (!has_envelope || !has_body || !has_structure || (items.needs_text() && !streams)) {
      CO_TRY(const auto opened, co_await mailbox.open_message(uid));
      if (!opened) co_return Result<>{};
      CO_TRY(const std::string text, co_await session.services_.pool.run([&] {
        return store::CrlfReader(opened->file, 0, opened->size).read_all(opened->wire_size + 1);
      }));
      const message::Part root = message::parse_parts(text);
      CO_TRY_OK(co_await make_missing(uid, text, root, has_envelope, has_body, has_structure));
      add_made(uid, add);
      if (!streams) {
        for (const Section& section : items.sections) {
          const auto found = text_of(text, root, section);
          next();
          if (found)
            append_literal(out, section, *found);
          else
            out += section.label + " NIL";
        }
      }
    } else {
      add_made(uid, add);
    }
    session.out_ += out;
    if (streams) CO_TRY_OK(co_await stream_whole(uid, first));
    session.out_ += ")\r\n";
    co_return co_await session.flush_if_large();
  }

  template <class Add>
  void add_made(store::Uid uid, Add& add) {
    if (items.envelope) add("ENVELOPE " + envelopes[uid]);
    if (items.body) add("BODY " + bodies[uid]);
    if (items.structure) add("BODYSTRUCTURE " + structures[uid]);
  }

  net::Task<> make_missing(store::Uid uid, std::string_view text, const message::Part& root,
                           bool has_envelope, bool has_body, bool has_structure) {
    store::Mailbox& mailbox = session.view_->mailbox();
    const auto keep = [&](std::string bytes, int kind) {
      return mailbox.cache_put({{uid, std::move(bytes)}}, kind);
    };
    if (!has_envelope) {
      append_envelope(envelopes[uid], message::Headers(text.substr(0, root.body_begin)));
      CO_TRY_OK(co_await keep(envelopes[uid], kCacheEnvelope));
    }
    if (!has_body) {
      append_structure(bodies[uid], root, text, Extended::no);
      CO_TRY_OK(co_await keep(bodies[uid], kCacheBody));
    }
    if (!has_structure) {
      append_structure(structures[uid], root, text, Extended::yes);
      CO_TRY_OK(co_await keep(structures[uid], kCacheStructure));
    }
    co_return Result<>{};
  }

  // BODY[] alone: from the file to the socket, a piece at a time.
  net::Task<> stream_whole(store::Uid uid, bool first) {
    CO_TRY(const auto opened, co_await session.view_->mailbox().open_message(uid));
    if (!opened) {
      session.out_ += fmt::format("{}{} NIL", first ? "" : " ", items.sections[0].label);
      co_return Result<>{};
    }
    session.out_ += fmt::format("{}{} {{{}}}\r\n", first ? "" : " ", items.sections[0].label,
                                opened->wire_size);
    store::CrlfReader reader(opened->file, 0, opened->size);
    std::uint64_t left = opened->wire_size;
    std::string piece;
    while (left > 0) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, 65'536)));
      CO_TRY(const auto n, co_await session.services_.pool.run([&] { return reader.read(piece); }));
      // The announced size must be kept, whatever happened to the file.
      if (n == 0) co_return fail(ErrorKind::protocol, "a message became shorter while it was sent");
      session.out_.append(piece, 0, n);
      left -= n;
      CO_TRY_OK(co_await session.flush_if_large());
    }
    co_return Result<>{};
  }
};

net::Awaitable<Outcome> Session::fetch_sequence(Parser& parser) {
  return fetch(parser, Numbers::sequence);
}
net::Awaitable<Outcome> Session::fetch_uid(Parser& parser) {
  return fetch(parser, Numbers::uid);
}

net::Awaitable<Outcome> Session::fetch(Parser& parser, Numbers numbers) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.take_space()) co_return bad("FETCH needs messages and items");
  auto items = parse_items(parser);
  if (!items) co_return bad("FETCH: the items have a fault");
  bool valid = true;
  const auto uids = uids_of(*set, numbers, valid);
  if (!valid && numbers == Numbers::sequence) co_return bad("There is no such message");
  FetchRun run{*this, *std::move(items), numbers, {}, {}, {}};

  // RFC 3501: a BODY[] without PEEK sets \Seen, and its flags are told.
  bool sets_seen = false;
  for (const Section& section : run.items.sections) sets_seen |= !section.peek;
  if (sets_seen && view_->access() == store::Access::read_write) {
    store::FlagRequest request;
    for (const store::Uid uid : uids)
      if (const store::Entry* entry = view_->mailbox().find(uid);
          entry != nullptr && (entry->flags & store::flag::seen) == 0)
        request.uids.push_back(uid);
    if (!request.uids.empty()) {
      request.flags = store::flag::seen;
      const auto stored = co_await view_->mailbox().store_flags(std::move(request));
      if (!stored) co_return failed(stored.error());
      view_->mark_told(stored->messages);
      run.items.flags = true;
    }
  }
  if (run.items.size) {
    std::vector<store::Uid> unknown;
    for (const store::Uid uid : uids)
      if (const store::Entry* entry = view_->mailbox().find(uid);
          entry != nullptr && entry->wire_size == 0)
        unknown.push_back(uid);
    if (!unknown.empty()) {
      const auto loaded = co_await view_->mailbox().load_sizes(std::move(unknown));
      if (!loaded) co_return failed(loaded.error());
    }
  }
  constexpr std::size_t kBatch = 500;
  for (std::size_t begin = 0; begin < uids.size(); begin += kBatch) {
    const std::vector<store::Uid> batch(
        uids.begin() + static_cast<std::ptrdiff_t>(begin),
        uids.begin() + static_cast<std::ptrdiff_t>(std::min(uids.size(), begin + kBatch)));
    const auto cached = co_await run.load_cache(batch);
    if (!cached) co_return failed(cached.error());
    for (const store::Uid uid : batch) {
      const auto done = co_await run.one(uid);
      if (done) continue;
      if (done.error().kind == ErrorKind::closed || done.error().kind == ErrorKind::timeout ||
          done.error().kind == ErrorKind::protocol) {
        over_ = true;
        stream_->close();
      }
      co_return failed(done.error());
    }
    run.envelopes.clear();
    run.bodies.clear();
    run.structures.clear();
  }
  co_return ok("Fetch completed");
}

}  // namespace posthorn::imap
