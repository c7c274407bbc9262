// HttpClient: whole HTTP requests by libcurl, on the role's own loop: a method, a URL, a body, and
// an answer bounded in size and time. The server's TLS is always verified. A redirect is followed
// by nobody: what answers elsewhere was not asked. Names are looked up by the role's resolver, so
// that the role needs no other way to the DNS. Connections are used again.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "net/resolver.h"
#include "net/transfers.h"

namespace posthorn::net {

enum class HttpMethod { get, head, post };

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string url;
  std::vector<std::string> fields;  // "Content-Type: application/jose+json"
  std::string body;                 // of a post
};

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // names in small letters
  std::string body;
  const std::string* find(std::string_view name) const;            // the first; nullptr: none
  std::vector<std::string_view> all(std::string_view name) const;  // in their order
};

// A field's line, without its end, into the answer; a status line begins it anew (100 Continue).
void take_field(std::string_view line, HttpAnswer& answer);

enum class HttpSchemes { https_only, plain_too };

class HttpClient {
 public:
  struct Settings {
    HttpSchemes schemes = HttpSchemes::https_only;
    Path authority;          // PEM: who vouches for servers; empty: whom the system trusts
    std::string user_agent;  // RFC 8555 section 6.1 wants one
    std::chrono::milliseconds timeout = 30s;  // of a whole exchange
    std::size_t body_max = 1U << 20U;
  };
  // resolver: nullptr: URLs hold literal addresses.
  HttpClient(Scope& scope, Resolver* resolver, Settings settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any status is an answer. An Error says whom it was to reach, and what went wrong.
  Task<HttpAnswer> ask(HttpRequest request);
  void stop();

 private:
  struct Exchange;
  Task<std::string> locate(const std::string& url, SteadyTime deadline);

  Transfers transfers_;
  Resolver* const resolver_;
  const Settings settings_;
};

}  // namespace posthorn::net
