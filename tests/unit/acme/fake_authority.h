// An ACME directory in memory, for what a real one does only now and then: it refuses nonces, asks
// for patience, fails at any step, deactivates accounts, has renewal information. It checks each
// request as RFC 8555 section 6 wants it: a nonce that it gave, once, the URL, one of jwk and kid.
#pragma once

#include <asio/awaitable.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "acme/client.h"
#include "tests/support/certificates.h"

namespace posthorn::acme::testing {

using nlohmann::json;

class FakeAuthority final : public Wire, public Prover {
 public:
  static constexpr const char* kUrl = "https://ca.test/dir";

  // Wire

  net::Task<net::HttpAnswer> ask(net::HttpRequest request) override {
    asked.push_back(request.url);
    const std::string path = request.url.substr(std::string("https://ca.test").size());
    net::HttpAnswer answer = answer_to(path, request);
    answer.fields.emplace_back("replay-nonce", make_nonce());
    co_return answer;
  }
  net::Awaitable<void> wait(std::chrono::milliseconds time) override {
    waited.push_back(time);
    clock += time;
    co_return;
  }
  WallTime now() const override { return clock; }

  // Prover

  net::Task<> offer(Proof proof) override {
    if (unable.contains(proof.type)) co_return fail(ErrorKind::permanent, "there is no listener");
    offered.push_back(proof);
    co_return Result<>{};
  }
  net::Awaitable<void> forget(Proof proof) override {
    forgotten.push_back(proof);
    co_return;
  }

  // What it is to do.
  json meta = json::object();
  bool has_renewal_info = false;
  int bad_nonces = 0;                           // so many of the next are refused
  int processing = 0;                           // so many polls of an order say so
  std::string retry_after;                      // with each of them
  std::set<std::string> unable;                 // types of challenges that web cannot answer
  std::map<std::string, json> broken;           // "type name": the challenge's error
  std::map<std::string, net::HttpAnswer> says;  // by path, in place of the answer
  std::map<std::string, int> says_times;        // so often; not there: always
  std::string account_status = "valid";
  std::function<std::string(const std::string& csr_der)> sign;
  std::set<std::string> proved;  // names

  // What it saw.
  std::vector<std::string> asked;
  std::vector<json> payloads;
  std::vector<std::chrono::milliseconds> waited;
  std::vector<Proof> offered, forgotten;
  std::vector<std::string> faults;
  WallTime clock{std::chrono::hours(24 * 365 * 50)};
  int accounts = 0;

  std::size_t count(const std::string& path) const {
    return static_cast<std::size_t>(std::ranges::count(asked, "https://ca.test" + path));
  }

  static net::HttpAnswer problem(int status, const std::string& type, const std::string& detail) {
    return {.status = status,
            .body = json({{"type", "urn:ietf:params:acme:error:" + type},
                          {"detail", detail},
                          {"status", status}})
                        .dump()};
  }

 private:
  struct Ordered {
    std::vector<std::string> names;
    std::string status = "pending";
    json error;
    int left_processing = 0;
    std::string chain;
  };
  struct Asked {
    std::string name;
    std::string status = "pending";
    std::map<std::string, json> errors;
    std::size_t order;
  };

  std::string make_nonce() {
    nonces.insert("bm9uY2U" + std::string(1, static_cast<char>('A' + count_ % 26)) +
                  std::to_string(count_ / 26 + 1000));
    ++count_;
    return *nonces.rbegin();
  }

  void require(bool holds, const std::string& what) {
    if (!holds) faults.push_back(what);
  }

  static net::HttpAnswer good(const json& body, int status = 200) {
    return {.status = status, .body = body.dump()};
  }

  net::HttpAnswer answer_to(const std::string& path, const net::HttpRequest& request) {
    const bool may_say = !says_times.contains(path) || says_times[path]-- > 0;
    if (request.method == net::HttpMethod::get || request.method == net::HttpMethod::head) {
      if (says.contains(path) && may_say) return says[path];
      if (path == "/dir") return directory();
      if (path == "/nonce") return {.status = 204};
      return problem(404, "malformed", "nothing there");
    }
    const json body = json::parse(request.body);
    const json head = json::parse(decode_base64url(body["protected"].get<std::string>()).value());
    const std::string text = decode_base64url(body["payload"].get<std::string>()).value();
    require(head["url"] == request.url, "the URL is signed");
    require(head["alg"] == "ES256", "ES256");
    require(head.contains("jwk") != head.contains("kid"), "one of jwk and kid");
    require(head.contains("jwk") == (path == "/account"), "jwk for newAccount");
    if (nonces.erase(head["nonce"].get<std::string>()) == 0 || bad_nonces > 0) {
      if (bad_nonces > 0) --bad_nonces;
      return problem(400, "badNonce", "JWS has an invalid anti-replay nonce");
    }
    if (says.contains(path) && may_say) return says[path];
    const json payload = text.empty() ? json() : json::parse(text);
    if (!text.empty()) payloads.push_back(payload);
    return posted(path, payload);
  }

  net::HttpAnswer directory() const {
    json all = {{"newNonce", "https://ca.test/nonce"}, {"newAccount", "https://ca.test/account"},
                {"newOrder", "https://ca.test/order"}, {"revokeCert", "https://ca.test/revoke"},
                {"keyChange", "https://ca.test/key"},  {"meta", meta}};
    if (has_renewal_info) all["renewalInfo"] = "https://ca.test/ari";
    return good(all);
  }

  net::HttpAnswer posted(const std::string& path, const json& payload) {
    if (path == "/account") {
      ++accounts;
      auto answer = good({{"status", account_status}}, 201);
      answer.fields.emplace_back("location", "https://ca.test/acct/" + std::to_string(accounts));
      return answer;
    }
    if (path.starts_with("/acct/")) return good({{"status", account_status}});
    if (path == "/revoke") return {.status = 200};
    if (path == "/order") return begin(payload);
    const std::size_t number = std::stoul(path.substr(path.rfind('/') + 1));
    if (path.starts_with("/order/")) return shown(number);
    if (path.starts_with("/authz/")) return authorization(number);
    if (path.starts_with("/chall/")) return try_challenge(path, number);
    if (path.starts_with("/finalize/")) return finalize(number, payload);
    if (path.starts_with("/cert/")) return {.status = 200, .body = orders[number].chain};
    return problem(404, "malformed", "nothing there");
  }

  net::HttpAnswer begin(const json& payload) {
    Ordered order;
    for (const json& one : payload["identifiers"]) order.names.push_back(one["value"]);
    order.left_processing = processing;
    orders.push_back(order);
    for (const std::string& name : order.names)
      authorizations.push_back(
          {name, proved.contains(name) ? "valid" : "pending", {}, orders.size() - 1});
    auto answer = shown(orders.size() - 1);
    answer.status = 201;
    answer.fields.emplace_back("location",
                               "https://ca.test/order/" + std::to_string(orders.size() - 1));
    return answer;
  }

  net::HttpAnswer shown(std::size_t number) {
    Ordered& order = orders[number];
    json urls = json::array();
    bool all_valid = true;
    for (std::size_t i = 0; i < authorizations.size(); ++i) {
      if (authorizations[i].order != number) continue;
      urls.push_back("https://ca.test/authz/" + std::to_string(i));
      all_valid = all_valid && authorizations[i].status == "valid";
      if (authorizations[i].status == "invalid") order.status = "invalid";
    }
    if (order.status == "pending" && all_valid) order.status = "ready";
    std::string status = order.status;
    if (status == "valid" && order.left_processing-- > 0) status = "processing";
    json body = {{"status", status},
                 {"authorizations", urls},
                 {"finalize", "https://ca.test/finalize/" + std::to_string(number)}};
    if (status == "valid") body["certificate"] = "https://ca.test/cert/" + std::to_string(number);
    if (!order.error.is_null()) body["error"] = order.error;
    auto answer = good(body);
    if (!retry_after.empty()) answer.fields.emplace_back("retry-after", retry_after);
    return answer;
  }

  net::HttpAnswer authorization(std::size_t number) {
    const Asked& one = authorizations[number];
    json challenges = json::array();
    for (const std::string type : {"dns-01", "http-01", "tls-alpn-01"}) {
      json challenge = {{"type", type},
                        {"url", "https://ca.test/chall/" + type + "/" + std::to_string(number)},
                        {"token", "token_" + type + "-" + std::to_string(number)},
                        {"status", "pending"}};
      if (one.errors.contains(type)) challenge["error"] = one.errors.at(type);
      challenges.push_back(challenge);
    }
    return good({{"status", one.status},
                 {"identifier", {{"type", "dns"}, {"value", one.name}}},
                 {"challenges", challenges}});
  }

  net::HttpAnswer try_challenge(const std::string& path, std::size_t number) {
    Asked& one = authorizations[number];
    const std::string type = path.substr(7, path.rfind('/') - 7);
    const auto wrong = broken.find(type + " " + one.name);
    one.status = wrong == broken.end() ? "valid" : "invalid";
    if (wrong != broken.end()) one.errors[type] = wrong->second;
    if (one.status == "valid") proved.insert(one.name);
    return good({{"status", "processing"}});
  }

  net::HttpAnswer finalize(std::size_t number, const json& payload) {
    orders[number].status = "valid";
    const auto der = decode_base64url(payload["csr"].get<std::string>()).value();
    if (sign) orders[number].chain = sign(der);
    return shown(number);
  }

  std::set<std::string> nonces;
  std::size_t count_ = 0;
  std::vector<Ordered> orders;
  std::vector<Asked> authorizations;
};

}  // namespace posthorn::acme::testing
