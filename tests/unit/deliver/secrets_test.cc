// In whatever form a password went over the line, a server's words do not tell it again.
#include "deliver/secrets.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace posthorn::deliver {
namespace {

TEST(Secrets, EachFormIsHidden) {
  using namespace std::string_literals;
  const Secrets secrets("me", "pass word");
  for (const std::string& form :
       {"pass word"s, encode_base64("pass word"), encode_base64("\0me\0pass word"s)}) {
    std::string text = "535 no: " + form + ", " + form;
    secrets.hide_in(text);
    EXPECT_EQ(text, "535 no: [hidden], [hidden]");
  }
}

TEST(Secrets, WithoutAPasswordNothingIs) {
  for (const char* password : {"", "ab"}) {
    std::string text = "450 4.2.0 abc";
    Secrets("me", password).hide_in(text);
    EXPECT_EQ(text, "450 4.2.0 abc");
  }
}

}  // namespace
}  // namespace posthorn::deliver
