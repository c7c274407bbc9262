#include "net/http_client.h"

#include <algorithm>
#include <array>
#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "net/socket.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kFieldsMax = 64U << 10U;

struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListFree>;

void append(List& list, const std::string& text) {
  list.reset(curl_slist_append(list.release(), text.c_str()));
}

struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

}  // namespace

const std::string* HttpAnswer::find(std::string_view name) const {
  const auto at = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return at == fields.end() ? nullptr : &at->second;
}

std::vector<std::string_view> HttpAnswer::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : fields)
    if (key == name) values.emplace_back(value);
  return values;
}

void take_field(std::string_view line, HttpAnswer& answer) {
  if (line.starts_with("HTTP/")) {
    answer.fields.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return;
  answer.fields.emplace_back(to_lower(trim(line.substr(0, colon))),
                             std::string(trim(line.substr(colon + 1), " \t\r\n")));
}

// What libcurl writes into while it works. It ends before its buffers do.
struct HttpClient::Exchange {
  Exchange(Transfers& transfers, const Settings& s, const HttpRequest& request)
      : settings(s), transfer(transfers) {
    CURL* const easy = transfer.easy();
    const char* const schemes =
        settings.schemes == HttpSchemes::https_only ? "https" : "http,https";
    curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, schemes);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!settings.authority.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, settings.authority.c_str());
      curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    }
    curl_easy_setopt(easy, CURLOPT_USERAGENT, settings.user_agent.c_str());
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_field);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    append(fields, "Expect:");  // a body is small: nobody need be asked first
    for (const std::string& field : request.fields) append(fields, field);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields.get());
    if (request.method == HttpMethod::head) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (request.method == HttpMethod::post) {
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
    }
  }

  static std::size_t on_field(const char* text, std::size_t, std::size_t size, void* user) {
    auto* self = static_cast<Exchange*>(user);
    self->fields_size += size;
    if (self->fields_size > kFieldsMax) return 0;
    take_field({text, size}, self->answer);
    return size;
  }
  static std::size_t on_body(const char* text, std::size_t, std::size_t size, void* user) {
    auto* self = static_cast<Exchange*>(user);
    if (size > self->settings.body_max - self->answer.body.size()) return 0;
    self->answer.body.append(text, size);
    return size;
  }

  std::string reason(CURLcode code) const {
    if (code == CURLE_WRITE_ERROR) return "its answer is larger than any should be";
    if (code == CURLE_UNSUPPORTED_PROTOCOL) return "the URL is not https://";
    return error.front() != '\0' ? error.data() : curl_easy_strerror(code);
  }

  const Settings& settings;
  HttpAnswer answer;
  std::size_t fields_size = 0;
  std::array<char, CURL_ERROR_SIZE> error{};
  List fields;
  List hosts;
  Transfer transfer;
};

HttpClient::HttpClient(Scope& scope, Resolver* resolver, Settings settings)
    : transfers_(scope), resolver_(resolver), settings_(std::move(settings)) {}

HttpClient::~HttpClient() = default;

void HttpClient::stop() {
  transfers_.stop();
}

// As CURLOPT_RESOLVE takes it, "host:port:address,…"; empty: the URL holds an address itself.
Task<std::string> HttpClient::locate(const std::string& url, SteadyTime deadline) {
  const std::unique_ptr<CURLU, UrlFree> parts(curl_url());
  if (curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    co_return fail(ErrorKind::permanent, fmt::format("{}: it is no URL", url));
  const std::string host = part_of(parts.get(), CURLUPART_HOST);
  const std::string port = part_of(parts.get(), CURLUPART_PORT);
  // libcurl knows localhost by itself (RFC 6761 section 6.3).
  if (resolver_ == nullptr || host.starts_with('[') || check_literal(host) || host == "localhost")
    co_return std::string();
  const auto addresses = co_await resolver_->addresses(host, deadline);
  if (!addresses)
    co_return fail(addresses.error().kind, fmt::format("{}: {}", host, addresses.error().what));
  if (addresses->empty())
    co_return fail(ErrorKind::temporary, fmt::format("{}: the DNS has no address of it", host));
  // "+": it is looked up anew when libcurl's own memory of it is over.
  co_return fmt::format("+{}:{}:{}", host, port, fmt::join(*addresses, ","));
}

Task<HttpAnswer> HttpClient::ask(HttpRequest request) {
  const SteadyTime deadline = transfers_.scope().after(settings_.timeout);
  CO_TRY(const std::string place, co_await locate(request.url, deadline));
  Exchange exchange(transfers_, settings_, request);
  if (!place.empty()) {
    append(exchange.hosts, place);
    curl_easy_setopt(exchange.transfer.easy(), CURLOPT_RESOLVE, exchange.hosts.get());
  }
  exchange.transfer.begin();
  const auto code = co_await exchange.transfer.end(deadline);
  if (!code)
    co_return fail(code.error().kind, fmt::format("{}: {}", request.url, code.error().what));
  if (*code != CURLE_OK)
    co_return fail(
        ErrorKind::temporary,
        fmt::format("{}: {}", request.url, exchange.reason(static_cast<CURLcode>(*code))));
  long status = 0;
  curl_easy_getinfo(exchange.transfer.easy(), CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.status = static_cast<int>(status);
  co_return std::move(exchange.answer);
}

}  // namespace posthorn::net
