"""Parameters of the population of star formation histories, given halo growth.

Names, roles and bounds: Alarcon et al. 2023, MNRAS 518, 562 (Diffstar) and its population model DiffstarPop. Means
and standard deviations are in the unbounded coordinates of `StarFormation`; x is the log halo mass today, x - 12.5 the
lever of the clipped lines. Defaults: the fit of UniverseMachine histories in SMDPL without merging.
"""

from typing import Annotated, NamedTuple

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.types import Scalar


class DiffstarpopParameters(NamedTuple):
    """Quenched fractions, and Gaussians of the history parameters for the two sequences."""

    # diffstarpop: quenched fractions (16), equation f_G of section 5
    frac_quench_cen_x0_tpeak: Annotated[Scalar, Within(1.0, 14.0)] = 9.731  # Gyr; centrals: t_peak pivot
    frac_quench_cen_k_tpeak: Annotated[Scalar, Within(0.01, 10.0)] = 9.989  # Gyr^-1; centrals: steepness in
    frac_quench_cen_x0_ylotpeak: Annotated[Scalar, Within(11.0, 14.0)] = 13.998  # log Msun; X0 (mass pivot)
    frac_quench_cen_x0_yhitpeak: Annotated[Scalar, Within(11.0, 14.0)] = 13.654  # log Msun; X0 at late t_peak
    frac_quench_cen_ylo_ylotpeak: Annotated[Scalar, Within(0.0, 1.0)] = 0.999  # Y (low-mass fraction) at
    frac_quench_cen_ylo_yhitpeak: Annotated[Scalar, Within(0.0, 1.0)] = 0.302  # Y at late t_peak
    frac_quench_cen_k: Annotated[Scalar, Within(0.01, 5.0)] = 2.169  # dex^-1; steepness in logmp0
    frac_quench_cen_yhi: Annotated[Scalar, Within(0.0, 1.0)] = 0.999  # high-mass fraction
    frac_quench_sat_x0_tpeak: Annotated[Scalar, Within(1.0, 14.0)] = 9.464  # Gyr; satellites before the
    frac_quench_sat_k_tpeak: Annotated[Scalar, Within(0.01, 10.0)] = 0.587  # Gyr^-1; satellites before the
    frac_quench_sat_x0_ylotpeak: Annotated[Scalar, Within(11.0, 14.0)] = 11.097  # log Msun; X0 (mass pivot)
    frac_quench_sat_x0_yhitpeak: Annotated[Scalar, Within(11.0, 14.0)] = 13.986  # log Msun; X0 at late t_peak
    frac_quench_sat_ylo_ylotpeak: Annotated[Scalar, Within(0.0, 1.0)] = 0.501  # Y (low-mass fraction) at
    frac_quench_sat_ylo_yhitpeak: Annotated[Scalar, Within(0.0, 1.0)] = 0.001  # Y at late t_peak
    frac_quench_sat_k: Annotated[Scalar, Within(0.01, 5.0)] = 4.995  # dex^-1; steepness in logmp0
    frac_quench_sat_yhi: Annotated[Scalar, Within(0.0, 1.0)] = 0.999  # high-mass fraction
    # diffstarpop: means (34), R (rolling line) or C (clipped line) of section 5; values are in the unbounded
    mean_ulgm_mseq_xtp: Annotated[Scalar, Within(11.0, 14.0)] = 12.9  # log Msun; R of mean u_lgmcrit, ms
    mean_ulgm_mseq_ytp: Annotated[Scalar, Within(11.0, 14.0)] = 12.526  # R of mean u_lgmcrit, ms set: value
    mean_ulgm_mseq_lo: Annotated[Scalar, Within(-1.0, 5.0)] = 0.745  # u/dex; R of mean u_lgmcrit, ms set
    mean_ulgm_mseq_hi: Annotated[Scalar, Within(-5.0, 1.0)] = -0.061  # u/dex; R of mean u_lgmcrit, ms set
    mean_ulgy_mseq_xtp: Annotated[Scalar, Within(11.0, 14.0)] = 11.885  # log Msun; R of mean u_lgy_at_mcrit
    mean_ulgy_mseq_ytp: Annotated[Scalar, Within(-13.0, -8.0)] = -10.536  # R of mean u_lgy_at_mcrit, ms set
    mean_ulgy_mseq_lo: Annotated[Scalar, Within(-1.0, 5.0)] = 1.644  # u/dex; R of mean u_lgy_at_mcrit, ms
    mean_ulgy_mseq_hi: Annotated[Scalar, Within(-5.0, 1.0)] = 0.461  # u/dex; R of mean u_lgy_at_mcrit, ms
    mean_ul_mseq_int: Annotated[Scalar, Within(-3.0, 5.0)] = -2.806  # C of mean u_indx_lo, ms set: y0 at
    mean_ul_mseq_slp: Annotated[Scalar, Within(-20.0, 20.0)] = -0.321  # u/dex; C of mean u_indx_lo, ms set: m
    mean_uh_mseq_int: Annotated[Scalar, Within(-5.0, 3.0)] = -4.995  # C of mean u_indx_hi, ms set: y0 at
    mean_uh_mseq_slp: Annotated[Scalar, Within(-20.0, 20.0)] = 1.479  # u/dex; C of mean u_indx_hi, ms set: m
    mean_ulgm_qseq_xtp: Annotated[Scalar, Within(11.0, 14.0)] = 13.349  # log Msun; R of mean u_lgmcrit, q
    mean_ulgm_qseq_ytp: Annotated[Scalar, Within(11.0, 14.0)] = 12.24  # R of mean u_lgmcrit, q set: value at
    mean_ulgm_qseq_lo: Annotated[Scalar, Within(-1.0, 5.0)] = 0.345  # u/dex; R of mean u_lgmcrit, q set
    mean_ulgm_qseq_hi: Annotated[Scalar, Within(-5.0, 1.0)] = -0.122  # u/dex; R of mean u_lgmcrit, q set
    mean_ulgy_qseq_xtp: Annotated[Scalar, Within(11.0, 14.0)] = 11.938  # log Msun; R of mean u_lgy_at_mcrit
    mean_ulgy_qseq_ytp: Annotated[Scalar, Within(-13.0, -8.0)] = -9.896  # R of mean u_lgy_at_mcrit, q set
    mean_ulgy_qseq_lo: Annotated[Scalar, Within(-1.0, 5.0)] = 0.922  # u/dex; R of mean u_lgy_at_mcrit, q
    mean_ulgy_qseq_hi: Annotated[Scalar, Within(-5.0, 1.0)] = 0.45  # u/dex; R of mean u_lgy_at_mcrit, q set
    mean_ul_qseq_int: Annotated[Scalar, Within(-3.0, 5.0)] = -0.597  # C of mean u_indx_lo, q set: y0 at
    mean_ul_qseq_slp: Annotated[Scalar, Within(-20.0, 20.0)] = 0.255  # u/dex; C of mean u_indx_lo, q set: m
    mean_uh_qseq_int: Annotated[Scalar, Within(-5.0, 3.0)] = -1.44  # C of mean u_indx_hi, q set: y0 at 12.5
    mean_uh_qseq_slp: Annotated[Scalar, Within(-20.0, 20.0)] = -0.799  # u/dex; C of mean u_indx_hi, q set: m
    mean_uqt_xtp: Annotated[Scalar, Within(11.0, 14.0)] = 11.305  # log Msun; R of mean u_lg_qt, q set
    mean_uqt_ytp: Annotated[Scalar, Within(0.0, 2.0)] = 1.181  # R of mean u_lg_qt, q set (before D): value
    mean_uqt_lo: Annotated[Scalar, Within(-1.0, 0.0)] = -0.001  # u/dex; R of mean u_lg_qt, q set (before D)
    mean_uqt_hi: Annotated[Scalar, Within(-1.0, 0.0)] = -0.445  # u/dex; R of mean u_lg_qt, q set (before D)
    mean_uqs_int: Annotated[Scalar, Within(-5.0, 2.0)] = 0.665  # C of mean u_qlglgdt, q set: y0 at 12.5
    mean_uqs_slp: Annotated[Scalar, Within(-20.0, 20.0)] = 0.073  # u/dex; C of mean u_qlglgdt, q set: m
    mean_udrop_int: Annotated[Scalar, Within(-3.0, 2.0)] = -2.997  # C of mean u_lg_drop, q set: y0 at 12.5
    mean_udrop_slp: Annotated[Scalar, Within(-20.0, 20.0)] = 0.96  # u/dex; C of mean u_lg_drop, q set: m
    mean_urej_int: Annotated[Scalar, Within(-10.0, 2.0)] = -4.668  # C of mean u_lg_rejuv, q set: y0 at 12.5
    mean_urej_slp: Annotated[Scalar, Within(-20.0, 20.0)] = 2.971  # u/dex; C of mean u_lg_rejuv, q set: m
    # diffstarpop: standard deviations (24), all C; one per Diffstar coordinate
    std_ulgm_mseq_int: Annotated[Scalar, Within(0.01, 1.0)] = 0.063  # C of sd u_lgmcrit, ms set: y0 at 12.5
    std_ulgm_mseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = -0.058  # u/dex; C of sd u_lgmcrit, ms set: m
    std_ulgy_mseq_int: Annotated[Scalar, Within(0.01, 1.0)] = 0.057  # C of sd u_lgy_at_mcrit, ms set: y0 at
    std_ulgy_mseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.246  # u/dex; C of sd u_lgy_at_mcrit, ms set
    std_ul_mseq_int: Annotated[Scalar, Within(0.01, 3.0)] = 0.871  # C of sd u_indx_lo, ms set: y0 at 12.5
    std_ul_mseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = -0.999  # u/dex; C of sd u_indx_lo, ms set: m
    std_uh_mseq_int: Annotated[Scalar, Within(0.01, 3.0)] = 0.011  # C of sd u_indx_hi, ms set: y0 at 12.5
    std_uh_mseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.014  # u/dex; C of sd u_indx_hi, ms set: m
    std_ulgm_qseq_int: Annotated[Scalar, Within(0.01, 1.0)] = 0.44  # C of sd u_lgmcrit, q set: y0 at 12.5
    std_ulgm_qseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = -0.309  # u/dex; C of sd u_lgmcrit, q set: m
    std_ulgy_qseq_int: Annotated[Scalar, Within(0.01, 1.0)] = 0.045  # C of sd u_lgy_at_mcrit, q set: y0 at
    std_ulgy_qseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.119  # u/dex; C of sd u_lgy_at_mcrit, q set: m
    std_ul_qseq_int: Annotated[Scalar, Within(0.01, 3.0)] = 0.762  # C of sd u_indx_lo, q set: y0 at 12.5
    std_ul_qseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.636  # u/dex; C of sd u_indx_lo, q set: m
    std_uh_qseq_int: Annotated[Scalar, Within(0.01, 3.0)] = 0.011  # C of sd u_indx_hi, q set: y0 at 12.5
    std_uh_qseq_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.001  # u/dex; C of sd u_indx_hi, q set: m
    std_uqt_int: Annotated[Scalar, Within(0.01, 0.5)] = 0.054  # C of sd u_lg_qt, q set: y0 at 12.5, clip
    std_uqt_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.021  # u/dex; C of sd u_lg_qt, q set: m
    std_uqs_int: Annotated[Scalar, Within(0.01, 1.0)] = 0.077  # C of sd u_qlglgdt, q set: y0 at 12.5, clip
    std_uqs_slp: Annotated[Scalar, Within(-1.0, 1.0)] = 0.074  # u/dex; C of sd u_qlglgdt, q set: m
    std_udrop_int: Annotated[Scalar, Within(0.01, 2.0)] = 0.288  # C of sd u_lg_drop, q set: y0 at 12.5, clip
    std_udrop_slp: Annotated[Scalar, Within(-1.0, 1.0)] = -0.999  # u/dex; C of sd u_lg_drop, q set: m
    std_urej_int: Annotated[Scalar, Within(0.01, 2.0)] = 0.965  # C of sd u_lg_rejuv, q set: y0 at 12.5, clip
    std_urej_slp: Annotated[Scalar, Within(-1.0, 1.0)] = -0.998  # u/dex; C of sd u_lg_rejuv, q set: m
    # diffstarpop: shift of u_lg_qt (5), D of section 5
    delta_uqt_x0: Annotated[Scalar, Within(1.0, 14.0)] = 1.001  # Gyr; t_peak pivot
    delta_uqt_k: Annotated[Scalar, Within(0.01, 5.0)] = 0.578  # Gyr^-1; steepness
    delta_uqt_ylo: Annotated[Scalar, Within(-1.0, 1.0)] = -0.569  # shift at early t_peak
    delta_uqt_yhi: Annotated[Scalar, Within(-1.0, 1.0)] = 0.309  # shift at late t_peak
    delta_uqt_slope: Annotated[Scalar, Within(-0.1, 0.1)] = 0.098  # u/dex; linear slope in logmp0-12.5
    # diffstarpop: satellite quenching (9), satellite bullet of section 5
    qp_lgmh_crit: Annotated[Scalar, Within(11.0, 15.0)] = 13.0  # log Msun; x0 in logmhost_infall of q (k 5)
    td_lgmhc: Annotated[Scalar, Within(11.0, 15.0)] = 13.0  # log Msun; x0 in logmhost_infall of the delay td
    td_mlo: Annotated[Scalar, Within(-5.0, 10.0)] = 2.0  # Gyr; delay, low-mass hosts
    td_mhi: Annotated[Scalar, Within(-5.0, 10.0)] = -0.5  # Gyr; delay, high-mass hosts
    qphi_lgmu_crit: Annotated[Scalar, Within(-4.0, -0.1)] = -1.5  # dex; x0 in lgmu_infall of A and B (k 2)
    lgmu_lo_mh_lo: Annotated[Scalar, Within(0.0, 1.0)] = 0.1  # A at low mass ratio (low-mass hosts)
    lgmu_hi_mh_lo: Annotated[Scalar, Within(0.0, 1.0)] = 0.5  # A at high mass ratio
    lgmu_lo_mh_hi: Annotated[Scalar, Within(0.0, 1.0)] = 0.5  # B at low mass ratio (high-mass hosts)
    lgmu_hi_mh_hi: Annotated[Scalar, Within(0.0, 1.0)] = 0.9  # B at high mass ratio
