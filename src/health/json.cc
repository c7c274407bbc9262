// The page as JSON: tests/schemas/status.json describes it. Keys stay; new ones may come. Numbers
// are numbers, times as the log writes them, and what is not known is left out.
#include <nlohmann/json.hpp>

#include "health/fields.h"

namespace posthorn::health {
namespace {

using Json = nlohmann::ordered_json;

class Maker {
 public:
  explicit Maker(Json& json) : json_(json) {}
  void operator()(std::string_view name, const std::string& value) {
    if (!value.empty()) json_[std::string(name)] = value;
  }
  void operator()(std::string_view name, std::uint64_t value) { json_[std::string(name)] = value; }
  void operator()(std::string_view name, WallTime value) {
    if (value != WallTime{}) json_[std::string(name)] = format_log_time(value);
  }
  void operator()(std::string_view name, const std::vector<std::string>& values) {
    json_[std::string(name)] = values;
  }

 private:
  Json& json_;
};

template <class Part>
Json make(const Part& part) {
  Json json = Json::object();
  Maker maker(json);
  Part copy = part;
  visit(maker, copy);
  return json;
}

template <class Part>
Json make(const std::vector<Part>& parts) {
  Json json = Json::array();
  for (const Part& part : parts) json.push_back(make(part));
  return json;
}

std::int64_t seconds_between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<std::chrono::seconds>(to - from).count();
}

Json make_listen(const Page& page) {
  Json listen = Json::array();
  for (const Port& port : page.ports) {
    Json one = make(port);
    const std::size_t colon = port.address.rfind(':');
    one["port"] = colon == std::string::npos ? 0 : std::atoi(port.address.c_str() + colon + 1);
    listen.push_back(std::move(one));
  }
  return listen;
}

Json make_troubles(const std::vector<Trouble>& troubles) {
  Json json = Json::array();
  for (const Trouble& trouble : troubles)
    json.push_back({{"weight", trouble.weight == Trouble::Weight::red ? "red" : "warning"},
                    {"text", trouble.what},
                    {"remedy", trouble.remedy}});
  return json;
}

void add_parts(const Page& page, WallTime now, Json& json) {
  json["listen"] = make_listen(page);
  json["roles"] = make(page.roles);
  for (std::size_t i = 0; i < page.roles.size(); ++i)
    json["roles"][i]["seconds"] =
        std::max<std::int64_t>(0, seconds_between(page.roles[i].since, now));
  json["tables"] = make(page.tables);
  json["tables"]["list"] = make(page.table_list);
  json["auth"] = make(page.auth);
  if (!page.database.state.empty()) json["database"] = make(page.database);
  json["queue"] = make(page.queue);
  json["relay"]["faults"] = make(page.relay_faults);
  json["spamd"] = make(page.spamd);
  if (page.lessons) json["lessons"] = make(*page.lessons);
  json["certificates"] = make(page.certificates);
  for (std::size_t i = 0; i < page.certificates.size(); ++i)
    json["certificates"][i]["days_left"] = seconds_between(now, page.certificates[i].ends) / 86'400;
  json["disks"] = make(page.disks);
  if (!page.trail.state.empty()) json["trail"] = make(page.trail);
  if (page.acme.state == "on" || !page.acme.reason.empty()) {
    json["acme"] = make(page.acme);
    json["acme"]["certificates"] = make(page.acme_certificates);
  }
  if (!page.dns.state.empty()) {
    json["dns"] = make(page.dns);
    json["dns"]["marks"] = make(page.marks);
  }
  json["checks"] = make(page.checks);
  json["findings"] = Json::array();
  for (const config::Finding& finding : page.findings)
    json["findings"].push_back({{"weight", to_string(finding.weight)}, {"text", finding.text()}});
  json["changed_keys"] = page.changed_keys;
}

}  // namespace

std::string to_json(const Page& page, WallTime now, Layout layout) {
  const std::vector<Trouble> troubles = find_troubles(page, now);
  const Verdict verdict = judge(page, troubles);
  Json json = {{"running", page.is_running},
               {"status", verdict.state},
               {"verdict", verdict.text},
               {"remedy", verdict.remedy}};
  if (page.is_running) {
    json["troubles"] = make_troubles(troubles);
    json["pid"] = page.pid;
    json["version"] = page.version;
    json["hostname"] = page.hostname;
    json["since"] = format_log_time(page.since);
    json["uptime_seconds"] = std::max<std::int64_t>(0, seconds_between(page.since, now));
    add_parts(page, now, json);
  }
  const int indent = layout == Layout::indented ? 2 : -1;
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace posthorn::health
