// dovecot.conf with all that it includes, as one tree of blocks with where each setting stands.
// Dovecot 2.3's files, and 2.4's, which begin with dovecot_config_version. Files are read, nothing
// is written; how deep and how many is bounded. What is not understood is named and passed over, so
// that a report can be made of the rest.
//
// Blocks of one type and name are one block, as with Dovecot; passdb, userdb and namespace without
// a name are a new one each time. Values are expanded: $name (2.3), $SET:name and $ENV:name (2.4).
// `key = <path` keeps the path, absolute: keys are nothing for a report.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "config/finding.h"

namespace posthorn::takeover {

struct DovecotSetting {
  std::string file;
  std::size_t line = 0;
  std::string name, value;
  bool is_path = false;  // value is the file whose content it is
};

struct DovecotBlock {
  std::string type, name;  // the root has neither
  std::string file;
  std::size_t line = 0;
  std::vector<DovecotSetting> settings;  // in order; of one name the last counts
  std::vector<DovecotBlock> blocks;

  const DovecotSetting* find(std::string_view setting) const;
  // Empty where it is not set.
  std::string value_of(std::string_view setting) const;
  const DovecotBlock* find_block(std::string_view of_type, std::string_view of_name = "") const;
};

struct DovecotConf {
  DovecotBlock root;
  std::string version;  // dovecot_config_version; empty: 2.3 or before
  std::vector<Path> files;
  config::Findings faults;

  bool is_2_4() const { return !version.empty(); }
};

// The error: this file itself cannot be read.
Result<DovecotConf> read_dovecot_conf(const Path& file);

}  // namespace posthorn::takeover
