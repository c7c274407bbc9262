// "/health" as a person sees it, in the colours that his browser asks for. The text around is
// pages/health.html; what others have said is escaped where it is filled in.
#include "web/page_files.h"
#include "web/pages.h"

namespace posthorn::web {
namespace {

std::string class_of(health::Tone tone) {
  switch (tone) {
    case health::Tone::plain:
      return "plain";
    case health::Tone::good:
      return "good";
    case health::Tone::faint:
      return "faint";
    case health::Tone::warning:
      return "warning";
    case health::Tone::red:
      return "red";
  }
  return "plain";
}

// The first trouble is the verdict.
Rows trouble_rows(const std::vector<health::Trouble>& troubles) {
  Rows rows;
  for (std::size_t i = 1; i < troubles.size(); ++i)
    rows.push_back(
        {.values = {
             {"weight", troubles[i].weight == health::Trouble::Weight::red ? "red" : "warning"},
             {"what", troubles[i].what},
             {"todo", troubles[i].remedy}}});
  return rows;
}

Rows page_rows(const health::Page& page, WallTime now) {
  Rows rows;
  std::string last;
  for (const health::Row& row : health::make_rows(page, now)) {
    rows.push_back({.values = {{"part", row.part == last ? "" : row.part},
                               {"item", row.item},
                               {"tone", class_of(row.tone)},
                               {"text", row.text}}});
    last = row.part;
  }
  return rows;
}

}  // namespace

std::string health_page(const health::Page& page, WallTime now) {
  const auto troubles = health::find_troubles(page, now);
  const health::Verdict verdict = health::judge(page, troubles);
  const Rows others = trouble_rows(troubles);
  Rows remedy;
  if (!verdict.remedy.empty()) remedy.push_back({.values = {{"todo", verdict.remedy}}});
  Rows wrong;
  if (!others.empty()) wrong.push_back({.values = {}, .blocks = {{"troubles", others}}});
  return fill_page(
      "health.html",
      {.values = {{"hostname", page.hostname}, {"state", verdict.state}, {"verdict", verdict.text}},
       .blocks = {{"remedy", remedy}, {"wrong", wrong}, {"rows", page_rows(page, now)}}});
}

}  // namespace posthorn::web
