// What a ManageSieve server says (RFC 5804 sections 1.2, 1.3, 1.7 and 4): strings, responses with
// their codes, capabilities. Sans-I/O. Whatever text is put in, a client reads one response.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::managesieve {

// Quoted where that is possible, else a literal "{12}": section 4 lets 1024 octets without line
// ends be quoted.
std::string format_string(std::string_view text);

enum class Status { ok, no, bye };

// Section 1.3.
namespace code {
inline constexpr std::string_view kNone = "";
inline constexpr std::string_view kActive = "ACTIVE";
inline constexpr std::string_view kAlreadyExists = "ALREADYEXISTS";
inline constexpr std::string_view kEncryptNeeded = "ENCRYPT-NEEDED";
inline constexpr std::string_view kMaxScripts = "QUOTA/MAXSCRIPTS";
inline constexpr std::string_view kMaxSize = "QUOTA/MAXSIZE";
inline constexpr std::string_view kNonexistent = "NONEXISTENT";
inline constexpr std::string_view kTryLater = "TRYLATER";
inline constexpr std::string_view kWarnings = "WARNINGS";
}  // namespace code

// 'NO (ACTIVE) "The script is active"' with its CRLF.
std::string format_response(Status status, std::string_view code, std::string_view text);
// Section 2.13: OK with the client's own string in it.
std::string format_tagged(std::string_view tag, std::string_view text);

struct Capabilities {
  std::vector<std::string_view> extensions;  // of Sieve
  std::string_view mechanisms;               // "PLAIN LOGIN"; empty: none may be used now
  bool offers_tls = false;
  std::size_t redirects_max = 0;
  std::string_view owner;  // empty: nobody has logged in
};
// Section 1.7, a line each; no response stands behind them.
std::string format_capabilities(const Capabilities& capabilities);

}  // namespace posthorn::managesieve
