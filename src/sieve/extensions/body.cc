// body (RFC 5173): `:raw` as it came, `:content` the parts of a type, `:text` what a reader sees.
// The text of a message is asked for only here; what was decoded is kept for the next test.
#include <fmt/format.h>
#include <map>

#include "base/ascii.h"
#include "sieve/extensions/part_text.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Of the message as it is now, by part.
struct Decoded {
  std::map<const message::Part*, std::optional<std::string>> contents, texts;
};

// Section 5.2: what a content type names.
bool is_named(const message::Part& part, std::string_view name) {
  if (name.empty()) return true;
  const std::size_t slash = name.find('/');
  const bool is_odd = part.subtype.find('/') != std::string::npos;  // "text/plain/x": no type
  if (slash == std::string_view::npos) return !is_odd && equals_ignoring_case(part.type, name);
  if (name.starts_with('/') || name.ends_with('/') || name.find('/', slash + 1) != name.npos)
    return false;
  return equals_ignoring_case(part.type, name.substr(0, slash)) &&
         equals_ignoring_case(part.subtype, name.substr(slash + 1));
}

class BodyTest {
 public:
  BodyTest(Run& run, const Call& call, std::string_view wire)
      : run_(run), matcher_(run, call, 0), wire_(wire), decoded_(run.message().memo<Decoded>()) {}

  bool raw(std::string_view body) {
    if (!run_.spend(1 + body.size() / 256)) return false;
    return matcher_.value(body) || matcher_.finish();
  }

  bool content(const std::vector<std::string_view>& types, const message::Part& root) {
    return walk(root, [&](const message::Part& part) {
      for (const std::string_view type : types)
        if (is_named(part, type)) return of_part(part);
      return false;
    });
  }

  bool text(const message::Part& root) {
    return walk(root, [&](const message::Part& part) {
      if (part.is_multipart() || part.is_message()) return false;
      const auto [place, is_new] = decoded_.texts.try_emplace(&part);
      if (is_new) {
        if (!run_.spend(1 + (part.body_end - part.body_begin) / 256)) return false;
        place->second = readable_text(part, wire_);
      }
      return place->second && matcher_.value(*place->second);
    });
  }

 private:
  // Depth first, as the parts stand in the message. At most 10 000, 100 in one another.
  bool holds_somewhere(const message::Part& part, const auto& holds) {
    if (!run_.spend(1)) return false;
    if (holds(part)) return true;
    for (const message::Part& child : part.children)
      if (holds_somewhere(child, holds)) return true;
    return false;
  }
  bool walk(const message::Part& root, const auto& holds) {
    return holds_somewhere(root, holds) || (!run_.has_ended() && matcher_.finish());
  }

  // Section 5.2: of a multipart what stands around its parts, of a message its header.
  bool of_part(const message::Part& part) {
    if (part.is_multipart()) {
      for (const std::string_view text : around_parts(part, wire_))
        if (matcher_.value(text)) return true;
      return false;
    }
    if (part.is_message()) return matcher_.value(header_of(part.children.front(), wire_));
    const auto [place, is_new] = decoded_.contents.try_emplace(&part);
    if (is_new) {
      if (!run_.spend(1 + (part.body_end - part.body_begin) / 256)) return false;
      place->second = content_of(part, wire_);
    }
    return place->second && matcher_.value(*place->second);
  }

  Run& run_;
  Matcher matcher_;
  std::string_view wire_;
  Decoded& decoded_;
};

bool holds(Run& run, const Call& call) {
  const auto wire = run.ask(run.message().text());
  if (run.has_ended()) return false;
  // Section 4: without an empty line there is no body, and no test of it holds.
  const auto end = message::find_header_end(wire, message::Input::whole);
  if (!end || end->body_begin == end->header_size) return false;
  if (call.has("raw")) return BodyTest(run, call, wire).raw(wire.substr(end->body_begin));
  const message::Part* const root = run.message().parts();
  if (root == nullptr) return false;
  const Arg* const types = call.tag("content");
  if (types == nullptr) return BodyTest(run, call, wire).text(*root);
  return BodyTest(run, call, wire).content(call.list(run, *types), *root);
}

}  // namespace

Extension body() {
  constexpr std::string_view kGroup = "transform";
  return {.name = "body",
          .standard = "RFC 5173",
          .tests = {{.name = "body",
                     .arguments = {{"keys", Kind::list}},
                     .run = holds,
                     .compares = Compares::yes,
                     .captures = TestRow::Captures::no}},
          .tags = {{.of = "body", .name = "raw", .group = kGroup},
                   {.of = "body", .name = "text", .group = kGroup},
                   {.of = "body", .name = "content", .argument = Kind::list, .group = kGroup}},
          .limits = "10 000 parts, 100 in one another"};
}

}  // namespace posthorn::sieve::extension
