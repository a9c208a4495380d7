// The time that strftime_now sees. It is an input: a prompt must not depend on the day.
#ifndef BITLOSS_TEMPLATES_LOCAL_TIME_H_
#define BITLOSS_TEMPLATES_LOCAL_TIME_H_

#include <string>
#include <string_view>

#include "bitloss/base/result.h"

namespace bitloss::templates {

// What a template sees unless it is told otherwise: noon of a day of two digits in its year.
struct LocalTime {
  int year = 2026;
  int month = 1;  // 1 to 12
  int day = 15;   // 1 to 31
  int hour = 12;
  int minute = 0;
  int second = 0;

  std::string Text() const;  // "2026-01-15T12:00:00"
};

// "2026-03-05T14:07:09", or the day alone (then it is midnight). kBadInput for anything else.
Result<LocalTime> ParseLocalTime(std::string_view text);

// C's strftime in the C locale, glibc's `%-d` included. Throws a Refusal for conversions that
// depend on more than the time (time zones, locales).
std::string FormatTime(std::string_view format, const LocalTime& time);

}  // namespace bitloss::templates

#endif  // BITLOSS_TEMPLATES_LOCAL_TIME_H_
