// Addresses as Mail::SRS and postsrsd write them, with hashes computed by another program; forged,
// old and twice forwarded ones.
#include "route/srs.h"

#include <gtest/gtest.h>

namespace posthorn::route {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
constexpr std::string_view kFirst = "SRS0=jEBTKT=G3=Far.Test=Carol@example.org";
using Back = std::expected<std::string, Srs::Fault>;
const Back kForged = std::unexpected(Srs::Fault::forged);
const Back kExpired = std::unexpected(Srs::Fault::expired);
constexpr auto kDay = std::chrono::hours(24);

const Srs& ours() {
  static const Srs srs("Example.org", {"secret", "older"});
  return srs;
}

TEST(Srs, KnownAnswers) {
  EXPECT_EQ(ours().forward("Carol@Far.Test", kNow), kFirst);
  EXPECT_EQ(ours().reverse(kFirst, kNow), "Carol@Far.Test");
  EXPECT_EQ(ours().forward("SRS0=AbCdEf=XY=far.test=carol@one.test", kNow),
            "SRS1=CWGLuO=one.test==AbCdEf=XY=far.test=carol@example.org");
  EXPECT_EQ(ours().reverse("SRS1=CWGLuO=one.test==AbCdEf=XY=far.test=carol@example.org", kNow),
            "SRS0=AbCdEf=XY=far.test=carol@one.test");
}

TEST(Srs, AThirdHopKeepsTheFirst) {
  EXPECT_EQ(ours().forward("SRS1=QQQQ=one.test==AbCdEf=XY=far.test=carol@two.test", kNow),
            "SRS1=CWGLuO=one.test==AbCdEf=XY=far.test=carol@example.org");
}

TEST(Srs, OtherSeparatorsComeBackAsTheyWere) {
  const auto there = ours().forward("SRS0+AbCdEf=XY=far.test=carol@one.test", kNow);
  ASSERT_TRUE(there);
  EXPECT_EQ(ours().reverse(*there, kNow), "SRS0+AbCdEf=XY=far.test=carol@one.test");
}

TEST(Srs, LocalPartsWithEqualSigns) {
  const auto there = ours().forward("a=b=c@far.test", kNow);
  ASSERT_TRUE(there);
  EXPECT_EQ(ours().reverse(*there, kNow), "a=b=c@far.test");
}

TEST(Srs, WhatStaysAsItIs) {
  EXPECT_EQ(ours().forward("", kNow), std::nullopt);
  EXPECT_EQ(ours().forward("carol", kNow), std::nullopt);
  EXPECT_EQ(ours().forward("bob@example.org", kNow), std::nullopt);
  EXPECT_EQ(ours().forward("\"a b\"@far.test", kNow), std::nullopt);
  EXPECT_EQ(ours().forward("carol@[192.0.2.1]", kNow), std::nullopt);
  EXPECT_EQ(ours().forward("=carol@far.test=other.test", kNow), std::nullopt);
  EXPECT_EQ(ours().forward(std::string(60, 'a') + "@far.test", kNow), std::nullopt);
  EXPECT_EQ(Srs("", {"secret"}).forward("a@b.test", kNow), std::nullopt);
  EXPECT_EQ(Srs("example.org", {}).forward("a@b.test", kNow), std::nullopt);
  EXPECT_FALSE(ours().is_ours("bob@example.org"));
  EXPECT_FALSE(ours().is_ours("SRS0=jEBTKT=G3=Far.Test=Carol@other.org"));
}

TEST(Srs, EveryOtherByteIsForged) {
  for (std::size_t i = 5; i < kFirst.find('@'); ++i) {
    std::string forged(kFirst);
    forged[i] = forged[i] == 'x' ? 'y' : 'x';
    EXPECT_EQ(ours().reverse(forged, kNow), kForged) << forged;
  }
  for (const std::string_view bad :
       {"SRS0=@example.org", "SRS0=jEBTKT@example.org", "SRS0=====@example.org",
        "SRS1=CWGLuO=@example.org",
        // A good hash with more or less of it, or for another tag.
        "SRS0=jEBTK=G3=Far.Test=Carol@example.org", "SRS0=jEBTKTA=G3=Far.Test=Carol@example.org",
        "SRS0==G3=Far.Test=Carol@example.org", "SRS1=jEBTKT=G3=Far.Test=Carol@example.org",
        "SRS0=jEBTKT=G3=Far.Test=Carol@other.org"})
    EXPECT_EQ(ours().reverse(bad, kNow), kForged) << bad;
  EXPECT_EQ(ours().reverse("srs0=jebtkt=g3=far.test=carol@EXAMPLE.ORG", kNow), "carol@far.test");
}

TEST(Srs, GoodForThreeWeeks) {
  EXPECT_TRUE(ours().reverse(kFirst, kNow + 21 * kDay));
  EXPECT_EQ(ours().reverse(kFirst, kNow + 22 * kDay), kExpired);
  EXPECT_TRUE(ours().reverse(kFirst, kNow - kDay));
  EXPECT_EQ(ours().reverse(kFirst, kNow - 2 * kDay), kExpired);
  // Around the end of the circle of 1024 days.
  for (int day = 0; day < 1100; day += 7) {
    const auto then = kNow + day * kDay;
    const auto there = ours().forward("a@b.test", then);
    EXPECT_TRUE(ours().reverse(*there, then + 20 * kDay)) << day;
  }
}

TEST(Srs, AnOlderSecretIsStillTaken) {
  const auto there = Srs("example.org", {"older"}).forward("a@b.test", kNow);
  EXPECT_EQ(ours().reverse(*there, kNow), "a@b.test");
  EXPECT_EQ(Srs("example.org", {"another"}).reverse(*there, kNow), kForged);
}

}  // namespace
}  // namespace posthorn::route
