// Finding: what a look at the administrator's files says of one place in them: where, why, what to
// do, and how much it weighs. `check` prints them, the start and `reload` log and count them.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::config {

enum class Weight {
  fault,    // cannot be understood, or would be unsafe: what was in use before stays
  warning,  // works, but surely not as it was meant
  note,     // worth knowing
};

struct Finding {
  std::string where;   // "path:line", or the key of a setting
  std::string reason;  // the cause
  std::string remedy = {};
  Weight weight = Weight::fault;
  std::string text() const {
    return (where.empty() ? "" : where + ": ") + reason + (remedy.empty() ? "" : "; " + remedy);
  }
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

// "path:line: reason" as parsers of one line write it.
inline Finding finding_of(std::string_view text, Weight weight = Weight::fault) {
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos) return {"", std::string(text), "", weight};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 2)), "", weight};
}
inline bool has_fault(const Findings& findings) {
  return std::ranges::find(findings, Weight::fault, &Finding::weight) != findings.end();
}
inline Findings faults_of(const Findings& findings) {
  Findings faults;
  for (const Finding& finding : findings)
    if (finding.weight == Weight::fault) faults.push_back(finding);
  return faults;
}
inline std::string_view to_string(Weight weight) {
  return weight == Weight::fault ? "fault" : weight == Weight::warning ? "warning" : "note";
}

}  // namespace posthorn::config
