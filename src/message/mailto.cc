#include "message/mailto.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/mailbox_address.h"

namespace posthorn::message {
namespace {

using Parsed = std::expected<std::string, std::string>;

// RFC 6068 section 2: what stands for itself; the rest is percent-encoded.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~!$'()*+,:@/?").find(c) != std::string_view::npos;
}

// RFC 3986 section 2.1; UTF-8 then (RFC 6068 section 5).
Parsed decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto byte = to_number<unsigned>(digits, 16);
      if (!byte || digits.size() != 2)
        return std::unexpected(fmt::format("`%{}` is no encoded character", digits));
      out += static_cast<char>(*byte);
      i += 2;
    } else if (is_plain(text[i])) {
      out += text[i];
    } else {
      return std::unexpected(fmt::format("`{}` must be percent-encoded", text[i]));
    }
  }
  if (!is_utf8(out)) return std::unexpected(std::string("what is encoded is no UTF-8"));
  return out;
}

// Addresses with commas between, which are encoded too as Sieve's authors write them ("%2C").
std::optional<std::string> add_addresses(std::string_view text, std::vector<std::string>& into) {
  const Parsed list = decoded(text);
  if (!list) return list.error();
  std::string_view rest = *list;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view one = trim(rest.substr(0, comma), " \t");
    const auto address = parse_mailbox_address(one);
    if (!address || address->domain.empty()) return fmt::format("\"{}\" is no address", one);
    into.push_back(format_mailbox_address(*address));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return std::nullopt;
}

bool is_field_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F && c != ':'; });
}

std::optional<std::string> add_field(std::string_view field, Mailto& into) {
  const std::size_t equals = field.find('=');
  if (equals == std::string_view::npos)
    return fmt::format("`{}` has no `=` behind the name of a header field", field);
  const Parsed name = decoded(field.substr(0, equals));
  if (!name) return name.error();
  if (!is_field_name(*name)) return fmt::format("`{}` is no name of a header field", *name);
  const std::string key = to_lower(*name);
  const std::string_view written = field.substr(equals + 1);
  if (key == "to") return add_addresses(written, into.to);
  if (key == "cc") return add_addresses(written, into.cc);
  if (key == "bcc") return add_addresses(written, into.bcc);
  Parsed value = decoded(written);
  if (!value) return value.error();
  if (key == "subject") {
    into.subject = *std::move(value);
  } else if (key == "body") {
    into.body = *std::move(value);
  } else {
    into.fields.emplace_back(*name, *std::move(value));
  }
  return std::nullopt;
}

}  // namespace

std::expected<Mailto, std::string> parse_mailto(std::string_view uri) {
  constexpr std::string_view kScheme = "mailto:";
  if (!equals_ignoring_case(uri.substr(0, kScheme.size()), kScheme))
    return std::unexpected(std::string("it does not begin with mailto:"));
  uri = uri.substr(0, uri.find('#')).substr(kScheme.size());
  Mailto mailto;
  const std::size_t question = std::min(uri.find('?'), uri.size());
  if (auto why = add_addresses(uri.substr(0, question), mailto.to)) return std::unexpected(*why);
  uri.remove_prefix(std::min(question + 1, uri.size()));
  while (!uri.empty()) {
    const std::size_t end = std::min(uri.find('&'), uri.size());
    if (auto why = add_field(uri.substr(0, end), mailto)) return std::unexpected(*why);
    uri.remove_prefix(std::min(end + 1, uri.size()));
  }
  const std::size_t all = mailto.to.size() + mailto.cc.size() + mailto.bcc.size();
  if (all == 0) return std::unexpected(std::string("it names nobody"));
  if (all > kMailtoRecipientsMax)
    return std::unexpected(fmt::format("it names more than {}", kMailtoRecipientsMax));
  return mailto;
}

}  // namespace posthorn::message
