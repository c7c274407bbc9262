#include "tools/explain_login.h"

#include <fmt/format.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <openssl/crypto.h>

#include "base/log.h"
#include "net/networks.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/explain.h"
#include "trail/record.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLoginsMax = 5;

// What lookup says of one service.
Json read_outlook(const std::string& service, const net::Message& answer) {
  Json outlook = {{"service", service},
                  {"outcome", answer.get("outcome")},
                  {"reason", answer.get("reason")},
                  {"account", answer.get("account")},
                  {"steps", Json::array()}};
  Json& steps = outlook["steps"];
  for (const auto& [key, value] : answer.fields) {
    if (key == "step") steps.push_back({{"step", value}});
    if (!steps.empty() && (key == "bearing" || key == "text" || key == "basis" || key == "remedy"))
      steps.back()[key] = value;
  }
  return outlook;
}

// Of the trail, the newest first; null: it cannot be asked.
Json ask_logins(const config::Config& config, const std::string& account) {
  if (!config.trail.enabled || account.empty()) return nullptr;
  net::Message request("logins");
  request.add("account", account).add("max", std::to_string(kLoginsMax));
  const auto answer = ask_server(config, "trail-control.sock", std::move(request));
  if (!answer || answer->verb != "ok") return nullptr;
  Json logins = Json::array();
  for (const std::string_view text : answer->all("r")) {
    const auto record = trail::parse_record(text);
    if (!record) continue;
    Json login = {{"at", format_log_time(record->at)}, {"event", record->event}};
    for (const char* key : {"service", "address", "mechanism", "reason", "seconds", "count"})
      if (const std::string_view value = record->get(key); !value.empty()) login[key] = value;
    logins.push_back(std::move(login));
  }
  return logins;
}

std::string word(const Json& of, const char* key) {
  return of.contains(key) ? of[key].get<std::string>() : std::string();
}

void print_outlook(const Json& outlook, const ExplainLoginOptions& options) {
  const std::string outcome = word(outlook, "outcome"), account = word(outlook, "account");
  const std::string who = log::escape(account.empty() ? options.user : account);
  const std::string where = options.ip.empty() ? "" : " from " + options.ip;
  const std::string service = word(outlook, "service");
  if (outcome == "ok")
    fmt::print("{}: {} logs in{}{}\n", service, who, where,
               options.password_stdin ? "" : ", with the right password");
  else if (outcome == "unavailable")
    fmt::print("{}: {} is told to try later: {}\n", service, who, word(outlook, "reason"));
  else
    fmt::print("{}: {} is refused{}: {}\n", service, who, where, word(outlook, "reason"));
  for (const Json& step : outlook["steps"]) {
    const std::string bearing = word(step, "bearing"), basis = word(step, "basis"),
                      remedy = word(step, "remedy");
    const char* mark = bearing == "refuses"   ? "NO "
                       : bearing == "unasked" ? "?  "
                       : bearing == "warns"   ? "!  "
                                              : "   ";
    fmt::print("  {}{:<9} {}{}\n", mark, word(step, "step"), word(step, "text"),
               basis.empty() ? "" : " [" + basis + "]");
    if (!remedy.empty()) fmt::print("{:<15}-> {}\n", "", remedy);
  }
}

void print_logins(const Json& logins) {
  if (logins.is_null()) {
    fmt::print("the last logins: the trail cannot be asked\n");
    return;
  }
  fmt::print("the last logins:{}\n", logins.empty() ? " none that the trail knows of" : "");
  for (const Json& login : logins) {
    const std::string event = word(login, "event"), service = word(login, "service");
    std::string what = "it logged in";
    if (event == "auth.failed")
      what = "refused: " + word(login, "reason");
    else if (event == "auth.banned")
      what = fmt::format("banned for {} s", word(login, "seconds"));
    if (login.contains("count")) what += fmt::format(", {} times", word(login, "count"));
    fmt::print("  {} {}{}from {}: {}\n", word(login, "at"), service, service.empty() ? "" : " ",
               word(login, "address"), what);
  }
}

}  // namespace

int explain_login(const config::Config& config, const ExplainLoginOptions& options) {
  if (!options.ip.empty() && net::address_bytes(options.ip).empty())
    return complain(fmt::format("--ip: \"{}\" is no address", options.ip), 2);
  std::vector<std::string> services = {options.service};
  if (options.service.empty()) {
    services = {"imap"};
    if (!config.paths.smtp_users.empty()) services.emplace_back("smtp");
  }
  std::string password;
  if (options.password_stdin) {
    std::getline(std::cin, password);
    if (password.ends_with('\r')) password.pop_back();
  }
  Json all = {{"user", options.user}, {"ip", options.ip}, {"services", Json::array()}};
  int code = 0;
  std::string account;
  for (const std::string& service : services) {
    net::Message request("explain-login");
    request.add("service", service).add("user", options.user).add("address", options.ip);
    if (options.password_stdin) request.add("password", password);
    const auto answer = ask_server(config, "lookup-control.sock", std::move(request));
    if (!answer) return complain(answer.error().what, kExitUnasked);
    if (answer->verb != "ok") return complain(answer->get("error"), kExitUnasked);
    account = answer->get("account");
    if (answer->get("outcome") == "unavailable") code = kExitUnasked;
    if (code == 0 && answer->get("outcome") != "ok") code = 1;
    all["services"].push_back(read_outlook(service, *answer));
  }
  OPENSSL_cleanse(password.data(), password.size());
  all["logins"] = ask_logins(config, account);
  if (options.json) {
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    return code;
  }
  for (const Json& outlook : all["services"]) print_outlook(outlook, options);
  print_logins(all["logins"]);
  return code;
}

}  // namespace posthorn::tools
