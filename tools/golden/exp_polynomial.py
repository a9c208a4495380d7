#!/usr/bin/env python3
"""Coefficients of src/bitloss/metrics/exp-inl.h.

e^r = 1 + r + r^2 Q(r) on |r| <= ln(2)/2, Q of degree 9: the polynomial through the Chebyshev points
of the interval, its coefficients rounded to double. Prints the constants as C++ hexadecimal floats
and, last, the largest relative error of the rounded polynomial evaluated exactly.

    pip install mpmath==1.4.1 && python3 tools/golden/exp_polynomial.py
"""
import mpmath as mp

mp.mp.dps = 60
DEGREE = 9
# A little wider than ln(2)/2: n = round(x / ln 2) is itself rounded.
EDGE = mp.log(2) / 2 * (1 + mp.mpf(2) ** -40)


def q(r):
    if abs(r) < mp.mpf(10) ** -12:
        return mp.mpf(1) / 2 + r / 6 + r * r / 24
    return (mp.exp(r) - 1 - r) / (r * r)


def main():
    n = DEGREE + 1
    points = [EDGE * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    matrix = mp.matrix(n, n)
    values = mp.matrix(n, 1)
    for i, r in enumerate(points):
        values[i] = q(r)
        for j in range(n):
            matrix[i, j] = r**j
    coefficients = [float(c) for c in mp.lu_solve(matrix, values)]

    ln2_high = float(mp.log(2))
    ln2_low = float(mp.log(2) - mp.mpf(ln2_high))
    print(f"kLog2E   {float(1 / mp.log(2)).hex()}")
    print(f"kLn2High {ln2_high.hex()}\nkLn2Low  {ln2_low.hex()}")
    for i, c in enumerate(coefficients):
        print(f"kQ[{i}]    {c.hex()}")

    worst = mp.mpf(0)
    for i in range(-4000, 4001):
        r = EDGE * i / 4000
        exact = mp.exp(r)
        approx = 1 + r + r * r * mp.polyval([mp.mpf(c) for c in reversed(coefficients)], r)
        worst = max(worst, abs(approx / exact - 1))
    print(f"largest relative error {mp.nstr(worst, 3)} = {mp.nstr(worst * 2**53, 3)} * 2^-53")


if __name__ == "__main__":
    main()
