"""SciPy's functions and their rules, one table a module of SciPy; `fwdad.rules.replacing` says how they come into play.

A function without a rule stays as it is, and its error names it: see `fwdad.dual.lost_in_library`.

special       erf, gammaln, jv, logsumexp, ...; slopes: derivatives of them by series
stats         log-densities and distribution functions of the common families
linalg        solve, cho_solve, expm, sqrtm, lu, solve_sylvester, ...
signal        convolutions and filters
fft           Fourier, cosine and sine transforms
interpolate   splines, by the point and by their coefficients or data
integrate     solve_ivp and odeint by the same steps; sums over samples
optimize      what to use instead of a solver that meets a Dual
sparse        products of sparse matrices with moving arrays; spsolve
"""
