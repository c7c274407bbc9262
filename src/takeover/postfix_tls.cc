// Certificates and what was asked of clients' connections.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

// Empty: it can be read.
std::string why_no_file(const std::string& file) {
  constexpr std::uint64_t kPemMax = 1U << 20U;
  const auto text = read_file(file, kPemMax);
  if (text && *text) return "";
  return fmt::format(
      "{}: {}; the certificate that init makes serves until posthorn certificate "
      "install brings one",
      file, text ? "there is no such file" : text.error().what);
}

// The first pair that names both; a snakeoil one is a certificate of nobody's knowing.
void map_pair(PostfixMapping& m, const std::string& cert, const std::string& key) {
  const std::string c = m.value(cert);
  std::string k = m.value(key);
  if (k == "$smtpd_tls_cert_file" || k.empty()) k = c;
  if (c.empty() || c == "none") return;
  const bool is_snakeoil = c.find("snakeoil") != std::string::npos;
  const bool is_set = m.plan().settings().contains("paths.certificate");
  if (is_snakeoil || is_set) {
    const std::string why = is_snakeoil
                                ? "the machine's own, which nobody trusts: init makes one of "
                                  "its own, and posthorn init --acme gets a trusted one"
                                : "another one is taken already; a second kind of key for "
                                  "the same names lies in a folder of tls.folder";
    m.tell(cert, is_snakeoil ? Fate::not_needed : Fate::not_possible, why);
    m.tell(key, is_snakeoil ? Fate::not_needed : Fate::not_possible, why);
    return;
  }
  for (const auto& [name, file] : {std::pair{cert, c}, std::pair{key, k}})
    if (const std::string why = why_no_file(file); !why.empty()) {
      for (const std::string& told : {cert, key}) m.tell(told, Fate::not_possible, why);
      return;
    }
  m.plan().set_text("paths.certificate", c, m.source(cert));
  m.plan().set_text("paths.key", k, m.source(key.empty() ? cert : key));
  const std::string how =
      "paths.certificate, paths.key: where they lie; what renews them goes on, and "
      "a new pair is taken by itself";
  m.tell(cert, Fate::taken, how);
  m.tell(key, Fate::taken, how);
}

void map_chain_files(PostfixMapping& m) {
  const std::vector<std::string> files = list_words(m.value("smtpd_tls_chain_files"));
  if (files.empty() || m.plan().settings().contains("paths.certificate"))
    return m.tell("smtpd_tls_chain_files", Fate::not_possible, "another pair is taken already");
  for (const std::string& file : files)
    if (const std::string why = why_no_file(file); !why.empty())
      return m.tell("smtpd_tls_chain_files", Fate::not_possible, why);
  // Key and chain in one file, or the key's file before the chain's.
  m.plan().set_text("paths.key", files.front(), m.source("smtpd_tls_chain_files"));
  m.plan().set_text("paths.certificate", files.size() > 1 ? files[1] : files.front(),
                    m.source("smtpd_tls_chain_files"));
  m.tell("smtpd_tls_chain_files", Fate::taken, "paths.certificate, paths.key");
}

// tls_server_sni_maps: a name, and the files of its pair.
void map_names(PostfixMapping& m) {
  for (const OldTable& table : m.tables("tls_server_sni_maps"))
    for (const maps::Entry& entry : table.entries) {
      const std::vector<std::string> files = list_words(entry.value);
      if (files.empty() || entry.key.starts_with('.')) {
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::not_possible,
                  "name each host: a folder in tls.folder");
        continue;
      }
      const Path place = Path("tls/names") / entry.key;
      m.plan().copy({.from = files.front(), .to = place / "privkey.pem", .mode = 0640});
      m.plan().copy({.from = files.back(), .to = place / "fullchain.pem", .mode = 0644});
      m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::taken,
                place.native() +
                    ": a copy; have what renews it run posthorn certificate install "
                    "--name " +
                    entry.key);
    }
  m.tell("tls_server_sni_maps", Fate::taken, "tls.folder, a folder a name");
}

}  // namespace

void map_old_tls(PostfixMapping& m) {
  if (m.has("smtpd_tls_chain_files")) map_chain_files(m);
  map_pair(m, "smtpd_tls_cert_file", "smtpd_tls_key_file");
  map_pair(m, "smtpd_tls_eccert_file", "smtpd_tls_eckey_file");
  map_pair(m, "smtpd_tls_dcert_file", "smtpd_tls_dkey_file");
  map_names(m);
  const std::string level = m.value("smtpd_tls_security_level");
  m.tell("smtpd_tls_security_level", level == "encrypt" ? Fate::not_possible : Fate::already_so,
         level == "encrypt"
             ? "port 25 takes mail without TLS too, as RFC 3207 section 4 wants of a public "
               "server; users' ports demand TLS (submission.require_tls)"
         : level == "none" ? "TLS is offered at every port, and nobody need use it at 25"
                           : "STARTTLS is offered at 25, and demanded of users");
  m.tell("smtpd_use_tls", Fate::already_so, "STARTTLS is offered at 25, and demanded of users");
  m.tell("smtpd_tls_auth_only",
         m.value("smtpd_tls_auth_only") == "yes" ? Fate::already_so : Fate::not_possible,
         "a password is taken over TLS only; auth.allow_plaintext is for loopback");
  for (const char* name :
       {"smtpd_tls_mandatory_protocols", "smtpd_tls_protocols", "smtp_tls_mandatory_protocols",
        "smtp_tls_protocols", "smtpd_tls_mandatory_ciphers", "smtpd_tls_ciphers",
        "smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers", "smtp_tls_ciphers",
        "smtp_tls_mandatory_ciphers", "smtp_tls_exclude_ciphers", "tls_preempt_cipherlist",
        "tls_high_cipherlist", "tls_medium_cipherlist", "tls_ssl_options", "smtpd_tls_eecdh_grade",
        "smtpd_tls_dh1024_param_file", "smtpd_tls_dh512_param_file"})
    m.tell(name, Fate::already_so, "TLS 1.2 and 1.3 with the ciphers of today, fixed");
  for (const char* name :
       {"smtpd_tls_session_cache_database", "smtp_tls_session_cache_database",
        "smtpd_tls_session_cache_timeout", "smtp_tls_session_cache_timeout", "smtpd_tls_loglevel",
        "smtp_tls_loglevel", "smtpd_tls_received_header", "tls_random_source",
        "smtp_tls_note_starttls_offer", "smtpd_tls_CAfile", "smtpd_tls_CApath"})
    m.tell(name, Fate::not_needed, "sessions are resumed, and TLS is logged, without being told");
  for (const char* name : {"smtp_tls_cert_file", "smtp_tls_key_file", "smtp_tls_chain_files"})
    m.tell(name, Fate::not_possible,
           "no certificate is shown to other servers; logins by password: "
           "maps/relay-sasl");
  m.tell("smtpd_tls_ask_ccert", Fate::not_possible, "clients' certificates are not asked for");
  m.tell("smtpd_tls_req_ccert", Fate::not_possible, "clients' certificates are not asked for");
}

}  // namespace posthorn::takeover
