"""solve_ivp and odeint by the same steps, and sums over samples, under every transform."""

import numpy as np
import pytest

import fwdad

integrate = pytest.importorskip("scipy.integrate", reason="SciPy is not installed")

Y0, P = np.array([1.0, -0.5]), np.array([1.3, 0.2])
SAMPLES = np.random.default_rng(0).standard_normal((2, 7))
TIMES = np.array([0.0, 0.3, 1.0])


def pendulum(t, y, p):
    return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] + np.cos(t)])


STEPS = {"first_step": 0.4, "max_step": 0.4, "rtol": 1.0, "atol": 1.0}
"""Steps that do not depend on what moves, so that differences are those of one program."""


def of_ivp(method="RK45", t_eval=None):
    return lambda y, p: integrate.solve_ivp(pendulum, (0, 1), y, method=method, args=(p,), t_eval=t_eval, **STEPS).y


CASES = {
    "RK45": (of_ivp(), Y0, P),
    "RK23": (of_ivp("RK23"), Y0, P),
    "DOP853": (lambda y: of_ivp("DOP853")(y, P), Y0),
    "RK45, times": (of_ivp(t_eval=TIMES), Y0, P),
    "RK23, times": (of_ivp("RK23", t_eval=[0.1, 0.15, 0.9]), Y0, P),
    "backward": (lambda y: integrate.solve_ivp(pendulum, (1, 0), y, args=(P,), t_eval=[0.8, 0], **STEPS).y, Y0),
    "a list, from what moves outside": (
        lambda p: integrate.solve_ivp(lambda t, y: [y[1], -p[0] * y[0]], (0, 1), [1.0, p[1]], **STEPS).y[:, -1],
        P,
    ),
    "trapezoid": (integrate.trapezoid, SAMPLES),
    "trapezoid, x": (lambda y, x: integrate.trapezoid(y, x, axis=0), SAMPLES, SAMPLES),
    "cumulative_trapezoid": (lambda y, x: integrate.cumulative_trapezoid(y, x, initial=0), SAMPLES, SAMPLES),
    "simpson": (lambda y: integrate.simpson(y, dx=0.3), SAMPLES),
    "simpson, axis": (lambda y: integrate.simpson(y, x=[0, 0.4, 1], axis=0), SAMPLES[:, :3].T),
    "cumulative_simpson": (lambda y: integrate.cumulative_simpson(y, dx=0.3), SAMPLES),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case, tolerance=1e-6)


def test_the_steps_are_scipys():
    sol = integrate.solve_ivp(pendulum, (0, 3), Y0, args=(P,), t_eval=np.linspace(0, 3, 7))
    y, _ = fwdad.jvp(
        lambda y: integrate.solve_ivp(pendulum, (0, 3), y, args=(P,), t_eval=np.linspace(0, 3, 7)).y, (Y0,), (Y0,)
    )
    assert np.allclose(y, sol.y, rtol=1e-13)


def test_odeint():
    """The exponential: y = exp(-p t), dy/dp = -t y, d2y/dp2 = t^2 y."""

    def solution(p):
        return integrate.odeint(lambda y, t: -p * y, 1.0, TIMES)[:, 0]

    y = np.exp(-1.3 * TIMES)
    assert np.allclose(fwdad.derivative(solution)(1.3), -TIMES * y, atol=1e-7)
    assert np.allclose(fwdad.derivative(fwdad.derivative(solution))(1.3), TIMES**2 * y, atol=1e-6)
    assert np.allclose(fwdad.jet(solution, (1.3,), ([1.0, 0.0],))[1][1], TIMES**2 * y, atol=1e-6)


def test_odeint_by_the_times():
    """The start stays at its time, so the solution moves by t - t0: dy_i = -p y_i (dt_i - dt_0)."""

    def solution(t):
        return integrate.odeint(lambda t, y, p: -p * y, [1.0], t, args=(1.3,), tfirst=True)[:, 0]

    y = np.exp(-1.3 * TIMES)
    expected = -1.3 * y[:, np.newaxis] * (np.eye(3) - np.eye(3)[0])
    assert np.allclose(fwdad.jacfwd(solution)(TIMES), expected, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [{"method": "BDF"}, {"dense_output": True}, {"events": len}, {"method": "DOP853", "t_eval": [1]}],
)
def test_what_is_refused(options):
    with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.integrate.solve_ivp with moving values"):
        fwdad.jvp(lambda y: integrate.solve_ivp(lambda t, y: -y, (0, 1), y, **options), (Y0,), (Y0,))
