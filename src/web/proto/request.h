// HTTP/1.1 requests (RFC 9110, RFC 9112), as far as a few pages need them. Strict where a lenient
// reader would let two programs see different requests: lines end with CRLF only, no folded lines,
// one Host, one Content-Length of digits only, no Transfer-Encoding. Sans-I/O.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::web {

inline constexpr std::size_t kTargetMax = 4096;
inline constexpr std::size_t kHeadMax = 16'384;
inline constexpr std::size_t kFieldsMax = 100;
inline constexpr std::size_t kBodyMax = 16'384;

struct Request {
  std::string method;
  std::string path;    // percent-decoded, begins with '/', no control bytes
  std::string query;   // as it came, without '?'
  std::string accept;  // as it came; of several fields a list
  std::string host;    // as it came, checked to be a host with or without a port
  std::size_t body_size = 0;
  bool is_kept_alive = true;  // RFC 9112 section 9.3
  bool expects_continue = false;
  std::string body;
};

// Finds the head at the front of what has come so far. nullopt: not whole yet; an int: the status
// to answer with, after which the connection is of no more use.
class HeadReader {
 public:
  std::expected<std::optional<Request>, int> read(std::string_view data);
  std::size_t size() const { return size_; }  // of the head that was read, to be consumed

 private:
  std::size_t scanned_ = 0;
  std::size_t size_ = 0;
};

// RFC 9110 section 12.5.1: a person's browser names text/html, with more than no weight; a program
// that takes everything (*/*), or says nothing, does not.
bool wants_html(std::string_view accept);
// RFC 3986 section 2.1. nullopt: a % without two digits, or a control byte comes out.
std::optional<std::string> decode_percent(std::string_view text);
// "a=1&b=x%40y": the first value of the name, '+' as a space (WHATWG URL, urlencoded).
std::optional<std::string> find_parameter(std::string_view query, std::string_view name);

}  // namespace posthorn::web
