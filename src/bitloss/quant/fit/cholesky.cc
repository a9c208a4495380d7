#include "bitloss/quant/fit/cholesky.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>

#include "bitloss/base/check.h"

namespace bitloss {
namespace {

using Eigen::Index;
using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Columns = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

constexpr Index kBlock = 128;

Index NumBlocks(Index count) { return (count + kBlock - 1) / kBlock; }

// work(first, count) for each block of [first, end), the last first.
template <class Work>
void ForEachBlock(Index first, Index end, ThreadPool& threads, const Work& work) {
  const auto num_blocks = static_cast<size_t>(NumBlocks(end - first));
  threads.ForEachPart(num_blocks, [&](size_t part, size_t) {
    const Index begin = first + static_cast<Index>(num_blocks - 1 - part) * kBlock;
    work(begin, std::min(kBlock, end - begin));
  });
}

// a = L L^T; L takes the place of a's lower triangle.
bool FactorInPlace(Square& a, ThreadPool& threads) {
  const Index size = a.rows();
  for (Index k = 0; k < size; k += kBlock) {
    const Index width = std::min(kBlock, size - k);
    const Eigen::LLT<Square> corner(a.block(k, k, width, width));
    if (corner.info() != Eigen::Success) return false;
    const Square lower = corner.matrixL();
    a.block(k, k, width, width) = lower;
    const Index rest = k + width;
    ForEachBlock(rest, size, threads, [&](Index row, Index rows) {
      auto panel = a.block(row, k, rows, width);
      lower.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(panel);
    });
    // Rows of blocks, the longest first.
    ForEachBlock(rest, size, threads, [&](Index row, Index rows) {
      for (Index col = rest; col <= row; col += kBlock) {
        const Index cols = std::min(kBlock, size - col);
        a.block(row, col, rows, cols).noalias() -=
            a.block(row, k, rows, width) * a.block(col, k, cols, width).transpose();
      }
    });
  }
  return true;
}

}  // namespace

std::vector<double> UpperFactorOfInverse(std::span<const double> matrix, size_t size,
                                         ThreadPool& threads) {
  BITLOSS_CHECK(matrix.size() == size * size);
  // Eigen cuts products to the caches that it finds, and with them the order of sums.
  Eigen::setCpuCacheSizes(32 << 10, 256 << 10, 2 << 20);
  const auto n = static_cast<Index>(size);
  Square a = Eigen::Map<const Square>(matrix.data(), n, n).reverse();
  if (!FactorInPlace(a, threads)) return {};
  std::vector<double> factor(size * size);
  Eigen::Map<Square> upper(factor.data(), n, n);
  // Blocks of the inverse's columns, which begin on the diagonal.
  threads.ForEachPart(static_cast<size_t>(NumBlocks(n)), [&](size_t part, size_t) {
    const Index first = static_cast<Index>(part) * kBlock;
    const Index width = std::min(kBlock, n - first);
    Columns columns = Columns::Identity(n - first, width);
    a.bottomRightCorner(n - first, n - first).triangularView<Eigen::Lower>().solveInPlace(columns);
    upper.block(0, n - first - width, n - first, width) = columns.reverse();
  });
  return upper.allFinite() ? factor : std::vector<double>();
}

}  // namespace bitloss
