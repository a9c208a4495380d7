#include "bitloss/compute/recurrence.h"

#include <algorithm>
#include <vector>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

// kernel [channels][width], turned.
Matrix ByTap(ConstMatrixView kernel) {
  Matrix taps(kernel.cols, kernel.rows);
  for (size_t channel = 0; channel < kernel.rows; ++channel) {
    for (size_t s = 0; s < kernel.cols; ++s) taps.Row(s)[channel] = kernel.Row(channel)[s];
  }
  return taps;
}

// What stands before the first new row and the new rows, to look back from.
class PastAndNew {
 public:
  PastAndNew(ConstMatrixView x, const HostRecurrentSequence& sequence, size_t past)
      : new_(x.Rows(sequence.rows.begin, sequence.rows.end)), past_(past, x.cols) {
    past_.Fill(0.0f);
    for (size_t i = 0; i < sequence.state.rows; ++i) {
      std::ranges::copy(sequence.state.Row(i), past_.Row(i).begin());
    }
  }
  // Row `i`, counted from the first of the past.
  std::span<const float> Row(size_t i) const {
    return i < past_.rows() ? past_.Row(i) : new_.Row(i - past_.rows());
  }

 private:
  ConstMatrixView new_;
  Matrix past_;
};

// One value head of one sequence at work.
class DeltaHead {
 public:
  DeltaHead(const DeltaShape& shape, size_t head)
      : shape_(shape),
        head_(head),
        state_(shape.key_dim, shape.value_dim),
        change_(shape.value_dim) {}

  void Run(const HostDeltaInputs& inputs, const HostRecurrentSequence& sequence, MatrixView out) {
    const size_t first = head_ * shape_.key_dim;
    const bool has_state = sequence.state.rows > 0;
    state_.Fill(0.0f);
    for (size_t i = 0; has_state && i < shape_.key_dim; ++i) {
      std::ranges::copy(sequence.state.Row(first + i), state_.Row(i).begin());
    }
    const size_t key_at = shape_.KeyHeadOf(head_) * shape_.key_dim;
    const size_t value_at = head_ * shape_.value_dim;
    for (size_t row = sequence.rows.begin; row < sequence.rows.end; ++row) {
      TakeIn(inputs.keys.Row(row).subspan(key_at, shape_.key_dim),
             inputs.values.Row(row).subspan(value_at, shape_.value_dim),
             inputs.decays.Row(row)[head_], inputs.rates.Row(row)[head_]);
      GiveOut(inputs.keys.Row(row).subspan(key_at, shape_.key_dim),
              inputs.queries.Row(row).subspan(key_at, shape_.key_dim),
              out.Row(row).subspan(value_at, shape_.value_dim));
    }
    for (size_t i = 0; has_state && i < shape_.key_dim; ++i) {
      std::ranges::copy(state_.Row(i), sequence.state.Row(first + i).begin());
    }
  }

 private:
  // S = decay S; change = rate (v - S^T k).
  void TakeIn(std::span<const float> k, std::span<const float> v, float decay, float rate) {
    std::ranges::fill(change_, 0.0f);
    for (size_t i = 0; i < k.size(); ++i) {
      const std::span<float> s = state_.Row(i);
      for (size_t j = 0; j < s.size(); ++j) {
        s[j] *= decay;
        change_[j] += s[j] * k[i];
      }
    }
    for (size_t j = 0; j < v.size(); ++j) change_[j] = rate * (v[j] - change_[j]);
  }

  // S = S + k change^T; out = S^T q.
  void GiveOut(std::span<const float> k, std::span<const float> q, std::span<float> out) {
    std::ranges::fill(out, 0.0f);
    for (size_t i = 0; i < k.size(); ++i) {
      const std::span<float> s = state_.Row(i);
      for (size_t j = 0; j < s.size(); ++j) {
        s[j] += k[i] * change_[j];
        out[j] += s[j] * q[i];
      }
    }
  }

  const DeltaShape& shape_;
  size_t head_;
  Matrix state_;
  std::vector<float> change_;
};

}  // namespace

void ConvolveRows(ConstMatrixView kernel, ConstMatrixView x,
                  std::span<const HostRecurrentSequence> sequences, ThreadPool& threads,
                  MatrixView y) {
  const size_t past = kernel.cols - 1;
  const Matrix taps = ByTap(kernel);
  for (const HostRecurrentSequence& sequence : sequences) {
    const PastAndNew rows(x, sequence, past);
    threads.ForEachPart(sequence.rows.size(), [&](size_t i, size_t) {
      const std::span<float> out = y.Row(sequence.rows.begin + i);
      std::ranges::fill(out, 0.0f);
      for (size_t s = 0; s < kernel.cols; ++s) {
        const std::span<const float> in = rows.Row(i + s);
        const std::span<const float> tap = taps.Row(s);
        for (size_t channel = 0; channel < out.size(); ++channel) {
          out[channel] += tap[channel] * in[channel];
        }
      }
    });
    for (size_t i = 0; i < sequence.state.rows; ++i) {
      std::ranges::copy(rows.Row(sequence.rows.size() + i), sequence.state.Row(i).begin());
    }
  }
}

void RunDeltaRule(const DeltaShape& shape, const HostDeltaInputs& inputs,
                  std::span<const HostRecurrentSequence> sequences, ThreadPool& threads,
                  MatrixView out) {
  BITLOSS_CHECK(shape.key_heads > 0 && shape.value_heads % shape.key_heads == 0);
  threads.ForEachPart(sequences.size() * shape.value_heads, [&](size_t part, size_t) {
    DeltaHead(shape, part % shape.value_heads)
        .Run(inputs, sequences[part / shape.value_heads], out);
  });
}

}  // namespace bitloss
