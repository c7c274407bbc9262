// What became of each setting of the old server: nothing that was set there is passed over in
// silence. Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::takeover {

enum class Fate {
  taken,        // it stands in the new configuration
  already_so,   // this server does it without being told
  not_needed,   // what it was for is not there, or is done in another way
  not_possible  // what it did is not done any more: why, and what to do instead
};
std::string_view to_string(Fate fate);  // "taken", "already so", "not needed", "not possible"

struct Line {
  std::string file;      // where it stood; empty: nowhere, it is about the whole
  std::size_t line = 0;  // from 1; 0: none
  std::string name;      // "smtpd_tls_cert_file", "plugin/sieve_before"
  std::string value;     // as it stood there; secrets are left out
  Fate fate = Fate::taken;
  std::string text;  // what became of it, or why that cannot be, and what to do: a phrase
};

class Report {
 public:
  void add(Line line) { lines_.push_back(std::move(line)); }
  const std::vector<Line>& lines() const { return lines_; }
  std::size_t count(Fate fate) const;
  // For people: what was not possible first, then what was taken and the rest; counts at the end.
  std::string to_text() const;

 private:
  std::vector<Line> lines_;
};

}  // namespace posthorn::takeover
