// The MIME structure of a message (RFC 2045, 2046, 2183): a tree of parts with their places in the
// text. Tolerant and bounded: deeper than 100 levels or beyond 10 000 parts, what follows is one
// opaque leaf.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::message {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct Part {
  std::string type = "text";      // lower case
  std::string subtype = "plain";  // lower case
  Parameters parameters;
  std::optional<std::string> id, description, md5, location;
  std::string encoding = "7bit";
  std::optional<std::string> disposition;
  Parameters disposition_parameters;
  std::vector<std::string> languages;

  // Places in the wire text (CRLF).
  std::size_t header_begin = 0, body_begin = 0, body_end = 0;
  std::size_t lines = 0;       // of the body
  std::vector<Part> children;  // multipart: its parts; message/rfc822: the one message

  bool is_multipart() const { return type == "multipart" && !children.empty(); }
  bool is_message() const { return type == "message" && subtype == "rfc822" && !children.empty(); }
};

Part parse_parts(std::string_view wire_text);

// "text/plain; charset=utf-8; name*0=…" into the value before the first semicolon and its
// parameters; those that came in parts (RFC 2231) are joined, percent-encoded ones as "name*".
struct ParameterizedValue {
  std::string value;
  Parameters parameters;
};
ParameterizedValue parse_parameterized(std::string_view text);

// Of a leaf: base64 and quoted-printable undone; other encodings as they are.
std::string decode_transfer(std::string_view body, std::string_view encoding);
// RFC 2047 encoded words to UTF-8; those of a charset that charset.h does not take stay as they
// are.
std::string decode_words(std::string_view text);

}  // namespace posthorn::message
