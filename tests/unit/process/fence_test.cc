// Proves what each role's fence lets it open and how far it may connect: its own files, no other
// role's. That the kernel keeps to it, the end-to-end tests prove.
#include "process/fence.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

struct FenceTest : testing::Test {
  FenceTest() {
    for (const char* name : {"maps", "conf", "sieve", "tls", "real/tls", "real/sieve", "keys"})
      std::filesystem::create_directories(root / name);
    config.paths.maps = root / "maps";
    config.paths.users = root / "conf/users";
    config.paths.sieve = root / "sieve";
    config.paths.certificate = root / "tls/cert.pem";
    config.paths.key = root / "keys/key.pem";
    config.paths.spool = root / "spool";
    config.paths.mail = root / "mail";
    config.paths.run = root / "run";
    config.paths.state = root / "state";
    config.dkim.folder = root / "dkim";
    config.tls.folder = root / "names";
    config.srs.secret_file = root / "srs/secret";
    config.web.webroot = root / "webroot";
  }
  // A path is open if it or a folder above it is.
  static bool covers(const std::vector<Path>& paths, const Path& file) {
    return std::ranges::any_of(paths, [&](const Path& path) {
      return file == path || file.native().starts_with(path.native() + "/");
    });
  }
  // "rw" "r" "-"
  std::string right(RoleKind role, const char* name) const {
    const Fence fence = fence_of(config, role);
    if (covers(fence.links, root / name)) return "rwl";  // and makes links
    if (covers(fence.write, root / name)) return "rw";
    return covers(fence.read, root / name) ? "r" : "-";
  }

  test::TempFolder folder;
  const Path root = folder.path();
  config::Config config;
};

TEST_F(FenceTest, EachRoleOpensItsOwnFilesAndNoOthers) {
  constexpr RoleKind kRoles[] = {RoleKind::edge, RoleKind::lookup, RoleKind::queue, RoleKind::store,
                                 RoleKind::web};
  struct Row {
    const char* file;
    const char* rights[5];  // edge lookup queue store web
  };
  const Row rows[] = {
      {"keys/key.pem", {"r", "-", "-", "-", "r"}},
      {"tls/cert.pem", {"r", "-", "-", "-", "r"}},
      {"run/tls/copy", {"r", "-", "-", "-", "r"}},
      {"run/started.toml", {"-", "-", "-", "-", "-"}},
      {"run/told/roles", {"-", "-", "-", "-", "r"}},
      {"maps/aliases", {"-", "r", "-", "-", "-"}},
      {"conf/users", {"-", "r", "-", "-", "-"}},
      {"state/lookup/copy", {"-", "rw", "-", "-", "-"}},
      {"spool/active/Q1", {"-", "-", "rw", "-", "-"}},
      {"dkim/example.org/s.pem", {"-", "-", "r", "-", "-"}},
      {"mail/example.org/alice", {"-", "-", "-", "rwl", "-"}},
      {"state/store/copy", {"-", "-", "-", "rw", "-"}},
      {"sieve/users/alice.sieve", {"-", "-", "-", "r", "-"}},
      {"webroot/token", {"-", "-", "-", "-", "r"}},
      {"srs/secret", {"-", "-", "-", "-", "-"}},
  };
  for (const Row& row : rows)
    for (std::size_t i = 0; i < std::size(kRoles); ++i)
      EXPECT_EQ(right(kRoles[i], row.file), row.rights[i])
          << row.file << " of " << to_string(kRoles[i]);
}

TEST_F(FenceTest, OnlyTheQueueReachesTheInternetAndEdgeAndWebNothing) {
  EXPECT_EQ(fence_of(config, RoleKind::edge).outward, Outward::nowhere);
  EXPECT_EQ(fence_of(config, RoleKind::web).outward, Outward::nowhere);
  EXPECT_EQ(fence_of(config, RoleKind::lookup).outward, Outward::local_only);
  EXPECT_EQ(fence_of(config, RoleKind::store).outward, Outward::local_only);
  EXPECT_EQ(fence_of(config, RoleKind::queue).outward, Outward::internet);
}

TEST_F(FenceTest, AcmeReachesTheDirectorysPortAndTheDns) {
  const auto ports = [this](const char* directory, const char* resolver) {
    config.acme.directory = directory;
    config.relay.resolver = resolver;
    return fence_of(config, RoleKind::acme).ports;
  };
  using Ports = std::vector<std::uint16_t>;
  EXPECT_EQ(ports("letsencrypt", ""), (Ports{53, 443}));
  EXPECT_EQ(ports("https://ca.example.org/dir", "127.0.0.1:5353"), (Ports{53, 443, 5353}));
  EXPECT_EQ(ports("https://[2001:db8::1]:14000/dir", ""), (Ports{53, 443, 14000}));
  EXPECT_EQ(ports("https://127.0.0.1:14000", "192.0.2.1,127.0.0.1:54"),
            (Ports{53, 443, 54, 14000}));
  EXPECT_EQ(fence_of(config, RoleKind::queue).ports, Ports{});
}

TEST_F(FenceTest, LookupReachesADatabaseOfAnotherMachineAlone) {
  config.maps.domains = {"pgsql:"};
  config.pgsql.conninfo = "host=/run/postgresql dbname=posthorn";
  EXPECT_EQ(fence_of(config, RoleKind::lookup).outward, Outward::local_only);
  config.pgsql.conninfo = "host=192.0.2.5 dbname=posthorn";
  EXPECT_EQ(fence_of(config, RoleKind::lookup).outward, Outward::internet);
}

TEST_F(FenceTest, SettingsOpenWhatTheyName) {
  EXPECT_EQ(right(RoleKind::lookup, "srs/secret"), "-");
  config.srs.domain = "example.org";
  EXPECT_EQ(right(RoleKind::lookup, "srs/secret"), "r");
  EXPECT_EQ(right(RoleKind::lookup, "smtp/users"), "-");
  config.paths.smtp_users = root / "smtp/users";
  EXPECT_EQ(right(RoleKind::lookup, "smtp/users"), "r");
  EXPECT_EQ(right(RoleKind::queue, "trust/ca.pem"), "-");
  config.relay.trust_file = root / "trust/ca.pem";
  EXPECT_EQ(right(RoleKind::queue, "trust/ca.pem"), "r");
  EXPECT_EQ(right(RoleKind::web, "keys/key.pem"), "r");
  config.listen.https = {};
  EXPECT_EQ(right(RoleKind::web, "keys/key.pem"), "-");
}

TEST_F(FenceTest, ALinkIsOpenWithTheFolderItLeadsTo) {
  test::write_text(root / "real/tls/key.pem", "");
  test::write_text(root / "real/sieve/first.sieve", "");
  std::filesystem::create_symlink(root / "real/tls/key.pem", config.paths.key);
  std::filesystem::create_symlink(root / "real/sieve/first.sieve", root / "sieve/first.sieve");
  EXPECT_EQ(right(RoleKind::edge, "real/tls/key.pem"), "r");
  EXPECT_EQ(right(RoleKind::store, "real/sieve/first.sieve"), "-");
  config.sieve.before = {"first.sieve"};
  EXPECT_EQ(right(RoleKind::store, "real/sieve/first.sieve"), "r");
  EXPECT_EQ(right(RoleKind::store, "real/tls/key.pem"), "-");
}

}  // namespace
}  // namespace posthorn::process
