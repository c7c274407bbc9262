// The page about this server: what a person needs to set up a mail program, readable on a phone
// and without pictures, scripts or anything from elsewhere.
#include <fmt/format.h>

#include "web/pages.h"
#include "web/proto/text.h"

namespace posthorn::web {
namespace {

constexpr std::string_view kStyle =
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1.5rem 1.1rem 3rem;max-width:44rem;font:1.05rem/1.55 system-ui,"
    "sans-serif;color:#1d2430;background:#fbfaf7}"
    "header{border-bottom:3px solid #b8860b;margin-bottom:1.5rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0 .4rem;overflow-wrap:anywhere}"
    "header p{margin:.2rem 0 1rem;color:#5a6372}"
    "h2{font-size:1.2rem;margin:2rem 0 .6rem}"
    "table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #ddd6c6}"
    "th,td{text-align:left;padding:.55rem .7rem;border-bottom:1px solid #ece7db;"
    "vertical-align:top}"
    "thead th{background:#f3eee2;font-size:.85rem;color:#5a6372;font-weight:600}"
    "tbody tr:last-child>*{border-bottom:0}"
    "tbody th{font-weight:600}"
    "code{font-family:ui-monospace,monospace;font-size:.95em;overflow-wrap:anywhere}"
    "ul,ol{padding-left:1.3rem}li{margin:.3rem 0}"
    "form{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end;margin:.8rem 0}"
    "label{flex:1 1 16rem}"
    "input{display:block;width:100%;font:inherit;padding:.55rem .6rem;margin-top:.2rem;"
    "border:1px solid #9a927f;border-radius:.3rem;background:#fff;color:inherit}"
    "button,a.button{font:inherit;display:inline-block;padding:.6rem 1rem;border:0;"
    "border-radius:.3rem;background:#7a5900;color:#fff;text-decoration:none}"
    "a{color:#7a5900}"
    "footer{margin-top:2.5rem;color:#5a6372;font-size:.9rem}"
    "@media(prefers-color-scheme:dark){body{color:#e8e6e1;background:#171a20}"
    "table,input{background:#1f242c;border-color:#3a414d}th,td{border-color:#2c323c}"
    "thead th{background:#262c35;color:#aab2be}header p,footer{color:#aab2be}"
    "a{color:#e0b94f}button,a.button{background:#e0b94f;color:#171a20}}";

std::string_view name_of(const Service& service) {
  if (service.protocol == "smtp") return "Sending (SMTP)";
  return service.protocol == "imap" ? "Receiving (IMAP)" : "Receiving (POP3)";
}

std::string_view name_of(Security security) {
  switch (security) {
    case Security::tls:
      return "SSL/TLS";
    case Security::starttls:
      return "STARTTLS";
    case Security::none:
      return "none";
  }
  return "";
}

std::string domain_list(const MailSettings& settings) {
  static constexpr std::size_t kShownMax = 20;
  std::string text;
  for (std::size_t i = 0; i < settings.domains.size() && i < kShownMax; ++i)
    text += fmt::format("{}<strong>{}</strong>", i == 0 ? "" : ", ",
                        escape_markup(settings.domains[i]));
  if (settings.domains.size() > kShownMax)
    text += fmt::format(" and {} more", settings.domains.size() - kShownMax);
  return text;
}

std::string service_table(const MailSettings& settings) {
  std::string rows;
  for (const Service& service : settings.services)
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                        name_of(service), service.port, name_of(service.security));
  return "<table>\n<thead><tr><th scope=\"col\">Service</th><th scope=\"col\">Port</th>"
         "<th scope=\"col\">Encryption</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody>\n</table>\n";
}

std::string user_and_password(const MailSettings& settings, const std::string& example) {
  std::string text = "<li>User name: ";
  text += settings.logins == Logins::local_part ? "any address of any domain"
                                                : "your whole mail address";
  text += fmt::format(", as <code>{}</code></li>\n<li>Password: ", escape_markup(example));
  switch (settings.logins) {
    case Logins::accounts:
      text += "the one of your mail account";
      break;
    case Logins::local_part:
      text += "the part before the @; the mailbox is made at once";
      break;
    case Logins::one_password:
      text += "the one that this server has for everybody";
      break;
  }
  text += "</li>\n";
  if (settings.has_plaintext_logins)
    text += "<li>Encryption is offered and not required: a server for development</li>\n";
  return text;
}

std::string authority_section(const MailSettings& settings) {
  if (settings.authority_pem.empty()) return {};
  return "<section>\n<h2>Certificate</h2>\n"
         "<p>This server’s certificate does not come from a public authority. Install it once, "
         "and your programs trust the server.</p>\n"
         "<p><a class=\"button\" href=\"/ca.crt\">Download the certificate</a></p>\n"
         "<p>Whoever could change this page could change the certificate too: before you trust it, "
         "ask your administrator for its SHA-256 fingerprint.</p>\n<p><code>" +
         escape_markup(settings.authority_sha256) + "</code></p>\n</section>\n";
}

}  // namespace

std::string start_page(const MailSettings& settings) {
  const std::string host = escape_markup(settings.hostname);
  const std::string example =
      settings.domains.empty() ? "you@example.org" : "you@" + settings.domains.front();
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>Mail at {0}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{1}</style>\n"
      "</head>\n<body>\n<header>\n<h1>{0}</h1>\n<p>The mail server of "
      "{2}.</p>\n</header>\n<main>\n",
      host, kStyle, settings.domains.empty() ? std::string("this site") : domain_list(settings));
  text += fmt::format(
      "<section>\n<h2>Settings for your mail program</h2>\n"
      "<ul>\n<li>Server, for receiving and for sending: <code>{0}</code></li>\n"
      "{1}</ul>\n{2}"
      "<p>Where a service stands twice, take the first that your program knows.</p>\n</section>\n",
      host, user_and_password(settings, example), service_table(settings));
  text += authority_section(settings);
  text += fmt::format(
      "<section>\n<h2>iPhone and iPad</h2>\n"
      "<p>Enter your address, download the profile, then open Settings and install it there. "
      "It asks for your password.</p>\n"
      "<form action=\"/posthorn.mobileconfig\" method=\"get\">\n"
      "<label>Mail address<input type=\"email\" name=\"email\" required autocomplete=\"email\" "
      "placeholder=\"{0}\"></label>\n"
      "<button type=\"submit\">Download the profile</button>\n</form>\n</section>\n"
      "<section>\n<h2>Android, Thunderbird, Outlook</h2>\n<ol>\n"
      "<li>Add an account and enter your mail address and password. Most programs find "
      "everything else here by themselves.</li>\n"
      "<li>If yours asks, choose IMAP and copy the server, the ports and the encryption from the "
      "table above, and choose “normal password” for the login.</li>\n"
      "<li>Sending needs the login too, with the same user name and password.</li>\n"
      "</ol>\n</section>\n",
      escape_markup(example));
  text += "</main>\n<footer><p>This server runs Posthorn.</p></footer>\n</body>\n</html>\n";
  return text;
}

}  // namespace posthorn::web
