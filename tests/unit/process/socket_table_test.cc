// Proves the table of the server's sockets (each has one name, one role that listens and at most
// one that may connect) and that sockets which a service manager hands over are taken by their
// names, all of them or none.
#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/sockets.h"

namespace posthorn::process {
namespace {

config::Config parsed(std::string_view text) {
  auto config = config::parse(text, "/etc/posthorn/conf/posthorn.toml");
  EXPECT_TRUE(config) << config.error().what;
  return config ? *std::move(config) : config::Config();
}

const SocketSpec* find(const std::vector<SocketSpec>& specs, std::string_view name) {
  for (const SocketSpec& spec : specs)
    if (spec.name == name) return &spec;
  return nullptr;
}

TEST(Sockets, EveryUnixSocketHasANameOfItsOwnBelowRun) {
  const auto config =
      parsed("[store]\nworkers = 3\n[edge]\nworkers = 2\n[paths]\nrun = \"/run/p\"\n");
  const auto specs = list_sockets(config);
  ASSERT_TRUE(specs);
  std::set<std::string> names;
  for (const SocketSpec& spec : *specs) {
    const auto* address = std::get_if<net::UnixAddress>(&spec.address);
    if (address == nullptr) continue;
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_EQ(address->path, Path("/run/p") / spec.name);
    EXPECT_EQ(spec.name.find_first_of(":/"), std::string::npos) << spec.name;  // of LISTEN_FDNAMES
    EXPECT_NE(spec.client, spec.role) << spec.name;
    EXPECT_EQ(spec.mode, spec.name == "submit.sock" ? 0666U : 0600U) << spec.name;
  }
}

TEST(Sockets, EachIsOfOneRoleAndForOneClient) {
  using enum RoleKind;
  struct Row {
    const char* name;
    RoleKind role;
    std::optional<RoleKind> client;  // unset: root alone
    std::size_t worker = 0;
  };
  const Row rows[] = {
      {"lookup-edge.sock", lookup, edge},
      {"lookup-queue.sock", lookup, queue},
      {"lookup-store.sock", lookup, store},
      {"lookup-control.sock", lookup, {}},
      {"queue-edge.lmtp.sock", queue, edge},
      {"queue-store.lmtp.sock", queue, store},
      {"queue-control.sock", queue, {}},
      {"store-0.lmtp.sock", store, queue},
      {"store-1.lmtp.sock", store, queue, 1},
      {"store-1.imap.sock", store, edge, 1},
      {"store-1.pop3.sock", store, edge, 1},
      {"store-1.quota.sock", store, lookup, 1},
      {"store-1.managesieve.sock", store, edge, 1},
      {"store-1.control.sock", store, {}, 1},
      {"store-1.reload.sock", store, {}, 1},
      {"edge-1.reload.sock", edge, {}, 1},
      {"tap-1.sock", edge, {}, 1},
      {"tap-queue.sock", queue, {}},
      {"submit.sock", queue, {}, kAllWorkers},
      {"edge-1.web.sock", edge, web, 1},
      {"store-1.web.sock", store, web, 1},
      {"queue-0.web.sock", queue, web},
      {"web-0.reload.sock", web, {}},
  };
  const auto specs = list_sockets(parsed("[store]\nworkers = 2\n[edge]\nworkers = 2\n"));
  ASSERT_TRUE(specs);
  for (const Row& row : rows) {
    const SocketSpec* spec = find(*specs, row.name);
    ASSERT_NE(spec, nullptr) << row.name;
    EXPECT_EQ(spec->role, row.role) << row.name;
    EXPECT_EQ(spec->client, row.client) << row.name;
    EXPECT_EQ(spec->worker, row.worker) << row.name;
  }
  EXPECT_EQ(find(*specs, "store-2.lmtp.sock"), nullptr);
  EXPECT_EQ(find(*specs, "edge-2.reload.sock"), nullptr);
}

TEST(Sockets, OfWhatIsOffThereAreNone) {
  const auto specs =
      list_sockets(parsed("[submission]\nprograms = \"off\"\n[listen]\nhttp = []\nhttps = []\n"));
  ASSERT_TRUE(specs);
  EXPECT_EQ(find(*specs, "submit.sock"), nullptr);
  for (const SocketSpec& spec : *specs) {
    EXPECT_NE(spec.role, RoleKind::web) << spec.name;
    EXPECT_NE(spec.client, RoleKind::web) << spec.name;
  }
}

TEST(Sockets, CertificatesByAcmeHaveTheirsWhereTheyAreWanted) {
  using enum RoleKind;
  const auto without = list_sockets(parsed(""));
  const auto with = list_sockets(parsed("[acme]\ndirectory = \"letsencrypt\"\n"));
  const auto without_web =
      list_sockets(parsed("[acme]\ndirectory = \"x\"\n[listen]\nhttp = []\nhttps = []\n"));
  for (const SocketSpec& spec : *without) EXPECT_NE(spec.role, acme) << spec.name;
  for (const auto& [name, role] : {std::pair{"lookup-acme.sock", lookup},
                                   {"queue-acme.sock", queue},
                                   {"web-acme.sock", web}}) {
    EXPECT_EQ(find(*without, name), nullptr) << name;
    const SocketSpec* spec = find(*with, name);
    ASSERT_NE(spec, nullptr) << name;
    EXPECT_EQ(spec->role, role) << name;
    EXPECT_EQ(spec->client, acme) << name;
  }
  EXPECT_EQ(find(*with, "acme-control.sock")->client, std::nullopt);
  EXPECT_EQ(find(*without_web, "web-acme.sock"), nullptr);
}

TEST(Sockets, LessonsHaveOneWhereUsersTeachAFilter) {
  const std::string name = "queue-learn.lmtp.sock";
  for (const char* text :
       {"", "[filter]\nlearn = \"site\"\n", "[filter]\nspamd = \"127.0.0.1:783\"\n"})
    EXPECT_EQ(find(*list_sockets(parsed(text)), name), nullptr) << text;
  for (const char* learn : {"site", "user"}) {
    const auto specs = list_sockets(
        parsed(std::string("[filter]\nspamd = \"127.0.0.1:783\"\nlearn = \"") + learn + "\"\n"));
    ASSERT_NE(find(*specs, name), nullptr);
    EXPECT_EQ(find(*specs, name)->role, RoleKind::queue);
    EXPECT_EQ(find(*specs, name)->client, RoleKind::store);
  }
}

TEST(Sockets, APortIsEdgesOrTheWebsAndSharedByItsWorkers) {
  const auto specs = list_sockets(
      parsed("[listen]\nsmtp = [\"127.0.0.1:2525\", \"[::1]:2525\"]\nhttp = [\"127.0.0.1:80\"]\n"));
  ASSERT_TRUE(specs);
  std::vector<std::string> smtp;
  for (const SocketSpec& spec : *specs) {
    if (!std::holds_alternative<net::TcpAddress>(spec.address)) continue;
    EXPECT_EQ(spec.worker, kAllWorkers) << spec.name;
    EXPECT_EQ(spec.role, spec.name.starts_with("http") ? RoleKind::web : RoleKind::edge);
    if (spec.name == "smtp") smtp.push_back(net::to_string(spec.address));
  }
  EXPECT_EQ(smtp, (std::vector<std::string>{"127.0.0.1:2525", "[::1]:2525"}));
}

TEST(Sockets, AnAddressThatIsNoneNamesItsKey) {
  config::Config config;
  config.listen.imaps = {"localhost"};
  const auto specs = list_sockets(config);
  ASSERT_FALSE(specs);
  EXPECT_EQ(specs.error().kind, ErrorKind::config);
  EXPECT_NE(specs.error().what.find("listen.imaps"), std::string::npos) << specs.error().what;
}

TEST(Sockets, ARoleIsFoundByItsNameAndRunsAsItsAccount) {
  config::Config config;
  config.listen.https = {};
  for (const RoleKind role :
       {RoleKind::edge, RoleKind::lookup, RoleKind::queue, RoleKind::store, RoleKind::web}) {
    EXPECT_EQ(find_role(to_string(role)), role);
    EXPECT_EQ(key_group_of(config, role).is_member, role == RoleKind::edge) << to_string(role);
  }
  EXPECT_EQ(find_role("Edge"), std::nullopt);
  EXPECT_EQ(user_of(config, RoleKind::store), config.users.store);
  config.listen.https = {"127.0.0.1:443"};
  EXPECT_TRUE(key_group_of(config, RoleKind::web).is_member);
}

// What a process would take that is started with these descriptors from 3 on: 's' a socket, 'f' a
// file, '-' none. In a child, for it closes whatever the test program has open there.
std::string taken(const std::string& descriptors, const std::string& count,
                  const std::string& names, int pid_offset = 0) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const File in(pipe[0]);
  File out(pipe[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const int high = ::fcntl(out.fd(), F_DUPFD_CLOEXEC, 200);
    const int file = ::fcntl(::open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 201);
    const int socket =
        ::fcntl(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), F_DUPFD_CLOEXEC, 202);
    for (int i = 0; i < 10; ++i) {
      ::close(3 + i);
      const char kind = static_cast<std::size_t>(i) < descriptors.size()
                            ? descriptors[static_cast<std::size_t>(i)]
                            : '-';
      if (kind != '-') ::dup2(kind == 's' ? socket : file, 3 + i);
    }
    ::setenv("LISTEN_FDS", count.c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid() + pid_offset).c_str(), 1);
    const auto sockets = take_inherited_sockets();
    std::string text;
    if (!sockets) {
      text = "error " + std::string(to_string(sockets.error().kind));
    } else {
      for (const auto& [name, files] : *sockets) {
        text += name + ":";
        for (const File& one : files) {
          text += std::to_string(one.fd());
          if ((::fcntl(one.fd(), F_GETFD) & FD_CLOEXEC) == 0) text += " stays open";
        }
        text += " ";
      }
      if (::getenv("LISTEN_FDS") != nullptr) text += "(left)";
    }
    (void)!::write(high, text.data(), text.size());
    ::_exit(0);
  }
  out.close();
  std::string text;
  std::array<char, 512> piece{};
  ssize_t n = 0;
  while ((n = ::read(in.fd(), piece.data(), piece.size())) > 0)
    text.append(piece.data(), static_cast<std::size_t>(n));
  ::waitpid(child, nullptr, 0);
  return text;
}

TEST(InheritedSockets, AreTakenByTheirNames) {
  EXPECT_EQ(taken("sss", "3", "smtp:imap:smtp"), "imap:4 smtp:35 ");
  EXPECT_EQ(taken("ss", "1", "smtp:imap"), "smtp:3 ");
  EXPECT_EQ(taken("ss", "2", "smtp"), ":4 smtp:3 ");  // one without a name
  EXPECT_EQ(taken("", "0", ""), "");
  EXPECT_EQ(taken("s", "1", "smtp", 1), "(left)");  // meant for another process
}

TEST(InheritedSockets, AWrongCountOrAFileIsAFault) {
  EXPECT_EQ(taken("s", "many", "smtp"), "error config");
  EXPECT_EQ(taken("s", "-1", "smtp"), "error config");
  EXPECT_EQ(taken("sf", "2", "smtp:imap"), "error config");
  EXPECT_TRUE(taken("s", "2", "smtp:imap").starts_with("error ")) << "there is no fourth";
}

SocketMap map_of(const std::vector<std::string>& names) {
  SocketMap sockets;
  for (const std::string& name : names)
    sockets[name].emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return sockets;
}

TEST(InheritedSockets, OneThatNobodyAsksForIsAFault) {
  const auto specs =
      list_sockets(parsed("[listen]\nsmtp = [\"127.0.0.1:2525\", \"[::1]:2525\"]\n"));
  ASSERT_TRUE(specs);
  EXPECT_TRUE(check_inherited(*specs, {}));
  EXPECT_TRUE(check_inherited(*specs, map_of({"smtp"})));  // the other one it binds itself
  EXPECT_TRUE(check_inherited(*specs, map_of({"smtp", "smtp", "submit.sock"})));
  EXPECT_FALSE(check_inherited(*specs, map_of({"smtp", "smtp", "smtp"})));
  EXPECT_FALSE(check_inherited(*specs, map_of({"smpt"})));
  EXPECT_FALSE(check_inherited(*specs, map_of({""})));
}

TEST(InheritedSockets, OfANameAreTakenOneAfterAnother) {
  SocketMap sockets = map_of({"smtp", "smtp", "imap"});
  const int first = sockets["smtp"][0].fd(), second = sockets["smtp"][1].fd();
  EXPECT_EQ(take_socket(sockets, "smtp")->fd(), first);
  EXPECT_EQ(take_socket(sockets, "smtp")->fd(), second);
  EXPECT_FALSE(take_socket(sockets, "smtp"));
  EXPECT_FALSE(take_socket(sockets, "pop3"));
  EXPECT_TRUE(take_socket(sockets, "imap"));
}

TEST(InheritedSockets, ADescriptorIsTakenOnce) {
  const int fd = ::open("/dev/null", O_RDONLY);
  ::setenv("POSTHORN_TEST_FD", std::to_string(fd).c_str(), 1);
  const File taken = take_inherited("POSTHORN_TEST_FD");
  EXPECT_EQ(taken.fd(), fd);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_FALSE(take_inherited("POSTHORN_TEST_FD").is_open());
  for (const char* wrong : {"", "x", "-1", "0", "2", "9999"}) {
    ::setenv("POSTHORN_TEST_FD", wrong, 1);
    EXPECT_FALSE(take_inherited("POSTHORN_TEST_FD").is_open()) << wrong;
    EXPECT_EQ(::getenv("POSTHORN_TEST_FD"), nullptr);
  }
}

}  // namespace
}  // namespace posthorn::process
