// Proves that hashes made by other programs (crypt, openssl, the argon2 reference, Dovecot's digest
// forms) verify here, with the right password only; that a hash which would cost minutes or
// gigabytes is refused at once; and that what cannot be read is an error, never a match.
#include <array>
#include <crypt.h>
#include <gtest/gtest.h>
#include <memory>
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

// By Debian's doveadm pw -s SCHEME -p secret (Dovecot 2.3.19).
TEST(Scheme, HashesOfDoveadm) {
  const std::vector<std::string> rows = {
      "{CLEARTEXT}secret",
      "{CLEAR}secret",
      "{PLAIN.B64}c2VjcmV0",
      "{PLAIN.HEX}736563726574",
      "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
      "{PLAIN-MD5.B64}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
      "{plain-md5.base64}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
      "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
      "{LDAP-MD5.HEX}5ebe2294ecd0e0f08eab7690d2a6ee69",
      "{SMD5}4Ub3ONuXP2T+wkS23RmRYbTlEpg=",
      "{SMD5.HEX}1319c1f7725c5e7a8e79d36b91a8c6dae370c680",
      "{SHA.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
      "{SHA512.HEX}bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d682ce56b4d64a9ef0"
      "97761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2",
      "{SSHA}OPLPI/+pSba+pEGqvXjPOJgX+EOZ1kPe",
      "{SSHA.HEX}c96eb35a798ef07d933077bfbc41c585086b3ed420f9d049",
      "{SSHA256}SosCAs4IU1j6WZ3VLUEGD8IUpBM5mwLwjE4P3Sf9cfnU3Eg4",
      "{SSHA256.HEX}d7723c2bad4185ca32b3c562ca68bb25b7b725f830cbd283c99de8f2b70d55ca12f08edc",
      "{SSHA512}zjl3PSPA4UqEB/0TpebMqeberCWv+G134O7By/"
      "JhveT7qNVVZ8UVwnyspAbSvAKvw2yphwFTCjxH9pzbCF23"
      "T/1ZHc0=",
      "{PBKDF2}$1$NRcjX0PH5lJwBKBZ$5000$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a",
      "{PBKDF2.B64}JDEkRFpzOEpORkFKS0ZrcUpHcSQ1MDAwJDIyM2ZhNWE2OTY4OGFmMTc3YzYxYmVmODdkODA0M2U3ZTA0"
      "MTEzYTk=",
      "{SCRAM-SHA-1}4096,H/pI+0Gnp7A24xCWFJbQ9g==,0eSJXIMlQEAKdsJq9wYjlk+hgwg=,jvhdfjh1+WiUb/"
      "DLE6wZGrZKwbY=",
      "{SCRAM-SHA-256}4096,CDCkH16ed1A5126HBdHpBA==,0dLxLO5yago+Vypkf53TyFHKaPQpxHKIdkrkbs/"
      "IQWk=,2G9vpklGnKHpU7BEXfL2RAhvzGM/IY3jp1Likryipzg=",
      "{MD5-CRYPT}$1$ooRJelne$GsBD.QYnz4XjpBQPul/Lu/",
      "{MD5}$1$7luOnOF0$hYqtifeYqrr1fjRMaPwYx/",
      "{DES-CRYPT}o.skGY3LLQT.o",
      "{CRYPT}$2y$05$2Zweufk/1LigisOvVEKM/eRIdobHJiGSfP9btZn/LUINdTvewWzhq",
      "{SHA256-CRYPT}$5$0GDndjOlUUrfSXhx$yPLhTVbFQrfFLlH0STbGmCTHsyUflBBQzqanaoa4uj2",
      "{BLF-CRYPT}$2y$05$NnqWk/.MVdMJwnsEQ8xQYOFqTXHAqFFQf6JrGdFGz2T9IP9rVXEKm",
      "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$+sIrcadc5h/gVS+9n3O+jw$"
      "FZhHp6RZ5alW6EcU/vLcLsV9ONzZhoIwb5TLUXF2HIs",
  };
  for (const std::string& stored : rows) {
    EXPECT_EQ(find_hash_fault(stored), std::nullopt) << stored;
    const auto good = verify_password(stored, "secret");
    ASSERT_TRUE(good) << stored << ": " << good.error().what;
    EXPECT_TRUE(*good) << stored;
    EXPECT_EQ(verify_password(stored, "Secret").value(), false) << stored;
  }
}

// What `check` says of a users file is said without computing anything, and names no hash.
TEST(Scheme, AHashNobodyCanUseIsTold) {
  for (const std::string& stored :
       {"{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747",
        "{DIGEST-MD5}4842575394a190ef4c973253ba19099c",
        "{OTP}sha1 1024 30447a6a3e9455b8 fe8ebded77b7caa0", "{ROT13}frperg", "{PLAIN}", "secret",
        "", "{SHA512-CRYPT}", "{SHA512-CRYPT}secret", "{SHA512-CRYPT}$6$rounds=9999999$salt$x",
        "{BLF-CRYPT}$2y$31$NnqWk/.MVdMJwnsEQ8xQYOFqTXHAqFFQf6JrGdFGz2T9IP9rVXEKm",
        "{PBKDF2}$1$salt$999999999$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a",
        "{PBKDF2}$2$salt$5000$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a", "{PBKDF2}$1$salt$5000",
        "{PBKDF2}$1$salt$0$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a",
        "{SCRAM-SHA-256}999999999,CDCkH16ed1A5126HBdHpBA==,0dLxLO5yago+Vypkf53TyFHKaPQpxHKIdkrkbs/"
        "IQWk=,2G9vpklGnKHpU7BEXfL2RAhvzGM/IY3jp1Likryipzg=",
        "{SCRAM-SHA-1}4096,AAAA,AAAA,AAAA", "{PLAIN-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
        "{ARGON2ID}$argon2id$v=19$m=9999999,t=3,p=1$c2FsdHNhbHQ$aGFzaA"}) {
    const auto fault = find_hash_fault(stored);
    ASSERT_TRUE(fault) << stored;
    if (stored.size() > 20) {
      EXPECT_EQ(fault->find(stored.substr(14)), std::string::npos) << *fault;
    }
    const auto spent = [&] { EXPECT_FALSE(verify_password(stored, "secret").value_or(false)); };
    EXPECT_LT(test::cpu_passes(spent), test::kPassesMax) << stored;
  }
  for (const std::string stored : {"!", "*", "{SHA512-CRYPT}!", "!$6$saltsalt$TVLl", "{CRYPT}*"})
    EXPECT_EQ(find_hash_fault(stored), std::nullopt) << stored;
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
  for (const std::string& stored : {"$6$saltsalt$" + std::string(86, 'x'), std::string("{PLAIN}x")})
    for (const std::size_t size : {511U, 512U, 4096U, 1'000'000U}) {
      const auto result = verify_password(stored, std::string(size, 'p'));
      if (size > 511) {
        ASSERT_TRUE(result) << stored << size;
      }
      EXPECT_FALSE(result.value_or(false));
    }
  verify_nothing(std::string(4096, 'x'));
}

// Each kind that the C library makes is nobody's login as soon as a letter of it is lost, as by a
// copy that was cut, or one is too many.
TEST(Scheme, WhatWasCutIsTold) {
  std::size_t kinds = 0;
  for (const char* prefix : {"", "_", "$1$", "$md5", "$sha1", "$3$", "$5$", "$6$", "$2a$", "$2b$",
                             "$2y$", "$y$", "$gy$", "$7$"}) {
    auto data = std::make_unique<crypt_data>();
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    const unsigned long cost = std::string_view(prefix).starts_with("$2") ? 4 : 0;
    if (crypt_gensalt_rn(prefix, cost, nullptr, 0, setting.data(),
                         static_cast<int>(setting.size())) == nullptr)
      continue;  // this C library does not make it any more
    const char* made = crypt_r("secret", setting.data(), data.get());
    if (made == nullptr || made[0] == '*') continue;
    ++kinds;
    const std::string whole = made;
    EXPECT_EQ(find_hash_fault(whole), std::nullopt) << whole;
    EXPECT_TRUE(verify_password(whole, "secret").value_or(false)) << whole;
    for (const std::string& broken :
         {whole.substr(0, whole.size() - 1), whole + "x", whole.substr(0, whole.size() / 2),
          std::string(setting.data()), whole.substr(0, whole.size() - 1) + "="})
      EXPECT_TRUE(find_hash_fault(broken)) << broken;
  }
  EXPECT_GE(kinds, 8U);
  for (const char* scheme : {"ARGON2ID", "ARGON2I"}) {
    const std::string whole = hash_password(scheme, "secret").value();
    EXPECT_EQ(find_hash_fault(whole), std::nullopt) << whole;
    for (const std::size_t lost : {std::size_t{1}, std::size_t{23}, std::size_t{44}})
      EXPECT_TRUE(find_hash_fault(whole.substr(0, whole.size() - lost))) << lost;
  }
  for (const char* broken :
       {"$6$abc$xyz", "{SHA512-CRYPT}$6$abcdefgh$short", "{BLF-CRYPT}$2y$05$abcdef", "$1$", "$6$",
        "{SSHA}not base64!", "{SSHA}c2hvcnQ=", "{SHA256}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{PLAIN-MD5}abc", "{SCRAM-SHA-256}4096,abc", "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$"})
    EXPECT_TRUE(find_hash_fault(broken)) << broken;
}

}  // namespace
}  // namespace posthorn::auth
