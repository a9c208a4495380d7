#!/usr/bin/env python3
"""Coefficients of src/bitloss/compute/cpu/exp-inl.h.

e^r = 1 + r + r^2 Q(r) on |r| <= ln(2)/2, Q of degree 4: the polynomial through the Chebyshev points
of the interval, its coefficients rounded to float. Prints the constants as C++ hexadecimal floats
and, last, the largest relative error of the rounded polynomial evaluated exactly, in units of 2^-24.

    pip install mpmath==1.4.1 && python3 tools/golden/exp_f32_polynomial.py
"""
import struct

import mpmath as mp

mp.mp.dps = 60
DEGREE = 4
# A little wider than ln(2)/2: n = round(x / ln 2) is itself rounded.
EDGE = mp.log(2) / 2 * (1 + mp.mpf(2) ** -16)


def to_float(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


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
    coefficients = [to_float(c) for c in mp.lu_solve(matrix, values)]

    # 15 bits, so that n * kLn2High is exact for every n in use.
    ln2_high = float(mp.floor(mp.log(2) * 2**15) / 2**15)
    ln2_low = to_float(mp.log(2) - mp.mpf(ln2_high))
    print(f"kLog2E     {to_float(1 / mp.log(2)).hex()}")
    print(f"kLn2High   {ln2_high.hex()}\nkLn2Low    {ln2_low.hex()}")
    # e^x rounds to infinity from 2^128 (1 - 2^-25) on, to zero up to 2^-150.
    print(f"overflow   {float(mp.log(mp.mpf(2)**128 * (1 - mp.mpf(2)**-25))).hex()}")
    print(f"underflow  {float(mp.log(mp.mpf(2)**-150)).hex()}")
    for i, c in enumerate(coefficients):
        print(f"kQ[{i}]      {c.hex()}")

    worst = mp.mpf(0)
    for i in range(-2000, 2001):
        r = EDGE * i / 2000
        p = 1 + r + r * r * sum(mp.mpf(c) * r**j for j, c in enumerate(coefficients))
        worst = max(worst, abs(p / mp.exp(r) - 1))
    print(f"error      {float(worst * 2**24):.4f} * 2^-24")


if __name__ == "__main__":
    main()
