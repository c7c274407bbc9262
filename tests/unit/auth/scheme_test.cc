// Proves that hashes made by other programs (crypt, openssl, the argon2 reference, Dovecot's digest
// forms) verify here, with the right password only; that a hash which would cost minutes or
// gigabytes is refused at once; and that what cannot be read is an error, never a match.
#include <gtest/gtest.h>
#include <vector>

#include "auth/password.h"
#include "tests/support/cpu_time.h"

namespace posthorn::auth {
namespace {

struct Vector {
  std::string stored, password;
};

TEST(Scheme, HashesOfOtherPrograms) {
  const std::vector<Vector> rows = {
      {"{PLAIN}secret", "secret"},
      {"{CLEARTEXT}se:cret", "se:cret"},
      {"{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", "secret"},
      {"{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0", "secret"},
      {"{SSHA256.b64}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0", "secret"},
      {"{SSHA512}E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/"
       "Zpe9zMVvLix4S2FiQSJ99RIkNvhHomNO9uL3NhbHQ=",
       "secret"},
      {"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret"},
      {"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ", "secret"},  // without its padding
      {"{SHA.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "secret"},
      {"{sha1.HEX}E5E9FA1BA31ECD1AE84F75CAAA474F3A663F05F4", "secret"},
      {"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "secret"},
      {"{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/"
       "isg==",
       "secret"},
      {"$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret"},
      {"{MD5-CRYPT}$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret"},
      {"{SHA256-CRYPT}$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", "secret"},
      {"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
      {"{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
       "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
       "Hello world!"},
      {"$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq."
       "H91p5hVO1",
       "secret"},
      {"{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/OvQMSygY1pWEVn72t6na", "secret"},
      {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
      {"{DES-CRYPT}abNANd1rDfiNc", "secret"},
      {"$y$j9T$saltsalt$VuCHcCYYVuebTL.IxzSml3z./71e36sys.wEb95cM54", "secret"},
      {"$7$CU..../....saltsalt$NUwJnl2EzU4ACwYC9BDHKGDt.PCVFKyF6Hlr/CUA09D", "secret"},
      {"_J9..saltLXKE4peqNCg", "secret"},
      {"$sha1$1000$salt$8jAzD0wdO9Nt9BiOxLRcu50VwbnD", "secret"},
      {"{ARGON2I}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+"
       "sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
       "password"},
      {"{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
       "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
       "password"},
      {"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
       "password"},
  };
  for (const Vector& row : rows) {
    const auto good = verify_password(row.stored, row.password);
    ASSERT_TRUE(good) << row.stored << ": " << good.error().what;
    EXPECT_TRUE(*good) << row.stored;
    for (const std::string& wrong :
         {row.password + "x", row.password.substr(1), std::string(), std::string("SECRET"),
          row.password + std::string(1, '\0'), row.password + std::string(1, '\0') + "x"}) {
      const auto bad = verify_password(row.stored, wrong);
      ASSERT_TRUE(bad) << row.stored;
      EXPECT_FALSE(*bad) << row.stored << " with \"" << wrong << "\"";
    }
  }
}

TEST(Scheme, NothingMatchesWhatIsLockedOrEmpty) {
  for (const std::string stored : {"", "!", "*", "!!", "!$6$saltsalt$TVLl", "*LK*", "{CRYPT}",
                                   "{CRYPT}!", "{SHA512-CRYPT}*", "{PLAIN}"})
    for (const std::string password : {"", "secret", "!", "*"}) {
      const auto result = verify_password(stored, password);
      ASSERT_TRUE(result) << stored;
      EXPECT_FALSE(*result) << stored << " " << password;
    }
}

TEST(Scheme, WhatCannotBeReadIsAnError) {
  for (const std::string stored : {"{ROT13}frperg",
                                   "{}secret",
                                   "{CRAM-MD5}abc",
                                   "{SCRAM-SHA-256}4096,a,b,c",
                                   "{PLAIN",

                                   "$9$x$y",
                                   "{SHA}",
                                   "{SHA}!!!!",
                                   "{SHA256}5en6G6MezRroT3XKqkdPOmY/BfQ=",
                                   "{SHA.hex}e5e",
                                   "{SHA.hex}zz",
                                   "{SSHA}YQ==",
                                   "{ARGON2ID}",
                                   "{ARGON2ID}garbage",
                                   "{ARGON2ID}$argon2id$v=19$",
                                   "{ARGON2ID}$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW",
                                   "{BLF-CRYPT}$2y$",
                                   "{BLF-CRYPT}$2y$xx$",
                                   "{ARGON2ID}$argon2id$v=19$m=,t=,p=$c29tZXNhbHQ$aGFzaA",
                                   "{ X }y",
                                   "{PLAIN.HEX.X}a"}) {
    const auto result = verify_password(stored, "secret");
    ASSERT_FALSE(result) << stored;
    EXPECT_EQ(result.error().kind, ErrorKind::config) << stored;
    // The error goes into a log: it must not hold the hash.
    if (stored.size() > 20) {
      EXPECT_EQ(result.error().what.find(stored.substr(10)), std::string::npos);
    }
  }
}

TEST(Scheme, AbsurdCostIsRefusedUnpaid) {
  const std::vector<std::string> rows = {
      "$6$rounds=999999999$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRst",
      "{SHA256-CRYPT}$5$rounds=99999999999999999999$salt$x",
      "$md5,rounds=4294967295$saltsalt$$x",
      "{BLF-CRYPT}$2b$31$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/OvQMSygY1pWEVn72t6na",
      "$2y$16$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/OvQMSygY1pWEVn72t6na",
      "$sha1$4294967295$salt$x",
      "_zzzzsaltLXKE4peqNCg",
      "$y$jFT$saltsalt$VuCHcCYYVuebTL.IxzSml3z./71e36sys.wEb95cM54",
      "$gy$jzT$saltsalt$x",
      "$7$zU..../....saltsalt$NUwJnl2EzU4ACwYC9BDHKGDt",
      "$7$Czzzzz/....saltsalt$NUwJnl2EzU4ACwYC9BDHKGDt",
      "{ARGON2ID}$argon2id$v=19$m=9999999,t=3,p=1$c2FsdHNhbHQ$aGFzaA",
      "{ARGON2ID}$argon2id$v=19$m=65536,t=4000000000,p=1$c2FsdHNhbHQ$aGFzaA",
      "{ARGON2ID}$argon2id$v=19$m=262144,t=3,p=32768$c2FsdHNhbHQ$aGFzaA",
      "{ARGON2ID}$argon2id$v=19$m=18446744073709551617,t=3,p=1$c2FsdHNhbHQ$aGFzaA"};
  for (const std::string& stored : rows) {
    const auto verify = [&] {
      const auto result = verify_password(stored, "secret");
      ASSERT_FALSE(result) << stored;
      EXPECT_EQ(result.error().kind, ErrorKind::config);
    };
    EXPECT_LT(test::cpu_passes(verify), test::kPassesMax) << stored;
  }
}

TEST(Scheme, LongPasswordsDoNotMatchAndDoNotFail) {
  for (const std::string stored : {"$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRst", "{PLAIN}x"})
    for (const std::size_t size : {511U, 512U, 4096U, 1'000'000U}) {
      const auto result = verify_password(stored, std::string(size, 'p'));
      if (size > 511) {
        ASSERT_TRUE(result) << stored << size;
      }
      EXPECT_FALSE(result.value_or(false));
    }
  verify_nothing(std::string(4096, 'x'));
}

}  // namespace
}  // namespace posthorn::auth
