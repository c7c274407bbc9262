#include "net/certificate_folder.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kEntriesMax = 1000;
constexpr std::size_t kFolderPairsMax = 1000;

std::vector<Path> list_folder(const Path& folder) {
  std::vector<Path> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end;
       !error && at != end && paths.size() < kEntriesMax; at.increment(error))
    paths.push_back(at->path());
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

bool may_be_there(const Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) || status.type() == std::filesystem::file_type::none;
}

// A folder without a certificate is passed over: it is being made, or holds something else.
Result<std::vector<CertificateFiles>> find_certificates(const Path& folder) {
  std::vector<CertificateFiles> found;
  std::error_code error;
  if (folder.empty() || !may_be_there(folder)) return found;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (found.size() == kFolderPairsMax) break;
    for (const auto& [certificate, key] :
         {std::pair{"fullchain.pem", "privkey.pem"}, {"cert.pem", "key.pem"}}) {
      if (!may_be_there(at->path() / certificate) || !may_be_there(at->path() / key)) continue;
      found.push_back({at->path() / certificate, at->path() / key});
      break;
    }
  }
  if (error)
    return fail(ErrorKind::config, fmt::format("{}: {}", folder.native(), error.message()));
  std::ranges::sort(found, {}, &CertificateFiles::certificate);
  return found;
}

Result<std::vector<CertificateFiles>> find_acme_certificates(const Path& folder) {
  std::vector<CertificateFiles> found;
  std::error_code error;
  if (folder.empty() || !may_be_there(folder)) return found;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (found.size() == kFolderPairsMax) break;
    std::error_code ignored;
    if (at->path().extension() == ".pem" &&
        std::filesystem::is_regular_file(at->symlink_status(ignored)))
      found.push_back({at->path(), at->path()});
  }
  if (error)
    return fail(ErrorKind::config, fmt::format("{}: {}", folder.native(), error.message()));
  std::ranges::sort(found, {}, &CertificateFiles::certificate);
  return found;
}

config::Findings find_folder_doubts(const Path& folder,
                                    const std::vector<CertificateFiles>& pairs) {
  config::Findings findings;
  constexpr std::string_view kForm =
      "a folder for each pair holds fullchain.pem and privkey.pem, or cert.pem and key.pem";
  constexpr std::size_t kDoubtsMax = 20;
  std::size_t told = 0;
  const auto warn = [&](const Path& path, std::string reason) {
    if (++told <= kDoubtsMax)
      findings.push_back(
          {path.native(), std::move(reason), std::string(kForm), config::Weight::warning});
  };
  for (const Path& path : folder.empty() ? std::vector<Path>() : list_folder(folder)) {
    std::error_code error;
    if (path.filename().native().starts_with('.')) continue;
    if (!std::filesystem::is_directory(path, error)) {
      if (path.extension() == ".pem" || path.extension() == ".crt" || path.extension() == ".key")
        warn(path, "not used: it lies in no folder of its own");
      continue;
    }
    const auto is_in = [&](const CertificateFiles& pair) {
      return pair.certificate.parent_path() == path;
    };
    if (std::ranges::any_of(pairs, is_in)) continue;
    const auto has = [&](const char* name) { return std::filesystem::exists(path / name, error); };
    const bool has_certificate = has("fullchain.pem") || has("cert.pem");
    const bool has_key = has("privkey.pem") || has("key.pem");
    warn(path, has_certificate && has_key  ? "not used: certificate and key are named for two pairs"
               : has_certificate           ? "not used: the certificate has no key beside it"
               : has_key                   ? "not used: the key has no certificate beside it"
               : list_folder(path).empty() ? "not used: the folder is empty"
                                           : "not used: no file in it has the name of one");
  }
  return findings;
}

std::optional<config::Finding> find_name_doubt(const CertificateFiles& files,
                                               const CertificateInfo& info) {
  const std::string folder = to_lower(files.certificate.parent_path().filename().native());
  if (folder.find('.') == std::string::npos || info.names.empty()) return std::nullopt;
  for (const std::string& name : info.names) {
    const std::string lower = to_lower(name);
    if (folder.starts_with(lower) || lower.ends_with("." + folder) ||
        (lower.starts_with("*.") && folder.find(lower.substr(1)) != std::string::npos))
      return std::nullopt;
  }
  return config::Finding{
      files.certificate.native() + ":1",
      fmt::format("the certificate is for {}, and its folder is called {}",
                  fmt::join(info.names, " "), folder),
      "clients that ask for that name get another certificate; put the right one "
      "there, or rename the folder",
      config::Weight::warning};
}

}  // namespace posthorn::net
