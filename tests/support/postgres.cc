#include "tests/support/postgres.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace posthorn::test {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "PostgreSQL for tests: %s\n", why.c_str());
  std::abort();
}

const passwd* account() {
  if (geteuid() != 0) return nullptr;
  const passwd* found = ::getpwnam("postgres");
  if (found == nullptr) give_up("there is no account postgres; run scripts/setup");
  return found;
}

std::uint16_t free_port() {
  const File probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(probe.fd(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(probe.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    give_up("no free port");
  return ntohs(address.sin_port);
}

Path find_programs() {
  std::vector<Path> versions;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
    versions.push_back(entry.path() / "bin");
  if (versions.empty()) give_up("it is not installed; run scripts/setup");
  return *std::ranges::max_element(versions);
}

}  // namespace

Postgres::Postgres(std::size_t connections_max) : programs_(find_programs()), port_(free_port()) {
  std::string name = (std::filesystem::temp_directory_path() / "posthorn-pg-XXXXXX").native();
  folder_ = ::mkdtemp(name.data());
  if (const passwd* who = account())
    if (::chown(folder_.c_str(), who->pw_uid, who->pw_gid) != 0) give_up("chown");
  ::chmod(folder_.c_str(), 0755);
  const Path data = folder_ / "data";
  run({programs_ / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
       "--locale=C"});
  std::ofstream(data / "postgresql.auto.conf")
      << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
      << folder_.native() << "'\nfsync = off\nmax_connections = " << connections_max
      << "\nsuperuser_reserved_connections = 2\nshared_buffers = 16MB\n";
  start();
  sql("CREATE ROLE mail LOGIN", "postgres");
}

Postgres::~Postgres() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

pid_t Postgres::spawn(const std::vector<std::string>& command, int out) const {
  const passwd* who = account();
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  if (who != nullptr &&
      (::setgroups(0, nullptr) != 0 || ::setgid(who->pw_gid) != 0 || ::setuid(who->pw_uid) != 0))
    ::_exit(126);
  if (::chdir(folder_.c_str()) != 0) ::_exit(126);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

std::string Postgres::run(const std::vector<std::string>& command) const {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) give_up("pipe");
  File reading(ends[0]), writing(ends[1]);
  const pid_t child = spawn(command, writing.fd());
  writing.close();
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t count = 0; (count = ::read(reading.fd(), piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(count));
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) return "ERROR: " + text;
  return text;
}

void Postgres::start() {
  const File log(
      ::open((folder_ / "log").c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644));
  pid_ = spawn({programs_ / "postgres", "-D", folder_ / "data"}, log.fd());
  const auto end = Clock::system().steady_now() + 60s;
  const std::vector<std::string> ask = {programs_ / "pg_isready", "-q", "-h", folder_, "-p",
                                        std::to_string(port_)};
  while (run(ask).starts_with("ERROR")) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != 0 || Clock::system().steady_now() > end)
      give_up("it does not start, see " + (folder_ / "log").native());
    std::this_thread::sleep_for(20ms);
  }
}

void Postgres::stop() {
  if (pid_ < 0) return;
  thaw();
  ::kill(pid_, SIGINT);
  int status = 0;
  const auto end = Clock::system().steady_now() + 20s;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::system().steady_now() > end) ::kill(pid_, SIGQUIT);
    std::this_thread::sleep_for(10ms);
  }
  pid_ = -1;
}

void Postgres::freeze() {
  ::kill(pid_, SIGSTOP);
  frozen_ = {pid_};
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid_));
  for (pid_t child = 0; children >> child;)
    if (::kill(child, SIGSTOP) == 0) frozen_.push_back(child);
}

void Postgres::thaw() {
  for (const pid_t pid : frozen_) ::kill(pid, SIGCONT);
  frozen_.clear();
}

std::string Postgres::conninfo(const std::string& user, const std::string& database) const {
  return fmt::format("host={} port={} user={} dbname={}", folder_.native(), port_, user, database);
}

std::string Postgres::sql(const std::string& text, const std::string& database) const {
  return run({programs_ / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d",
              conninfo("postgres", database), "-c", text});
}

config::Pgsql Postgres::make_database(const std::string& name) const {
  if (const auto made = sql("CREATE DATABASE " + name + " OWNER mail", "postgres"); !made.empty())
    give_up(made);
  config::Pgsql config;
  config.conninfo = conninfo("mail", name);
  config.timeout = 1s;
  config.retry_max = 500ms;
  return config;
}

}  // namespace posthorn::test
