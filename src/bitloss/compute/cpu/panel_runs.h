// Several products with the same x, cut into runs of neighbouring panels: parts for threads.
#ifndef BITLOSS_COMPUTE_CPU_PANEL_RUNS_H_
#define BITLOSS_COMPUTE_CPU_PANEL_RUNS_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace bitloss {

// Product has `weights`, a matrix in panels.
template <class Product>
struct PanelRun {
  const Product* product;
  size_t first_panel;
  size_t end_panel;
};

// All panels of all products, in order, in runs of at most `max_panels`: with the rows in
// `row_parts` parts, about `wanted` pairs of a run and a part, or more where that takes runs too
// long.
template <class Product>
std::vector<PanelRun<Product>> CutIntoRuns(std::span<const Product> products, size_t row_parts,
                                           size_t wanted, size_t max_panels) {
  size_t num_panels = 0;
  for (const Product& product : products) num_panels += product.weights->num_panels();
  const size_t length = std::clamp<size_t>(row_parts * num_panels / wanted, 1, max_panels);
  std::vector<PanelRun<Product>> runs;
  for (const Product& product : products) {
    const size_t panels = product.weights->num_panels();
    for (size_t first = 0; first < panels; first += length) {
      runs.push_back({&product, first, std::min(panels, first + length)});
    }
  }
  return runs;
}

}  // namespace bitloss

#endif  // BITLOSS_COMPUTE_CPU_PANEL_RUNS_H_
