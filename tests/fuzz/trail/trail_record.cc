// Any bytes as a record of another role's: what is read is written back to the same, holds nothing
// that a terminal obeys, and stays within its bounds.
#include "tests/support/fuzz.h"
#include "trail/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto record = trail::parse_record(text);
  if (!record) return 0;
  test::require(record->details.size() <= trail::kDetailsMax);
  for (const auto& [key, value] : record->details) {
    test::require(!key.empty() && value.size() <= trail::kValueMax);
    for (const char c : value) test::require(static_cast<unsigned char>(c) >= ' ' && c != 0x7F);
  }
  const auto again = trail::parse_record(trail::format_record(*record));
  test::require(again && again->event == record->event && again->queue_id == record->queue_id);
  for (const trail::Name& name : trail::names_of(*record)) test::require(!name.text.empty());
  return 0;
}
