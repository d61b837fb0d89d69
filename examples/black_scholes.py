"""Black-Scholes: prices of options, all their greeks in a pass, and the volatility that a price implies.

The formula is written once, for arrays of strikes. `fwdad.jvp` with four tangents gives delta, theta, rho and vega of
all strikes; a derivative of a derivative gives gamma. A root of any solver has derivatives by `fwdad.custom_root`.
The truths are the formulas of the textbook.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

import fwdad


def call(spot, years, rate, volatility, strike):
    """Return the price of the right to buy at the strike."""
    spread = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
    return spot * ndtr(d1) - strike * np.exp(-rate * years) * ndtr(d1 - spread)


strikes = np.array([80.0, 90.0, 100.0, 110.0, 120.0])
spot, years, rate, volatility = market = (100.0, 0.5, 0.03, 0.25)

# directions[i] holds the four tangents of number i, one of them 1: direction j moves number j alone.
directions = tuple(np.eye(4)[:, i] for i in range(4))
prices, greeks = fwdad.jvp(lambda *m: call(*m, strikes), market, directions)
delta, theta, rho, vega = greeks
gamma = fwdad.derivative(fwdad.derivative(lambda s: call(s, *market[1:], strikes)))(spot)

print("strike   price   delta   gamma    vega     rho")
for row in zip(strikes, prices, delta, gamma, vega, rho, strict=True):
    print("{:6.0f} {:7.3f} {:7.4f} {:7.4f} {:7.3f} {:7.3f}".format(*row))

d1 = (np.log(spot / strikes) + (rate + volatility**2 / 2) * years) / (volatility * np.sqrt(years))
d2 = d1 - volatility * np.sqrt(years)
density, discounted = np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi), strikes * np.exp(-rate * years)
assert np.allclose(delta, ndtr(d1), rtol=1e-12)
assert np.allclose(gamma, density / (spot * volatility * np.sqrt(years)), rtol=1e-10)
assert np.allclose(vega, spot * density * np.sqrt(years), rtol=1e-12)
assert np.allclose(rho, years * discounted * ndtr(d2), rtol=1e-12)
# theta is by the time that is left; the textbook's is by the time that passes, and has the other sign
assert np.allclose(theta, spot * density * volatility / (2 * np.sqrt(years)) + rate * discounted * ndtr(d2), rtol=1e-12)


def mispriced(v, price):
    """Return by how much a volatility v misses the price of the middle strike."""
    return call(spot, years, rate, v, strikes[2]) - price


implied = fwdad.custom_root(mispriced, lambda price: brentq(lambda v: mispriced(v, price), 0.01, 2.0, xtol=1e-14))
found, slope = fwdad.value_and_derivative(implied)(prices[2])
print(f"a price of {prices[2]:.3f} implies a volatility of {found:.4f}, and {slope:.5f} more for each unit of price")
assert np.isclose(found, volatility)
assert np.isclose(slope, 1 / vega[2])
