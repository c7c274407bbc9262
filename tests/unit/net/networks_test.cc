// Proves which addresses a network holds, which texts are none, and which addresses are nobody's to
// send us to.
#include "net/networks.h"

#include <gtest/gtest.h>

namespace posthorn::net {
namespace {

TEST(Networks, Rows) {
  const struct {
    std::vector<std::string> networks;
    std::string address;
    bool inside;
  } rows[] = {
      {{"127.0.0.0/8"}, "127.255.0.1", true},
      {{"127.0.0.0/8"}, "128.0.0.1", false},
      {{"192.0.2.4/31"}, "192.0.2.4", true},
      {{"192.0.2.4/31"}, "192.0.2.5", true},
      {{"192.0.2.4/31"}, "192.0.2.6", false},
      {{"192.0.2.4/31"}, "192.0.2.3", false},
      {{"192.0.2.4"}, "192.0.2.4", true},
      {{"192.0.2.4"}, "192.0.2.5", false},
      {{"192.0.2.4/32"}, "::ffff:192.0.2.4", true},
      {{"10.0.0.0/8"}, "::ffff:10.0.0.1", true},
      {{"10.0.0.0/8"}, "::ffff:11.0.0.1", false},
      {{"::ffff:10.0.0.0/104"}, "10.1.2.3", true},
      {{"::ffff:10.0.0.0/104"}, "11.1.2.3", false},
      {{"0.0.0.0/0"}, "203.0.113.9", true},
      {{"0.0.0.0/0"}, "2001:db8::1", false},
      {{"::/0"}, "2001:db8::1", true},
      {{"2001:db8::/33"}, "2001:db8:7fff::1", true},
      {{"2001:db8::/33"}, "2001:db8:8000::1", false},
      {{"::1/128"}, "::1", true},
      {{"::1/128"}, "::2", false},
      {{"127.0.0.0/8", "::1"}, "::1", true},
      {{}, "127.0.0.1", false},
      {{"0.0.0.0/0", "::/0"}, "", false},
      {{"0.0.0.0/0", "::/0"}, "garbage", false},
      {{"0.0.0.0/0"}, "127.0.0.1.1", false},
  };
  for (const auto& row : rows) {
    const auto networks = Networks::parse(row.networks);
    ASSERT_TRUE(networks) << networks.error().what;
    EXPECT_EQ(networks->contains(row.address), row.inside)
        << (row.networks.empty() ? "" : row.networks.front()) << " " << row.address;
  }
  for (const std::string wrong : {"", "/8", "127.0.0.0/33", "::/129", "127.0.0/8", "127.0.0.0/",
                                  "127.0.0.0/-1", "127.0.0.0/8x", "127.0.0.0/ 8", "localhost",
                                  "127.0.0.1:25", "::ffff:10.0.0.0/95", "10.0.0.0/4294967304"})
    EXPECT_FALSE(Networks::parse({wrong})) << wrong;
  EXPECT_EQ(Networks::parse({"0.0.0.0/0"})->warnings().size(), 1U);
  EXPECT_EQ(Networks::parse({"::/0", "10.0.0.0/8"})->warnings().size(), 1U);
  EXPECT_TRUE(Networks::parse({"127.0.0.0/8", "::1/128"})->warnings().empty());
}

TEST(Networks, PrivateAddresses) {
  for (const char* address : {"127.0.0.1",
                              "127.255.0.1",
                              "10.1.2.3",
                              "0.0.0.0",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.1.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "::ffff:192.0.2.1",
                              "fc00::1",
                              "fd12::1",
                              "",
                              "mx.example.org"})
    EXPECT_TRUE(is_private(address)) << address;
  for (const char* address : {"192.0.2.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255",
                              "100.128.0.1", "192.167.0.1", "2001:db8::1", "2a00::1"})
    EXPECT_FALSE(is_private(address)) << address;
}

}  // namespace
}  // namespace posthorn::net
