#include "managesieve/proto/command.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::managesieve {
namespace {

constexpr unsigned kBefore = static_cast<unsigned>(State::before_login);
constexpr unsigned kAfter = static_cast<unsigned>(State::after_login);

constexpr std::string_view kNoArgument = "This command takes no argument";
constexpr std::string_view kName = "The name of a script is needed, as a string";

constexpr CommandRule kRules[] = {
    {"AUTHENTICATE", Verb::authenticate, kBefore, Shape::string_and_optional_string,
     "AUTHENTICATE needs a mechanism, as a string"},
    {"CAPABILITY", Verb::capability, kBefore | kAfter, Shape::none, kNoArgument},
    {"CHECKSCRIPT", Verb::checkscript, kAfter, Shape::string, "A script is needed, as a string"},
    {"DELETESCRIPT", Verb::deletescript, kAfter, Shape::string, kName},
    {"GETSCRIPT", Verb::getscript, kAfter, Shape::string, kName},
    {"HAVESPACE", Verb::havespace, kAfter, Shape::string_and_number,
     "HAVESPACE needs the name of a script and a size below 4294967296"},
    {"LISTSCRIPTS", Verb::listscripts, kAfter, Shape::none, kNoArgument},
    {"LOGOUT", Verb::logout, kBefore | kAfter, Shape::none, kNoArgument},
    {"NOOP", Verb::noop, kBefore | kAfter, Shape::optional_string, "NOOP takes one string at most"},
    {"PUTSCRIPT", Verb::putscript, kAfter, Shape::two_strings,
     "PUTSCRIPT needs a name and a script, as strings"},
    {"RENAMESCRIPT", Verb::renamescript, kAfter, Shape::two_strings,
     "RENAMESCRIPT needs two names, as strings"},
    {"SETACTIVE", Verb::setactive, kAfter, Shape::string, kName},
    {"STARTTLS", Verb::starttls, kBefore, Shape::none, kNoArgument},
};

// A cursor over the arguments. Blanks before one and at the end are passed over.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }
  std::optional<std::string> string() {
    skip_blanks();
    if (rest_.starts_with('"')) return quoted();
    if (rest_.starts_with('{')) return literal();
    return std::nullopt;
  }
  // RFC 5804 section 4: an unsigned number of 32 bits.
  std::optional<std::uint32_t> number() {
    skip_blanks();
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  // Section 4, quoted: nothing but '"' and '\' is quoted by a '\', and no line ends in it.
  std::optional<std::string> quoted() {
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return is_utf8(out) ? std::optional(std::move(out)) : std::nullopt;
      }
      if (c == '\\') {
        if (++i == rest_.size()) break;
        c = rest_[i];
        if (c != '"' && c != '\\') break;
      }
      if (c == '\0' || c == '\r' || c == '\n') break;
      out += c;
    }
    return std::nullopt;
  }

  std::optional<std::string> literal() {
    const std::size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const auto size = find_literal_size(rest_.substr(0, end));
    if (!size || rest_.substr(1, end).find('{') != std::string_view::npos) return std::nullopt;
    const std::string_view bytes = rest_.substr(end + 2);
    if (*size > bytes.size()) return std::nullopt;
    std::string out(bytes.substr(0, static_cast<std::size_t>(*size)));
    rest_ = bytes.substr(out.size());
    return out;
  }

  std::string_view rest_;
};

bool take_strings(Cursor& cursor, std::size_t count, Command& command) {
  for (std::size_t i = 0; i < count; ++i) {
    auto text = cursor.string();
    if (!text) return false;
    command.strings.push_back(*std::move(text));
  }
  return true;
}

// false: the arguments do not fit.
bool take_arguments(Cursor& cursor, Shape shape, Command& command) {
  switch (shape) {
    case Shape::none:
      break;
    case Shape::string:
      if (!take_strings(cursor, 1, command)) return false;
      break;
    case Shape::optional_string:
      if (!cursor.at_end() && !take_strings(cursor, 1, command)) return false;
      break;
    case Shape::two_strings:
      if (!take_strings(cursor, 2, command)) return false;
      break;
    case Shape::string_and_optional_string:
      if (!take_strings(cursor, 1, command)) return false;
      if (!cursor.at_end() && !take_strings(cursor, 1, command)) return false;
      break;
    case Shape::string_and_number: {
      if (!take_strings(cursor, 1, command)) return false;
      const auto number = cursor.number();
      if (!number) return false;
      command.number = *number;
      break;
    }
  }
  return cursor.at_end();
}

}  // namespace

std::span<const CommandRule> command_rules() {
  return kRules;
}

std::expected<Command, Fault> parse_command(std::string_view text, State state) {
  const std::size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  const auto* rule = std::ranges::find_if(
      kRules, [&](const CommandRule& known) { return equals_ignoring_case(word, known.name); });
  if (rule == std::end(kRules)) return std::unexpected(Fault{"Unknown command"});
  if ((rule->states & static_cast<unsigned>(state)) == 0)
    return std::unexpected(
        Fault{state == State::before_login ? "Log in first" : "Not after the login"});
  Command command;
  command.verb = rule->verb;
  Cursor cursor(text.substr(std::min(blank, text.size())));
  if (!take_arguments(cursor, rule->shape, command)) return std::unexpected(Fault{rule->usage});
  return command;
}

std::optional<std::uint64_t> find_literal_size(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const std::size_t brace = line.rfind('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string_view digits = line.substr(brace + 1, line.size() - brace - 2);
  if (digits.ends_with('+')) digits.remove_suffix(1);
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  if (digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  return error == std::errc{} ? size : UINT64_MAX;
}

std::optional<std::string> parse_string(std::string_view text) {
  Cursor cursor(text);
  auto string = cursor.string();
  return string && cursor.at_end() ? string : std::nullopt;
}

}  // namespace posthorn::managesieve
