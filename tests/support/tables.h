// Tables for tests: the files of maps/ in a folder of their own with the configuration that names
// them, and tables that answer from memory or cannot be asked.
#pragma once

#include <atomic>
#include <map>

#include "config/config.h"
#include "maps/table_set.h"
#include "tests/support/temp_folder.h"

namespace posthorn::test {

class TableFiles {
 public:
  TableFiles() {
    config_.paths.maps = folder_.path();
    config_.file = folder_.path() / "posthorn.toml";
    config_.paths.state = folder_.path() / "state";
    config_.maps.poll_interval = 100ms;
    for (const char* name : {"aliases", "senders", "transport", "relay-sasl", "vusers"})
      write(name, "");
  }
  // Replaces the file in one step, as an editor does.
  void write(const std::string& name, std::string_view text) const {
    (void)folder_.write(name + ".new", text);
    std::filesystem::rename(folder_.path() / (name + ".new"), folder_.path() / name);
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(folder_.path() / name); }
  std::string path(const std::string& name) const { return (folder_.path() / name).native(); }
  config::Config& config() { return config_; }

 private:
  TempFolder folder_;
  config::Config config_;
};

// A table whose answers a test sets; broken, it cannot be asked.
class FakeTable final : public maps::Table {
 public:
  net::Task<maps::Found> find(std::string key) const override {
    ++asked;
    if (broken) co_return fail(ErrorKind::temporary, "the table cannot be asked");
    const auto found = values.find(key);
    if (found == values.end()) co_return maps::Found{std::nullopt, freshness};
    co_return maps::Found{found->second, freshness, {this, 1}};
  }
  std::string name() const override { return "fake"; }
  std::map<std::string, std::string> values;
  maps::Freshness freshness = maps::Freshness::current;
  bool broken = false;
  mutable std::size_t asked = 0;
};

}  // namespace posthorn::test
