#include "tools/status.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/metrics.h"
#include "process/generation.h"
#include "process/instance.h"
#include "process/running.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kEndsAt = "it ends at ";  // as edge says of a certificate

// "2026-11-21T04:26:46.123Z"
std::int64_t seconds_until(const std::string& time) {
  std::tm parts{};
  ::strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  return ::timegm(&parts) - std::time(nullptr);
}

// What lookup and queue count: "queue.held 2" is {"queue": {"held": 2}}. The relays come as three
// fields each.
void add_counts(const net::Message& answer, Json& status) {
  for (const auto& [key, value] : answer.fields) {
    const std::size_t dot = key.find('.');
    const auto number = to_number<std::uint64_t>(value);
    if (key == "relay")
      status["relay"]["faults"].push_back({{"relay", value}});
    else if (key.starts_with("relay."))
      status["relay"]["faults"].back()[key.substr(dot + 1)] = value;
    else if (key == "database")
      status["database"]["state"] = value;
    else if (key.starts_with("database."))
      status["database"][key.substr(dot + 1)] = value;
    else if (dot != std::string::npos && number)
      status[key.substr(0, dot)][key.substr(dot + 1)] = *number;
    else
      status[key] = value;
  }
}

void add_checks(const config::Config& config, Json& status) {
  status["spamd"]["state"] = config.filter.spamd.empty() ? "off" : "unknown";
  status["certificates"] = Json::array();
  status["checks"] = Json::array();
  for (const web::Check& check : process::ask_checks(config)) {
    if (check.name == "spamd") {
      status["spamd"]["state"] = check.state == "ok" ? "up" : "down";
      if (!check.detail.empty()) status["spamd"]["reason"] = check.detail;
    }
    if (check.detail.starts_with(kEndsAt)) {
      const std::string ends =
          check.detail.substr(kEndsAt.size(), check.detail.find(';') == std::string::npos
                                                  ? std::string::npos
                                                  : check.detail.find(';') - kEndsAt.size());
      status["certificates"].push_back({{"name", check.name},
                                        {"ends", ends},
                                        {"days_left", seconds_until(ends) / 86'400},
                                        {"state", check.state}});
    }
    status["checks"].push_back(
        {{"name", check.name}, {"state", check.state}, {"detail", check.detail}});
  }
}

// What users taught and spamd is still to learn.
void add_lessons(const config::Config& config, Json& status) {
  if (!process::has_lessons(config)) return;
  const metrics::Snapshot counted = process::ask_metrics(config);
  status["lessons"]["waiting"] = metrics::find(counted, metric::lessons_waiting);
  for (const std::string_view result : {"learned", "dropped"}) {
    std::int64_t sum = 0;
    for (const std::string_view what : metrics::kMailClassValues)
      sum += metrics::find(counted, metric::lessons, result, what);
    status["lessons"][std::string(result)] = sum;
  }
}

void add_running(const config::Config& config, Json& status) {
  const auto running = process::find_running(config);
  if (!running) return;
  const std::string since = format_log_time(running->since);
  status["version"] = running->version;
  status["since"] = since;
  status["uptime_seconds"] = std::max<std::int64_t>(0, -seconds_until(since));
  for (const auto& [service, address] : running->listens) {
    const auto port = to_number<unsigned>(std::string_view(address).substr(address.rfind(':') + 1));
    status["listen"].push_back(
        {{"service", service}, {"address", address}, {"port", port.value_or(0)}});
  }
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_part(const Json& status, const std::string& name) {
  const auto part = status.find(name);
  if (part == status.end()) return;
  for (const auto& [key, value] : part->items())
    fmt::print("{}.{} {}\n", name, key, text_of(value));
}

void print_lines(const Json& status) {
  fmt::print("running, pid {}\n", status["pid"].get<int>());
  if (status.contains("version"))
    fmt::print("version {}\nsince {}\n", text_of(status["version"]), text_of(status["since"]));
  for (const Json& one : status["listen"])
    fmt::print("listens {} {}\n", text_of(one["service"]), text_of(one["address"]));
  for (const char* name : {"tables", "auth"}) print_part(status, name);
  if (const auto database = status.find("database"); database != status.end()) {
    fmt::print("database {}\n", text_of((*database)["state"]));
    if (database->contains("fault"))
      fmt::print("database.fault {}\n", text_of((*database)["fault"]));
  }
  print_part(status, "queue");
  for (const Json& fault : status["relay"]["faults"])
    fmt::print("relay {} {}: {}\n", text_of(fault["state"]), text_of(fault["relay"]),
               text_of(fault["reason"]));
  const Json& spamd = status["spamd"];
  fmt::print("spamd {}{}\n", text_of(spamd["state"]),
             spamd.contains("reason") ? ": " + text_of(spamd["reason"]) : "");
  print_part(status, "lessons");
  for (const Json& one : status["certificates"])
    fmt::print("{} ends {} ({} days)\n", text_of(one["name"]), text_of(one["ends"]),
               text_of(one["days_left"]));
  for (const Json& check : status["checks"])
    if (check["state"] != "ok" && check["name"] != "spamd")
      fmt::print("{} {}: {}\n", text_of(check["state"]), text_of(check["name"]),
                 text_of(check["detail"]));
  for (const Json& finding : status["findings"])
    if (finding["weight"] != "note")
      fmt::print("{} {}\n", text_of(finding["weight"]), text_of(finding["text"]));
  if (!status["changed_keys"].empty())
    fmt::print("config.changed {} (posthorn restart)\n",
               fmt::join(status["changed_keys"].get<std::vector<std::string>>(), " "));
}

void print_json(const Json& status) {
  fmt::print("{}\n", status.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

int print_status(const config::Config& config, const StatusOptions& options) {
  const auto pid = process::find_instance(config);
  if (!pid) return complain(pid.error().what);
  if (!*pid) {
    if (options.json)
      print_json({{"running", false}});
    else
      fmt::print("stopped\n");
    return 3;
  }
  Json status = {{"running", true}, {"pid", **pid}};
  status["listen"] = Json::array();
  add_running(config, status);
  status["relay"]["faults"] = Json::array();
  int code = 0;
  for (const std::string_view socket : {"lookup-control.sock", "queue-control.sock"}) {
    const auto answer = ask_server(config, socket, net::Message("status"));
    if (answer)
      add_counts(*answer, status);
    else
      code = complain(fmt::format("{}: {}", socket, answer.error().what));
  }
  add_checks(config, status);
  add_lessons(config, status);
  status["findings"] = Json::array();
  for (const config::Finding& finding : process::ask_findings(config))
    status["findings"].push_back({{"weight", to_string(finding.weight)}, {"text", finding.text()}});
  status["changed_keys"] = process::find_changed_keys(config);
  if (options.json)
    print_json(status);
  else
    print_lines(status);
  return code;
}

}  // namespace posthorn::tools
