#include "acme/protocol.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "acme/jws.h"
#include "base/ascii.h"

namespace posthorn::acme {
namespace {

using nlohmann::json;

constexpr std::size_t kUrlMax = 2000;
constexpr std::size_t kTokenMax = 512;
constexpr std::size_t kManyMax = 200;  // authorizations of an order, challenges of one

Result<json> read(std::string_view text, std::string_view what) {
  json document = json::parse(text, nullptr, false);
  if (!document.is_object())
    return fail(ErrorKind::protocol, fmt::format("the authority's {} is no JSON object", what));
  return document;
}

std::string text_of(const json& document, const char* name) {
  const auto at = document.find(name);
  return at != document.end() && at->is_string() ? at->get<std::string>() : std::string();
}

// Requests are signed for it: it is asked by https alone, and is a line of its own.
bool is_url(std::string_view text) {
  return text.starts_with("https://") && text.size() <= kUrlMax &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

Result<std::string> url_of(const json& document, const char* name, std::string_view what) {
  std::string url = text_of(document, name);
  if (is_url(url)) return url;
  return fail(ErrorKind::protocol,
              fmt::format("the authority's {} has no https URL {}", what, name));
}

std::string optional_url_of(const json& document, const char* name) {
  std::string url = text_of(document, name);
  return is_url(url) ? url : std::string();
}

Status status_of(const json& document) {
  static constexpr std::pair<std::string_view, Status> kWords[] = {
      {"pending", Status::pending},       {"ready", Status::ready},
      {"processing", Status::processing}, {"valid", Status::valid},
      {"invalid", Status::invalid},       {"deactivated", Status::deactivated},
      {"expired", Status::expired},       {"revoked", Status::revoked},
  };
  const std::string word = text_of(document, "status");
  for (const auto& [name, status] : kWords)
    if (name == word) return status;
  return Status::unknown;
}

std::optional<Problem> error_of(const json& document) {
  const auto at = document.find("error");
  if (at == document.end() || !at->is_object()) return std::nullopt;
  return read_problem(*at);
}

// RFC 8555 section 8.1: of the alphabet of base64url. It becomes a part of a path and of a file's
// text, so nothing else may.
bool is_token(std::string_view token) {
  return !token.empty() && token.size() <= kTokenMax && std::ranges::all_of(token, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// RFC 3339 in UTC or with an offset; parts of seconds are passed over.
std::optional<WallTime> read_time(const std::string& text) {
  std::tm tm{};
  const char* at = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (at == nullptr || tm.tm_year < 70 || tm.tm_year > 1000) return std::nullopt;
  if (*at == '.') {
    ++at;
    while (*at >= '0' && *at <= '9') ++at;
  }
  WallTime time{std::chrono::seconds(::timegm(&tm))};
  const std::string_view zone(at);
  if (zone == "Z" || zone == "z") return time;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = to_number<unsigned>(zone.substr(1, 2));
  const auto minutes = to_number<unsigned>(zone.substr(4, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const auto offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return zone[0] == '+' ? time - offset : time + offset;
}

}  // namespace

std::string directory_url(std::string_view setting) {
  if (setting == "letsencrypt") return "https://acme-v02.api.letsencrypt.org/directory";
  if (setting == "letsencrypt-staging")
    return "https://acme-staging-v02.api.letsencrypt.org/directory";
  return std::string(setting);
}

Result<Directory> read_directory(std::string_view text) {
  TRY(const json document, read(text, "directory"));
  Directory directory;
  TRY(directory.new_nonce, url_of(document, "newNonce", "directory"));
  TRY(directory.new_account, url_of(document, "newAccount", "directory"));
  TRY(directory.new_order, url_of(document, "newOrder", "directory"));
  directory.revoke_cert = optional_url_of(document, "revokeCert");
  directory.renewal_info = optional_url_of(document, "renewalInfo");
  if (const auto meta = document.find("meta"); meta != document.end() && meta->is_object()) {
    directory.terms = shown(text_of(*meta, "termsOfService"));
    const auto required = meta->find("externalAccountRequired");
    directory.needs_binding =
        required != meta->end() && required->is_boolean() && required->get<bool>();
  }
  return directory;
}

Result<Status> read_account_status(std::string_view text) {
  TRY(const json document, read(text, "account"));
  return status_of(document);
}

Result<Order> read_order(std::string_view text) {
  TRY(const json document, read(text, "order"));
  Order order;
  order.status = status_of(document);
  order.error = error_of(document);
  TRY(order.finalize, url_of(document, "finalize", "order"));
  order.certificate = optional_url_of(document, "certificate");
  const auto all = document.find("authorizations");
  if (all == document.end() || !all->is_array() || all->empty() || all->size() > kManyMax)
    return fail(ErrorKind::protocol, "the authority's order has no authorizations");
  for (const json& one : *all) {
    if (!one.is_string() || !is_url(one.get_ref<const std::string&>()))
      return fail(ErrorKind::protocol, "the authority's order has an authorization without URL");
    order.authorizations.push_back(one.get<std::string>());
  }
  return order;
}

Result<Authorization> read_authorization(std::string_view text) {
  TRY(const json document, read(text, "authorization"));
  Authorization authorization;
  authorization.status = status_of(document);
  const auto name = document.find("identifier");
  if (name == document.end() || !name->is_object() || text_of(*name, "type") != "dns")
    return fail(ErrorKind::protocol, "the authority's authorization is for no host name");
  authorization.name = to_lower(shown(text_of(*name, "value"), 255));
  const auto all = document.find("challenges");
  if (all == document.end() || !all->is_array() || all->size() > kManyMax)
    return fail(ErrorKind::protocol, "the authority's authorization has no challenges");
  for (const json& one : *all) {
    if (!one.is_object()) continue;
    Challenge challenge{.type = shown(text_of(one, "type"), 60),
                        .url = optional_url_of(one, "url"),
                        .token = text_of(one, "token"),
                        .status = status_of(one),
                        .error = error_of(one)};
    if (challenge.url.empty() || !is_token(challenge.token)) continue;
    authorization.challenges.push_back(std::move(challenge));
  }
  return authorization;
}

Result<Window> read_window(std::string_view text) {
  TRY(const json document, read(text, "renewal information"));
  const auto suggested = document.find("suggestedWindow");
  if (suggested == document.end() || !suggested->is_object())
    return fail(ErrorKind::protocol, "the authority's renewal information has no window");
  const auto start = read_time(text_of(*suggested, "start"));
  const auto end = read_time(text_of(*suggested, "end"));
  // RFC 9773 section 4.2: one that ends before it begins is to be passed over.
  if (!start || !end || *end <= *start)
    return fail(ErrorKind::protocol, "the authority's window for the renewal is none");
  return Window{
      .start = *start, .end = *end, .explanation = shown(text_of(document, "explanationURL"))};
}

std::string write_order(const Wish& wish) {
  json names = json::array();
  for (const std::string& name : wish.names) names.push_back({{"type", "dns"}, {"value", name}});
  json document = {{"identifiers", std::move(names)}};
  if (!wish.replaces.empty()) document["replaces"] = wish.replaces;
  return document.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string write_account(const Applicant& applicant) {
  json document = {{"termsOfServiceAgreed", true}};
  if (!applicant.email.empty()) document["contact"] = {"mailto:" + applicant.email};
  if (!applicant.binding.empty())
    document["externalAccountBinding"] = json::parse(applicant.binding, nullptr, false);
  return document.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string write_finalize(std::string_view request_der) {
  return json({{"csr", encode_base64url(request_der)}}).dump();
}

std::string write_revocation(std::string_view certificate_der, Reason reason) {
  return json({{"certificate", encode_base64url(certificate_der)},
               {"reason", static_cast<int>(reason)}})
      .dump();
}

}  // namespace posthorn::acme
