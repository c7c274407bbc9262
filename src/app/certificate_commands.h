// `posthorn certificate …`: what is shown to programs, how it is renewed and put in place.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <string>

#include "tools/certificate_install.h"
#include "tools/certificate_list.h"

namespace posthorn::app {

// A subcommand that needs the configuration.
using AddCommand =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& about,
                            std::function<int(const config::Config&)> action)>;

struct CertificateOptions {
  tools::InstallOptions install;
  tools::ListCertificatesOptions list;
  tools::RenewOptions renew;
};

// The options are filled in when the words are read; they outlive the program.
void add_certificate_commands(CLI::App& program, CertificateOptions& options,
                              const AddCommand& add_command);

}  // namespace posthorn::app
