#include "bitloss/templates/filters.h"

namespace bitloss::templates {
namespace {

const Filter* Find(std::string_view name) {
  for (const std::span<const Filter> filters : {TextFilters(), SequenceFilters()}) {
    for (const Filter& filter : filters) {
      if (filter.name == name) return &filter;
    }
  }
  return nullptr;
}

}  // namespace

bool IsFilter(std::string_view name) { return Find(name) != nullptr; }

Value ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments,
                  Meter& meter) {
  const Filter* filter = Find(name);
  if (filter == nullptr) Refuse("no filter named '{}'", name);
  meter.Step();
  if (value.Is(Kind::kString)) meter.Step(value.AsText().size() / 16);
  return filter->apply(value, arguments, meter);
}

}  // namespace bitloss::templates
