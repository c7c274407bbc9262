// Any bytes as a Sieve script: a program, or faults that all have a place and a sentence; and the
// same again the second time.
#include "sieve/compile.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto first = sieve::compile(text, {});
  const auto second = sieve::compile(text, {});
  test::require((first.program == nullptr) == !first.faults.empty());
  test::require(first.faults.size() <= sieve::kFaultsMax);
  test::require(first.faults.size() == second.faults.size());
  for (std::size_t i = 0; i < first.faults.size(); ++i) {
    const sieve::Fault& fault = first.faults[i];
    test::require(fault.line >= 1 && fault.column >= 1 && !fault.text.empty());
    test::require(fault.line == second.faults[i].line && fault.text == second.faults[i].text);
  }
  if (!first.program) return 0;
  const sieve::Program& a = *first.program;
  const sieve::Program& b = *second.program;
  test::require(a.texts == b.texts && a.strings.size() == b.strings.size());
  test::require(a.nodes.size() == b.nodes.size() && a.arguments.size() == b.arguments.size());
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    test::require(a.nodes[i].command == b.nodes[i].command && a.nodes[i].test == b.nodes[i].test);
    test::require(a.nodes[i].args == b.nodes[i].args && a.nodes[i].line == b.nodes[i].line);
    test::require(a.nodes[i].args + a.nodes[i].args_count <= a.arguments.size());
  }
  return 0;
}
