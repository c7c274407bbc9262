// Any bytes behind a check that holds: a record gives nothing, or facts such as a message can have,
// each half the same as when both are asked for; without the check it gives nothing.
#include "search/record.h"
#include "tests/support/fuzz.h"
#include "tests/support/same_facts.h"

namespace {

using namespace posthorn;

void check(const search::HeaderFacts& header, std::string_view record) {
  for (const search::Field& field : header.fields) {
    test::require(field.value.size() <= record.size());
    test::require(search::has_addresses(field.name) || field.addresses.empty());
    test::require(field.addresses.size() <= record.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content = test::text_of(data, size);
  (void)search::read_record(content);
  const std::string record = search::seal_record(content);
  const auto facts = search::read_record(record);
  if (!facts) return 0;
  if (facts->header) check(*facts->header, record);
  if (facts->structure) test::require(test::is_possible(*facts->structure, 0, UINT64_MAX));
  test::require(search::read_record(record, search::Half::header)->header == facts->header);
  test::require(search::read_record(record, search::Half::structure)->structure ==
                facts->structure);
  std::string damaged = record;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  test::require(!search::read_record(damaged));
  return 0;
}
