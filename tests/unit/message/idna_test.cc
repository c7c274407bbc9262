#include "message/idna.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

TEST(Idna, ADomainInAscii) {
  EXPECT_EQ(ascii_domain("m\xc3\xbcller.test"), "xn--mller-kva.test");
  EXPECT_EQ(ascii_domain("M\xc3\x9cLLER.Test"), "xn--mller-kva.test");
  EXPECT_EQ(ascii_domain("mu\xcc\x88ller.test"), "xn--mller-kva.test");  // u and a diaeresis
  EXPECT_EQ(ascii_domain("stra\xc3\x9f"
                         "e.test"),
            "xn--strae-oqa.test");  // not transitional
  EXPECT_EQ(ascii_domain("m\xc3\xbcller\xe3\x80\x82test"), "xn--mller-kva.test");
  EXPECT_EQ(ascii_domain("xn--mller-kva.test"), "xn--mller-kva.test");
  EXPECT_EQ(ascii_domain("A_b.Test"), "A_b.Test");  // ASCII is not looked at
  EXPECT_EQ(ascii_domain("a\xe2\x80\x8e.test"), std::nullopt);
  EXPECT_EQ(ascii_domain("\xff.test"), std::nullopt);
  EXPECT_EQ(ascii_domain("m\xc3\xbc..test"), std::nullopt);
}

TEST(Idna, AnAddressInAscii) {
  EXPECT_EQ(ascii_address("j\xc3\xb6rg@m\xc3\xbcller.test"), "j\xc3\xb6rg@xn--mller-kva.test");
  EXPECT_EQ(ascii_address("@m\xc3\xbcller.test"), "@xn--mller-kva.test");
  EXPECT_EQ(ascii_address("j\xc3\xb6rg@example.test"), "j\xc3\xb6rg@example.test");
  EXPECT_EQ(ascii_address("j\xc3\xb6rg.m"), "j\xc3\xb6rg.m");
  EXPECT_EQ(ascii_address("x@\xff"), "x@\xff");
  EXPECT_EQ(ascii_address(""), "");
}

TEST(Idna, TheOtherForm) {
  EXPECT_EQ(other_form("info@xn--mller-kva.test"), "info@m\xc3\xbcller.test");
  EXPECT_EQ(other_form("info@m\xc3\xbcller.test"), "info@xn--mller-kva.test");
  EXPECT_EQ(other_form("@xn--mller-kva.test"), "@m\xc3\xbcller.test");
  EXPECT_EQ(other_form("xn--mller-kva.test"), "m\xc3\xbcller.test");
  EXPECT_EQ(other_form(".sub.xn--mller-kva.test"), ".sub.m\xc3\xbcller.test");
  EXPECT_EQ(other_form("xn--x@example.test"), std::nullopt);
  EXPECT_EQ(other_form("info@example.test"), std::nullopt);
  EXPECT_EQ(other_form("info@xn--.test"), std::nullopt);
  EXPECT_EQ(other_form("\xc3\xbc@example.test"), std::nullopt);
  EXPECT_EQ(other_form(""), std::nullopt);
}

}  // namespace
}  // namespace posthorn::message
