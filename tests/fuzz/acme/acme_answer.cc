// Any bytes as an answer of an ACME directory: whatever is understood, its URLs are ones that may be
// asked, its tokens are file names' letters, and what people are shown has nothing that a terminal
// obeys.
#include "acme/protocol.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

void check_url(const std::string& url) {
  test::require(url.empty() || (url.starts_with("https://") && url.size() <= 2000));
  test::require(!test::has_control(url) && url.find(' ') == std::string::npos);
}

void check_shown(const std::string& text) {
  test::require(!test::has_control(text) && text.size() <= 300);
}

void check_problem(const acme::Problem& problem) {
  check_shown(problem.detail);
  check_shown(problem.instance);
  test::require(!test::has_control(acme::sentence_of(problem)));
  test::require(acme::sentence_of(problem).size() < 8000);
  const std::string remedy = acme::remedy_of(problem);
  test::require(!remedy.empty() && !test::has_control(remedy));
}

void check_authorization(const acme::Authorization& authorization) {
  check_shown(authorization.name);
  for (const acme::Challenge& one : authorization.challenges) {
    check_url(one.url);
    test::require(!one.token.empty() && one.token.find_first_of("/.\\\n") == std::string::npos);
    if (one.error) check_problem(*one.error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  if (const auto read = acme::read_directory(text)) {
    for (const std::string* url : {&read->new_nonce, &read->new_account, &read->new_order,
                                   &read->revoke_cert, &read->renewal_info})
      check_url(*url);
    check_shown(read->terms);
  }
  if (const auto read = acme::read_order(text)) {
    test::require(!read->authorizations.empty());
    for (const std::string& url : read->authorizations) check_url(url);
    check_url(read->finalize);
    check_url(read->certificate);
    if (read->error) check_problem(*read->error);
  }
  if (const auto read = acme::read_authorization(text)) check_authorization(*read);
  if (const auto read = acme::read_window(text)) {
    test::require(read->start < read->end);
    check_shown(read->explanation);
  }
  check_problem(acme::read_problem(net::HttpAnswer{.status = 400, .body = std::string(text)}));
  const net::HttpAnswer answer{.fields = {{"retry-after", std::string(text)}}};
  if (const auto wait = acme::read_retry_after(answer, WallTime(std::chrono::hours(500'000))))
    test::require(*wait >= 0s && *wait <= std::chrono::days(7));
  return 0;
}
