#include "setup/answers.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "config/next_hop.h"
#include "setup/names.h"

namespace posthorn::setup {
namespace {

constexpr std::string_view kSendgrid = "[smtp.sendgrid.net]:587";
constexpr int kSubmissionPort = 587;  // RFC 6409

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool is_literal(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// What a line of maps/relay-sasl can hold: its value has no blanks around it.
std::optional<std::string> find_line_fault(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (!is_utf8(text) || std::ranges::any_of(text, is_control))
    return "maps/relay-sasl holds one line of UTF-8, without control characters";
  if (text.front() == ' ' || text.back() == ' ')
    return "maps/relay-sasl keeps no blank at its beginning or end";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> meant_relay(std::string_view typed, std::string& why) {
  std::string_view text = trim(typed, " \t\r\n");
  const std::string word = to_lower(text);
  if (word == "sendgrid") return std::string(kSendgrid);
  for (const std::string_view scheme : {"smtp://", "submission://"})
    if (word.starts_with(scheme)) text.remove_prefix(scheme.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  const bool has_port = text.find("]:") != std::string_view::npos ||
                        (!text.starts_with('[') && text.find(':') != std::string_view::npos);
  const auto hop = config::parse_next_hop(text);
  if (!hop) {
    why = "a host and its port, as in smtp.example.net:587";
    return std::nullopt;
  }
  const std::string host = to_lower(hop->host);
  if (const auto fault = find_name_fault(host); fault && !is_literal(host)) {
    why = *fault;
    return std::nullopt;
  }
  if (has_port && hop->port == 465) {
    why =
        "port 465 begins with TLS, and this server begins TLS by STARTTLS: the same host's port "
        "587 or 2525";
    return std::nullopt;
  }
  return fmt::format("[{}]:{}", host, has_port ? hop->port : kSubmissionPort);
}

std::string usual_login(std::string_view hop) {
  return hop == kSendgrid ? "apikey" : "";
}

std::optional<std::string> find_relay_login_fault(std::string_view login) {
  if (login.find(':') != std::string_view::npos)
    return "maps/relay-sasl has login:password, so a login has no colon";
  return find_line_fault(login);
}

std::optional<std::string> find_relay_password_fault(std::string_view password) {
  return find_line_fault(password);
}

std::string meant_directory(std::string_view typed) {
  const std::string_view text = trim(typed, " \t\r\n");
  const std::string word = to_lower(text);
  if (word == "staging") return "letsencrypt-staging";
  return word.starts_with("letsencrypt") ? word : std::string(text);
}

std::optional<std::string> find_directory_fault(std::string_view directory) {
  if (directory == "letsencrypt" || directory == "letsencrypt-staging") return std::nullopt;
  constexpr std::string_view kScheme = "https://";
  // RFC 8555 section 6.1: never without TLS.
  if (!directory.starts_with(kScheme) || directory.size() == kScheme.size() ||
      directory.find_first_of(" \t") != std::string_view::npos)
    return "letsencrypt, letsencrypt-staging, or the https:// URL of another authority's directory";
  return std::nullopt;
}

std::string terms_of(std::string_view directory) {
  if (directory.starts_with("letsencrypt")) return "https://letsencrypt.org/repository/";
  return fmt::format("{} names them (termsOfService)", directory);
}

}  // namespace posthorn::setup
