// `posthorn certificate list`: each certificate that lies where the server reads them, what became
// of its renewal, and what each TLS port of the running server really shows. And `renew`, for those
// that the server gets by itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/line_channel.h"
#include "net/tls.h"
#include "tools/shown_certificates.h"

namespace posthorn::tools {

// What the role acme tells of one (acme-control.sock, "status").
struct Renewal {
  std::string name, state, reason, error, remedy;
  std::vector<std::string> names;
  std::optional<WallTime> issued, next, attempted;
};
std::vector<Renewal> take_renewals(const net::Message& status);

struct ListedCertificate {
  std::string name;           // "default", the folder of tls.folder, or the one by ACME
  std::string origin;         // "file", "folder", "acme"
  Path file;                  // empty: by ACME, and not there yet
  net::CertificateInfo info;  // where there is no error
  std::string error;          // why the file cannot be read
  std::optional<Renewal> renewal;
  std::vector<std::string> shown_on;  // "imaps 127.0.0.1:993"
};

struct CertificateReport {
  enum class Server { running, stopped } server = Server::stopped;
  std::vector<ListedCertificate> certificates;
  std::vector<Shown> shown;
  struct Fault {
    std::string what, remedy;
  };
  std::vector<Fault> faults;
};

// Says of each what shows it, and what is wrong; hostname: server.hostname, as the start had it.
void judge(CertificateReport& report, const std::string& hostname, WallTime now);
std::string to_json(const CertificateReport& report, WallTime now);
std::string to_text(const CertificateReport& report, WallTime now);

struct ListCertificatesOptions {
  bool json = false;
};
// 0; 1: there is a fault among them.
int list_certificates(const config::Config& config, const ListCertificatesOptions& options);

struct RenewOptions {
  std::string name;  // empty: all
};
// By ACME, where that is on: waits for what comes of it. Else the one of the server's own making.
int renew_certificates(const config::Config& config, const RenewOptions& options);

}  // namespace posthorn::tools
