// FitLanes (lane_set.h).
#include <algorithm>

#include "bitloss/study/lane_set.h"
#include "bitloss/team/codec.h"

namespace bitloss {
namespace {

// A scheme whose blocks take a fit.
struct Fit {
  const Scheme* scheme = nullptr;
  size_t number = 0;  // among the schemes of all plans: its lane in FittedBlocks
  size_t plan = 0;
  const std::string* key = nullptr;   // in KeptFits
  std::vector<uint8_t> is_kept = {};  // by layer
  double kept_seconds = 0.0;
  bool complete() const {
    return std::ranges::all_of(is_kept, [](uint8_t kept) { return kept != 0; });
  }
};

template <class Codec>
void Members(Codec& codec, Fit& fit) {
  codec(fit.is_kept);
}

// The fits of the plans; those of a mixed lane one after the other.
std::vector<Fit> FitsOf(std::span<const LanePlan> plans) {
  std::vector<Fit> fits;
  size_t number = 0;
  for (size_t p = 0; p < plans.size(); ++p) {
    if (plans[p].stored) continue;
    const size_t count = plans[p].mixed ? plans[p].mixed->components.size() : 1;
    for (size_t i = 0; i < count; ++i, ++number) {
      const Scheme& scheme = plans[p].mixed ? plans[p].mixed->components[i] : plans[p].scheme;
      if (TakesAFit(scheme)) fits.push_back({&scheme, number, p, &plans[p].fits[i]});
    }
  }
  return fits;
}

// Gives every rank the block that rank `from` has.
Status ShareBlock(Team& team, size_t from, const Fit& fit, size_t layer, FittedBlocks& blocks) {
  Result<Message> block = Message();
  if (team.rank() == from) {
    const auto own = blocks.Get(fit.number, layer);
    block = own.ok()
                ? Result<Message>(Message(own.value().span().begin(), own.value().span().end()))
                : Result<Message>(own.error());
  }
  BITLOSS_TRY(Message shared, team.Share(from, std::move(block)));
  Status stored;
  if (team.rank() != from) {
    stored = blocks.Put(fit.number, layer, SharedBytes::Own(std::move(shared)));
  }
  return stored;
}

// Takes what is kept of the fits into this run's blocks. A block that cannot be read as one of its
// scheme counts as missing.
Status ReadKept(const ModelSource& source, const FitPlaces& places, std::vector<Fit>& fits) {
  const size_t num_layers = source.config().num_layers;
  for (Fit& fit : fits) {
    fit.is_kept.assign(num_layers, 0);
    if (places.kept == nullptr) continue;
    BITLOSS_TRY(fit.kept_seconds, places.kept->Seconds(*fit.key));
    for (size_t layer = 0; layer < num_layers; ++layer) {
      BITLOSS_TRY(std::optional<std::vector<std::byte>> block, places.kept->Get(*fit.key, layer));
      if (!block) continue;
      const SharedBytes bytes = SharedBytes::Own(std::move(*block));
      if (!ReadFittedBlock(bytes, fit.scheme->format, source.shared_plan(layer)).ok()) continue;
      BITLOSS_DO(places.blocks.Put(fit.number, layer, bytes));
      fit.is_kept[layer] = 1;
    }
  }
  return Ok();
}

// The same for all ranks, from rank 0's file.
Status TakeKept(Team& team, const ModelSource& source, const FitPlaces& places,
                std::vector<Fit>& fits) {
  const Status read = ReadKept(source, places, fits);
  Result<Message> known = Message();
  if (!read.ok()) {
    known = read.error();
  } else if (team.leads()) {
    known = Encode(std::vector<Fit>(fits));
  }
  BITLOSS_TRY(const Message shared, team.Share(0, std::move(known)));
  BITLOSS_TRY(std::vector<Fit> of_leader, Decode<std::vector<Fit>>(shared));
  Status kept;  // what goes wrong here must not keep this rank from the next exchange
  for (size_t i = 0; i < fits.size(); ++i) {
    fits[i].is_kept = std::move(of_leader[i].is_kept);
    for (size_t layer = 0; team.size() > 1 && layer < source.config().num_layers; ++layer) {
      if (fits[i].is_kept[layer] == 0) continue;
      const Status given = ShareBlock(team, 0, fits[i], layer, places.blocks);
      if (kept.ok()) kept = given;
    }
  }
  return ShareStatus(team, kept);
}

// Which rank fits what.
class Shifts {
 public:
  Shifts(const Team& team, std::span<const Fit> fits) : team_(team), fits_(fits) {}

  size_t RankOf(size_t fit, size_t layer) const {
    return (FollowsItsOwnBlocks(*fits_[fit].scheme) ? fit : layer) % team_.size();
  }
  bool IsOurs(size_t fit, size_t layer) const { return RankOf(fit, layer) == team_.rank(); }

 private:
  const Team& team_;
  std::span<const Fit> fits_;
};

// What is missing of `fits`, this rank's part.
Result<std::vector<BuiltLane>> MakeMissing(const ModelSource& source, Transformer& transformer,
                                           const LaneBuilderOptions& options, const Shifts& shifts,
                                           std::span<const Fit> fits, const FitPlaces& places) {
  std::vector<Scheme> schemes;
  for (const Fit& fit : fits) schemes.push_back(*fit.scheme);
  LaneBuilderOptions build = options;
  build.skip_lane = [&](size_t i) {
    return FollowsItsOwnBlocks(schemes[i]) && !shifts.IsOurs(i, 0);
  };
  build.skip_layer = [&](size_t i, size_t layer) {
    return fits[i].is_kept[layer] != 0 || !shifts.IsOurs(i, layer);
  };
  build.skipped_layer = [&](size_t i, size_t layer) -> Result<FittedLayer> {
    BITLOSS_TRY(const SharedBytes bytes, places.blocks.Get(fits[i].number, layer));
    return ReadFittedBlock(bytes, schemes[i].format, source.shared_plan(layer));
  };
  build.layer_encoded = [&](size_t i, size_t layer, const FittedLayer& block) -> Status {
    const SharedBytes bytes = WriteFittedBlock(block);
    if (places.kept != nullptr) {
      BITLOSS_DO(places.kept->Put(*fits[i].key, layer, bytes.span()));
    }
    return places.blocks.Put(fits[i].number, layer, bytes);
  };
  return BuildLanes(source, transformer, schemes, build);
}

// Hands every block that some rank has just made to all, and keeps those of the others.
Status ShareMade(Team& team, const Shifts& shifts, std::span<const Fit> fits,
                 const FitPlaces& places) {
  Status kept;
  for (size_t i = 0; team.size() > 1 && i < fits.size(); ++i) {
    for (size_t layer = 0; layer < fits[i].is_kept.size(); ++layer) {
      if (fits[i].is_kept[layer] != 0) continue;
      Status given = ShareBlock(team, shifts.RankOf(i, layer), fits[i], layer, places.blocks);
      if (given.ok() && places.kept != nullptr) {
        const auto block = places.blocks.Get(fits[i].number, layer);
        given = block.ok() ? places.kept->Put(*fits[i].key, layer, block.value().span())
                           : Status(block.error());
      }
      if (kept.ok()) kept = given;
    }
  }
  return ShareStatus(team, kept);
}

}  // namespace

Result<std::vector<double>> FitLanes(const ModelSource& source, Transformer& transformer,
                                     std::span<const LanePlan> plans,
                                     const LaneBuilderOptions& options, Team& team,
                                     const FitPlaces& places) {
  std::vector<double> seconds(plans.size());
  std::vector<Fit> fits = FitsOf(plans);
  if (fits.empty()) return seconds;
  BITLOSS_DO(TakeKept(team, source, places, fits));
  for (const Fit& fit : fits) seconds[fit.plan] += fit.kept_seconds;
  std::erase_if(fits, [](const Fit& fit) { return fit.complete(); });
  if (fits.empty()) return seconds;

  const Shifts shifts(team, fits);
  const auto lanes = MakeMissing(source, transformer, options, shifts, fits, places);
  BITLOSS_DO(ShareStatus(team, lanes.ok() ? Ok() : Status(lanes.error())));
  BITLOSS_DO(ShareMade(team, shifts, fits, places));
  for (size_t i = 0; i < fits.size(); ++i) {
    seconds[fits[i].plan] += lanes.value()[i].seconds;
    if (places.kept == nullptr) continue;
    BITLOSS_DO(
        places.kept->PutSeconds(*fits[i].key, fits[i].kept_seconds + lanes.value()[i].seconds));
  }
  return seconds;
}

}  // namespace bitloss
