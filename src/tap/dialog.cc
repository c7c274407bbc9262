#include "tap/dialog.h"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <optional>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::tap {
namespace {

constexpr std::size_t kLineMax = 72 * 1024;  // IMAP's commands may be long
constexpr std::size_t kShownMax = 1000;
constexpr std::size_t kTagsMax = 64;
constexpr std::uint64_t kCountMax = 1ULL << 40U;

using Words = std::initializer_list<std::string_view>;

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return upper;
}

bool is_one_of(std::string_view word, Words words) {
  return std::ranges::find(words, word) != words.end();
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find(' '));
}

// The name of a mechanism, if it is one: a password in its place is none.
std::string mechanism_of(std::string_view arguments) {
  const std::string word = to_upper(first_word(arguments));
  const bool is_known =
      is_one_of(word, {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL", "ANONYMOUS",
                       "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256", "GSSAPI", "NTLM"});
  return is_known ? word : "[hidden]";
}

// What proves a login, between edge and the queue.
std::string without_token(std::string_view line) {
  constexpr std::string_view kParameter = " XTOKEN=";
  const std::size_t at = to_upper(line).find(kParameter);
  if (at == std::string::npos) return std::string(line);
  const std::size_t value = at + kParameter.size();
  const std::size_t end = std::min(line.find(' ', value), line.size());
  return std::string(line.substr(0, value)) + "[hidden]" + std::string(line.substr(end));
}

std::optional<std::uint64_t> to_count(std::string_view digits) {
  const auto value = to_number<std::uint64_t>(digits);
  return value && *value <= kCountMax ? value : std::nullopt;
}

struct LiteralMark {
  std::uint64_t size = 0;
  bool waits = false;
};

// "{12}" or "{12+}" at the end of a line (RFC 7888), also as literal8 (RFC 3516).
std::optional<LiteralMark> literal_mark(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const std::size_t open = line.rfind('{');
  if (open == std::string_view::npos) return std::nullopt;
  std::string_view digits = line.substr(open + 1, line.size() - open - 2);
  const bool waits = !digits.ends_with('+') && !digits.ends_with('-');
  if (!waits) digits.remove_suffix(1);
  const auto size = to_count(digits);
  if (!size) return std::nullopt;
  return LiteralMark{*size, waits};
}

// 0: a terminal must not be shown it.
std::size_t printable_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x20 || first == 0x7F || is_c1_control(text)) return 0;
  // U+2028 to U+202E: line ends, and marks that turn the direction of what follows.
  if (text.starts_with("\xE2\x80") && text.size() > 2 && text[2] >= '\xA8' && text[2] <= '\xAE')
    return 0;
  return utf8_length(text);
}

}  // namespace

std::string make_printable(std::string_view text) {
  std::string out;
  const std::size_t more = text.size() > kShownMax ? text.size() - kShownMax : 0;
  text = text.substr(0, kShownMax);
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t n = printable_length(text.substr(i));
    if (n == 0)
      out += fmt::format("\\x{:02X}", c);
    else
      out += text.substr(i, n);
    i += std::max<std::size_t>(n, 1);
  }
  if (more > 0) out += fmt::format(" [{} bytes more]", more);
  return out;
}

void Dialog::show(From from, std::string_view line, std::vector<Line>& out) {
  out.push_back({from, Line::Kind::text, make_printable(line)});
}

void Dialog::hide(std::string_view what, std::vector<Line>& out) {
  out.push_back({From::client, Line::Kind::text, fmt::format("[{}]", what)});
}

void Dialog::feed(From from, std::string_view bytes, std::vector<Line>& out) {
  if (from == From::server) return take_server(bytes, out);
  server_in_step_ = true;
  if (state_ == State::awaiting_go) {
    // All that was said before has its answer by now, and "go on" was not among them.
    // A literal that no client waited for may be a password all the same: then nothing is shown up
    // to the next verdict.
    state_ = is_secret_ ? State::sasl : State::command;
    sasl_tag_.clear();
    in_command_ = is_secret_ = false;
    const std::string held = std::exchange(held_, {});
    take_client(held, out);
  }
  take_client(bytes, out);
}

void Dialog::take_client(std::string_view bytes, std::vector<Line>& out) {
  while (!bytes.empty()) {
    if (state_ == State::counted) {
      const std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(body_.left, bytes.size()));
      count_body(From::client, bytes.substr(0, n), body_, out);
      bytes.remove_prefix(n);
      if (body_.left == 0) {
        end_body(From::client, body_, out);
        state_ = State::command;
      }
      continue;
    }
    if (state_ == State::awaiting_go) {
      held_ += bytes;
      return;
    }
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (client_.size() + piece.size() > kLineMax) {
      client_skips_ = true;
      client_.clear();
    }
    if (!client_skips_) client_ += piece;
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    if (std::exchange(client_skips_, false)) {
      // What it was, and where it ends, is not known.
      client_.clear();
      hide("a line too long to be looked at", out);
      begin_ = Begin::in_the_middle;
      if (state_ != State::body) state_ = State::out_of_step;
      continue;
    }
    const std::string line = std::exchange(client_, {});
    client_line(line, out);
  }
}

// line ends before its LF.
void Dialog::client_line(std::string_view line, std::vector<Line>& out) {
  const bool has_cr = line.ends_with('\r');
  const std::size_t size = line.size() + 1;
  if (has_cr) line.remove_suffix(1);
  switch (state_) {
    case State::out_of_step:
      return hide(fmt::format("{} bytes, not in step yet", size), out);
    case State::sasl:
      return hide("hidden", out);
    case State::body:
      if (line == "." && has_cr) {
        end_body(From::client, body_, out);
        state_ = State::command;
        return;
      }
      body_.all += size;
      out.push_back({From::client, Line::Kind::body, make_printable(line)});
      return;
    case State::command:
    case State::awaiting_go:
    case State::counted:
      break;
  }
  if (protocol_ == Protocol::smtp) return smtp_command(line, out);
  if (protocol_ == Protocol::imap) return imap_line(line, out);
  if (protocol_ == Protocol::managesieve) return managesieve_line(line, out);
  pop3_command(line, out);
}

void Dialog::smtp_command(std::string_view line, std::vector<Line>& out) {
  const std::string verb = to_upper(first_word(line));
  const std::string_view rest = line.substr(std::min(line.size(), verb.size() + 1));
  if (verb == "AUTH") {
    const bool has_more = rest.find(' ') != std::string_view::npos;
    show(From::client, fmt::format("AUTH {}{}", mechanism_of(rest), has_more ? " [hidden]" : ""),
         out);
    state_ = State::sasl;
    return;
  }
  if (is_one_of(verb, {"DATA", "RSET", "NOOP", "QUIT", "STARTTLS", "HELP"})) {
    show(From::client, verb, out);  // without what may stand behind it
    if (verb == "DATA") state_ = State::awaiting_go;
    return;
  }
  if (verb == "BDAT") {
    show(From::client, line, out);
    // The chunk follows whatever the answer is (RFC 3030 section 2).
    if (const auto size = to_count(first_word(rest)); size && *size > 0) {
      body_ = {.left = *size, .all = 0, .is_hidden = false, .line = {}};
      state_ = State::counted;
    }
    return;
  }
  if (verb == "MAIL") return show(From::client, without_token(line), out);
  if (is_one_of(verb, {"EHLO", "HELO", "LHLO", "RCPT", "VRFY", "EXPN", "XFORWARD"}))
    return show(From::client, line, out);
  hide(fmt::format("{} bytes that are no command", line.size()), out);
}

void Dialog::imap_line(std::string_view line, std::vector<Line>& out) {
  const auto mark = literal_mark(line);
  if (!in_command_) {
    const std::string_view tag = first_word(line);
    const std::string_view rest = line.substr(std::min(line.size(), tag.size() + 1));
    const std::string verb = to_upper(first_word(rest));
    is_secret_ = false;
    if (verb == "AUTHENTICATE") {
      const std::string_view more = rest.substr(std::min(rest.size(), verb.size() + 1));
      show(From::client,
           fmt::format("{} AUTHENTICATE {}{}", tag, mechanism_of(more),
                       more.find(' ') != std::string_view::npos ? " [hidden]" : ""),
           out);
      remember_tag(tag);
      sasl_tag_ = tag;
      state_ = State::sasl;
      return;
    }
    if (verb == "LOGIN") {
      show(From::client, fmt::format("{} LOGIN [hidden]", tag), out);
      remember_tag(tag);
      is_secret_ = true;
    } else if (is_one_of(verb, {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "CHECK", "CLOSE",
                                "UNSELECT", "IDLE"})) {
      show(From::client, fmt::format("{} {}", tag, verb), out);
      remember_tag(tag);
    } else if (is_one_of(verb, {"ID",       "ENABLE", "SELECT",      "EXAMINE",     "CREATE",
                                "DELETE",   "RENAME", "SUBSCRIBE",   "UNSUBSCRIBE", "LIST",
                                "LSUB",     "STATUS", "APPEND",      "EXPUNGE",     "SEARCH",
                                "FETCH",    "STORE",  "COPY",        "MOVE",        "UID",
                                "SORT",     "THREAD", "NAMESPACE",   "GETQUOTA",    "GETQUOTAROOT",
                                "COMPRESS", "NOTIFY", "GETMETADATA", "SETMETADATA", "XLIST"})) {
      show(From::client, line, out);
      remember_tag(tag);
    } else if (to_upper(line) == "DONE") {  // of IDLE
      show(From::client, "DONE", out);
    } else {
      hide(fmt::format("{} bytes that are no command", line.size()), out);
      is_secret_ = true;  // and so are its literals
    }
  } else if (!is_secret_ && !line.empty()) {
    show(From::client, line, out);
  }
  in_command_ = mark.has_value();
  if (!mark) {
    is_secret_ = false;
    return;
  }
  body_ = {.left = mark->size, .all = 0, .is_hidden = is_secret_, .line = {}};
  if (mark->waits)
    state_ = State::awaiting_go;
  else if (mark->size > 0)
    state_ = State::counted;
}

void Dialog::pop3_command(std::string_view line, std::vector<Line>& out) {
  const std::string verb = to_upper(first_word(line));
  const std::string_view rest = line.substr(std::min(line.size(), verb.size() + 1));
  commands_.push_back(rest.empty() || verb == "TOP" || verb == "RETR" ? verb : "");
  if (commands_.size() > kTagsMax) commands_.pop_front();
  if (verb == "PASS" || verb == "APOP") return show(From::client, verb + " [hidden]", out);
  if (verb == "AUTH") {
    if (rest.empty()) return show(From::client, verb, out);  // RFC 5034 section 4: a list
    commands_.back().clear();
    const bool has_more = rest.find(' ') != std::string_view::npos;
    show(From::client, fmt::format("AUTH {}{}", mechanism_of(rest), has_more ? " [hidden]" : ""),
         out);
    state_ = State::sasl;
    return;
  }
  if (is_one_of(verb, {"CAPA", "STAT", "NOOP", "RSET", "QUIT", "STLS", "UTF8"}))
    return show(From::client, verb, out);
  if (is_one_of(verb, {"USER", "LIST", "RETR", "DELE", "TOP", "UIDL", "LANG"}))
    return show(From::client, line, out);
  hide(fmt::format("{} bytes that are no command", line.size()), out);
}

// RFC 5804 section 4: a literal follows without being asked for, whatever its mark says.
void Dialog::managesieve_line(std::string_view line, std::vector<Line>& out) {
  const auto mark = literal_mark(line);
  if (!in_command_) {
    const std::string verb = to_upper(first_word(line));
    is_secret_ = false;
    if (verb == "AUTHENTICATE") {
      const std::string_view quoted = line.substr(std::min(line.find('"'), line.size() - 1) + 1);
      const std::string mechanism = mechanism_of(quoted.substr(0, quoted.find('"')));
      show(From::client, fmt::format("AUTHENTICATE {} [hidden]", mechanism), out);
      state_ = State::sasl;
      return;
    }
    if (is_one_of(verb, {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "LISTSCRIPTS"})) {
      show(From::client, verb, out);
      is_secret_ = true;  // what NOOP is given
    } else if (is_one_of(verb, {"HAVESPACE", "PUTSCRIPT", "CHECKSCRIPT", "SETACTIVE", "GETSCRIPT",
                                "DELETESCRIPT", "RENAMESCRIPT"})) {
      show(From::client, line, out);
    } else {
      hide(fmt::format("{} bytes that are no command", line.size()), out);
      is_secret_ = true;
    }
  } else if (!is_secret_ && !line.empty()) {
    show(From::client, line, out);
  }
  in_command_ = mark.has_value();
  if (!mark) return;
  body_ = {.left = mark->size, .all = 0, .is_hidden = is_secret_, .line = {}};
  if (mark->size > 0) state_ = State::counted;
}

void Dialog::take_server(std::string_view bytes, std::vector<Line>& out) {
  while (!bytes.empty()) {
    if (literal_.left > 0) {
      const std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(literal_.left, bytes.size()));
      count_body(From::server, bytes.substr(0, n), literal_, out);
      bytes.remove_prefix(n);
      if (literal_.left == 0) end_body(From::server, literal_, out);
      continue;
    }
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (server_.size() + piece.size() > kLineMax) {
      server_skips_ = true;
      server_ = server_.substr(0, kShownMax);
    }
    if (!server_skips_) server_ += piece;
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    server_skips_ = false;
    std::string line = std::exchange(server_, {});
    if (line.ends_with('\r')) line.pop_back();
    server_line(line, out);
  }
}

void Dialog::server_line(std::string_view line, std::vector<Line>& out) {
  if (protocol_ == Protocol::smtp) return smtp_reply(line, out);
  if (protocol_ == Protocol::imap) return imap_response(line, out);
  if (protocol_ == Protocol::managesieve) return managesieve_response(line, out);
  pop3_response(line, out);
}

void Dialog::smtp_reply(std::string_view line, std::vector<Line>& out) {
  show(From::server, line, out);
  const bool is_final = line.size() >= 3 && line.find_first_not_of("0123456789") >= 3 &&
                        (line.size() == 3 || line[3] == ' ');
  if (!is_final) return;
  const std::string_view code = line.substr(0, 3);
  if (code == "334") {
    if (state_ == State::command || state_ == State::out_of_step) state_ = State::sasl;
  } else if (code == "354") {
    if (state_ == State::out_of_step) state_ = State::awaiting_go;
    if (state_ == State::awaiting_go) go(out);
  } else if (state_ == State::sasl || state_ == State::out_of_step) {
    state_ = State::command;
  }
}

void Dialog::imap_response(std::string_view line, std::vector<Line>& out) {
  if (!server_in_step_)
    return out.push_back({From::server, Line::Kind::text,
                          fmt::format("[{} bytes, not in step yet]", line.size() + 2)});
  const bool is_plus = line.starts_with('+');
  const bool is_untagged = line.starts_with("* ");
  const std::string_view tag = first_word(line);
  const std::string_view rest = line.substr(std::min(line.size(), tag.size() + 1));
  const std::string word = to_upper(first_word(rest));
  const bool is_done = !is_plus && !is_untagged && is_one_of(word, {"OK", "NO", "BAD"});
  // A tag that was not shown may be a secret that came where a command should have been.
  if (is_done && std::ranges::find(tags_, tag) == tags_.end())
    show(From::server, fmt::format("[tag] {}", rest), out);
  else
    show(From::server, line, out);
  if (const auto mark = literal_mark(line); mark && mark->size > 0)
    literal_ = {.left = mark->size, .all = 0, .is_hidden = false, .line = {}};
  if (is_plus) {
    if (state_ == State::awaiting_go) return go(out);
    if (state_ == State::command && !in_command_) {
      // IDLE, or an exchange whose beginning was not seen.
      if (!logged_in_ && begin_ == Begin::in_the_middle) state_ = State::out_of_step;
    }
    return;
  }
  if (!is_done) return;
  if (state_ == State::sasl && (sasl_tag_.empty() || tag == sasl_tag_)) state_ = State::command;
  if (state_ == State::out_of_step && logged_in_) state_ = State::command;
}

void Dialog::pop3_response(std::string_view line, std::vector<Line>& out) {
  if (in_server_body_ || in_server_list_) {
    if (line == ".") {
      if (in_server_body_) end_body(From::server, literal_, out);
      in_server_body_ = in_server_list_ = false;
    } else if (in_server_body_) {
      literal_.all += line.size() + 2;
      out.push_back({From::server, Line::Kind::body, make_printable(line)});
    } else {
      show(From::server, line, out);
    }
    return;
  }
  show(From::server, line, out);
  const bool is_ok = line.starts_with("+OK");
  if (!is_ok && !line.starts_with("-ERR")) return;  // a challenge
  if (state_ == State::sasl) state_ = State::command;
  if (state_ == State::out_of_step && logged_in_) state_ = State::command;
  if (commands_.empty()) return;
  const std::string verb = commands_.front();
  commands_.pop_front();
  if (!is_ok) return;
  in_server_body_ = verb == "RETR" || verb == "TOP";
  in_server_list_ = is_one_of(verb, {"LIST", "UIDL", "CAPA", "AUTH"});
  if (in_server_body_) literal_ = {};
}

void Dialog::managesieve_response(std::string_view line, std::vector<Line>& out) {
  // What NOOP was given comes back; the rest of a line whose beginning was not seen may be that.
  const bool is_verdict = is_one_of(first_word(line), {"OK", "NO", "BYE"});
  if (state_ == State::out_of_step && !is_verdict)
    return out.push_back({From::server, Line::Kind::text,
                          fmt::format("[{} bytes, not in step yet]", line.size() + 2)});
  const bool is_tagged = line.starts_with("OK (TAG ");
  show(From::server, is_tagged ? "OK (TAG [hidden])" : line, out);
  if (const auto mark = literal_mark(line); mark && mark->size > 0)
    literal_ = {.left = mark->size, .all = 0, .is_hidden = is_tagged, .line = {}};
  if (!is_verdict) return;
  if (state_ == State::sasl) state_ = State::command;
  if (state_ == State::out_of_step && logged_in_) state_ = State::command;
}

// The server has said "go on": the message or the literal follows.
void Dialog::go(std::vector<Line>& out) {
  if (protocol_ == Protocol::smtp) {
    body_ = {};
    state_ = State::body;
  } else {
    state_ = body_.left > 0 ? State::counted : State::command;
  }
  const std::string held = std::exchange(held_, {});
  take_client(held, out);
}

void Dialog::count_body(From from, std::string_view bytes, Count& count, std::vector<Line>& out) {
  count.left -= bytes.size();
  count.all += bytes.size();
  if (count.is_hidden) return;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (count.line.size() <= kShownMax) count.line += piece;
    if (end == std::string_view::npos) return;
    if (count.line.ends_with('\r')) count.line.pop_back();
    out.push_back({from, Line::Kind::body, make_printable(std::exchange(count.line, {}))});
    bytes.remove_prefix(end + 1);
  }
}

void Dialog::end_body(From from, Count& count, std::vector<Line>& out) {
  if (!count.is_hidden) {
    if (!count.line.empty()) out.push_back({from, Line::Kind::body, make_printable(count.line)});
    out.push_back({from, Line::Kind::summary, fmt::format("[{} bytes]", count.all)});
  }
  count = {};
}

void Dialog::remember_tag(std::string_view tag) {
  tags_.emplace_back(tag);
  if (tags_.size() > kTagsMax) tags_.pop_front();
}

}  // namespace posthorn::tap
