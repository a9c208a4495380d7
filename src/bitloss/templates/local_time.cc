#include "bitloss/templates/local_time.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include "bitloss/templates/refusal.h"

namespace bitloss::templates {
namespace {

std::chrono::year_month_day DayOf(const LocalTime& time) {
  return std::chrono::year(time.year) / std::chrono::month(static_cast<unsigned>(time.month)) /
         std::chrono::day(static_cast<unsigned>(time.day));
}

std::tm BrokenDown(const LocalTime& time) {
  const std::chrono::sys_days day = DayOf(time);
  const std::chrono::sys_days first = std::chrono::year(time.year) / std::chrono::January / 1;
  std::tm tm{};
  tm.tm_year = time.year - 1900;
  tm.tm_mon = time.month - 1;
  tm.tm_mday = time.day;
  tm.tm_hour = time.hour;
  tm.tm_min = time.minute;
  tm.tm_sec = time.second;
  tm.tm_wday = static_cast<int>(std::chrono::weekday(day).c_encoding());
  tm.tm_yday = static_cast<int>((day - first).count());
  return tm;
}

// `size` digits from `at` on; -1 if they are not digits.
int Digits(std::string_view text, size_t at, size_t size) {
  int number = 0;
  for (size_t i = at; i < at + size; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

}  // namespace

std::string LocalTime::Text() const {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", year, month, day, hour, minute, second);
}

Result<LocalTime> ParseLocalTime(std::string_view text) {
  const std::string whole = text.size() == 10 ? std::string(text) + "T00:00:00" : std::string(text);
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  bool fits = whole.size() == kForm.size();
  for (size_t i = 0; fits && i < kForm.size(); ++i) {
    fits = kForm[i] == 'd' ? Digits(whole, i, 1) >= 0 : whole[i] == kForm[i];
  }
  if (fits) {
    const LocalTime time{Digits(whole, 0, 4),  Digits(whole, 5, 2),  Digits(whole, 8, 2),
                         Digits(whole, 11, 2), Digits(whole, 14, 2), Digits(whole, 17, 2)};
    const bool exists = time.year >= 1 && time.hour < 24 && time.minute < 60 && time.second < 60;
    if (exists && DayOf(time).ok()) return time;
  }
  return BadInput("'{}' is not a time like 2026-03-05T14:07:09", text);
}

std::string FormatTime(std::string_view format, const LocalTime& time) {
  const std::tm tm = BrokenDown(time);
  std::string text;
  for (size_t i = 0; i < format.size();) {
    if (format[i] != '%') {
      text += format[i++];
      continue;
    }
    std::string one = "%";
    ++i;
    if (i < format.size() && format[i] == '-') one += format[i++];
    const char letter = i < format.size() ? format[i++] : ' ';
    if (std::string_view("aAbBcdeHIjmMpSUwWxXyYDFTRuVhnt%").find(letter) ==
        std::string_view::npos) {
      Refuse("strftime_now: '%{}' is not implemented", letter);
    }
    one += letter;
    char buffer[128];
    text.append(buffer, std::strftime(buffer, sizeof buffer, one.c_str(), &tm));
  }
  return text;
}

}  // namespace bitloss::templates
