// The one list of configuration keys: from it the file is parsed, checked and printed. A visitor
// gets, in order, section(name, text), then for each key its place in Config, its bounds and its
// sentence.
#pragma once

#include <map>
#include <set>

#include "config/config.h"

namespace posthorn::config {

class KeyVisitor {
 public:
  virtual ~KeyVisitor() = default;
  virtual void section(std::string_view name, std::string_view about) = 0;
  virtual void text(std::string_view key, std::string& value, std::string_view about) = 0;
  // A number as text; empty: not set.
  virtual void score(std::string_view key, std::string& value, std::string_view about) {
    text(key, value, about);
  }
  virtual void choice(std::string_view key, const ChoiceRef& value, std::string_view about) = 0;
  virtual void path(std::string_view key, Path& value, std::string_view about) = 0;
  virtual void list(std::string_view key, std::vector<std::string>& value,
                    std::string_view about) = 0;
  // A table of texts, whose keys are the administrator's own.
  virtual void names(std::string_view key, std::map<std::string, std::string>& value,
                     std::string_view about) = 0;
  virtual void flag(std::string_view key, bool& value, std::string_view about) = 0;
  virtual void count(std::string_view key, std::size_t& value, std::size_t min, std::size_t max,
                     std::string_view about) = 0;
  virtual void bytes(std::string_view key, Bytes& value, Bytes min, Bytes max,
                     std::string_view about) = 0;
  virtual void duration(std::string_view key, Duration& value, Duration min, Duration max,
                        std::string_view about) = 0;
};

void visit_keys(Config& config, KeyVisitor& visitor);

}  // namespace posthorn::config
