// Any text as a stored password: it is read or refused without a cost that was not asked for, the
// cheap schemes agree with a digest made here, and neither a lock nor a NUL ever matches.
#include <openssl/evp.h>

#include "auth/password.h"
#include "base/base64.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::string sha256(std::string_view text) {
  std::string out(32, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size,
             EVP_sha256(), nullptr);
  return out;
}

// What a real hash costs is for real logins; here only the reading of one is of interest.
bool is_cheap(std::string_view stored) {
  for (const std::string_view mark :
       {"$2", "$y$", "$gy$", "$7$", "$sha1", "$md5", "$5$", "$6$", "_"})
    if (stored.find(mark) != std::string_view::npos) return false;
  const std::size_t memory = stored.find("m=");
  return memory == std::string_view::npos || stored.substr(memory + 2).find_first_of(',') <= 3;
}

void check(std::string_view stored, std::string_view password, bool wanted) {
  const auto result = auth::verify_password(stored, password);
  test::require(result && *result == wanted);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string_view stored = test::take_line(rest);
  const std::string_view password = rest.substr(0, 1000);
  // Neither is ever right.
  const bool may_match = !password.empty() && password.find('\0') == std::string_view::npos;
  if (is_cheap(stored)) {
    const auto result = auth::verify_password(stored, password);
    if (!result)
      test::require(result.error().kind == ErrorKind::config && !result.error().what.empty());
    if (result && *result)
      test::require(may_match && !stored.empty() && stored[0] != '!' && stored[0] != '*');
  }
  const std::string text(password);
  const std::string salt(stored.substr(0, 20));
  check("{PLAIN}" + text, password, may_match);
  check("{plain}" + text + "x", password, false);
  check("{SHA256}" + encode_base64(sha256(text)), password, may_match);
  check("{SSHA256}" + encode_base64(sha256(text + salt) + salt), password, may_match);
  check("{SSHA256.b64}" + encode_base64(sha256(text + salt) + salt), text + "x", false);
  for (const char* locked : {"", "!", "*", "!!", "{CRYPT}", "{CRYPT}!x", "{SHA512-CRYPT}*"})
    check(locked, password, false);
  return 0;
}
