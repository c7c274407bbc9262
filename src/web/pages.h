// The pages: which path answers what. Settings and health come from the role through a Backend, so
// that this folder knows neither tables nor roles. No text of a request goes into a page but the
// address that was asked for, checked and escaped; the Host field is used for nothing but to guess
// a domain of ours.
#pragma once

#include "health/page.h"
#include "web/server.h"
#include "web/settings.h"

namespace posthorn::web {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const MailSettings& settings() = 0;
  virtual net::Awaitable<health::Page> health() = 0;
  virtual net::Awaitable<std::string> metrics() = 0;
  // The answer to an ACME challenge, by the role acme or as another program put it down; nullopt:
  // there is none.
  virtual net::Awaitable<std::optional<std::string>> challenge(const std::string& token) = 0;
  // Who may read metrics, and more of the server's health than one word.
  virtual bool is_operator(const net::Peer& peer) = 0;
};

class Pages final : public Site {
 public:
  explicit Pages(Backend& backend) : backend_(backend) {}
  net::Awaitable<Response> answer(const Request& request, const net::Peer& peer) override;

 private:
  net::Awaitable<Response> health(const Request& request, const net::Peer& peer);
  net::Awaitable<Response> metrics(const net::Peer& peer);
  net::Awaitable<Response> challenge(const std::string& token);
  Response authority();
  Response autoconfig(const Request& request);
  Response autodiscover(const Request& request);
  Response policy(const Request& request);
  Response profile(const Request& request);

  Backend& backend_;
};

// "/", as HTML.
std::string start_page(const MailSettings& settings);
// "/health" to a person, as HTML.
std::string health_page(const health::Page& page, WallTime now);

}  // namespace posthorn::web
