// Any bytes as the chain that an authority sent, beside a key of ours: what is made of it for the
// file is a pair that is read back the same, holds that key and no other, and no byte that is not
// PEM.
#include "acme/pair.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  // Of the certificate in the seed, so that some inputs are pairs.
  static const std::string key =
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEIM3I5PCd2V43zVBGQXVdZnN3X8F5lMwDcDr6dsLOjpsOoAoGCCqGSM49\n"
      "AwEHoUQDQgAE2Ea+DnGaxWHVaCgpffbDxSpetEqHcbOWmhjPvyDhsUcLYDv+9211\n"
      "ol3cdn9y+cQ7g2LgGLpb2wlLzuVM0djFgw==\n"
      "-----END EC PRIVATE KEY-----\n";
  const std::string chain(test::text_of(data, size));
  const auto pair = acme::make_pair({.chain_pem = chain, .key_pem = key, .names = {}});
  (void)acme::read_pair(chain);
  if (!pair) return 0;
  const auto info = acme::read_pair(*pair);
  test::require(info.has_value());
  test::require(pair->starts_with("-----BEGIN PRIVATE KEY-----\n"));
  test::require(pair->find("PRIVATE KEY", 120) != std::string::npos);
  test::require(pair->ends_with("-----END CERTIFICATE-----\n"));
  const auto key_back = acme::read_key(*pair);
  test::require(key_back && pair->starts_with(*key_back));
  const auto again = acme::make_pair({.chain_pem = *pair, .key_pem = key, .names = info->names});
  test::require(again && *again == *pair);
  return 0;
}
