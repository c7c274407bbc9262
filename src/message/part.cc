#include "message/part.h"

#include <algorithm>
#include <functional>
#include <span>
#include <tuple>
#include <utility>

#include "message/charset.h"
#include "message/headers.h"
#include "message/mailbox_address.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kDepthMax = 100;
constexpr std::size_t kPartsMax = 10'000;
constexpr std::size_t kParametersMax = 100;

constexpr std::size_t kDelimitersMax = 1'000'000;

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

std::string_view trim_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

// Made in one pass over the text, so that no level of nesting has to read it again: how many lines
// stand before each block of it, and the lines that begin with two hyphens, by what they say: each
// multipart looks only at those that are its boundary. Beyond a million such lines, what follows
// holds no boundary.
class Lines {
 public:
  struct Delimiter {
    std::size_t hash = 0;  // of the line without the white space at its end
    std::size_t begin = 0;
    std::size_t end = 0;  // with the line end
  };

  explicit Lines(std::string_view text) : text_(text) {
    std::size_t lines = 0;
    for (std::size_t at = 0; at < text.size(); at += kBlock) {
      before_.push_back(lines);
      lines += count_lines(text.substr(at, kBlock));
    }
    before_.push_back(lines);
    std::size_t at = text.starts_with("--") ? 0 : next(0);
    for (; at != std::string_view::npos && found_.size() < kDelimitersMax; at = next(at)) {
      const std::size_t lf = text.find('\n', at);
      const std::size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
      found_.push_back({hash(trim_end(text.substr(at, end - at))), at, end});
    }
    std::ranges::sort(found_, {}, place);
  }

  std::size_t count(std::size_t begin, std::size_t end) const {
    return count_before(end) - count_before(begin);
  }
  // The lines in [begin, end) that say this, in their order; of another text only if the hashes
  // are the same.
  std::span<const Delimiter> delimiters(std::string_view text, std::size_t begin,
                                        std::size_t end) const {
    const std::size_t hashed = hash(text);
    const auto first = std::ranges::lower_bound(found_, std::pair(hashed, begin), {}, place);
    return {first,
            std::ranges::lower_bound(first, found_.end(), std::pair(hashed, end), {}, place)};
  }

 private:
  static constexpr std::size_t kBlock = 1024;

  static std::size_t hash(std::string_view text) { return std::hash<std::string_view>()(text); }
  static std::pair<std::size_t, std::size_t> place(const Delimiter& line) {
    return {line.hash, line.begin};
  }
  std::size_t next(std::size_t at) const {
    const std::size_t lf = text_.find("\n--", at);
    return lf == std::string_view::npos ? lf : lf + 1;
  }
  std::size_t count_before(std::size_t at) const {
    return before_[at / kBlock] + count_lines(text_.substr(at / kBlock * kBlock, at % kBlock));
  }

  std::string_view text_;
  std::vector<std::size_t> before_;
  std::vector<Delimiter> found_;
};

// Skips white space and comments.
void skip(std::string_view text, std::size_t& at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '(')
      ++depth;
    else if (c == ')' && depth > 0)
      --depth;
    else if (c == '\\' && depth > 0 && at + 1 < text.size())
      ++at;
    else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
      return;
    ++at;
  }
}

std::string read_token(std::string_view text, std::size_t& at, std::string_view stop) {
  std::string token;
  while (at < text.size() && static_cast<unsigned char>(text[at]) > 0x20 &&
         stop.find(text[at]) == std::string_view::npos)
    token += text[at++];
  return token;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lines_(text) {}

  Part parse(std::size_t begin, std::size_t end, std::size_t depth, bool in_digest) {
    ++parts_;
    Part part;
    part.header_begin = begin;
    part.body_end = end;
    const auto header_end = find_header_end(text_.substr(begin, end - begin), Input::whole);
    part.body_begin = begin + header_end->body_begin;
    read_header(part, Headers(text_.substr(begin, header_end->header_size)), in_digest);
    part.lines = lines_.count(part.body_begin, end);
    if (depth >= kDepthMax || parts_ >= kPartsMax) return part;
    if (part.type == "multipart") parse_multipart(part, depth);
    // RFC 2045 section 6.4 forbids an encoding here; one that is there all the same is not undone,
    // as Dovecot does it: every place of a part is a place in the text.
    if (part.type == "message" && part.subtype == "rfc822")
      part.children.push_back(parse(part.body_begin, end, depth + 1, false));
    return part;
  }

 private:
  void read_header(Part& part, const Headers& headers, bool in_digest) {
    if (in_digest) {  // RFC 2046 section 5.1.5
      part.type = "message";
      part.subtype = "rfc822";
    }
    if (const auto value = headers.find("Content-Type")) {
      ParameterizedValue parsed = parse_parameterized(*value);
      const std::size_t slash = parsed.value.find('/');
      if (slash != std::string::npos && slash > 0 && slash + 1 < parsed.value.size()) {
        part.type = to_lower(parsed.value.substr(0, slash));
        part.subtype = to_lower(parsed.value.substr(slash + 1));
        part.parameters = std::move(parsed.parameters);
      }
    }
    part.id = headers.find("Content-ID");
    part.description = headers.find("Content-Description");
    part.md5 = headers.find("Content-MD5");
    part.location = headers.find("Content-Location");
    if (const auto value = headers.find("Content-Transfer-Encoding")) {
      std::size_t at = 0;
      skip(*value, at);
      if (const std::string token = read_token(*value, at, ";("); !token.empty())
        part.encoding = to_lower(token);
    }
    if (const auto value = headers.find("Content-Disposition")) {
      ParameterizedValue parsed = parse_parameterized(*value);
      if (!parsed.value.empty()) {
        part.disposition = parsed.value;
        part.disposition_parameters = std::move(parsed.parameters);
      }
    }
    if (const auto value = headers.find("Content-Language")) {
      std::size_t at = 0;
      while (at < value->size() && part.languages.size() < 50) {
        skip(*value, at);
        if (const std::string token = read_token(*value, at, ",;("); !token.empty())
          part.languages.push_back(token);
        else
          ++at;
      }
    }
  }

  void parse_multipart(Part& part, std::size_t depth) {
    const auto named = std::ranges::find_if(part.parameters, [](const auto& parameter) {
      return equals_ignoring_case(parameter.first, "boundary");
    });
    if (named == part.parameters.end() || named->second.empty()) return;
    const std::string boundary(trim_end("--" + named->second));
    const auto [close, is_closed] = find_close(part, boundary + "--");
    std::size_t child = std::string_view::npos;  // where the open child begins
    const auto end_child = [&](std::size_t end) {
      if (child <= end)
        part.children.push_back(parse(child, end, depth + 1, part.subtype == "digest"));
    };
    for (const Lines::Delimiter& line : lines_.delimiters(boundary, part.body_begin, close)) {
      if (parts_ >= kPartsMax) return end_child(part.body_end);
      if (!is_line(line, boundary)) continue;
      end_child(end_before(line.begin, child));
      child = std::min(line.end, part.body_end);
    }
    end_child(is_closed ? end_before(close, child) : part.body_end);
  }

  // RFC 2046 section 5.1.1: only white space may follow; a longer boundary is another one.
  bool is_line(const Lines::Delimiter& line, std::string_view text) const {
    return trim_end(text_.substr(line.begin, line.end - line.begin)) == text;
  }
  std::pair<std::size_t, bool> find_close(const Part& part, std::string_view last) const {
    for (const Lines::Delimiter& line : lines_.delimiters(last, part.body_begin, part.body_end))
      if (is_line(line, last)) return {line.begin, true};
    return {part.body_end, false};
  }
  // The CRLF before a boundary belongs to it.
  std::size_t end_before(std::size_t boundary, std::size_t begin) const {
    std::size_t end = boundary;
    if (end > begin && text_[end - 1] == '\n') --end;
    if (end > begin && text_[end - 1] == '\r') --end;
    return end;
  }

  std::string_view text_;
  Lines lines_;
  std::size_t parts_ = 0;
};

int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

// RFC 2045 section 6.7: a line that ends in "=" goes on; blanks behind it were put there on the
// way. The place behind the line end; 0: no line ends here.
std::size_t end_of_soft_break(std::string_view body, std::size_t at) {
  const std::size_t limit = std::min(body.size(), at + 76);
  while (at < limit && (body[at] == ' ' || body[at] == '\t')) ++at;
  if (at < body.size() && body[at] == '\r') return at + (body.substr(at, 2) == "\r\n" ? 2 : 1);
  return at < body.size() && body[at] == '\n' ? at + 1 : 0;
}

std::string decode_quoted(std::string_view body, bool underscore) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '_' && underscore) {
      out += ' ';
    } else if (body[i] != '=') {
      out += body[i];
    } else if (i + 2 < body.size() && hex(body[i + 1]) >= 0 && hex(body[i + 2]) >= 0) {
      out += static_cast<char>(hex(body[i + 1]) * 16 + hex(body[i + 2]));
      i += 2;
    } else if (const std::size_t end = end_of_soft_break(body, i + 1); end > 0) {
      i = end - 1;
    } else {
      out += '=';
    }
  }
  return out;
}

std::string decode_base64_loosely(std::string_view body) {
  std::string out;
  unsigned group = 0;
  int bits = 0;
  for (const char c : body) {
    int value = -1;
    if (c >= 'A' && c <= 'Z')
      value = c - 'A';
    else if (c >= 'a' && c <= 'z')
      value = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
      value = c - '0' + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else if (c == '=')
      break;
    if (value < 0) continue;
    group = (group << 6U | static_cast<unsigned>(value)) & 0xFFFFFFU;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(group >> bits & 0xFFU);
    }
  }
  return out;
}

// RFC 2231 section 3: "filename*0", "filename*1*": the parts of a value that was too long for a
// line; a star at the end says that the part is percent-encoded.
struct Continuation {
  std::string name;
  std::size_t number = 0;
  bool is_encoded = false;
  std::size_t parameter = 0;  // where it stands
};

std::optional<Continuation> parse_continuation(std::string_view name, std::size_t parameter) {
  Continuation found{{}, 0, name.ends_with('*'), parameter};
  if (found.is_encoded) name.remove_suffix(1);
  const std::size_t star = name.rfind('*');
  if (star == std::string_view::npos || star == 0 || name.size() - star > 6) return std::nullopt;
  for (const char c : name.substr(star + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    found.number = found.number * 10 + static_cast<std::size_t>(c - '0');
  }
  found.name = name.substr(0, star);
  return found;
}

// The parts of one value, in their order. Where one of them is encoded, all become so.
std::pair<std::string, std::string> joined(std::span<const Continuation> parts,
                                           const Parameters& parameters) {
  const bool is_encoded = std::ranges::any_of(parts, &Continuation::is_encoded);
  std::string value = is_encoded && !parts.front().is_encoded ? "''" : "";
  for (const Continuation& part : parts) {
    for (const char c : parameters[part.parameter].second) {
      if (is_encoded && !part.is_encoded && (c == '%' || c == '\''))
        value += c == '%' ? "%25" : "%27";
      else
        value += c;
    }
  }
  return {parts.front().name + (is_encoded ? "*" : ""), value};
}

// As Dovecot tells them: what is whole in its place, then what was joined; parts with a hole or
// twice the same number stay as they are.
void join_continuations(Parameters& parameters) {
  std::vector<Continuation> parts;
  Parameters out;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (auto part = parse_continuation(parameters[i].first, i))
      parts.push_back(*std::move(part));
    else
      out.push_back(parameters[i]);
  }
  if (parts.empty()) return;
  std::ranges::sort(parts, {}, [](const Continuation& part) {
    return std::tuple(to_lower(part.name), part.number, part.parameter);
  });
  for (std::size_t begin = 0, end = 0; begin < parts.size(); begin = end) {
    bool is_whole = true;
    for (; end < parts.size() && equals_ignoring_case(parts[end].name, parts[begin].name); ++end)
      is_whole = is_whole && parts[end].number == end - begin;
    const auto these = std::span(parts).subspan(begin, end - begin);
    if (is_whole)
      out.push_back(joined(these, parameters));
    else
      for (const Continuation& part : these) out.push_back(parameters[part.parameter]);
  }
  parameters = std::move(out);
}

}  // namespace

Part parse_parts(std::string_view wire_text) {
  return Parser(wire_text).parse(0, wire_text.size(), 0, false);
}

ParameterizedValue parse_parameterized(std::string_view text) {
  ParameterizedValue parsed;
  std::size_t at = 0;
  skip(text, at);
  parsed.value = read_token(text, at, ";(");
  while (at < text.size() && parsed.parameters.size() < kParametersMax) {
    while (at < text.size() && text[at] != ';') ++at;
    if (at == text.size()) break;
    ++at;
    skip(text, at);
    const std::string name = read_token(text, at, "=;(");
    skip(text, at);
    if (name.empty() || at == text.size() || text[at] != '=') continue;
    ++at;
    skip(text, at);
    std::string value;
    if (at < text.size() && text[at] == '"') {
      ++at;
      while (at < text.size() && text[at] != '"') {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at++];
      }
      if (at < text.size()) ++at;
    } else {
      value = read_token(text, at, ";(");
    }
    parsed.parameters.emplace_back(name, value);
  }
  join_continuations(parsed.parameters);
  return parsed;
}

std::string decode_transfer(std::string_view body, std::string_view encoding) {
  if (encoding == "base64") return decode_base64_loosely(body);
  if (encoding == "quoted-printable") return decode_quoted(body, false);
  return std::string(body);
}

namespace {

// "=?charset?B?text?=", at the front of text.
struct EncodedWord {
  std::string_view charset, text;
  bool is_base64 = false;
  std::size_t size = 0;
};

// close: where the next "?=" stands, kept between calls so that a text of openings without an end
// costs one search. A stray "?" inside is forgiven.
std::optional<EncodedWord> read_encoded_word(std::string_view text, std::size_t begin,
                                             std::size_t& close) {
  const std::size_t charset_end = text.find('?', begin + 2);
  if (charset_end == std::string_view::npos || charset_end - begin - 2 > kCharsetNameMax ||
      charset_end + 3 > text.size() || text[charset_end + 2] != '?')
    return std::nullopt;
  const char kind = text[charset_end + 1];
  const bool is_base64 = kind == 'B' || kind == 'b';
  if (!is_base64 && kind != 'Q' && kind != 'q') return std::nullopt;
  const std::size_t inner = charset_end + 3;
  if (close < inner) close = text.find("?=", inner);
  if (close == std::string_view::npos) return std::nullopt;
  return EncodedWord{text.substr(begin + 2, charset_end - begin - 2),
                     text.substr(inner, close - inner), is_base64, close + 2 - begin};
}

// Neighbours of one charset are converted in one go: many programs cut a character in two.
class WordDecoder {
 public:
  void plain(std::string_view text) {
    // RFC 2047 section 6.2: white space between two encoded words is not there.
    if (!in_words_ || text.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      flush();
      out_ += text;
    } else {
      space_ += text;
    }
  }

  void word(const EncodedWord& word, std::string_view raw) {
    if (word.charset != charset_ && !is_charset(word.charset)) {
      flush();
      out_ += raw;
      return;
    }
    if (!equals_ignoring_case(word.charset, charset_)) convert();
    charset_ = word.charset;
    bytes_ += word.is_base64 ? decode_base64_loosely(word.text) : decode_quoted(word.text, true);
    space_.clear();
    in_words_ = true;
  }

  std::string finish() {
    flush();
    return std::move(out_);
  }

 private:
  void convert() {
    if (!bytes_.empty()) out_ += to_utf8(bytes_, charset_).value_or(bytes_);
    bytes_.clear();
  }
  void flush() {
    convert();
    out_ += space_;
    space_.clear();
    in_words_ = false;
  }

  std::string out_, bytes_, charset_, space_;
  bool in_words_ = false;
};

}  // namespace

std::string decode_words(std::string_view text) {
  WordDecoder decoder;
  std::size_t at = 0;
  std::size_t close = 0;
  while (at < text.size()) {
    const std::size_t begin = std::min(text.find("=?", at), text.size());
    if (begin > at) decoder.plain(text.substr(at, begin - at));
    if (begin == text.size()) break;
    if (const auto word = read_encoded_word(text, begin, close)) {
      decoder.word(*word, text.substr(begin, word->size));
      at = begin + word->size;
    } else {
      decoder.plain(text.substr(begin, 2));
      at = begin + 2;
    }
  }
  return decoder.finish();
}

}  // namespace posthorn::message
