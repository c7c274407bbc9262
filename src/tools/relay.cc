#include "tools/relay.h"

#include <algorithm>
#include <fmt/format.h>
#include <sysexits.h>
#include <vector>

#include "tools/complain.h"
#include "tools/control.h"
#include "tools/queue_pages.h"

namespace posthorn::tools {
namespace {

constexpr auto kPatience = 2min;  // the queue ends sooner (deliver/probe.cc)

struct Named {
  std::string name, place;
};

Result<std::vector<Named>> find_relays(const config::Config& config) {
  TRY(const auto answer, ask_queue(config, net::Message("relays")));
  std::vector<Named> relays;
  for (const auto& [key, value] : answer.fields) {
    if (key == "name") relays.push_back({value, ""});
    if (key == "place" && !relays.empty()) relays.back().place = value;
  }
  if (answer.get("all") != "1")
    fmt::print(
        stderr,
        "note: relays in patterns and in PostgreSQL are not listed: name them to test them\n");
  return relays;
}

// The answer as JSON: relay, verdict, hosts. tests/schemas/relay_test.json.
nlohmann::json as_json(const net::Message& answer, const std::string& place) {
  nlohmann::json test = {{"relay", answer.get("relay")},
                         {"place", place},
                         {"login", answer.get("login")},
                         {"verdict", answer.get("verdict")},
                         {"hosts", nlohmann::json::array()}};
  nlohmann::json& hosts = test["hosts"];
  for (const auto& [key, value] : answer.fields) {
    if (key == "host")
      hosts.push_back({{"host", value}, {"lines", nlohmann::json::array()}});
    else if (hosts.empty())
      continue;
    else if (key == "line")
      hosts.back()["lines"].push_back(value);
    else
      hosts.back()[key] = value;
  }
  return test;
}

void print_test(const nlohmann::json& test) {
  const auto text = [](const nlohmann::json& of, const char* key) { return of.value(key, ""); };
  const std::string place = text(test, "place"), login = text(test, "login");
  fmt::print("{}{}{}\n", text(test, "relay"), place.empty() ? "" : fmt::format(" ({})", place),
             login.empty() ? ", without a login" : fmt::format(", with the login of {}", login));
  for (const auto& host : test["hosts"]) {
    fmt::print("  {}\n", text(host, "host"));
    for (const auto& line : host["lines"]) fmt::print("    {}\n", line.get<std::string>());
    if (host.contains("issuer"))
      fmt::print("    certificate: for {}; issued by {}; ends {}; {}\n", text(host, "names"),
                 text(host, "issuer"), text(host, "ends"), text(host, "proof"));
    fmt::print("  => {}\n", text(host, "advice"));
  }
  fmt::print("\n");
}

int status_of(const std::string& verdict) {
  return verdict == "works" ? 0 : verdict == "later" ? EX_TEMPFAIL : 1;
}

}  // namespace

int test_relay(const config::Config& config, const RelayOptions& options) {
  std::vector<Named> relays = {{options.name.empty() ? options.to : options.name, ""}};
  if (relays.front().name.empty()) {
    auto found = find_relays(config);
    if (!found) return complain(found.error().what);
    if (found->empty())
      return complain(
          "there is no relay: mail goes to the recipients' MX hosts; `posthorn relay test "
          "--to ADDRESS` tests those of one");
    relays = *std::move(found);
  }
  bool is_broken = false;
  int status = 0;
  for (const auto& [name, place] : relays) {
    const auto answer = ask_queue(config,
                                  net::Message("relay-test")
                                      .add("name", name)
                                      .add("from", options.from)
                                      .add("to", options.to),
                                  kPatience);
    if (!answer) {
      is_broken = true;
      (void)complain(fmt::format("{}: {}", name, answer.error().what));
      continue;
    }
    const nlohmann::json test = as_json(*answer, place);
    if (options.json)
      print_json(test);
    else
      print_test(test);
    const int one = status_of(test.value("verdict", ""));
    is_broken = is_broken || one == 1;
    status = std::max(status, one);
  }
  return is_broken ? 1 : status;
}

}  // namespace posthorn::tools
