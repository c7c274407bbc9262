#include "base/result.h"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorKind::permanent, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  TRY(const int h, half(n));
  TRY_OK(half(h));
  return h / 2;
}

TEST(Result, TryPassesTheErrorOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().what, "odd");
  EXPECT_EQ(quarter(7).error().kind, ErrorKind::permanent);
}

}  // namespace
}  // namespace posthorn
