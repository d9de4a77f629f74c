"""The 113 numbers of the population of halo histories.

Values, bounds and names as published with diffmah 0.7.3 (DiffmahPop), in the published order: files of values and
fits rely on it. Masses in dex(Msun), times in Gyr. The form of one history: Hearin et al. 2021, OJAp 4, 7.
"""

from typing import Annotated, NamedTuple

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.types import Scalar


class DiffmahPopParameters(NamedTuple):
    """How the five numbers of a halo's history depend on its mass, on time, and on being a satellite."""

    # time of peak mass of centrals; early and late are of cosmic time (Gyr, dex(Msun), today = 1)
    cen_tp_lgm_x0_x0: Annotated[Scalar, Within(11.0, 14.0)] = 11.01
    cen_tp_t_obs_x0_x0: Annotated[Scalar, Within(3.0, 10.0)] = 3.798
    cen_tp_x0_ylo_early: Annotated[Scalar, Within(0.5, 1.0)] = 0.99
    cen_tp_x0_yhi_early: Annotated[Scalar, Within(1.0, 1.8)] = 1.75
    cen_tp_x0_ylo_late: Annotated[Scalar, Within(0.5, 1.0)] = 0.69
    cen_tp_x0_yhi_late: Annotated[Scalar, Within(1.0, 1.8)] = 1.351
    # time of peak mass of satellites: centre of the truncated normal
    utp_loc_lgm_ylo_t0: Annotated[Scalar, Within(5.0, 10.0)] = 8.779
    utp_loc_lgm_ylo_early: Annotated[Scalar, Within(0.4, 0.8)] = 0.797
    utp_loc_lgm_ylo_late: Annotated[Scalar, Within(0.15, 0.25)] = 0.16
    utp_loc_lgm_x0: Annotated[Scalar, Within(11.0, 13.0)] = 12.967
    # time of peak mass of satellites: its width
    utp_scale_lgm_ylo_t0: Annotated[Scalar, Within(6.0, 11.0)] = 6.623
    utp_scale_lgm_ylo_early: Annotated[Scalar, Within(0.1, 0.5)] = 0.105
    utp_scale_lgm_ylo_late: Annotated[Scalar, Within(0.1, 0.6)] = 0.334
    # mass today, centrals, early forming: intercept c0 and slope c1 in mass
    lgm0pop_c0_ytp_early: Annotated[Scalar, Within(0.01, 0.4)] = 0.02
    lgm0pop_c0_ylo_early: Annotated[Scalar, Within(-0.15, -0.05)] = -0.13
    lgm0pop_c0_clip_c0_early: Annotated[Scalar, Within(0.5, 0.9)] = 0.897
    lgm0pop_c0_clip_c1_early: Annotated[Scalar, Within(-0.1, -0.01)] = -0.09
    lgm0pop_c0_t_obs_x0_early: Annotated[Scalar, Within(1.5, 6.0)] = 1.51
    lgm0pop_c1_ytp_early: Annotated[Scalar, Within(0.001, 0.1)] = 0.002
    lgm0pop_c1_ylo_early: Annotated[Scalar, Within(-0.05, -0.001)] = -0.043
    lgm0pop_c1_clip_x0_early: Annotated[Scalar, Within(4.0, 11.0)] = 7.185
    lgm0pop_c1_clip_ylo_early: Annotated[Scalar, Within(0.02, 0.15)] = 0.14
    lgm0pop_c1_clip_yhi_early: Annotated[Scalar, Within(0.001, 0.05)] = 0.002
    lgm0pop_c1_t_obs_x0_early: Annotated[Scalar, Within(3.0, 10.0)] = 3.01
    # mass today, centrals, late forming
    lgm0pop_c0_ytp_late: Annotated[Scalar, Within(0.01, 0.4)] = 0.02
    lgm0pop_c0_ylo_late: Annotated[Scalar, Within(-0.15, -0.05)] = -0.14
    lgm0pop_c0_clip_c0_late: Annotated[Scalar, Within(0.5, 0.9)] = 0.89
    lgm0pop_c0_clip_c1_late: Annotated[Scalar, Within(-0.1, -0.01)] = -0.09
    lgm0pop_c0_t_obs_x0_late: Annotated[Scalar, Within(1.5, 6.0)] = 2.533
    lgm0pop_c1_ytp_late: Annotated[Scalar, Within(0.001, 0.1)] = 0.027
    lgm0pop_c1_ylo_late: Annotated[Scalar, Within(-0.05, -0.001)] = -0.048
    lgm0pop_c1_clip_x0_late: Annotated[Scalar, Within(4.0, 11.0)] = 8.443
    lgm0pop_c1_clip_ylo_late: Annotated[Scalar, Within(0.02, 0.15)] = 0.145
    lgm0pop_c1_clip_yhi_late: Annotated[Scalar, Within(0.001, 0.05)] = 0.002
    lgm0pop_c1_t_obs_x0_late: Annotated[Scalar, Within(3.0, 10.0)] = 6.377
    # mass today, satellites, early forming
    lgm0pop_c0_ytp_early_sats: Annotated[Scalar, Within(0.01, 0.4)] = 0.018
    lgm0pop_c0_ylo_early_sats: Annotated[Scalar, Within(-0.15, -0.05)] = -0.107
    lgm0pop_c0_clip_c0_early_sats: Annotated[Scalar, Within(0.5, 0.9)] = 0.734
    lgm0pop_c0_clip_c1_early_sats: Annotated[Scalar, Within(-0.1, -0.01)] = -0.085
    lgm0pop_c0_t_obs_x0_early_sats: Annotated[Scalar, Within(1.5, 6.0)] = 1.55
    lgm0pop_c1_ytp_early_sats: Annotated[Scalar, Within(0.001, 0.1)] = 0.002
    lgm0pop_c1_ylo_early_sats: Annotated[Scalar, Within(-0.05, -0.001)] = -0.02
    lgm0pop_c1_clip_x0_early_sats: Annotated[Scalar, Within(4.0, 11.0)] = 10.539
    lgm0pop_c1_clip_ylo_early_sats: Annotated[Scalar, Within(0.02, 0.15)] = 0.116
    lgm0pop_c1_clip_yhi_early_sats: Annotated[Scalar, Within(0.001, 0.05)] = 0.048
    lgm0pop_c1_t_obs_x0_early_sats: Annotated[Scalar, Within(3.0, 10.0)] = 3.031
    # mass today, satellites, late forming
    lgm0pop_c0_ytp_late_sats: Annotated[Scalar, Within(0.01, 0.4)] = 0.011
    lgm0pop_c0_ylo_late_sats: Annotated[Scalar, Within(-0.15, -0.05)] = -0.08
    lgm0pop_c0_clip_c0_late_sats: Annotated[Scalar, Within(0.5, 0.9)] = 0.521
    lgm0pop_c0_clip_c1_late_sats: Annotated[Scalar, Within(-0.1, -0.01)] = -0.043
    lgm0pop_c0_t_obs_x0_late_sats: Annotated[Scalar, Within(1.5, 6.0)] = 1.581
    lgm0pop_c1_ytp_late_sats: Annotated[Scalar, Within(0.001, 0.1)] = 0.005
    lgm0pop_c1_ylo_late_sats: Annotated[Scalar, Within(-0.05, -0.001)] = -0.014
    lgm0pop_c1_clip_x0_late_sats: Annotated[Scalar, Within(4.0, 11.0)] = 10.587
    lgm0pop_c1_clip_ylo_late_sats: Annotated[Scalar, Within(0.02, 0.15)] = 0.074
    lgm0pop_c1_clip_yhi_late_sats: Annotated[Scalar, Within(0.001, 0.05)] = 0.037
    lgm0pop_c1_t_obs_x0_late_sats: Annotated[Scalar, Within(3.0, 10.0)] = 3.781
    # time of transition, early forming
    logtc_lgm_c0_tp_ytp_tobs_c0_early: Annotated[Scalar, Within(0.2, 0.9)] = 0.447
    logtc_lgm_c0_tp_ytp_tobs_c1_early: Annotated[Scalar, Within(0.0, 0.05)] = 0.002
    logtc_lgm_c0_tp_ylo_early: Annotated[Scalar, Within(0.02, 0.15)] = 0.069
    logtc_lgm_c0_tp_yhi_early: Annotated[Scalar, Within(-0.25, 0.0)] = -0.201
    logtc_lgm_c1_early: Annotated[Scalar, Within(0.02, 0.15)] = 0.13
    logtc_c0_ss_x0_early: Annotated[Scalar, Within(11.0, 13.0)] = 12.221
    # time of transition, late forming
    logtc_lgm_c0_tp_ytp_tobs_c0_late: Annotated[Scalar, Within(0.2, 0.9)] = 0.898
    logtc_lgm_c0_tp_ytp_tobs_c1_late: Annotated[Scalar, Within(0.0, 0.05)] = 0.005
    logtc_lgm_c0_tp_ylo_late: Annotated[Scalar, Within(0.02, 0.15)] = 0.118
    logtc_lgm_c0_tp_yhi_late: Annotated[Scalar, Within(-0.25, 0.0)] = -0.006
    logtc_lgm_c1_late: Annotated[Scalar, Within(0.02, 0.15)] = 0.146
    logtc_c0_ss_x0_late: Annotated[Scalar, Within(11.0, 13.0)] = 11.091
    # early index, early forming (alpha)
    early_index_ylo_x0_alpha: Annotated[Scalar, Within(1.0, 7.0)] = 4.319
    early_index_ylo_ylo_alpha: Annotated[Scalar, Within(1.0, 3.5)] = 3.49
    early_index_ylo_yhi_alpha: Annotated[Scalar, Within(0.5, 3.0)] = 2.985
    early_index_yhi_ylo_alpha: Annotated[Scalar, Within(2.0, 4.0)] = 3.95
    early_index_yhi_yhi_alpha: Annotated[Scalar, Within(1.5, 4.0)] = 3.665
    early_index_yhi_x0_alpha: Annotated[Scalar, Within(4.0, 13.0)] = 10.405
    early_index_lgm_x0_alpha: Annotated[Scalar, Within(12.0, 14.0)] = 12.918
    # early index, late forming (beta)
    early_index_ylo_x0_beta: Annotated[Scalar, Within(1.0, 7.0)] = 1.456
    early_index_ylo_ylo_beta: Annotated[Scalar, Within(1.0, 3.5)] = 1.037
    early_index_ylo_yhi_beta: Annotated[Scalar, Within(0.5, 3.0)] = 0.879
    early_index_yhi_ylo_beta: Annotated[Scalar, Within(2.0, 4.0)] = 2.76
    early_index_yhi_yhi_beta: Annotated[Scalar, Within(1.5, 4.0)] = 2.195
    early_index_yhi_x0_beta: Annotated[Scalar, Within(4.0, 13.0)] = 8.144
    early_index_lgm_x0_beta: Annotated[Scalar, Within(12.0, 14.0)] = 12.641
    # late index of both
    late_index_x0_alpha: Annotated[Scalar, Within(11.5, 14.0)] = 11.567
    late_index_ylo_alpha: Annotated[Scalar, Within(0.01, 0.2)] = 0.19
    late_index_yhi_alpha: Annotated[Scalar, Within(0.01, 0.2)] = 0.19
    late_index_x0_beta: Annotated[Scalar, Within(11.5, 14.0)] = 11.567
    late_index_ylo_beta: Annotated[Scalar, Within(0.01, 0.2)] = 0.19
    late_index_yhi_beta: Annotated[Scalar, Within(0.01, 0.2)] = 0.19
    # fraction of early-forming halos
    fec_t_obs_x0: Annotated[Scalar, Within(5.0, 13.0)] = 5.485
    fec_lgm_x0: Annotated[Scalar, Within(11.0, 14.0)] = 12.51
    fec_lgm_ylo_early: Annotated[Scalar, Within(0.25, 0.75)] = 0.546
    fec_lgm_ylo_late: Annotated[Scalar, Within(0.25, 0.75)] = 0.421
    fec_lgm_yhi_early: Annotated[Scalar, Within(0.25, 0.75)] = 0.415
    fec_lgm_yhi_late: Annotated[Scalar, Within(0.25, 0.75)] = 0.298
    # scatter in unbounded coordinates, at small and large mass
    std_u_logm0_ylo: Annotated[Scalar, Within(0.01, 100.0)] = 0.011
    std_u_logtc_ylo: Annotated[Scalar, Within(0.01, 100.0)] = 0.072
    std_u_early_ylo: Annotated[Scalar, Within(0.01, 100.0)] = 0.362
    std_u_late_ylo: Annotated[Scalar, Within(0.01, 100.0)] = 0.186
    std_u_logm0_yhi: Annotated[Scalar, Within(0.01, 100.0)] = 0.047
    std_u_logtc_yhi: Annotated[Scalar, Within(0.01, 100.0)] = 2.002
    std_u_early_yhi: Annotated[Scalar, Within(0.01, 100.0)] = 0.081
    std_u_late_yhi: Annotated[Scalar, Within(0.01, 100.0)] = 22.433
    # correlation of the scatter
    rho_logtc_logm0: Annotated[Scalar, Within(-0.3, 0.3)] = -0.227
    rho_early_logm0: Annotated[Scalar, Within(-0.3, 0.3)] = 0.29
    rho_early_logtc: Annotated[Scalar, Within(-0.3, 0.3)] = 0.21
    rho_late_logm0: Annotated[Scalar, Within(-0.3, 0.3)] = 0.29
    rho_late_logtc: Annotated[Scalar, Within(-0.3, 0.3)] = -0.121
    rho_late_early: Annotated[Scalar, Within(-0.3, 0.3)] = -0.29
    # mass at which the scatter changes [dex(Msun)]
    cov_lgm_x0_logm0: Annotated[Scalar, Within(11.5, 14.0)] = 13.716
    cov_lgm_x0_logtc: Annotated[Scalar, Within(11.5, 14.0)] = 12.988
    cov_lgm_x0_early: Annotated[Scalar, Within(11.5, 14.0)] = 11.51
    cov_lgm_x0_late: Annotated[Scalar, Within(11.5, 14.0)] = 13.9
