// A pair is changed in steps, and whatever step the machine stops at, a start finds a pair.
#include "tools/certificate_install.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/certificates.h"
#include "tests/support/fault_disk.h"
#include "tools/certificate_list.h"

namespace posthorn::tools {
namespace {

using test::FaultDisk;

struct Pairs {
  test::Authority authority;
  net::KeyPair before = authority.issue({.names = {"before.test"}});
  net::KeyPair after = authority.issue({.names = {"after.test"}});
};

config::Config config_of_root() {
  config::Config config;
  config.users.edge = "root";
  config.users.tls_group = "root";
  return config;
}

TEST(WritePair, AtNoStepIsThereNoPair) {
  const Pairs pairs;
  bool is_done = false;
  int at = 0;
  while (!is_done && ++at < 100) {
    SCOPED_TRACE(at);
    const test::TempFolder folder;
    const net::CertificateFiles place{folder.write("cert.pem", pairs.before.certificate_pem),
                                      folder.write_secret("key.pem", pairs.before.key_pem)};
    FaultDisk disk(FaultDisk::Fault::for_good, at);
    is_done =
        write_pair(disk, config_of_root(), place, pairs.after.certificate_pem, pairs.after.key_pem)
            .has_value();
    disk.cut_power();
    const auto server = net::TlsServer::load({place});
    ASSERT_TRUE(server) << server.error().what;
    // And what was left off is done by the next time.
    ASSERT_TRUE(write_pair(Disk::real(), config_of_root(), place, pairs.after.certificate_pem,
                           pairs.after.key_pem));
    EXPECT_EQ(test::read_text(place.certificate), pairs.after.certificate_pem);
    EXPECT_EQ(test::read_text(place.key), pairs.after.key_pem);
    struct stat st{};
    ASSERT_EQ(::stat(place.key.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777U, 0640U);
  }
  EXPECT_TRUE(is_done);
  EXPECT_GT(at, 9);  // three files, each in several steps
}

TEST(CertificateReport, WhatIsWrongIsToldWithARemedy) {
  const WallTime now = Clock::system().now();
  CertificateReport report;
  report.server = CertificateReport::Server::running;
  const auto add = [&](const std::string& name, const std::string& sha256, WallTime ends) {
    ListedCertificate one{.name = name,
                          .origin = "file",
                          .file = "/tls/" + name,
                          .info = {},
                          .error = "",
                          .renewal = std::nullopt,
                          .shown_on = {}};
    one.info.names = {name};
    one.info.sha256 = sha256;
    one.info.not_after = ends;
    report.certificates.push_back(std::move(one));
  };
  add("mx.test", "aa", now + 1h);
  const TlsPort port{"imaps", {"127.0.0.1", 993}};
  report.shown = {{port, "mx.test", "aa", {"mx.test"}, ""}};
  judge(report, "MX.test", now);
  EXPECT_TRUE(report.faults.empty());
  EXPECT_EQ(report.certificates[0].shown_on, std::vector<std::string>{"imaps 127.0.0.1:993"});

  add("old.test", "bb", now - 1h);
  report.shown.push_back({port, "old.test", "cc", {"x.test"}, ""});
  report.shown.push_back({{"smtp", {"127.0.0.1", 25}}, "mx.test", "", {}, "it says: 421 no"});
  report.certificates[0].renewal = Renewal{.name = "mx.test",
                                           .state = "failed",
                                           .reason = "",
                                           .error = "no route",
                                           .remedy = "open port 80",
                                           .names = {},
                                           .issued = {},
                                           .next = {},
                                           .attempted = {}};
  judge(report, "other.test", now);
  EXPECT_EQ(report.faults.size(), 5U);
  for (const auto& fault : report.faults) EXPECT_FALSE(fault.remedy.empty()) << fault.what;
  const std::string text = to_text(report, now);
  for (const std::string words :
       {"mx.test: not renewed: no route; open port 80", "/tls/old.test: ended at",
        "no certificate is for server.hostname other.test", "is in no file here",
        "smtp 127.0.0.1:25: no certificate is seen: it says: 421 no"})
    EXPECT_TRUE(text.contains(words)) << words << "\n" << text;
}

TEST(Renewals, AreReadAsTheRoleTellsThem) {
  const auto all = take_renewals(net::Message("ok")
                                     .add("directory", "letsencrypt")
                                     .add("certificate", "a.test")
                                     .add("names", "a.test b.test")
                                     .add("issued", "1000")
                                     .add("next", "")
                                     .add("error", "")
                                     .add("state", "good")
                                     .add("certificate", "c.test")
                                     .add("error", "no")
                                     .add("state", "failed"));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].names, (std::vector<std::string>{"a.test", "b.test"}));
  EXPECT_TRUE(all[0].issued);
  EXPECT_FALSE(all[0].next);
  EXPECT_EQ(all[1].name, "c.test");
  EXPECT_EQ(all[1].error, "no");
}

}  // namespace
}  // namespace posthorn::tools
