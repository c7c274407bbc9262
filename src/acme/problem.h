// Problem: what went wrong at an ACME directory (RFC 7807, RFC 8555 section 6.7), as a sentence for
// the administrator and what to do about it. The words of a stranger are cut to a size and hold
// nothing that a terminal obeys. Sans-I/O.
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

namespace posthorn::acme {

struct Subproblem {
  std::string type, detail;
  std::string name;  // whose
};

struct Problem {
  std::string type;    // without "urn:ietf:params:acme:error:": "rateLimited"; empty: it is no such
  std::string detail;  // the authority's words
  std::string instance;  // a URL for people
  int status = 0;
  std::vector<Subproblem> subproblems;
};

// Any body of any answer; where it is no problem document, its status is told.
Problem read_problem(const net::HttpAnswer& answer);
Problem read_problem(const nlohmann::json& document);
// "the authority says that it could not connect (connection): mail.example.org: …".
std::string sentence_of(const Problem& problem);
// What the administrator can do; never empty.
std::string remedy_of(const Problem& problem);
// Another way to prove the name may still work: it was the challenge that failed.
bool is_of_challenge(const Problem& problem);

// As text that is safe to show: printable, one line, at most size_max bytes.
std::string shown(std::string_view text, std::size_t size_max = 300);

// RFC 9110 section 10.2.3: seconds or a date, from now; nullopt: not there, or none of both. No
// longer than a week.
std::optional<std::chrono::seconds> read_retry_after(const net::HttpAnswer& answer, WallTime now);

// Why nothing was issued.
struct Failure {
  std::string what;
  std::string remedy;
  std::optional<WallTime> not_before = {};  // as the authority wants it
  std::string type = {};                    // of the problem, if there was one
};
template <class T = void>
using Attempt = std::expected<T, Failure>;

std::unexpected<Failure> failure_of(const net::HttpAnswer& answer, WallTime now);
std::unexpected<Failure> failure_of(const Problem& problem);
// The directory could not be asked, or is none.
std::unexpected<Failure> failure_of(const Error& error);

}  // namespace posthorn::acme
