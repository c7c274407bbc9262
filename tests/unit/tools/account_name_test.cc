#include "tools/account_name.h"

#include <gtest/gtest.h>

namespace posthorn::tools {
namespace {

TEST(AccountName, IsCompletedByTheDefaultDomain) {
  config::Config config;
  config.server.default_domain = "";
  EXPECT_EQ(complete_account_name(config, "Alice"), "alice");
  config.server.default_domain = "example.org";
  EXPECT_EQ(complete_account_name(config, "Alice"), "alice@example.org");
  EXPECT_EQ(complete_account_name(config, "Alice@Example.NET"), "alice@example.net");
}

}  // namespace
}  // namespace posthorn::tools
