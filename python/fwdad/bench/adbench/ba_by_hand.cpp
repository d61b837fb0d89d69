// The Jacobian of a reprojection w (projection - feature) by its 15 parameters, derived by hand: see objectives.py.
// x (15, p), feature (2, p) -> columns (15, 2, p)
#include <cmath>
#include <cstdint>

extern "C" void reprojection_jacobian(int64_t p, const double* x, const double* feature, double* columns) {
    for (int64_t i = 0; i < p; ++i) {
        const auto at = [&](int j) { return x[j * p + i]; };
        const double r[3] = {at(0), at(1), at(2)};
        const double d[3] = {at(11) - at(3), at(12) - at(4), at(13) - at(5)};
        const double focal = at(6), k1 = at(9), k2 = at(10), w = at(14);
        const double square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        const double angle = std::sqrt(square);
        const double c = std::cos(angle), sine = std::sin(angle), s = sine / angle, a = (1 - c) / square;
        const double dot = r[0] * d[0] + r[1] * d[1] + r[2] * d[2];
        // of c, s and a by r_j: r_j times these
        const double c_r = -s, s_r = (c - s) / square, a_r = (s - 2 * a) / square;
        const double cross[3] = {r[1] * d[2] - r[2] * d[1], r[2] * d[0] - r[0] * d[2], r[0] * d[1] - r[1] * d[0]};
        double y[3], by_d[3][3], by_r[3][3];
        const double skew[3][3] = {{0, -r[2], r[1]}, {r[2], 0, -r[0]}, {-r[1], r[0], 0}};
        const double turned[3][3] = {{0, d[2], -d[1]}, {-d[2], 0, d[0]}, {d[1], -d[0], 0}};  // of cross by r
        for (int m = 0; m < 3; ++m) {
            y[m] = c * d[m] + s * cross[m] + a * dot * r[m];
            for (int j = 0; j < 3; ++j) {
                by_d[m][j] = (m == j ? c : 0) + s * skew[m][j] + a * r[j] * r[m];
                by_r[m][j] = (c_r * d[m] + s_r * cross[m] + a_r * dot * r[m]) * r[j] + s * turned[m][j] +
                             a * (d[j] * r[m] + (m == j ? dot : 0));
            }
        }
        const double u = y[0] / y[2], v = y[1] / y[2], size = u * u + v * v;
        const double radial = 1 + size * (k1 + size * k2), slope = 2 * (k1 + 2 * size * k2);
        const double q[2] = {u, v};
        for (int e = 0; e < 2; ++e) {
            double* const out = columns + e * p + i;
            const auto column = [&](int j) -> double& { return out[2 * j * p]; };
            // of w f q_e radial by u and v
            const double by_u = w * focal * ((e == 0 ? radial : 0) + q[e] * slope * u);
            const double by_v = w * focal * ((e == 1 ? radial : 0) + q[e] * slope * v);
            const double by_y[3] = {by_u / y[2], by_v / y[2], -(by_u * u + by_v * v) / y[2]};
            for (int j = 0; j < 3; ++j) {
                const double point = by_y[0] * by_d[0][j] + by_y[1] * by_d[1][j] + by_y[2] * by_d[2][j];
                column(j) = by_y[0] * by_r[0][j] + by_y[1] * by_r[1][j] + by_y[2] * by_r[2][j];
                column(3 + j) = -point;
                column(11 + j) = point;
            }
            column(6) = w * q[e] * radial;
            column(7) = e == 0 ? w : 0;
            column(8) = e == 1 ? w : 0;
            column(9) = w * focal * q[e] * size;
            column(10) = w * focal * q[e] * size * size;
            column(14) = q[e] * focal * radial + at(7 + e) - feature[e * p + i];
        }
    }
}
