#ifndef BITLOSS_BASE_SUM_H_
#define BITLOSS_BASE_SUM_H_

#include <cmath>

namespace bitloss {

// Adds finite doubles with a running correction (Neumaier 1974). The error of the total does not
// grow with the number of terms, so a run over a million tokens and one over a thousand compare in
// the last printed digit. Merging in a fixed order gives the same bits every time.
class Sum {
 public:
  void Add(double x) {
    const double total = total_ + x;
    lost_ += std::abs(total_) >= std::abs(x) ? (total_ - total) + x : (x - total) + total_;
    total_ = total;
  }
  void Merge(const Sum& other) {
    Add(other.total_);
    Add(other.lost_);
  }
  double Total() const { return total_ + lost_; }

 private:
  double total_ = 0.0;
  double lost_ = 0.0;
};

}  // namespace bitloss

#endif  // BITLOSS_BASE_SUM_H_
