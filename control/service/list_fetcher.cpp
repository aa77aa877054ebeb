#include "control/service/list_fetcher.hpp"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <memory>

#include "control/registration/crl.hpp"

namespace sanad::service {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kWholeSeconds = 60;  // 8 MiB in it are 140 kB/s
constexpr long kRedirects = 3;

struct CurlFreer {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// Ends the transfer, by taking fewer bytes than were given, as soon as the list is larger than any list may be.
std::size_t take(const char* bytes, std::size_t size, std::size_t count, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (out.size() + size * count > registration::kMaxCrl) return 0;
  out.append(bytes, size * count);
  return size * count;
}

}  // namespace

ListFetcher::ListFetcher(std::function<void(FetchedList)> deliver) : deliver_(std::move(deliver)) {
  // Once a process, before any thread of it could use the library.
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(kReady);  // get() finds out
  thread_ = std::thread([this] { run(); });
}

ListFetcher::~ListFetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void ListFetcher::fetch(const std::string& url) {
  const std::lock_guard lock(mutex_);
  if (std::find(waiting_.begin(), waiting_.end(), url) != waiting_.end()) return;
  waiting_.push_back(url);
  changed_.notify_all();
}

bool ListFetcher::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void ListFetcher::run() {
  pthread_setname_np(pthread_self(), "lists");
  for (;;) {
    std::string url;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      url = std::move(waiting_.front());
      waiting_.pop_front();
    }
    FetchedList list = get(url);
    if (stopping()) return;
    deliver_(std::move(list));
  }
}

FetchedList ListFetcher::get(const std::string& url) {
  FetchedList list{url, {}, {}};
  const std::unique_ptr<CURL, CurlFreer> curl{curl_easy_init()};
  if (!curl) {
    list.problem = "couldn't begin: out of memory";
    return list;
  }
  std::array<char, CURL_ERROR_SIZE> reason{};
  const curl_xferinfo_callback going_on = [](void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<ListFetcher*>(self)->stopping() ? 1 : 0;
  };
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, kRedirects);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kWholeSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "sanadd/" SANAD_VERSION);
  curl_easy_setopt(curl.get(), CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(registration::kMaxCrl));
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &list.text);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, going_on);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, this);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_OK) return list;
  list.text.clear();
  if (code == CURLE_FILESIZE_EXCEEDED || code == CURLE_WRITE_ERROR) {
    list.problem = "the revocation list is larger than 8 MiB";
  } else {
    list.problem = reason[0] == '\0' ? curl_easy_strerror(code) : reason.data();
  }
  return list;
}

}  // namespace sanad::service
