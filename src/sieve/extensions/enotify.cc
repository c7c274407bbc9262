// enotify with mailto (RFC 5435, RFC 5436): that somebody is to be notified, what of, and whether
// that can be done. What the mail looks like and when it is not sent is the host's.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/mailto.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Why nobody can be notified so; empty: somebody can.
std::string why_no_method(std::string_view uri) {
  const std::size_t colon = std::min(uri.find(':'), uri.size());
  if (!equals_ignoring_case(uri.substr(0, colon), "mailto"))
    return fmt::format("\"{}\" is no method of `notify`: there is mailto: alone", uri);
  const auto mailto = message::parse_mailto(uri);
  return mailto ? "" : fmt::format("\"{}\": {}", uri, mailto.error());
}

// Section 3.5: a name, `=` and a value of one line.
bool is_option(std::string_view option) {
  const std::size_t equals = option.find('=');
  if (equals == option.npos || equals == 0) return false;
  const auto is_alnum = [](char c) {
    return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9');
  };
  return is_alnum(option.front()) &&
         std::ranges::all_of(
             option.substr(0, equals),
             [&](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; }) &&
         option.find_first_of("\r\n") == option.npos;
}

bool is_importance(std::string_view text) {
  return text == "1" || text == "2" || text == "3";
}

void check_notify(Checker& checker, Node& node, const syntax::Item& item) {
  const auto each = [&](std::string_view tag, auto judge) {
    if (const Arg* arg = checker.find_tag(node, tag))
      for (const std::string_view text : checker.constants(*arg)) judge(text);
  };
  // RFC 5436 section 2.3.
  each("from", [&](std::string_view text) {
    if (!bare_address(text))
      checker.fault(item.at,
                    fmt::format("`:from` of `notify` needs an address, found \"{}\"", text));
  });
  each("importance", [&](std::string_view text) {
    if (!is_importance(text))
      checker.fault(item.at,
                    fmt::format("`:importance` is \"1\", \"2\" or \"3\", found \"{}\"", text));
  });
  each("options", [&](std::string_view text) {
    if (!is_option(text))
      checker.fault(item.at,
                    fmt::format("`:options` are written as \"name=value\", found \"{}\"", text));
  });
  for (const std::string_view uri : checker.constants(checker.positional(node, 0)))
    if (const std::string why = why_no_method(uri); !why.empty()) checker.fault(item.at, why);
}

Flow notify_command(Run& run, const Call& call) {
  Notify notify;
  notify.method = call.text(run, 0);
  if (const std::string why = why_no_method(notify.method); !why.empty())
    return run.fail("notify: " + why);
  if (const auto from = call.text(run, "from"); from && !from->empty()) {
    if (bare_address(*from)) {
      notify.from = *from;
    } else {
      run.doubt(fmt::format("notify: `:from` \"{}\" is no address and was left out", *from));
    }
  }
  if (const auto importance = call.text(run, "importance");
      importance && is_importance(*importance))
    notify.importance = *importance;
  if (const Arg* options = call.tag("options"))
    for (const std::string_view option : call.list(run, *options))
      if (is_option(option)) notify.options.emplace_back(option);
  notify.message = call.text(run, "message").value_or("");
  return run.act(call, {.what = std::move(notify), .keeps = true});
}

// Section 4: all of them.
bool holds_valid(Run& run, const Call& call) {
  return std::ranges::all_of(call.list(run, 0),
                             [](std::string_view uri) { return why_no_method(uri).empty(); });
}

// Section 5; RFC 5436 section 2.1.3: whether who gets mail is online is not known.
bool holds_capability(Run& run, const Call& call) {
  if (!why_no_method(call.text(run, 0)).empty()) return false;
  if (!equals_ignoring_case(call.text(run, 1), "online")) return false;
  Matcher matcher(run, call, 2);
  return matcher.value("maybe") || matcher.finish();
}

// Section 6: percent-encoded but for RFC 3986's unreserved ones; what does not fit is left out,
// with its whole character.
std::string encode_url(std::string_view text, std::size_t size_max) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = std::max<std::size_t>(1, utf8_length(text));
    std::string encoded;
    for (const char c : text.substr(0, size)) {
      const bool is_plain = (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                            c == '-' || c == '.' || c == '_' || c == '~';
      encoded +=
          is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    if (out.size() + encoded.size() > size_max) break;
    out += encoded;
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

Extension enotify() {
  return {.name = "enotify",
          .standard = "RFC 5435, RFC 5436",
          .commands = {{.name = "notify",
                        .arguments = {{"a method", Kind::string}},
                        .run = notify_command,
                        .check = check_notify}},
          .tests = {{.name = "valid_notify_method",
                     .arguments = {{"methods", Kind::list}},
                     .run = holds_valid},
                    {.name = "notify_method_capability",
                     .arguments = {{"a method", Kind::string},
                                   {"a capability", Kind::string},
                                   {"keys", Kind::list}},
                     .run = holds_capability,
                     .compares = TestRow::Compares::yes}},
          .tags = {{.of = "notify", .name = "from", .argument = Kind::string},
                   {.of = "notify", .name = "importance", .argument = Kind::string},
                   {.of = "notify", .name = "options", .argument = Kind::list},
                   {.of = "notify", .name = "message", .argument = Kind::string},
                   {.of = "set extracttext",
                    .name = "encodeurl",
                    .modify = encode_url,
                    .precedence = 15}},
          .limits = "4 notifications a message, 20 recipients each"};
}

}  // namespace posthorn::sieve::extension
