#include "takeover/report.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::takeover {
namespace {

struct Heading {
  Fate fate;
  std::string_view text;
};
// What needs somebody's eyes first.
constexpr Heading kHeadings[] = {
    {Fate::not_possible, "Not possible"},
    {Fate::taken, "Taken"},
    {Fate::already_so, "Already so"},
    {Fate::not_needed, "Not needed"},
};

// A value as one short line.
std::string shown(const std::string& value) {
  constexpr std::size_t kShownMax = 60;
  std::string out;
  for (const char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  if (out.size() > kShownMax) out = out.substr(0, kShownMax) + "...";
  return out;
}

}  // namespace

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::taken:
      return "taken";
    case Fate::already_so:
      return "already so";
    case Fate::not_needed:
      return "not needed";
    case Fate::not_possible:
      return "not possible";
  }
  return "taken";
}

std::size_t Report::count(Fate fate) const {
  return static_cast<std::size_t>(std::ranges::count(lines_, fate, &Line::fate));
}

std::string Report::to_text() const {
  std::string out;
  for (const Heading& heading : kHeadings) {
    if (count(heading.fate) == 0) continue;
    out += fmt::format("{} ({}):\n", heading.text, count(heading.fate));
    for (const Line& line : lines_) {
      if (line.fate != heading.fate) continue;
      std::string where = line.file;
      if (line.line > 0) where += fmt::format(":{}", line.line);
      out += fmt::format("  {}{}{}{}\n", where, where.empty() ? "" : "  ", line.name,
                         line.value.empty() ? "" : " = " + shown(line.value));
      if (!line.text.empty()) out += "      " + line.text + "\n";
    }
    out += "\n";
  }
  out += fmt::format("{} settings: {} taken, {} already so, {} not needed, {} not possible\n",
                     lines_.size(), count(Fate::taken), count(Fate::already_so),
                     count(Fate::not_needed), count(Fate::not_possible));
  return out;
}

}  // namespace posthorn::takeover
