// What a page answers with, and how it goes onto the wire (RFC 9110 section 15, RFC 9112 section
// 4). Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace posthorn::web {

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields = {};  // further ones; our own text only
};

enum class Connection { keep_alive, close };
enum class Body { whole, head_only };  // head_only: the answer to HEAD

std::string format_response(const Response& response, WallTime now, Connection connection,
                            Body body);
// "404 Not Found", as a page of plain text.
Response make_error(int status);
// RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT.
std::string format_http_date(WallTime time);

}  // namespace posthorn::web
