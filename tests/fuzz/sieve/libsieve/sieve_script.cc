// Any bytes as a Sieve script: either a fault that names file and line, or a script whose every run
// ends with actions, the same for the same message, and never more redirects than are allowed.
#include "sieve/libsieve/engine.h"
#include "tests/support/fuzz.h"

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libsieve\n";  // the library leaks what it had read when it meets a fault
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto script = sieve::libsieve::Script::parse(std::string(text), "s.sieve");
  if (!script) {
    const std::string& what = script.error().what;
    test::require(script.error().kind == ErrorKind::config && what.starts_with("s.sieve:"));
    test::require(std::atoi(what.c_str() + std::string_view("s.sieve:").size()) > 0);
    return 0;
  }
  test::require(text.find('\0') == std::string_view::npos &&
                text.size() <= sieve::libsieve::kScriptMax);
  const message::Headers headers(
      "From: a@b.example\r\nTo: c+work@d.example\r\nSubject: hello\r\nX-Spam-Flag: YES\r\n");
  const sieve::libsieve::Input input{headers, 1000, "a@b.example", "c+work@d.example"};
  const auto first = script->run(input);
  const auto second = script->run(input);
  test::require(first.has_value() == second.has_value());
  if (!first) return 0;
  test::require(!first->empty() && first->size() == second->size());
  std::size_t redirects = 0;
  for (std::size_t i = 0; i < first->size(); ++i) {
    test::require((*first)[i].index() == (*second)[i].index());
    redirects += std::holds_alternative<sieve::libsieve::Redirect>((*first)[i]) ? 1 : 0;
  }
  test::require(redirects <= sieve::libsieve::kRedirectsMax);
  return 0;
}
