// Any bytes as posthorn-annotations: what is understood has a good name, and reads back the same
// from the file that we write.
#include "store/annotations.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const store::Annotations all = store::parse_annotations(text);
  for (const auto& [name, value] : all) {
    test::require(store::check_annotation_name(name) == name);
    test::require(store::may_have_value(name));
  }
  const std::string written = store::format_annotations(all);
  test::require(store::parse_annotations(written) == all);
  if (const auto use = store::special_use_in(all))
    test::require(store::parse_special_use(store::to_string(*use)) == use);
  if (const auto name = store::check_annotation_name(text))
    test::require(store::check_annotation_name(*name) == name);

  // Within the limits, or as it was before.
  store::Annotations changed = all;
  if (store::apply({{"/shared/more", std::string(text)}}, changed) == store::AnnotationResult::done)
    test::require(changed.size() <= std::max(store::kAnnotationsMax, all.size()));
  return 0;
}
