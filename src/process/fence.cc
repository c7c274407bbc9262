#include "process/fence.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <linux/landlock.h>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/assert.h"
#include "maps/migrations.h"
#include "maps/table.h"
#include "net/certificate_folder.h"
#include "net/tls.h"
#include "process/key_keeper.h"
#include "process/running.h"

namespace posthorn::process {
namespace {

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// A sanitizer's report starts the symbolizer, and its leak check traces the process itself.
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Landlock as the kernel of today knows it; the header installed here may be older (landlock(7)).
constexpr std::uint64_t kExecute = 1U << 0U, kWriteFile = 1U << 1U, kReadFile = 1U << 2U,
                        kReadFolder = 1U << 3U, kRemoveFolder = 1U << 4U, kRemoveFile = 1U << 5U,
                        kMakeFolder = 1U << 7U, kMakeFile = 1U << 8U, kMakeLink = 1U << 12U,
                        kRefer = 1U << 13U, kTruncate = 1U << 14U;
constexpr std::uint64_t kAllOfVersion2 = (1U << 14U) - 1;  // version 1 has 13 rights, 2 adds refer
constexpr std::uint64_t kConnect = 2, kAllOfNet = 3;       // bind and connect of TCP
constexpr std::uint64_t kAllScopes = 3;                    // abstract sockets, signals
constexpr std::uint64_t kFileRights = kExecute | kWriteFile | kReadFile | kTruncate;
constexpr std::uint64_t kRead = kReadFile | kReadFolder;
constexpr std::uint64_t kWrite =
    kRead | kWriteFile | kRemoveFolder | kRemoveFile | kMakeFolder | kMakeFile | kRefer | kTruncate;

struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t net = 0;
  std::uint64_t scoped = 0;
};

// What the C library and OpenSSL read late: names, zones, modules. Nothing of it is secret.
constexpr const char* kEverybodyReads[] = {
    "/usr/lib",      "/usr/lib64",       "/usr/local/lib",     "/usr/share",
    "/lib",          "/lib64",           "/etc/ssl",           "/etc/pki",
    "/etc/hosts",    "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf",
    "/etc/gai.conf", "/etc/services",    "/etc/localtime",     "/etc/ld.so.cache",
    "/proc/self",    "/proc/self/exe",   "/proc/sys/vm",       "/sys/devices/system/cpu",
    "/dev/urandom",  "/dev/random",      "/dev/zero",          "/run/systemd/resolve",
};

// Where the C library's modules for the names of accounts look (nsswitch.conf): passwd, which is
// replaced by a new file when an account is made, and what sssd, systemd, nscd and
// libnss-extrausers lay open to everybody. Sockets need no rule.
constexpr const char* kAccountNames[] = {"/etc", "/var/lib/sss/mc", "/run/systemd/userdb",
                                         "/run/nscd", "/var/lib/extrausers"};

// A file that is replaced by a rename is a new file: its folder is opened up. A link (certbot's
// live/) counts with the folder it leads to.
void add_folder_of(std::vector<Path>& paths, const Path& file) {
  paths.push_back(file.parent_path());
  std::error_code error;
  if (const Path target = std::filesystem::canonical(file, error); !error)
    if (target.parent_path() != file.parent_path()) paths.push_back(target.parent_path());
}

// Each folder in it may hold links to elsewhere (certbot's do).
void add_certificates(std::vector<Path>& paths, const Path& folder) {
  std::error_code error;
  if (folder.empty() || !std::filesystem::is_directory(folder, error)) return;
  paths.push_back(folder);
  const auto pairs = net::find_certificates(folder);
  if (!pairs) return;
  for (const net::CertificateFiles& pair : *pairs) {
    add_folder_of(paths, pair.certificate);
    add_folder_of(paths, pair.key);
  }
}

void add_tables(std::vector<Path>& paths, const config::Config& config) {
  paths.push_back(config.paths.maps);
  const config::Maps& maps = config.maps;
  for (const auto* names : maps.lists())
    for (const std::string& name : *names)
      if (const auto table = maps::parse_table_name(name); table && table->is_file())
        add_folder_of(paths, config.paths.maps / table->rest);
  if (const auto table = maps::parse_table_name(maps.relay_sasl); table && table->is_file())
    add_folder_of(paths, config.paths.maps / table->rest);
}

// The directory's, whose further URLs are at the same place, and the DNS's.
std::vector<std::uint16_t> acme_ports(const config::Config& config) {
  std::vector<std::uint16_t> ports = {53, 443};
  for (std::string_view rest = config.relay.resolver; !rest.empty();) {
    const std::string_view server = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(server.size() + 1, rest.size()));
    if (const auto address = net::parse_address(std::string(server)))
      if (const auto* tcp = std::get_if<net::TcpAddress>(&*address)) ports.push_back(tcp->port);
  }
  const std::string& url = config.acme.directory;
  const std::size_t begin = url.find("://");
  if (begin == std::string::npos) return ports;
  const std::string authority = url.substr(begin + 3, url.find('/', begin + 3) - begin - 3);
  if (const auto port = to_number<std::uint16_t>(authority.substr(authority.rfind(':') + 1)))
    ports.push_back(*port);
  return ports;
}

class Landlock {
 public:
  // 0: not in this kernel, or too old to be of use: before version 2 no file can change its folder.
  static int find_version() {
    const long version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 2 ? 0 : static_cast<int>(version);
  }

  static Result<> put_up(int version, const Fence& fence) {
    RulesetAttributes attributes{.files = kAllOfVersion2};
    if (version >= 3) attributes.files |= kTruncate;
    const bool has_bounds = fence.outward != Outward::internet || !fence.ports.empty();
    if (version >= 4 && has_bounds) attributes.net = kAllOfNet;
    if (version >= 6) attributes.scoped = kAllScopes;
    const File ruleset(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ruleset.is_open()) return fail_errno("landlock_create_ruleset", "", errno);
    const auto allow = [&](const Path& path, std::uint64_t rights) {
      return allow_below(ruleset, path, rights & attributes.files);
    };
    for (const char* path : kEverybodyReads) TRY_OK(allow(path, kRead));
    TRY_OK(allow("/dev/null", kReadFile | kWriteFile));
    if (kSanitized) TRY_OK(allow("/usr/lib", kRead | kExecute));
    for (const Path& path : fence.read) TRY_OK(allow(path, kRead));
    for (const Path& path : fence.write) TRY_OK(allow(path, kWrite));
    for (const Path& path : fence.links) TRY_OK(allow(path, kWrite | kMakeLink));
    if (attributes.net != 0)
      for (const std::uint16_t port : fence.ports) TRY_OK(allow_port(ruleset, port));
    if (::syscall(SYS_landlock_restrict_self, ruleset.fd(), 0) != 0)
      return fail_errno("landlock_restrict_self", "", errno);
    return {};
  }

 private:
  static Result<> allow_port(const File& ruleset, std::uint16_t port) {
    struct {  // landlock_net_port_attr
      std::uint64_t rights = kConnect;
      std::uint64_t port = 0;
    } rule{.port = port};
    constexpr int kNetPort = 2;  // LANDLOCK_RULE_NET_PORT
    if (::syscall(SYS_landlock_add_rule, ruleset.fd(), kNetPort, &rule, 0) != 0)
      return fail_errno("landlock_add_rule", fmt::format("port {}", port), errno);
    return {};
  }
  static Result<> allow_below(const File& ruleset, const Path& path, std::uint64_t rights) {
    const File place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place.is_open()) return {};  // what is not there, or not for this account, needs no rule
    struct stat st{};
    if (::fstat(place.fd(), &st) != 0) return fail_errno("stat", path.native(), errno);
    if (!S_ISDIR(st.st_mode)) rights &= kFileRights;
    const landlock_path_beneath_attr rule{.allowed_access = rights, .parent_fd = place.fd()};
    if (::syscall(SYS_landlock_add_rule, ruleset.fd(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      return fail_errno("landlock_add_rule", path.native(), errno);
    return {};
  }
};

// What no role needs: other programs, other processes, the kernel's set-up, its keys and its clock,
// and the calls behind most escapes of the last years (bpf, io_uring, userfaultfd, perf, keyctl).
constexpr long kRefused[] = {
    SYS_execveat,
    SYS_process_madvise,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_chroot,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_reboot,
    SYS_io_uring_register,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_acct,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_unshare,
    SYS_setns,
    SYS_syslog,
    SYS_vhangup,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_personality,
    SYS_fanotify_init,
    SYS_move_pages,
    SYS_migrate_pages,
    SYS_mknodat,
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_mknod,
#endif
};
// The leak check and the reports of a sanitizer build need these.
constexpr long kRefusedUnlessSanitized[] = {
    SYS_execve, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
#ifdef __x86_64__
    SYS_fork,   SYS_vfork,
#endif
};

// A filter of libseccomp: what no rule names is let through. Keeps the first error.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release) {
    if (!context_) {
      error_ = ENOMEM;
      return;
    }
    // The 32-bit calls and x32's have other numbers.
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree: no call passes through all of them
  }

  template <typename... Comparisons>
  void refuse(long call, int error, Comparisons... comparisons) {
    const std::array<scmp_arg_cmp, sizeof...(comparisons)> all{comparisons...};
    if (error_ == 0)
      error_ =
          -seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)),
                                  static_cast<int>(call), all.size(), all.data());
  }

  Result<> install() {
    if (error_ == 0) error_ = -seccomp_load(context_.get());
    if (error_ != 0) return fail_errno("seccomp", "", error_);
    return {};
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (error_ == 0) error_ = -seccomp_attr_set(context_.get(), attribute, value);
  }
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int error_ = 0;
};

// Compared with all 64 bits, of which the kernel reads the lower half of an int only: what is let
// through by a value is, what is refused by one is refused by bits or by ranges.
scmp_arg_cmp has_bits(unsigned argument, std::uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, bits};
}
scmp_arg_cmp lacks_bits(unsigned argument, std::uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

void refuse_processes(Filter& filter) {
  // Threads may be made, processes and namespaces not.
  for (const int flag : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                         CLONE_NEWPID, CLONE_NEWNET})
    filter.refuse(SYS_clone, EPERM, has_bits(0, static_cast<std::uint64_t>(flag)));
  if (!kSanitized) filter.refuse(SYS_clone, EPERM, lacks_bits(0, CLONE_THREAD));
  // clone3 keeps its flags in memory, where no filter can look; told that there is none, the C
  // library takes clone.
  filter.refuse(SYS_clone3, ENOSYS);
}

void refuse_families(Filter& filter, Outward outward) {
  filter.refuse(SYS_socketpair, EPERM, scmp_arg_cmp{0, SCMP_CMP_NE, AF_UNIX, 0});
  if (outward == Outward::nowhere) return filter.refuse(SYS_socket, EPERM);
  if (outward == Outward::local_only)
    return filter.refuse(SYS_socket, EPERM, scmp_arg_cmp{0, SCMP_CMP_NE, AF_UNIX, 0});
  filter.refuse(SYS_socket, EPERM, scmp_arg_cmp{0, SCMP_CMP_LT, AF_UNIX, 0});
  filter.refuse(SYS_socket, EPERM, scmp_arg_cmp{0, SCMP_CMP_GT, AF_NETLINK, 0});
  for (std::uint64_t family = AF_UNIX; family < AF_NETLINK; ++family)
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
      filter.refuse(SYS_socket, EPERM, scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, family});
}

// TCP's ways out of a socket that is there already: a listening one that was shut down can be
// connected, and what is sent with MSG_FASTOPEN connects by itself (tcp(7)).
void refuse_ways_out(Filter& filter, Outward outward) {
  if (outward == Outward::internet) return;
  filter.refuse(SYS_sendto, EPERM, has_bits(3, MSG_FASTOPEN));
  filter.refuse(SYS_sendmsg, EPERM, has_bits(2, MSG_FASTOPEN));
  if (outward != Outward::nowhere)
    return filter.refuse(SYS_sendmmsg, EPERM, has_bits(3, MSG_FASTOPEN));
  for (const long call : {SYS_connect, SYS_bind, SYS_listen, SYS_sendmmsg})
    filter.refuse(call, EPERM);
}

Result<> put_up_filter(Outward outward) {
  Filter filter;
  for (const long call : kRefused) filter.refuse(call, EPERM);
  if (!kSanitized)
    for (const long call : kRefusedUnlessSanitized) filter.refuse(call, EPERM);
  refuse_processes(filter);
  refuse_families(filter, outward);
  refuse_ways_out(filter, outward);
  return filter.install();
}

// Tries each way out on a descriptor that is none: EPERM is the filter's answer, EBADF the
// kernel's.
Result<> try_ways_out() {
  char byte = 0;
  iovec part{&byte, 1};
  mmsghdr one{};
  one.msg_hdr.msg_iov = &part;
  one.msg_hdr.msg_iovlen = 1;
  const std::pair<const char*, std::function<long()>> ways[] = {
      {"connect", [] { return static_cast<long>(::connect(-1, nullptr, 0)); }},
      {"bind", [] { return static_cast<long>(::bind(-1, nullptr, 0)); }},
      {"listen", [] { return static_cast<long>(::listen(-1, 1)); }},
      {"socket", [] { return static_cast<long>(::socket(AF_INET, SOCK_STREAM, 0)); }},
      {"sendto", [] { return static_cast<long>(::sendto(-1, "", 0, MSG_FASTOPEN, nullptr, 0)); }},
      {"sendmsg", [&] { return static_cast<long>(::sendmsg(-1, &one.msg_hdr, MSG_FASTOPEN)); }},
      {"sendmmsg", [&] { return static_cast<long>(::sendmmsg(-1, &one, 1, 0)); }}};
  for (const auto& [name, way] : ways)
    if (way() >= 0 || errno != EPERM)
      return fail(ErrorKind::permanent, fmt::format("the filter lets {} through", name));
  return {};
}

}  // namespace

Fence fence_of(const config::Config& config, RoleKind role) {
  Fence fence;
  switch (role) {
    case RoleKind::edge:
      fence.outward = Outward::nowhere;
      add_folder_of(fence.read, config.paths.certificate);
      add_folder_of(fence.read, config.paths.key);
      add_certificates(fence.read, config.tls.folder);
      if (has_acme(config)) fence.read.push_back(config.paths.acme);
      fence.read.push_back(KeyKeeper::folder_of(config));
      break;
    case RoleKind::lookup:
      add_tables(fence.read, config);
      fence.write.push_back(config.paths.state / "lookup");
      add_folder_of(fence.read, config.paths.users);
      if (!config.paths.smtp_users.empty()) add_folder_of(fence.read, config.paths.smtp_users);
      if (!config.srs.domain.empty()) add_folder_of(fence.read, config.srs.secret_file);
      if (maps::uses_pgsql(config)) {
        for (const Path& file : maps::find_pgsql_files(config.pgsql))
          add_folder_of(fence.read, file);
        fence.read.emplace_back("/etc/passwd");  // libpq's default user is the account's name
        if (!maps::is_pgsql_local(config.pgsql)) fence.outward = Outward::internet;
      }
      break;
    case RoleKind::queue:
      fence.write.push_back(config.paths.spool);
      fence.read.push_back(config.dkim.folder);
      if (!config.relay.trust_file.empty()) add_folder_of(fence.read, config.relay.trust_file);
      // The names of who writes by submit.sock.
      if (config.submission.programs != config::Programs::off)
        fence.read.insert(fence.read.end(), std::begin(kAccountNames), std::end(kAccountNames));
      fence.outward = Outward::internet;
      break;
    case RoleKind::store:
      fence.links.push_back(config.paths.mail);  // .dovecot.sieve is one
      fence.write.push_back(config.paths.state / "store");
      if (config.store.unix_users)
        fence.read.insert(fence.read.end(), std::begin(kAccountNames), std::end(kAccountNames));
      fence.read.push_back(config.paths.sieve);
      add_folder_of(fence.read, config.paths.sieve / "default.sieve");
      for (const auto* names : {&config.sieve.before, &config.sieve.after})
        for (const std::string& name : *names) add_folder_of(fence.read, config.paths.sieve / name);
      break;
    case RoleKind::web:
      fence.outward = Outward::nowhere;
      add_folder_of(fence.read, config.paths.certificate);
      fence.read.push_back(KeyKeeper::folder_of(config));
      if (!config.listen.https.empty()) {
        add_folder_of(fence.read, config.paths.key);
        add_certificates(fence.read, config.tls.folder);
        if (has_acme(config)) fence.read.push_back(config.paths.acme);
      }
      if (!config.web.authority.empty()) add_folder_of(fence.read, config.web.authority);
      fence.read.push_back(config.web.webroot);
      fence.read.push_back(told_folder(config));
      break;
    case RoleKind::trail:
      fence.outward = Outward::nowhere;
      fence.write.push_back(trail_folder(config));
      break;
    case RoleKind::acme:
      fence.write.push_back(config.paths.acme);
      if (!config.acme.authority.empty()) add_folder_of(fence.read, config.acme.authority);
      if (!config.acme.eab_key_file.empty()) add_folder_of(fence.read, config.acme.eab_key_file);
      fence.outward = Outward::internet;
      fence.ports = acme_ports(config);
      break;
  }
  return fence;
}

Fenced put_up(const Fence& fence) {
  Fenced fenced;
  const auto note = [&](const Error& error) {
    fenced.missing += (fenced.missing.empty() ? "" : "; ") + error.what;
  };
  if (const int version = Landlock::find_version(); version == 0)
    note({ErrorKind::permanent, "this kernel has no Landlock"});
  else if (const auto done = Landlock::put_up(version, fence); done)
    fenced.landlock = version;
  else
    note(done.error());
  if (const auto done = put_up_filter(fence.outward); done)
    fenced.filter = true;
  else
    note(done.error());
  if (fence.outward == Outward::nowhere && fenced.filter)
    if (const auto tried = try_ways_out(); !tried) note(tried.error());
  return fenced;
}

}  // namespace posthorn::process
