// The report of certificates as a value: what is wrong in it, as text and as JSON.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/ascii.h"
#include "tools/certificate_list.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

bool covers(const std::vector<std::string>& names, const std::string& host) {
  const std::string wanted = to_lower(host);
  const std::size_t dot = wanted.find('.');
  return std::ranges::any_of(names, [&](const std::string& name) {
    const std::string lower = to_lower(name);
    return lower == wanted || (dot != std::string::npos && lower == "*" + wanted.substr(dot));
  });
}

std::int64_t days_left(WallTime ends, WallTime now) {
  return std::chrono::floor<std::chrono::days>(ends - now).count();
}

std::string remedy_of(const ListedCertificate& one) {
  if (one.origin == "acme") return fmt::format("posthorn certificate renew {}", one.name);
  if (one.info.is_of_own_authority) return "posthorn certificate renew";
  return "renew it where it was issued, then posthorn certificate install";
}

void judge_file(const ListedCertificate& one, WallTime now,
                std::vector<CertificateReport::Fault>& faults) {
  if (one.renewal && !one.renewal->error.empty())
    faults.push_back({fmt::format("{}: not renewed: {}", one.name, one.renewal->error),
                      one.renewal->remedy.empty() ? remedy_of(one) : one.renewal->remedy});
  if (!one.error.empty()) {
    if (!one.renewal)
      faults.push_back({fmt::format("{}: {}", one.file.native(), one.error),
                        "put a pair there by posthorn certificate install, or say it as root"});
    return;
  }
  if (one.info.not_after <= now)
    faults.push_back(
        {fmt::format("{}: ended at {}", one.file.native(), format_log_time(one.info.not_after)),
         remedy_of(one)});
  if (one.info.not_before > now)
    faults.push_back({fmt::format("{}: begins at {} only", one.file.native(),
                                  format_log_time(one.info.not_before)),
                      "look at this machine's clock"});
}

// A pair with the other kind of key for the same name is shown to those who cannot use this one.
void judge_shown(CertificateReport& report) {
  std::set<std::string> told;
  for (const Shown& seen : report.shown) {
    const std::string port = seen.port.text();
    if (!seen.fault.empty()) {
      report.faults.push_back({fmt::format("{}: no certificate is seen: {}", port, seen.fault),
                               "posthorn status says what is down"});
      continue;
    }
    bool is_known = false;
    for (ListedCertificate& one : report.certificates) {
      if (one.info.sha256 != seen.sha256) continue;
      is_known = true;
      if (std::ranges::find(one.shown_on, port) == one.shown_on.end()) one.shown_on.push_back(port);
    }
    if (!is_known && told.insert(port).second)
      report.faults.push_back(
          {fmt::format(
               "{}: what it shows to who asks for {} is in no file here: a certificate for {}",
               port, seen.name,
               seen.names.empty() ? "no name" : fmt::format("{}", fmt::join(seen.names, " "))),
           "posthorn reload takes the files, or says why not"});
  }
}

std::string text_of(const std::optional<WallTime>& time) {
  return time ? format_log_time(*time) : "";
}

Json to_json(const ListedCertificate& one, WallTime now) {
  Json json{{"name", one.name},
            {"origin", one.origin},
            {"file", one.file.native()},
            {"names", one.info.names}};
  if (one.error.empty()) {
    json["issuer"] = one.info.issuer;
    json["begins"] = format_log_time(one.info.not_before);
    json["ends"] = format_log_time(one.info.not_after);
    json["days_left"] = days_left(one.info.not_after, now);
    json["fingerprint"] = one.info.sha256;
  } else {
    json["error"] = one.error;
  }
  if (one.renewal)
    json["renewal"] = {{"state", one.renewal->state},
                       {"issued", text_of(one.renewal->issued)},
                       {"attempted", text_of(one.renewal->attempted)},
                       {"next", text_of(one.renewal->next)},
                       {"error", one.renewal->error},
                       {"remedy", one.renewal->remedy}};
  json["shown_on"] = one.shown_on;
  return json;
}

void add_text(std::string& text, const ListedCertificate& one, WallTime now,
              CertificateReport::Server server) {
  const auto line = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<8} {}\n", what, value);
  };
  text += fmt::format("{}\n", one.name);
  line("file", one.file.native());
  line("names", fmt::format("{}", fmt::join(one.info.names, " ")));
  if (one.error.empty()) {
    const auto days = days_left(one.info.not_after, now);
    line("issuer", one.info.issuer);
    line("begins", format_log_time(one.info.not_before));
    line("ends", fmt::format("{} ({})", format_log_time(one.info.not_after),
                             days < 0 ? "over" : fmt::format("in {} days", days)));
  } else {
    line("fault", one.error);
  }
  if (one.renewal) {
    line("renewed", one.renewal->issued ? text_of(one.renewal->issued) : "never");
    line("next", text_of(one.renewal->next) +
                     (one.renewal->reason.empty() ? "" : ": " + one.renewal->reason));
    line("failed", one.renewal->error.empty()
                       ? ""
                       : text_of(one.renewal->attempted) + ": " + one.renewal->error);
  }
  if (server == CertificateReport::Server::running && one.error.empty())
    line("shown on",
         one.shown_on.empty() ? "no port" : fmt::format("{}", fmt::join(one.shown_on, ", ")));
}

}  // namespace

void judge(CertificateReport& report, const std::string& hostname, WallTime now) {
  for (const ListedCertificate& one : report.certificates) judge_file(one, now, report.faults);
  const bool is_named = std::ranges::any_of(report.certificates, [&](const auto& one) {
    return one.error.empty() && covers(one.info.names, hostname);
  });
  if (!is_named)
    report.faults.push_back(
        {fmt::format("no certificate is for server.hostname {}: clients that are told that name "
                     "refuse what they get",
                     hostname),
         "get one for it (acme.directory, or certbot and posthorn certificate install), or set "
         "server.hostname to a name that there is one for"});
  judge_shown(report);
}

std::string to_json(const CertificateReport& report, WallTime now) {
  Json json{{"running", report.server == CertificateReport::Server::running},
            {"certificates", Json::array()},
            {"ports", Json::array()},
            {"faults", Json::array()}};
  for (const ListedCertificate& one : report.certificates)
    json["certificates"].push_back(to_json(one, now));
  for (const Shown& one : report.shown)
    json["ports"].push_back({{"port", one.port.text()},
                             {"asked", one.name},
                             {"names", one.names},
                             {"fingerprint", one.sha256},
                             {"fault", one.fault}});
  for (const auto& fault : report.faults)
    json["faults"].push_back({{"text", fault.what}, {"remedy", fault.remedy}});
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const CertificateReport& report, WallTime now) {
  std::string text;
  for (const ListedCertificate& one : report.certificates) add_text(text, one, now, report.server);
  if (report.server == CertificateReport::Server::stopped)
    text += "the server does not run: nothing is shown\n";
  for (const auto& fault : report.faults)
    text += fmt::format("FAULT {}; {}\n", fault.what, fault.remedy);
  return text;
}

}  // namespace posthorn::tools
