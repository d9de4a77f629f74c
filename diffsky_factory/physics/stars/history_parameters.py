"""Parameters of the population of star formation histories, given halo growth.

Names, roles and bounds are those of DiffstarPop. Defaults: the fit of UniverseMachine histories in
SMDPL without merging.
"""

from typing import Annotated, NamedTuple

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.types import Scalar


class DiffstarpopParameters(NamedTuple):
    """Quenched fractions, and normal distributions of the history parameters on the two sequences.

    x is the log halo mass today, t_peak (peak time) the cosmic time of peak mass, sig(...) that of `core.smooth`.

    Fraction of centrals (cen) that are quenched, and of satellites (sat) but for what infall adds:
        f = sig(x; X, k, Y, yhi),  X = sig(t_peak; x0_tpeak, k_tpeak, x0_ylotpeak, x0_yhitpeak),
        Y = sig(t_peak; x0_tpeak, k_tpeak, ylo_ylotpeak, ylo_yhitpeak)
    Infall adds (1 - f) d, with the log host mass h and the mass ratio mu [dex] of satellite and host at infall:
        d = sig(t - t_infall; D, 5, 0, q),  D = sig(h; td_lgmhc, 5, td_mlo, td_mhi),  q = sig(h; qp_lgmh_crit, 5, A, B),
        A, B = sig(mu; qphi_lgmu_crit, 2, lgmu_lo, lgmu_hi) in hosts of low mass (mh_lo), of high mass (mh_hi)
    The unbounded coordinates of `StarFormation`, here ulgm, ulgy, ul, uh, uqt, uqs, udrop and urej in its order, are
    normal. Means of ulgm, ulgy and uqt roll; to the last is added the shift S:
        ytp + sig(x; xtp, 3, lo, hi) (x - xtp),  S = sig(t_peak; x0, k, ylo, yhi) + slope (x - 12.5) of delta_uqt
    All others, and all standard deviations (scatter), are lines that stay smoothly within the bounds of int:
        int + slp (x - 12.5)
    Source: Alarcon et al. 2023, MNRAS 518, 562 (Diffstar); population model DiffstarPop of diffstar 1.0.
    """

    # quenched fractions
    frac_quench_cen_x0_tpeak: Annotated[
        Scalar, Within(1.0, 14.0, "Gyr", "pivot in peak time of the quenched fraction of centrals")
    ] = 9.731
    frac_quench_cen_k_tpeak: Annotated[
        Scalar, Within(0.01, 10.0, "1 / Gyr", "steepness in peak time of the quenched fraction of centrals")
    ] = 9.989
    frac_quench_cen_x0_ylotpeak: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of the quenched fraction of centrals that peak early")
    ] = 13.998
    frac_quench_cen_x0_yhitpeak: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of the quenched fraction of centrals that peak late")
    ] = 13.654
    frac_quench_cen_ylo_ylotpeak: Annotated[
        Scalar, Within(0.0, 1.0, "", "quenched fraction of low-mass centrals that peak early")
    ] = 0.999
    frac_quench_cen_ylo_yhitpeak: Annotated[
        Scalar, Within(0.0, 1.0, "", "quenched fraction of low-mass centrals that peak late")
    ] = 0.302
    frac_quench_cen_k: Annotated[
        Scalar, Within(0.01, 5.0, "1 / dex", "steepness in mass of the quenched fraction of centrals")
    ] = 2.169
    frac_quench_cen_yhi: Annotated[Scalar, Within(0.0, 1.0, "", "quenched fraction of high-mass centrals")] = 0.999
    frac_quench_sat_x0_tpeak: Annotated[
        Scalar, Within(1.0, 14.0, "Gyr", "pivot in peak time of the quenched fraction of satellites before infall")
    ] = 9.464
    frac_quench_sat_k_tpeak: Annotated[
        Scalar, Within(0.01, 10.0, "1 / Gyr", "steepness in peak time of satellites' quenched fraction before infall")
    ] = 0.587
    frac_quench_sat_x0_ylotpeak: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of quenching before infall, satellites peaking early")
    ] = 11.097
    frac_quench_sat_x0_yhitpeak: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of quenching before infall, satellites peaking late")
    ] = 13.986
    frac_quench_sat_ylo_ylotpeak: Annotated[
        Scalar, Within(0.0, 1.0, "", "quenched fraction before infall of low-mass satellites that peak early")
    ] = 0.501
    frac_quench_sat_ylo_yhitpeak: Annotated[
        Scalar, Within(0.0, 1.0, "", "quenched fraction before infall of low-mass satellites that peak late")
    ] = 0.001
    frac_quench_sat_k: Annotated[
        Scalar, Within(0.01, 5.0, "1 / dex", "steepness in mass of the quenched fraction of satellites before infall")
    ] = 4.995
    frac_quench_sat_yhi: Annotated[
        Scalar, Within(0.0, 1.0, "", "quenched fraction before infall of high-mass satellites")
    ] = 0.999
    # means
    mean_ulgm_mseq_xtp: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of mean unbounded lgmcrit on the main sequence")
    ] = 12.9
    mean_ulgm_mseq_ytp: Annotated[
        Scalar, Within(11.0, 14.0, "", "mean unbounded lgmcrit on the main sequence at the pivot in mass")
    ] = 12.526
    mean_ulgm_mseq_lo: Annotated[
        Scalar, Within(-1.0, 5.0, "1 / dex", "slope at low mass of mean unbounded lgmcrit on the main sequence")
    ] = 0.745
    mean_ulgm_mseq_hi: Annotated[
        Scalar, Within(-5.0, 1.0, "1 / dex", "slope at high mass of mean unbounded lgmcrit on the main sequence")
    ] = -0.061
    mean_ulgy_mseq_xtp: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of mean unbounded lgy_at_mcrit on the main sequence")
    ] = 11.885
    mean_ulgy_mseq_ytp: Annotated[
        Scalar, Within(-13.0, -8.0, "", "mean unbounded lgy_at_mcrit on the main sequence at the pivot in mass")
    ] = -10.536
    mean_ulgy_mseq_lo: Annotated[
        Scalar, Within(-1.0, 5.0, "1 / dex", "slope at low mass of mean unbounded lgy_at_mcrit on the main sequence")
    ] = 1.644
    mean_ulgy_mseq_hi: Annotated[
        Scalar, Within(-5.0, 1.0, "1 / dex", "slope at high mass of mean unbounded lgy_at_mcrit on the main sequence")
    ] = 0.461
    mean_ul_mseq_int: Annotated[
        Scalar, Within(-3.0, 5.0, "", "mean unbounded indx_lo on the main sequence at 10^12.5 Msun")
    ] = -2.806
    mean_ul_mseq_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded indx_lo on the main sequence")
    ] = -0.321
    mean_uh_mseq_int: Annotated[
        Scalar, Within(-5.0, 3.0, "", "mean unbounded indx_hi on the main sequence at 10^12.5 Msun")
    ] = -4.995
    mean_uh_mseq_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded indx_hi on the main sequence")
    ] = 1.479
    mean_ulgm_qseq_xtp: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of mean unbounded lgmcrit of quenched galaxies")
    ] = 13.349
    mean_ulgm_qseq_ytp: Annotated[
        Scalar, Within(11.0, 14.0, "", "mean unbounded lgmcrit of quenched galaxies at the pivot in mass")
    ] = 12.24
    mean_ulgm_qseq_lo: Annotated[
        Scalar, Within(-1.0, 5.0, "1 / dex", "slope at low mass of mean unbounded lgmcrit of quenched galaxies")
    ] = 0.345
    mean_ulgm_qseq_hi: Annotated[
        Scalar, Within(-5.0, 1.0, "1 / dex", "slope at high mass of mean unbounded lgmcrit of quenched galaxies")
    ] = -0.122
    mean_ulgy_qseq_xtp: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of mean unbounded lgy_at_mcrit of quenched galaxies")
    ] = 11.938
    mean_ulgy_qseq_ytp: Annotated[
        Scalar, Within(-13.0, -8.0, "", "mean unbounded lgy_at_mcrit of quenched galaxies at the pivot in mass")
    ] = -9.896
    mean_ulgy_qseq_lo: Annotated[
        Scalar, Within(-1.0, 5.0, "1 / dex", "slope at low mass of mean unbounded lgy_at_mcrit of quenched galaxies")
    ] = 0.922
    mean_ulgy_qseq_hi: Annotated[
        Scalar, Within(-5.0, 1.0, "1 / dex", "slope at high mass of mean unbounded lgy_at_mcrit of quenched galaxies")
    ] = 0.45
    mean_ul_qseq_int: Annotated[
        Scalar, Within(-3.0, 5.0, "", "mean unbounded indx_lo of quenched galaxies at 10^12.5 Msun")
    ] = -0.597
    mean_ul_qseq_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded indx_lo of quenched galaxies")
    ] = 0.255
    mean_uh_qseq_int: Annotated[
        Scalar, Within(-5.0, 3.0, "", "mean unbounded indx_hi of quenched galaxies at 10^12.5 Msun")
    ] = -1.44
    mean_uh_qseq_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded indx_hi of quenched galaxies")
    ] = -0.799
    mean_uqt_xtp: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of mean unbounded lg_qt before its shift")
    ] = 11.305
    mean_uqt_ytp: Annotated[
        Scalar, Within(0.0, 2.0, "", "mean unbounded lg_qt before its shift at the pivot in mass")
    ] = 1.181
    mean_uqt_lo: Annotated[
        Scalar, Within(-1.0, 0.0, "1 / dex", "slope at low mass of mean unbounded lg_qt before its shift")
    ] = -0.001
    mean_uqt_hi: Annotated[
        Scalar, Within(-1.0, 0.0, "1 / dex", "slope at high mass of mean unbounded lg_qt before its shift")
    ] = -0.445
    mean_uqs_int: Annotated[
        Scalar, Within(-5.0, 2.0, "", "mean unbounded qlglgdt of quenched galaxies at 10^12.5 Msun")
    ] = 0.665
    mean_uqs_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded qlglgdt of quenched galaxies")
    ] = 0.073
    mean_udrop_int: Annotated[
        Scalar, Within(-3.0, 2.0, "", "mean unbounded lg_drop of quenched galaxies at 10^12.5 Msun")
    ] = -2.997
    mean_udrop_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded lg_drop of quenched galaxies")
    ] = 0.96
    mean_urej_int: Annotated[
        Scalar, Within(-10.0, 2.0, "", "mean unbounded lg_rejuv of quenched galaxies at 10^12.5 Msun")
    ] = -4.668
    mean_urej_slp: Annotated[
        Scalar, Within(-20.0, 20.0, "1 / dex", "slope in mass of mean unbounded lg_rejuv of quenched galaxies")
    ] = 2.971
    # standard deviations
    std_ulgm_mseq_int: Annotated[
        Scalar, Within(0.01, 1.0, "", "scatter of unbounded lgmcrit on the main sequence at 10^12.5 Msun")
    ] = 0.063
    std_ulgm_mseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lgmcrit on the main sequence")
    ] = -0.058
    std_ulgy_mseq_int: Annotated[
        Scalar, Within(0.01, 1.0, "", "scatter of unbounded lgy_at_mcrit on the main sequence at 10^12.5 Msun")
    ] = 0.057
    std_ulgy_mseq_slp: Annotated[
        Scalar,
        Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lgy_at_mcrit on the main sequence"),
    ] = 0.246
    std_ul_mseq_int: Annotated[
        Scalar, Within(0.01, 3.0, "", "scatter of unbounded indx_lo on the main sequence at 10^12.5 Msun")
    ] = 0.871
    std_ul_mseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded indx_lo on the main sequence")
    ] = -0.999
    std_uh_mseq_int: Annotated[
        Scalar, Within(0.01, 3.0, "", "scatter of unbounded indx_hi on the main sequence at 10^12.5 Msun")
    ] = 0.011
    std_uh_mseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded indx_hi on the main sequence")
    ] = 0.014
    std_ulgm_qseq_int: Annotated[
        Scalar, Within(0.01, 1.0, "", "scatter of unbounded lgmcrit of quenched galaxies at 10^12.5 Msun")
    ] = 0.44
    std_ulgm_qseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lgmcrit of quenched galaxies")
    ] = -0.309
    std_ulgy_qseq_int: Annotated[
        Scalar, Within(0.01, 1.0, "", "scatter of unbounded lgy_at_mcrit of quenched galaxies at 10^12.5 Msun")
    ] = 0.045
    std_ulgy_qseq_slp: Annotated[
        Scalar,
        Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lgy_at_mcrit of quenched galaxies"),
    ] = 0.119
    std_ul_qseq_int: Annotated[
        Scalar, Within(0.01, 3.0, "", "scatter of unbounded indx_lo of quenched galaxies at 10^12.5 Msun")
    ] = 0.762
    std_ul_qseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded indx_lo of quenched galaxies")
    ] = 0.636
    std_uh_qseq_int: Annotated[
        Scalar, Within(0.01, 3.0, "", "scatter of unbounded indx_hi of quenched galaxies at 10^12.5 Msun")
    ] = 0.011
    std_uh_qseq_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded indx_hi of quenched galaxies")
    ] = 0.001
    std_uqt_int: Annotated[
        Scalar, Within(0.01, 0.5, "", "scatter of unbounded lg_qt of quenched galaxies at 10^12.5 Msun")
    ] = 0.054
    std_uqt_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lg_qt of quenched galaxies")
    ] = 0.021
    std_uqs_int: Annotated[
        Scalar, Within(0.01, 1.0, "", "scatter of unbounded qlglgdt of quenched galaxies at 10^12.5 Msun")
    ] = 0.077
    std_uqs_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded qlglgdt of quenched galaxies")
    ] = 0.074
    std_udrop_int: Annotated[
        Scalar, Within(0.01, 2.0, "", "scatter of unbounded lg_drop of quenched galaxies at 10^12.5 Msun")
    ] = 0.288
    std_udrop_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lg_drop of quenched galaxies")
    ] = -0.999
    std_urej_int: Annotated[
        Scalar, Within(0.01, 2.0, "", "scatter of unbounded lg_rejuv of quenched galaxies at 10^12.5 Msun")
    ] = 0.965
    std_urej_slp: Annotated[
        Scalar, Within(-1.0, 1.0, "1 / dex", "slope in mass of the scatter of unbounded lg_rejuv of quenched galaxies")
    ] = -0.998
    # shift of the mean of uqt
    delta_uqt_x0: Annotated[
        Scalar, Within(1.0, 14.0, "Gyr", "pivot in peak time of the shift of the mean unbounded lg_qt")
    ] = 1.001
    delta_uqt_k: Annotated[
        Scalar, Within(0.01, 5.0, "1 / Gyr", "steepness in peak time of the shift of the mean unbounded lg_qt")
    ] = 0.578
    delta_uqt_ylo: Annotated[
        Scalar, Within(-1.0, 1.0, "", "shift of the mean unbounded lg_qt of halos that peak early")
    ] = -0.569
    delta_uqt_yhi: Annotated[
        Scalar, Within(-1.0, 1.0, "", "shift of the mean unbounded lg_qt of halos that peak late")
    ] = 0.309
    delta_uqt_slope: Annotated[
        Scalar,
        Within(-0.1, 0.1, "1 / dex", "slope in mass of the shift of the mean unbounded lg_qt, 0 at 10^12.5 Msun"),
    ] = 0.098
    # quenching by infall
    qp_lgmh_crit: Annotated[
        Scalar, Within(11.0, 15.0, "dex(solMass)", "pivot in host mass at infall of the fraction that infall quenches")
    ] = 13.0
    td_lgmhc: Annotated[
        Scalar, Within(11.0, 15.0, "dex(solMass)", "pivot in host mass at infall of the delay of quenching")
    ] = 13.0
    td_mlo: Annotated[Scalar, Within(-5.0, 10.0, "Gyr", "delay from infall to quenching in low-mass hosts")] = 2.0
    td_mhi: Annotated[Scalar, Within(-5.0, 10.0, "Gyr", "delay from infall to quenching in high-mass hosts")] = -0.5
    qphi_lgmu_crit: Annotated[
        Scalar, Within(-4.0, -0.1, "dex", "pivot in mass ratio at infall of the fraction that infall quenches")
    ] = -1.5
    lgmu_lo_mh_lo: Annotated[
        Scalar, Within(0.0, 1.0, "", "fraction that infall quenches at low mass ratio in low-mass hosts")
    ] = 0.1
    lgmu_hi_mh_lo: Annotated[
        Scalar, Within(0.0, 1.0, "", "fraction that infall quenches at high mass ratio in low-mass hosts")
    ] = 0.5
    lgmu_lo_mh_hi: Annotated[
        Scalar, Within(0.0, 1.0, "", "fraction that infall quenches at low mass ratio in high-mass hosts")
    ] = 0.5
    lgmu_hi_mh_hi: Annotated[
        Scalar, Within(0.0, 1.0, "", "fraction that infall quenches at high mass ratio in high-mass hosts")
    ] = 0.9
