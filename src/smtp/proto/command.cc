#include "smtp/proto/command.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/idna.h"

namespace posthorn::smtp {
namespace {

struct Name {
  std::string_view text;
  Verb verb;
};
constexpr Name kVerbs[] = {
    {"EHLO", Verb::ehlo},         {"HELO", Verb::helo}, {"LHLO", Verb::lhlo},
    {"MAIL", Verb::mail},         {"RCPT", Verb::rcpt}, {"DATA", Verb::data},
    {"BDAT", Verb::bdat},         {"RSET", Verb::rset}, {"NOOP", Verb::noop},
    {"QUIT", Verb::quit},         {"VRFY", Verb::vrfy}, {"EXPN", Verb::expn},
    {"HELP", Verb::help},         {"AUTH", Verb::auth}, {"STARTTLS", Verb::starttls},
    {"XFORWARD", Verb::xforward},
};

Reply syntax(std::string text) {
  return Reply{501, "5.5.4", std::move(text)};
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// "FROM:<a@b> SIZE=3": the path between the angle brackets and the parameters behind it.
struct PathAndParameters {
  std::string_view path;
  std::vector<std::pair<std::string_view, std::string_view>> parameters;
};

std::expected<PathAndParameters, Reply> split_path(std::string_view argument,
                                                   std::string_view keyword) {
  if (argument.size() <= keyword.size() ||
      !equals_ignoring_case(argument.substr(0, keyword.size()), keyword))
    return std::unexpected(
        syntax(std::string("Syntax: ") +
               (keyword == "FROM:" ? "MAIL FROM:<address>" : "RCPT TO:<address>")));
  argument = trim(argument.substr(keyword.size()));  // lenient: a space after the colon
  if (argument.empty()) return std::unexpected(syntax("An address must follow"));
  // Old devices and programs leave the brackets out; Postfix takes it so (strict_rfc821_envelopes).
  const bool is_bare = !argument.starts_with('<');
  bool quoted = false;
  std::size_t end = is_bare ? 0 : 1;
  for (; end < argument.size(); ++end) {
    const char c = argument[end];
    if (quoted && c == '\\')
      ++end;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (is_bare ? is_blank(c) : c == '>'))
      break;
  }
  if (end >= argument.size() && !is_bare)
    return std::unexpected(syntax("The address needs < and > around it"));
  PathAndParameters result;
  result.path = is_bare ? argument.substr(0, end) : argument.substr(1, end - 1);
  std::string_view rest = argument.substr(std::min(end + (is_bare ? 0 : 1), argument.size()));
  if (!rest.empty() && !is_blank(rest.front()))
    return std::unexpected(syntax("A space must follow the address"));
  while (!(rest = trim(rest)).empty()) {
    const std::size_t space = rest.find_first_of(" \t");
    const std::string_view word = rest.substr(0, space);
    const std::size_t equal = word.find('=');
    result.parameters.emplace_back(word.substr(0, equal), equal == std::string_view::npos
                                                              ? std::string_view()
                                                              : word.substr(equal + 1));
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space);
  }
  return result;
}

// RFC 5321 section 4.1.1.3 and appendix C: a source route MUST be taken, and SHOULD be ignored;
// what counts is the address behind it. nullopt: it is none.
std::optional<std::string_view> without_route(std::string_view path) {
  if (!path.starts_with('@')) return path;
  for (std::size_t at = 0; at < path.size() && path[at] == '@';) {
    const std::size_t begin = at + 1;
    const bool is_literal = path.substr(begin).starts_with('[');
    if (is_literal) at = path.find(']', begin);
    at = at == std::string_view::npos ? at : path.find_first_of(",:", at);
    if (at == std::string_view::npos) break;
    if (!is_literal && !message::is_domain(path.substr(begin, at - begin))) break;
    if (path[at] == ':') return path.substr(at + 1);
    ++at;
  }
  return std::nullopt;
}

// The address of a path that is not empty, as everything behind this has it: no route, no final
// dot, the domain in ASCII (IDNA), quotes only where they are needed.
std::optional<std::string> address_of(std::string_view path, message::AddressCharset charset) {
  const auto final_path = without_route(trim(path, " "));
  if (!final_path) return std::nullopt;
  path = *final_path;
  auto address = message::parse_mailbox_address(path, charset);
  if (!address && path.ends_with('.')) {  // "far.test.": the name's root, as resolvers have it
    address = message::parse_mailbox_address(path.substr(0, path.size() - 1), charset);
    if (address && address->domain.empty()) return std::nullopt;
  }
  if (!address) return std::nullopt;
  if (!is_ascii(address->domain)) {
    // What it maps to is looked at again: there are letters that become < or @, and what becomes an
    // ASCII name altogether (fullwidth letters) is a homograph of it.
    const auto domain = message::ascii_domain(address->domain);
    if (!domain || domain->find("xn--") == std::string::npos ||
        !message::is_domain(*domain, message::AddressCharset::ascii))
      return std::nullopt;
    address->domain = *domain;
  }
  std::string text = format_mailbox_address(*address);
  if (text.size() > message::kAddressMax) return std::nullopt;
  return text;
}

}  // namespace

Reply unknown_parameter() {
  return Reply{555, "5.5.4", "Unsupported parameter"};
}

std::string_view to_string(Verb verb) {
  for (const Name& name : kVerbs)
    if (name.verb == verb) return name.text;
  return "?";
}

std::expected<Command, Reply> parse_command(std::string_view line) {
  const std::size_t space = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, space);
  for (const Name& name : kVerbs)
    if (equals_ignoring_case(word, name.text))
      return Command{name.verb,
                     std::string(space == std::string_view::npos ? std::string_view()
                                                                 : trim(line.substr(space)))};
  return std::unexpected(Reply{500, "5.5.2", "Command not recognized"});
}

std::expected<MailCommand, Reply> parse_mail(std::string_view argument) {
  const auto parts = split_path(argument, "FROM:");
  if (!parts) return std::unexpected(parts.error());
  MailCommand mail;
  for (const auto& [name, value] : parts->parameters) {
    if (equals_ignoring_case(name, "SIZE")) {
      const auto size = to_number<std::uint64_t>(value);
      if (!size) return std::unexpected(syntax("SIZE needs a number"));
      mail.size = *size;
    } else if (equals_ignoring_case(name, "BODY")) {
      if (!equals_ignoring_case(value, "7BIT") && !equals_ignoring_case(value, "8BITMIME"))
        return std::unexpected(syntax("BODY is 7BIT or 8BITMIME"));
      mail.eight_bit = equals_ignoring_case(value, "8BITMIME");
    } else if (equals_ignoring_case(name, "SMTPUTF8") && value.empty()) {
      mail.smtputf8 = true;
    } else if (equals_ignoring_case(name, "AUTH")) {
      const auto decoded = decode_xtext(value);
      if (!decoded) return std::unexpected(syntax("AUTH needs xtext"));
      mail.auth = *decoded;
    } else if (equals_ignoring_case(name, "XTOKEN")) {
      const auto decoded = decode_xtext(value);
      if (!decoded || decoded->empty()) return std::unexpected(syntax("XTOKEN needs xtext"));
      mail.token = *decoded;
    } else if (equals_ignoring_case(name, "RET")) {
      if (!equals_ignoring_case(value, "FULL") && !equals_ignoring_case(value, "HDRS"))
        return std::unexpected(syntax("RET is FULL or HDRS"));
      mail.ret = equals_ignoring_case(value, "FULL") ? message::Ret::full : message::Ret::headers;
    } else if (equals_ignoring_case(name, "ENVID")) {
      const auto decoded = decode_xtext(value);
      if (!decoded || decoded->size() > 100)
        return std::unexpected(syntax("ENVID needs xtext to 100 characters"));
      mail.envelope_id = *decoded;
    } else {
      return std::unexpected(unknown_parameter());
    }
  }
  if (parts->path.empty()) return mail;
  const auto charset =
      mail.smtputf8 ? message::AddressCharset::utf8 : message::AddressCharset::ascii;
  auto address = address_of(parts->path, charset);
  if (!address) return std::unexpected(Reply{553, "5.1.7", "The sender's address has a fault"});
  mail.sender = *std::move(address);
  return mail;
}

std::expected<RcptCommand, Reply> parse_rcpt(std::string_view argument,
                                             message::AddressCharset charset) {
  const auto parts = split_path(argument, "TO:");
  if (!parts) return std::unexpected(parts.error());
  RcptCommand rcpt;
  for (const auto& [name, value] : parts->parameters) {
    if (equals_ignoring_case(name, "NOTIFY")) {
      rcpt.notify = {.never = false, .success = false, .failure = false, .delay = false};
      std::string_view words = value;
      std::size_t count = 0;
      while (true) {
        const std::size_t comma = words.find(',');
        const std::string_view word = words.substr(0, comma);
        if (equals_ignoring_case(word, "NEVER"))
          rcpt.notify.never = true;
        else if (equals_ignoring_case(word, "SUCCESS"))
          rcpt.notify.success = true;
        else if (equals_ignoring_case(word, "FAILURE"))
          rcpt.notify.failure = true;
        else if (equals_ignoring_case(word, "DELAY"))
          rcpt.notify.delay = true;
        else
          return std::unexpected(syntax("NOTIFY is NEVER or a list of SUCCESS, FAILURE, DELAY"));
        ++count;
        if (comma == std::string_view::npos) break;
        words.remove_prefix(comma + 1);
      }
      // RFC 3461 section 4.1: NEVER stands alone.
      if (rcpt.notify.never && count > 1)
        return std::unexpected(syntax("NOTIFY=NEVER stands alone"));
    } else if (equals_ignoring_case(name, "ORCPT")) {
      const std::size_t semicolon = value.find(';');
      const auto decoded = semicolon == std::string_view::npos
                               ? std::nullopt
                               : decode_xtext(value.substr(semicolon + 1));
      // RFC 3461 section 4.2: the type is an atom; it stands in header lines further on.
      const bool is_atom =
          semicolon > 0 && std::ranges::all_of(value.substr(0, semicolon),
                                               [](char c) { return c > 0x20 && c < 0x7F; });
      if (!decoded || !is_atom || value.size() > 500)
        return std::unexpected(syntax("ORCPT needs type;xtext"));
      rcpt.original = std::string(value.substr(0, semicolon + 1)) + *decoded;
    } else if (equals_ignoring_case(name, "XNAMED")) {
      const auto decoded = decode_xtext(value);
      if (!decoded || decoded->empty()) return std::unexpected(syntax("XNAMED needs xtext"));
      rcpt.named = *decoded;
    } else {
      return std::unexpected(unknown_parameter());
    }
  }
  auto address = address_of(parts->path, charset);
  if (!address) return std::unexpected(Reply{553, "5.1.3", "The recipient's address has a fault"});
  rcpt.address = *std::move(address);
  return rcpt;
}

std::expected<BdatCommand, Reply> parse_bdat(std::string_view argument) {
  const std::size_t space = argument.find(' ');
  const auto size = to_number<std::uint64_t>(argument.substr(0, space));
  if (!size) return std::unexpected(syntax("Syntax: BDAT size [LAST]"));
  BdatCommand bdat{.size = *size};
  if (space != std::string_view::npos) {
    if (!equals_ignoring_case(trim(argument.substr(space)), "LAST"))
      return std::unexpected(syntax("Syntax: BDAT size [LAST]"));
    bdat.last = true;
  }
  return bdat;
}

std::expected<std::vector<std::pair<std::string, std::string>>, Reply> parse_xforward(
    std::string_view argument) {
  std::vector<std::pair<std::string, std::string>> attributes;
  while (!(argument = trim(argument)).empty()) {
    const std::size_t space = argument.find(' ');
    const std::string_view word = argument.substr(0, space);
    const std::size_t equal = word.find('=');
    const auto value =
        equal == std::string_view::npos ? std::nullopt : decode_xtext(word.substr(equal + 1));
    if (!value) return std::unexpected(syntax("Syntax: XFORWARD NAME=value"));
    attributes.emplace_back(word.substr(0, equal), *value == "[UNAVAILABLE]" ? "" : *value);
    argument.remove_prefix(space == std::string_view::npos ? argument.size() : space);
  }
  if (attributes.empty()) return std::unexpected(syntax("Syntax: XFORWARD NAME=value"));
  return attributes;
}

Reply queued_reply(std::string_view queue_id) {
  return {250, "2.0.0", "QUEUE=" + encode_xtext(queue_id)};
}

std::optional<std::string> find_queue_id(const Reply& reply) {
  if (!reply.is_done()) return std::nullopt;
  auto attributes = parse_xforward(reply.text);
  if (!attributes || attributes->front().first != "QUEUE") return std::nullopt;
  return std::move(attributes->front().second);
}

std::optional<std::string> decode_xtext(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '+') {
      if (static_cast<unsigned char>(text[i]) <= 0x20 || text[i] == 0x7F) return std::nullopt;
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
      return std::nullopt;
    const char c = static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    // A decoded line end or NUL could end a header line or a record further on.
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
    out += c;
    i += 2;
  }
  return out;
}

std::string encode_xtext(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u > 0x20 && u < 0x7F && c != '+' && c != '=') {
      out += c;
    } else {
      out += '+';
      out += kDigits[u >> 4U];
      out += kDigits[u & 15U];
    }
  }
  return out;
}

}  // namespace posthorn::smtp
