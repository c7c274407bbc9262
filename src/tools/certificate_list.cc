#include "tools/certificate_list.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <thread>

#include "base/ascii.h"
#include "net/certificate_folder.h"
#include "process/instance.h"
#include "process/key_keeper.h"
#include "process/sockets.h"
#include "tools/certificate.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

std::optional<WallTime> time_of(std::string_view text) {
  const auto number = to_number<std::int64_t>(text);
  if (!number || *number <= 0) return std::nullopt;
  return WallTime(std::chrono::milliseconds(*number));
}

ListedCertificate read_listed(const config::Config& config, std::string name, std::string origin,
                              const Path& file) {
  ListedCertificate listed{.name = std::move(name),
                           .origin = std::move(origin),
                           .file = file,
                           .info = {},
                           .error = "",
                           .renewal = std::nullopt,
                           .shown_on = {}};
  auto info =
      net::read_certificate(net::find_readable(file, process::KeyKeeper::folder_of(config)));
  if (info)
    listed.info = *std::move(info);
  else
    listed.error = info.error().what;
  return listed;
}

void find_files(const config::Config& config, CertificateReport& report) {
  auto& all = report.certificates;
  if (process::has_acme(config)) {
    const auto found = net::find_acme_certificates(config.paths.acme);
    if (!found)
      report.faults.push_back({found.error().what, "say it as root"});
    else
      for (const net::CertificateFiles& files : *found)
        all.push_back(
            read_listed(config, files.certificate.stem().native(), "acme", files.certificate));
  }
  all.push_back(read_listed(config, "default", "file", config.paths.certificate));
  const auto further = net::find_certificates(config.tls.folder);
  if (!further)
    report.faults.push_back({further.error().what, "say it as root"});
  else
    for (const net::CertificateFiles& files : *further)
      all.push_back(read_listed(config, files.certificate.parent_path().filename().native(),
                                "folder", files.certificate));
}

void add_renewals(CertificateReport& report, std::vector<Renewal> renewals) {
  for (Renewal& renewal : renewals) {
    const auto known = std::ranges::find_if(report.certificates, [&](const ListedCertificate& one) {
      return one.origin == "acme" && one.name == renewal.name;
    });
    if (known != report.certificates.end()) {
      known->renewal = std::move(renewal);
      continue;
    }
    ListedCertificate wanted{.name = renewal.name,
                             .origin = "acme",
                             .file = {},
                             .info = {},
                             .error = "there is none yet",
                             .renewal = std::nullopt,
                             .shown_on = {}};
    wanted.info.names = renewal.names;
    wanted.renewal = std::move(renewal);
    report.certificates.push_back(std::move(wanted));
  }
}

std::vector<std::string> names_to_ask(const config::Config& config,
                                      const CertificateReport& report) {
  std::vector<std::string> names = {config.server.hostname};
  for (const ListedCertificate& one : report.certificates) {
    if (one.info.names.empty() || !one.error.empty()) continue;
    const std::string& first = one.info.names.front();
    const std::string name = first.starts_with("*.") ? "any" + first.substr(1) : first;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

Result<CertificateReport> look(const config::Config& config) {
  CertificateReport report;
  find_files(config, report);
  TRY(const auto running, process::find_instance(config));
  if (!running) return report;
  report.server = CertificateReport::Server::running;
  if (process::has_acme(config)) {
    const auto status = ask_server(config, "acme-control.sock", net::Message("status"));
    if (!status)
      report.faults.push_back(
          {fmt::format("the role acme does not tell of renewals: {}", status.error().what),
           "posthorn status"});
    else if (!status->get("off").empty())
      report.faults.push_back(
          {fmt::format("certificates are not renewed by ACME: {}", status->get("off")),
           "mend [acme] in posthorn.toml, then posthorn restart"});
    if (status) add_renewals(report, take_renewals(*status));
  }
  report.shown = look_at_ports(list_tls_ports(config), names_to_ask(config, report));
  return report;
}

constexpr auto kRenewalPatience = std::chrono::minutes(5);

// What came of those that were begun at that time; nullopt: some are still under way.
std::optional<int> tell_outcome(const std::vector<Renewal>& renewals,
                                const std::vector<std::string>& begun, WallTime asked) {
  std::vector<const Renewal*> done;
  for (const Renewal& one : renewals) {
    if (std::ranges::find(begun, one.name) == begun.end()) continue;
    const bool is_under_way =
        one.state == "busy" || one.state == "waiting" || !one.attempted || *one.attempted < asked;
    if (is_under_way) return std::nullopt;
    done.push_back(&one);
  }
  int status = 0;
  for (const Renewal* one : done) {
    if (one->error.empty()) {
      fmt::print("{}: renewed; every TLS port shows it within a second\n", one->name);
      continue;
    }
    fmt::print(
        stderr, "{}: not renewed: {}; {}\n", one->name, one->error,
        one->remedy.empty() ? "the one of before stays in use; the log says more" : one->remedy);
    status = 1;
  }
  return status;
}

}  // namespace

std::vector<Renewal> take_renewals(const net::Message& status) {
  std::vector<Renewal> all;
  for (const auto& [key, value] : status.fields) {
    if (key == "certificate") {
      all.push_back({});
      all.back().name = value;
    }
    if (all.empty()) continue;
    Renewal& one = all.back();
    if (key == "names")
      for (std::size_t at = 0; at < value.size();) {
        const std::size_t end = std::min(value.find(' ', at), value.size());
        if (end > at) one.names.push_back(value.substr(at, end - at));
        at = end + 1;
      }
    if (key == "issued") one.issued = time_of(value);
    if (key == "next") one.next = time_of(value);
    if (key == "attempted") one.attempted = time_of(value);
    if (key == "reason") one.reason = value;
    if (key == "error") one.error = value;
    if (key == "remedy") one.remedy = value;
    if (key == "state") one.state = value;
  }
  return all;
}

int list_certificates(const config::Config& config, const ListCertificatesOptions& options) {
  auto report = look(config);
  if (!report) return complain(report.error().what);
  const WallTime now = Clock::system().now();
  judge(*report, config.server.hostname, now);
  fmt::print("{}", options.json ? to_json(*report, now) : to_text(*report, now));
  return report->faults.empty() ? 0 : 1;
}

int renew_certificates(const config::Config& config, const RenewOptions& options) {
  if (!process::has_acme(config)) {
    if (options.name.empty()) return renew_certificate(config);
    return complain(fmt::format(
        "{}: acme.directory is empty, so no certificate is renewed by name; renew it where it was "
        "issued, and put it in place by `posthorn certificate install`",
        options.name));
  }
  net::Message request("renew");
  if (!options.name.empty()) request.add("name", options.name);
  const auto answer = ask_server(config, "acme-control.sock", std::move(request));
  if (!answer)
    return complain(
        fmt::format("{}; the role acme renews certificates while the server runs: "
                    "`posthorn status` says what is down",
                    answer.error().what));
  if (answer->verb != "ok")
    return complain(
        fmt::format("{}; `posthorn certificate list` shows which there are", answer->get("error")));
  std::vector<std::string> begun;
  for (const std::string_view name : answer->all("begun")) begun.emplace_back(name);
  const WallTime asked = time_of(answer->get("asked")).value_or(WallTime{});
  const SteadyTime end = Clock::system().steady_now() + kRenewalPatience;
  while (Clock::system().steady_now() < end) {
    const auto status = ask_server(config, "acme-control.sock", net::Message("status"));
    if (!status) return complain(status.error().what);
    if (const auto outcome = tell_outcome(take_renewals(*status), begun, asked)) return *outcome;
    std::this_thread::sleep_for(500ms);
  }
  return complain("it is still under way; `posthorn certificate list` tells what came of it", 75);
}

}  // namespace posthorn::tools
