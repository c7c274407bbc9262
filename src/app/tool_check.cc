#include "app/tool_check.h"

#include <fmt/format.h>

#include "app/settings.h"
#include "app/variables.h"
#include "auth/service.h"
#include "maps/table_set.h"
#include "net/tls.h"
#include "sieve/engine.h"

namespace posthorn::app {
namespace {

class Check {
 public:
  void fault(std::string_view text) {
    fmt::print(stderr, "{}\n", text);
    ++faults_;
  }
  void warn(std::string_view text) { fmt::print(stderr, "warning: {}\n", text); }
  template <class T>
  void expect(const Result<T>& result) {
    if (!result) fault(result.error().what);
  }
  int faults() const { return faults_; }

 private:
  int faults_ = 0;
};

}  // namespace

int check_instance(const config::Config& config) {
  Check check;
  for (const std::string& fault : find_setting_faults(config)) check.fault(fault);
  for (const std::string& fault : find_permission_faults(config)) check.fault(fault);
  const maps::Loaded tables = maps::load_tables(config);
  for (const maps::Finding& finding : tables.faults) check.fault(finding.text());
  for (const maps::Finding& finding : tables.warnings) check.warn(finding.text());
  const auto users = read_file(config.paths.users);
  if (!users || !*users) {
    check.fault(fmt::format("{}:1: {}", config.paths.users.native(),
                            users ? "there is no such file" : users.error().what));
  } else {
    for (const std::string& fault : auth::parse_users(**users, config.paths.users.native()).faults)
      check.fault(fault);
  }
  if (const Path& path = config.paths.smtp_users; !path.empty()) {
    const auto senders = read_file(path);
    if (!senders || !*senders)
      check.fault(fmt::format("{}:1: {}", path.native(),
                              senders ? "there is no such file" : senders.error().what));
    else
      for (const std::string& fault : auth::parse_users(**senders, path.native()).faults)
        check.fault(fault);
  }
  check.expect(net::TlsServer::load({{config.paths.certificate, config.paths.key}}));
  const Path script = config.paths.sieve / "default.sieve";
  if (auto text = read_file(script, sieve::kScriptMax); text && *text)
    check.expect(sieve::Script::parse(**std::move(text), script.native()));
  for (const std::string& line : describe_variables(config, config::environment()))
    fmt::print("{}\n", line);
  if (check.faults() > 0) return 1;
  fmt::print("no faults\n");
  return 0;
}

}  // namespace posthorn::app
