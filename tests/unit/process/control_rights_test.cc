// Proves who may ask what over the control sockets: each row of the table, over every socket that
// the server has; that nothing outside it may be asked by the administrators' group; and that whose
// connection it is follows from the kernel.
#include "process/control_rights.h"

#include <fmt/format.h>
#include <fstream>
#include <grp.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "net/socket.h"
#include "process/admin_group.h"
#include "process/instance.h"
#include "process/sockets.h"
#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

constexpr std::uint32_t kServer = 4711, kMember = 4712;

net::Peer peer_of(std::optional<std::uint32_t> uid) {
  return {.address = "local", .is_loopback = true, .uid = uid};
}

std::vector<SocketSpec> all_sockets() {
  config::Config config;
  config.store.workers = 2;
  config.edge.workers = 2;
  config.listen.http = {"127.0.0.1:8080"};
  config.filter.spamd = "127.0.0.1:783";
  config.acme.directory = "letsencrypt";
  return list_sockets(config).value();
}

bool is_one_of_ours(const SocketSpec& spec) {
  return std::holds_alternative<net::UnixAddress>(spec.address);
}

TEST(ControlRights, ASocketOfNoRoleIsAControlSocketOrRootsAlone) {
  std::set<std::string> roots;
  for (const SocketSpec& spec : all_sockets()) {
    if (!is_one_of_ours(spec)) continue;
    // A role's questions are not gated: no row of the table may come to lie on its socket.
    if (spec.client) EXPECT_FALSE(is_control(spec.name)) << spec.name;
    if (!spec.client && !is_control(spec.name)) roots.insert(spec.name);
  }
  // What passes over connections, and where every program may hand in mail.
  EXPECT_EQ(roots,
            (std::set<std::string>{"submit.sock", "tap-0.sock", "tap-1.sock", "tap-queue.sock"}));
}

TEST(ControlRights, EachRowOfTheTableIsOfASocketAndStandsOnce) {
  const auto specs = all_sockets();
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const ControlVerb& row : kControlVerbs) {
    EXPECT_TRUE(seen.emplace(row.socket, row.verb).second) << row.socket << " " << row.verb;
    EXPECT_TRUE(std::ranges::any_of(specs, [&](const SocketSpec& spec) {
      return row.socket.starts_with('.') ? spec.name.ends_with(row.socket)
                                         : spec.name == row.socket;
    })) << row.socket;
  }
}

TEST(ControlRights, AMemberMayAskWhatShowsAndNothingElse) {
  for (const SocketSpec& spec : all_sockets()) {
    if (!is_control(spec.name)) continue;
    const net::LineGate gate = gate_of(spec.name, peer_of(kMember), kServer);
    ASSERT_TRUE(gate) << spec.name;
    std::vector<std::string> verbs = {"", "STATUS", "status2", "exit"};
    for (const ControlVerb& row : kControlVerbs) verbs.emplace_back(row.verb);
    for (const std::string& verb : verbs) {
      const auto refusal = gate(net::Message(verb));
      EXPECT_EQ(!refusal, effect_of(spec.name, verb) == Effect::shows) << spec.name << " " << verb;
      if (!refusal) continue;
      EXPECT_EQ(refusal->verb, "refused");
      EXPECT_NE(refusal->get("error").find("as root"), std::string_view::npos);
    }
    for (const std::string_view unknown : {"", "STATUS", "status2", "exit"})
      EXPECT_EQ(effect_of(spec.name, unknown), Effect::changes) << spec.name << " " << unknown;
  }
  EXPECT_EQ(effect_of("queue-control.sock", "show"), Effect::shows);
  EXPECT_EQ(effect_of("queue-control.sock", "delete"), Effect::changes);
  EXPECT_EQ(effect_of("lookup-control.sock", "show"), Effect::changes);  // another socket's
}

TEST(ControlRights, AMemberMayNotTryPasswords) {
  const net::LineGate gate = gate_of("lookup-control.sock", peer_of(kMember), kServer);
  EXPECT_FALSE(gate(net::Message("explain-login").add("user", "bob")));
  EXPECT_TRUE(gate(net::Message("explain-login").add("user", "bob").add("password", "")));
}

TEST(ControlRights, RootAndTheServersAccountMayOrder) {
  for (const std::uint32_t uid : {0U, kServer})
    EXPECT_FALSE(gate_of("queue-control.sock", peer_of(uid), kServer)) << uid;
  EXPECT_TRUE(gate_of("queue-control.sock", peer_of(std::nullopt), kServer));
  EXPECT_FALSE(gate_of("lookup-edge.sock", peer_of(kMember), kServer));  // no control socket
}

TEST(ControlRights, TheOwnerIsWhoListens) {
  const test::TempFolder folder;
  const auto socket = net::bind_socket(net::UnixAddress{folder.path() / "x.sock"});
  ASSERT_TRUE(socket) << socket.error().what;
  EXPECT_EQ(owner_of(*socket), ::geteuid());
  EXPECT_EQ(owner_of(File()), 0U);  // of nothing: root alone may order
}

struct AdminGroupTest : testing::Test {
  AdminGroupTest() { config.paths.run = folder.path(); }
  mode_t mode_of(const Path& path) const {
    struct stat st{};
    EXPECT_EQ(::stat(path.c_str(), &st), 0);
    return st.st_mode & 07777U;
  }
  test::TempFolder folder;
  config::Config config;
};

TEST_F(AdminGroupTest, IsGivenWhatItMayAskAndRead) {
  const group* own = ::getgrgid(::getegid());
  ASSERT_NE(own, nullptr);
  config.users.admin_group = own->gr_name;
  EXPECT_EQ(find_membership(config), Membership::member);
  const Path file = folder.write("started", "x");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  const AdminGroup admins(config);
  EXPECT_FALSE(admins.may_read(file));
  admins.let_read(file);
  EXPECT_EQ(mode_of(file), 0640U);
  EXPECT_TRUE(admins.may_read(file));
  admins.let_ask(file);
  EXPECT_EQ(mode_of(file), 0660U);
}

TEST_F(AdminGroupTest, AGroupThatIsNotThereIsGivenNothing) {
  for (const char* name : {"", "no-such-group-here"}) {
    config.users.admin_group = name;
    EXPECT_EQ(find_membership(config), Membership::no_group);
    const Path file = folder.write("started", "x");
    std::filesystem::permissions(file, std::filesystem::perms(0600));
    const AdminGroup admins(config);
    admins.let_ask(file);
    EXPECT_EQ(mode_of(file), 0600U);
    EXPECT_FALSE(admins.may_read(file));
    EXPECT_NE(explain_refusal(config, file).what.find("only root"), std::string::npos);
  }
}

}  // namespace
}  // namespace posthorn::process
