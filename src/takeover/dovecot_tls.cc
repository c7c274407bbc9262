// Certificates and what TLS asks for. The server's own pair serves where it lies; those for single
// names are copied, for a folder holds them here, and whoever renews them hands them on with
// `posthorn certificate install`.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

struct Pair {
  const DovecotSetting* certificate = nullptr;
  const DovecotSetting* key = nullptr;
};
Pair pair_of(const DovecotBlock& block) {
  return {DovecotMapping::find(block, {"ssl_server_cert_file", "ssl_cert"}),
          DovecotMapping::find(block, {"ssl_server_key_file", "ssl_key"})};
}

constexpr std::string_view kLater =
    ": the pair is not taken; `posthorn certificate install --cert F --key F` does it later";

class Certificates {
 public:
  explicit Certificates(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    take_own(pair_of(m_.root()));
    walk(m_.root());
    map_rules();
  }

 private:
  // Why the files cannot be taken; empty: they can.
  static std::string find_fault(const Pair& pair) {
    if (pair.certificate == nullptr) return "a certificate belongs to it";
    if (pair.key == nullptr) return "a key belongs to it";
    for (const DovecotSetting* const one : {pair.certificate, pair.key}) {
      if (!one->is_path && !one->value.starts_with('/')) return "it is no file";
      std::error_code error;
      if (!std::filesystem::exists(one->value, error))
        return fmt::format("there is no file {}", one->value);
      if (::access(one->value.c_str(), R_OK) != 0)
        return fmt::format("{} cannot be read by who runs this command: run it as root",
                           one->value);
    }
    return "";
  }

  // The server's own pair serves where it lies, as the MTA's does.
  void take_own(const Pair& pair) {
    if (pair.certificate == nullptr && pair.key == nullptr) return;
    const std::string fault = find_fault(pair);
    const auto tell = [&](Fate fate, const std::string& text) {
      for (const DovecotSetting* const one : {pair.certificate, pair.key}) m_.tell(one, fate, text);
    };
    if (!fault.empty()) return tell(Fate::not_possible, fault + std::string(kLater));
    if (equals_ignoring_case(m_.root().value_of("ssl"), "no"))
      return tell(Fate::not_needed,
                  "with ssl = no it served nothing: the certificate is init's own");
    // Debian's link to the machine's own, which nobody trusts.
    std::error_code error;
    if (std::filesystem::canonical(pair.certificate->value, error).native().find("snakeoil") !=
        std::string::npos)
      return tell(
          Fate::not_needed,
          "it is the machine's own, which nobody trusts: init makes one, and `posthorn init "
          "--acme` gets a trusted one");
    const auto there = m_.plan().settings().find("paths.certificate");
    if (there == m_.plan().settings().end()) {
      m_.set("paths.certificate", pair.certificate->value, pair.certificate);
      m_.set("paths.key", pair.key->value, pair.key);
      return tell(Fate::taken,
                  "paths.certificate, paths.key: where they lie; a new pair is taken by itself");
    }
    if (there->second.value.find(pair.certificate->value) != std::string::npos)
      return tell(Fate::already_so, "the pair that the MTA has serves all");
    take(pair, "tls/names/dovecot", "whoever asks for a name in it");
  }

  void take(const Pair& pair, const std::string& folder, std::string_view whom) {
    if (pair.certificate == nullptr && pair.key == nullptr) return;
    const std::string fault = find_fault(pair);
    for (const DovecotSetting* const one : {pair.certificate, pair.key})
      m_.tell(one, fault.empty() ? Fate::taken : Fate::not_possible,
              fault.empty()
                  ? fmt::format("{}: a copy, for {}; `posthorn certificate install` takes "
                                "the next one",
                                folder, whom)
                  : fault + std::string(kLater));
    if (!fault.empty()) return;
    m_.plan().copy({pair.certificate->value, Path(folder) / "fullchain.pem", 0644});
    m_.plan().copy({pair.key->value, Path(folder) / "privkey.pem", 0640});
  }

  // local_name may stand in local.
  void walk(const DovecotBlock& block) {
    for (const DovecotBlock& inner : block.blocks) {
      if (inner.type == "local_name") {
        for (const std::string& name : words_of(inner.name)) take_name(inner, to_lower(name));
      } else if (inner.type == "local" && pair_of(inner).certificate != nullptr) {
        for (const DovecotSetting* const one : {pair_of(inner).certificate, pair_of(inner).key})
          m_.tell(one, Fate::not_possible,
                  "certificates are chosen by the name that is asked for, not by address: put the "
                  "pair into a folder of tls.folder");
      }
      walk(inner);
    }
  }
  void take_name(const DovecotBlock& block, const std::string& name) {
    std::string folder = name.starts_with("*.") ? "_" + name.substr(1) : name;
    if (folder.empty() || folder.find('/') != folder.npos || folder.starts_with('.')) return;
    take(pair_of(block), "tls/names/" + folder, "whoever asks for " + name);
  }

  void map_rules() {
    const DovecotBlock& root = m_.root();
    if (const DovecotSetting* const ssl = root.find("ssl")) {
      const std::string value = to_lower(ssl->value);
      m_.tell(ssl, value == "no" ? Fate::not_possible : Fate::already_so,
              value == "no" ? "there was no TLS, and nobody logs in without it here: mail programs "
                              "are to be set to STARTTLS or port 993"
                            : "TLS is offered, and nobody logs in without it");
    }
    if (const DovecotSetting* const version =
            DovecotMapping::find(root, {"ssl_min_protocol", "ssl_protocols"})) {
      const bool is_same = version->value == "TLSv1.2";
      m_.tell(
          version, is_same ? Fate::already_so : Fate::not_possible,
          is_same ? "TLS 1.2 is the oldest" : "TLS 1.2 is the oldest here, and 1.3 is preferred");
    }
    if (const DovecotSetting* const verify = DovecotMapping::find(
            root, {"ssl_verify_client_cert", "ssl_server_request_client_cert"}))
      m_.tell(verify, is_yes(verify->value) ? Fate::not_possible : Fate::already_so,
              "no client is asked for a certificate");
  }

  DovecotMapping& m_;
};

}  // namespace

void map_tls(DovecotMapping& mapping) {
  Certificates(mapping).map();
}

}  // namespace posthorn::takeover
