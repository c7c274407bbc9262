#include "web/pages.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "dns/names.h"
#include "web/challenges.h"
#include "web/proto/text.h"

namespace posthorn::web {
namespace {

struct Route {
  std::string_view method;  // GET stands for HEAD too
  std::string_view path;
  enum class Page {
    start,
    authority,
    health,
    metrics,
    autoconfig,
    autodiscover,
    policy,
    profile
  } page;
};
constexpr Route kRoutes[] = {
    {"GET", "/", Route::Page::start},
    {"GET", "/ca.crt", Route::Page::authority},
    {"GET", "/health", Route::Page::health},
    {"GET", "/metrics", Route::Page::metrics},
    {"GET", "/mail/config-v1.1.xml", Route::Page::autoconfig},
    {"GET", "/.well-known/autoconfig/mail/config-v1.1.xml", Route::Page::autoconfig},
    {"POST", "/autodiscover/autodiscover.xml", Route::Page::autodiscover},
    {"GET", "/.well-known/mta-sts.txt", Route::Page::policy},
    {"GET", "/posthorn.mobileconfig", Route::Page::profile},
};

constexpr std::string_view kMethods[] = {"GET",    "HEAD",    "POST",    "PUT",
                                         "DELETE", "CONNECT", "OPTIONS", "TRACE"};

Response not_allowed(std::string_view allowed) {
  Response response = make_error(405);
  response.fields.emplace_back("Allow", allowed == "GET" ? "GET, HEAD" : std::string(allowed));
  return response;
}

// RFC 8555 section 8.3.
constexpr std::string_view kChallenges = "/.well-known/acme-challenge/";

std::string_view domain_of(std::string_view address) {
  return address.substr(address.rfind('@') + 1);
}

}  // namespace

net::Awaitable<Response> Pages::answer(const Request& request, const net::Peer& peer) {
  // RFC 9110 section 9.1: an unknown method is 501, one that the page does not have 405.
  if (std::ranges::find(kMethods, request.method) == std::end(kMethods)) co_return make_error(501);
  // Outlook writes the path of its page in several ways.
  const std::string path =
      to_lower(request.path).starts_with("/autodiscover/") ? to_lower(request.path) : request.path;
  if (path.starts_with(kChallenges)) {
    if (request.method != "GET" && request.method != "HEAD") co_return not_allowed("GET");
    co_return co_await challenge(path.substr(kChallenges.size()));
  }
  const auto* const route = std::ranges::find(kRoutes, path, &Route::path);
  if (route == std::end(kRoutes)) co_return make_error(404);
  if ((request.method == "HEAD" ? "GET" : request.method) != route->method)
    co_return not_allowed(route->method);
  switch (route->page) {
    case Route::Page::start:
      co_return Response{.type = "text/html; charset=utf-8",
                         .body = start_page(backend_.settings())};
    case Route::Page::authority:
      co_return authority();
    case Route::Page::health:
      co_return co_await health(request, peer);
    case Route::Page::metrics:
      co_return co_await metrics(peer);
    case Route::Page::autoconfig:
      co_return autoconfig(request);
    case Route::Page::autodiscover:
      co_return autodiscover(request);
    case Route::Page::policy:
      co_return policy(request);
    case Route::Page::profile:
      co_return profile(request);
  }
  co_return make_error(500);
}

// Load balancers and strangers get the one word that decides: whether mail should come here.
net::Awaitable<Response> Pages::health(const Request& request, const net::Peer& peer) {
  const health::Page page = co_await backend_.health();
  const WallTime now = Clock::system().now();
  const bool is_red = health::judge(page, health::find_troubles(page, now)).state == "red";
  Response response{.status = is_red ? 503 : 200, .fields = {{"Vary", "Accept"}}};
  if (!backend_.is_operator(peer)) {
    response.body = is_red ? "red\n" : "ok\n";
  } else if (wants_html(request.accept)) {
    response.type = "text/html; charset=utf-8";
    response.body = health_page(page, now);
  } else {
    response.type = "application/json";
    response.body = health::to_json(page, now, health::Layout::indented);
  }
  co_return response;
}

net::Awaitable<Response> Pages::metrics(const net::Peer& peer) {
  if (!backend_.is_operator(peer)) co_return make_error(403);
  co_return Response{.type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
                     .body = co_await backend_.metrics()};
}

net::Awaitable<Response> Pages::challenge(const std::string& token) {
  if (!is_challenge_token(token)) co_return make_error(404);
  auto text = co_await backend_.challenge(token);
  if (!text) co_return make_error(404);
  co_return Response{.type = "application/octet-stream", .body = *std::move(text)};
}

Response Pages::authority() {
  const std::string& pem = backend_.settings().authority_pem;
  if (pem.empty()) return make_error(404);
  return {.type = "application/x-x509-ca-cert",
          .body = pem,
          .fields = {{"Content-Disposition", "attachment; filename=\"ca.crt\""}}};
}

Response Pages::autoconfig(const Request& request) {
  const MailSettings& settings = backend_.settings();
  const auto is_ours = [&](const std::string& domain) {
    return std::ranges::find(settings.domains, domain) != settings.domains.end();
  };
  std::string domain;
  if (const auto address = find_parameter(request.query, "emailaddress")) {
    domain = to_lower(domain_of(*address));
    if (!is_plain_address(*address) || !is_ours(domain)) return make_error(404);
  } else {
    // Asked as autoconfig.example.org or as example.org itself; by another name, the first domain.
    domain = to_lower(request.host.substr(0, request.host.find(':')));
    if (domain.starts_with("autoconfig.")) domain.erase(0, 11);
    if (!is_ours(domain)) domain = settings.domains.empty() ? "" : settings.domains.front();
    if (domain.empty()) return make_error(404);
  }
  return {.type = "text/xml; charset=utf-8", .body = autoconfig_xml(settings, domain)};
}

Response Pages::autodiscover(const Request& request) {
  const MailSettings& settings = backend_.settings();
  const auto address = find_autodiscover_address(request.body);
  const bool is_ours =
      address &&
      std::ranges::find(settings.domains, to_lower(domain_of(*address))) != settings.domains.end();
  return {.type = "text/xml; charset=utf-8",
          .body = is_ours ? autodiscover_xml(settings, *address) : autodiscover_error_xml()};
}

// RFC 8461 section 3.3: by the name mta-sts.DOMAIN alone, of a domain of ours.
Response Pages::policy(const Request& request) {
  constexpr std::string_view kPrefix = "mta-sts.";
  const MailSettings& settings = backend_.settings();
  const std::string host = to_lower(request.host.substr(0, request.host.find(':')));
  if (settings.policy.empty() || !host.starts_with(kPrefix)) return make_error(404);
  const bool is_ours = std::ranges::any_of(settings.domains, [&](const std::string& domain) {
    return dns::to_dns_name(domain) == std::string_view(host).substr(kPrefix.size());
  });
  if (!is_ours) return make_error(404);
  return {.type = "text/plain; charset=utf-8", .body = settings.policy};
}

Response Pages::profile(const Request& request) {
  const MailSettings& settings = backend_.settings();
  const std::string address = find_parameter(request.query, "email").value_or("");
  if (!address.empty() &&
      (!is_plain_address(address) ||
       std::ranges::find(settings.domains, to_lower(domain_of(address))) == settings.domains.end()))
    return make_error(404);
  return {.type = "application/x-apple-aspen-config; charset=utf-8",
          .body = mobileconfig(settings, address),
          .fields = {{"Content-Disposition", "attachment; filename=\"posthorn.mobileconfig\""}}};
}

}  // namespace posthorn::web
