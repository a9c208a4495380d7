// What a call that can fail returns: Result<T> (a value, or the reason why there is none) and
// Status (nothing, or the reason why it failed). No exceptions cross a module.
#ifndef BITLOSS_BASE_RESULT_H_
#define BITLOSS_BASE_RESULT_H_

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "bitloss/base/check.h"

namespace bitloss {

// Whose fault it is; the command line turns it into its exit code (3 + the value).
enum class ErrorKind {
  kBadInput,     // a file, text or option that does not say what it should
  kNotFound,     // something named that is not there
  kUnsupported,  // well-formed, but not a thing that bitloss does
  kIo,           // the system refused: disk full, no permission, torn read
};

// One line: what was being done, to what (file, tensor, byte), what was found, what to do.
// Lower case, no full stop.
struct Error {
  ErrorKind kind;
  std::string message;
};

template <class... Args>
Error BadInput(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::kBadInput, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::kNotFound, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::kUnsupported, fmt::format(format, std::forward<Args>(args)...)};
}
template <class... Args>
Error IoError(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::kIo, fmt::format(format, std::forward<Args>(args)...)};
}

// The same error, told from further out: "<context>: <message>".
inline Error Within(std::string_view context, const Error& error) {
  return {error.kind, fmt::format("{}: {}", context, error.message)};
}

// A value, or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: a value is a result
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: and so is an error

  bool ok() const { return std::holds_alternative<T>(state_); }

  // Requires: ok(). Asking for a value that is not there is a bug.
  T& value() & {
    BITLOSS_CHECK(ok());
    return std::get<T>(state_);
  }
  const T& value() const& {
    BITLOSS_CHECK(ok());
    return std::get<T>(state_);
  }
  T&& value() && {
    BITLOSS_CHECK(ok());
    return std::get<T>(std::move(state_));
  }

  // Requires: !ok().
  const Error& error() const {
    BITLOSS_CHECK(!ok());
    return std::get<Error>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// A Result without a value.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: an error is a status

  bool ok() const { return !error_.has_value(); }

  // Requires: !ok().
  const Error& error() const {
    BITLOSS_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

inline Status Ok() { return {}; }

}  // namespace bitloss

#define BITLOSS_CAT_2(a, b) a##b
#define BITLOSS_CAT(a, b) BITLOSS_CAT_2(a, b)

// BITLOSS_TRY(const ModelConfig config, ReadConfig(path));  // or return the error
#define BITLOSS_TRY(declaration, ...)               \
  auto BITLOSS_CAT(try_, __LINE__) = (__VA_ARGS__); \
  if (!BITLOSS_CAT(try_, __LINE__).ok()) {          \
    return BITLOSS_CAT(try_, __LINE__).error();     \
  }                                                 \
  declaration = std::move(BITLOSS_CAT(try_, __LINE__)).value()

// BITLOSS_DO(log.Append(record));  // the same for a call without a value
#define BITLOSS_DO(...) \
  if (auto bitloss_status = (__VA_ARGS__); !bitloss_status.ok()) return bitloss_status.error()

#endif  // BITLOSS_BASE_RESULT_H_
