#include "bitloss/hub/curl_library.h"

#include <dlfcn.h>

namespace bitloss {
namespace {

template <class Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Result<CurlLibrary> Open() {
  constexpr const char* kWayOut =
      "install libcurl4, or fetch the model with another program ('hf download owner/name')";
  void* const library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Unsupported("libcurl.so.4 cannot be opened, so nothing can be fetched; {}", kWayOut);
  }
  CurlLibrary curl{};
  const bool whole = Find(library, "curl_global_init", curl.global_init) &&
                     Find(library, "curl_easy_init", curl.easy_init) &&
                     Find(library, "curl_easy_reset", curl.easy_reset) &&
                     Find(library, "curl_easy_setopt", curl.easy_setopt) &&
                     Find(library, "curl_easy_perform", curl.easy_perform) &&
                     Find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
                     Find(library, "curl_easy_strerror", curl.easy_strerror) &&
                     Find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                     Find(library, "curl_slist_append", curl.slist_append) &&
                     Find(library, "curl_slist_free_all", curl.slist_free_all);
  if (!whole || curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return Unsupported("libcurl.so.4 is there and cannot be used; {}", kWayOut);
  }
  return curl;
}

}  // namespace

Result<const CurlLibrary*> OpenCurl() {
  static const Result<CurlLibrary> opened = Open();
  if (!opened.ok()) return opened.error();
  return &opened.value();
}

}  // namespace bitloss
