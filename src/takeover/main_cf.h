// Postfix's main.cf as Postfix reads it (postconf(5)): the last line of a name counts, a line that
// begins with white space goes on with the one before, and $name stands for another setting.
// Sans-I/O.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/finding.h"

namespace posthorn::takeover {

struct MainCf {
  struct Setting {
    std::string value;  // as it stands there, on one line
    std::size_t line = 0;
  };
  std::string file;
  std::map<std::string, Setting> settings;
  std::map<std::string, std::string> defaults;  // of this machine: "myhostname"
  config::Findings faults;

  bool has(const std::string& name) const { return settings.contains(name); }
  // With all that it refers to; of a setting that is not there Postfix's own default, where another
  // one may refer to it, else nothing.
  std::string value_of(const std::string& name) const;
  // $name, ${name}, $(name), ${name?text}, ${name:text}, ${name?{text}:{text}}, $$. What refers to
  // itself ends there.
  std::string expand(std::string_view text) const;
};

MainCf parse_main_cf(std::string_view text, const std::string& file);

// Words of a list: blanks or commas between them; what stands in braces is one word.
std::vector<std::string> list_words(std::string_view text);

}  // namespace posthorn::takeover
