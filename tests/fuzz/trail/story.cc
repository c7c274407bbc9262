// Any records, as other roles may have written them, as a story: it is never empty, each line is
// bounded, and beside line ends it holds nothing that a terminal obeys. Between the records of the
// input stands an empty line; edge, lookup, queue and store say them in turn.
#include "trail/story.h"

#include <array>

#include "base/utf8.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

constexpr std::size_t kLineSizeMax = 8000, kRecordsMax = 100;

trail::Life life_of(std::string_view text) {
  constexpr std::array kSources = {"edge", "queue", "store", "lookup"};
  trail::Life life;
  for (std::size_t i = 0; !text.empty() && i < kRecordsMax; ++i) {
    const std::size_t end = std::min(text.find("\n\n"), text.size());
    if (auto record = trail::parse_record(text.substr(0, end))) {
      record->source = kSources[i % kSources.size()];
      if (const auto child = trail::child_of(*record); !child.empty())
        life.children.emplace_back(child);
      life.records.push_back(*std::move(record));
    }
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return life;
}

void check(std::string_view said) {
  test::require(said.ends_with('\n') && is_utf8(said));
  while (!said.empty()) {
    const std::string_view line = test::take_line(said);
    test::require(!line.empty() && line.size() <= kLineSizeMax && !test::has_control(line));
    for (std::string_view rest = line; !rest.empty(); rest.remove_prefix(utf8_length(rest)))
      test::require(!is_c1_control(rest));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const trail::Life life = life_of(test::text_of(data, size));
  for (const std::string_view id : {"M8QC4Q1RZ2TYR", ""}) {
    const trail::Story story = trail::tell_story(id, life);
    test::require(story.lines.size() <= life.records.size());
    test::require(life.records.empty() || !story.lines.empty());
    check(trail::format_story(story, {story}));
    check(trail::format_entry(story));
  }
  return 0;
}
