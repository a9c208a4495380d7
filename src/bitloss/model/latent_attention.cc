// DeepSeek's latent attention: queries, keys and values out of narrow forms of the input.
#include "bitloss/model/transformer.h"

namespace bitloss {
namespace {

// Of the norms of narrow forms, whatever the model's others add.
constexpr float kNarrowEps = 1e-6f;

// Which columns of `from` become which of `to`, for each head.
struct HeadColumns {
  size_t from_first;
  size_t from_step;
  size_t to_first;
  size_t to_step;
  size_t count;
};

void MoveHeads(const HeadColumns& columns, size_t num_heads, ConstDeviceView from, DeviceView to,
               std::vector<Backend::Move>& moves) {
  for (size_t head = 0; head < num_heads; ++head) {
    const size_t source = columns.from_first + head * columns.from_step;
    const size_t target = columns.to_first + head * columns.to_step;
    moves.push_back(
        {from.Cols(source, source + columns.count), to.Cols(target, target + columns.count)});
  }
}

}  // namespace

void Transformer::ProjectLatent(const Pass& pass, ConstDeviceView input) {
  Scratch& s = scratch_;
  const LatentSpec& latent = *config_.latent;
  const LayerPlan& plan = *pass.weights.plan;
  const std::span<const RowRange> calls = pass.batch.sequences();
  const bool narrows_queries = latent.query_rank > 0;
  const LinearOutput down[] = {{plan.At(narrows_queries ? Linear::kQueryDown : Linear::kQuery),
                                narrows_queries ? &s.narrow_queries : &s.projected},
                               {plan.At(Linear::kKeyValueDown), &s.narrow}};
  Multiply(pass, down, calls, input);
  if (narrows_queries) {
    backend_.RmsNorm(s.narrow_queries, pass.weights.part(Kept::kQueryDownNorm), kNarrowEps,
                     s.narrow_queries);
    const LinearOutput up{plan.At(Linear::kQueryUp), &s.projected};
    Multiply(pass, {&up, 1}, calls, s.narrow_queries);
  }
  // Of the keys' and values' narrow form the last columns are a part of the keys already.
  const ConstDeviceView narrow = s.narrow;
  s.heads.Resize(input.rows, latent.rank);
  backend_.RmsNorm(narrow.Cols(0, latent.rank), pass.weights.part(Kept::kKeyValueDownNorm),
                   kNarrowEps, s.heads);
  const LinearOutput up[] = {{plan.At(Linear::kKeyUp), &s.plain_keys},
                             {plan.At(Linear::kValueUp), &s.values}};
  Multiply(pass, up, calls, s.heads);

  const size_t plain = latent.plain_dim;
  const size_t rotated = latent.rotated_dim;
  const size_t dim = config_.head_dim;
  s.queries.Resize(input.rows, config_.query_width(pass.layer));
  s.keys.Resize(input.rows, config_.key_width(pass.layer));
  std::vector<Backend::Move> moves;
  const size_t heads = config_.num_heads;
  MoveHeads({plain, dim, 0, dim, rotated}, heads, s.projected, s.queries, moves);
  MoveHeads({0, dim, rotated, dim, plain}, heads, s.projected, s.queries, moves);
  MoveHeads({latent.rank, 0, 0, dim, rotated}, heads, narrow, s.keys, moves);
  MoveHeads({0, plain, rotated, dim, plain}, heads, s.plain_keys, s.keys, moves);
  backend_.CopyAll(moves);
}

}  // namespace bitloss
