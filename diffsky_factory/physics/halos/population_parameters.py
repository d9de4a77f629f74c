"""The 113 numbers of the population of halo histories.

Values, bounds and names are as published, in the published order: files of values and fits rely on it.
Source: DiffmahPop, diffmah 0.7.3; the form of one history is of Hearin et al. 2021, OJAp 4, 7.
"""

from typing import Annotated, NamedTuple

from diffsky_factory.core.parameters import Within
from diffsky_factory.core.types import Scalar


class DiffmahPopParameters(NamedTuple):
    """How the five numbers of a halo's history depend on its mass, on time, and on being a satellite.

    Mass and cosmic time are those at which the halo is seen, its peak time is t_peak. The mean of logm0 is
    m + offset + tilt (m - 12), which the names call c0 and c1; neither falls below its floor. Halos of the alpha
    population form early, of beta late. Equations: `physics.halos.population`.
    """

    # time of peak mass of centrals
    cen_tp_lgm_x0_x0: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of the centre of centrals' peak times")
    ] = 11.01
    cen_tp_t_obs_x0_x0: Annotated[
        Scalar, Within(3.0, 10.0, "Gyr", "pivot in cosmic time of the centre of centrals' peak times")
    ] = 3.798
    cen_tp_x0_ylo_early: Annotated[
        Scalar, Within(0.5, 1.0, "", "centre of low-mass centrals' peak times over the age today, at early times")
    ] = 0.99
    cen_tp_x0_yhi_early: Annotated[
        Scalar, Within(1.0, 1.8, "", "centre of high-mass centrals' peak times over the age today, at early times")
    ] = 1.75
    cen_tp_x0_ylo_late: Annotated[
        Scalar, Within(0.5, 1.0, "", "centre of low-mass centrals' peak times over the age today, at late times")
    ] = 0.69
    cen_tp_x0_yhi_late: Annotated[
        Scalar, Within(1.0, 1.8, "", "centre of high-mass centrals' peak times over the age today, at late times")
    ] = 1.351
    # time of peak mass of satellites: centre of the truncated normal
    utp_loc_lgm_ylo_t0: Annotated[
        Scalar, Within(5.0, 10.0, "Gyr", "pivot in cosmic time of the centre of low-mass satellites' peak times")
    ] = 8.779
    utp_loc_lgm_ylo_early: Annotated[
        Scalar, Within(0.4, 0.8, "", "centre of low-mass satellites' peak times over cosmic time, at early times")
    ] = 0.797
    utp_loc_lgm_ylo_late: Annotated[
        Scalar, Within(0.15, 0.25, "", "centre of low-mass satellites' peak times over cosmic time, at late times")
    ] = 0.16
    utp_loc_lgm_x0: Annotated[
        Scalar, Within(11.0, 13.0, "dex(solMass)", "pivot in mass of the centre of satellites' peak times")
    ] = 12.967
    # time of peak mass of satellites: its width
    utp_scale_lgm_ylo_t0: Annotated[
        Scalar, Within(6.0, 11.0, "Gyr", "pivot in cosmic time of the width of low-mass satellites' peak times")
    ] = 6.623
    utp_scale_lgm_ylo_early: Annotated[
        Scalar, Within(0.1, 0.5, "", "width of low-mass satellites' peak times over cosmic time, at early times")
    ] = 0.105
    utp_scale_lgm_ylo_late: Annotated[
        Scalar, Within(0.1, 0.6, "", "width of low-mass satellites' peak times over cosmic time, at late times")
    ] = 0.334
    # mass today, centrals, early forming: offset c0 and tilt c1
    lgm0pop_c0_ytp_early: Annotated[
        Scalar, Within(0.01, 0.4, "dex", "offset of mass today at a cosmic time of 15 Gyr, early-forming centrals")
    ] = 0.02
    lgm0pop_c0_ylo_early: Annotated[
        Scalar, Within(-0.15, -0.05, "dex / Gyr", "early slope of the offset of mass today, early-forming centrals")
    ] = -0.13
    lgm0pop_c0_clip_c0_early: Annotated[
        Scalar, Within(0.5, 0.9, "dex", "floor of the offset of mass today at peak time 0, early-forming centrals")
    ] = 0.897
    lgm0pop_c0_clip_c1_early: Annotated[
        Scalar, Within(-0.1, -0.01, "dex / Gyr", "slope in peak time of the offset's floor, early-forming centrals")
    ] = -0.09
    lgm0pop_c0_t_obs_x0_early: Annotated[
        Scalar, Within(1.5, 6.0, "Gyr", "pivot in cosmic time of the offset of mass today, early-forming centrals")
    ] = 1.51
    lgm0pop_c1_ytp_early: Annotated[
        Scalar, Within(0.001, 0.1, "", "tilt of mass today at a cosmic time of 10 Gyr, early-forming centrals")
    ] = 0.002
    lgm0pop_c1_ylo_early: Annotated[
        Scalar, Within(-0.05, -0.001, "1 / Gyr", "early slope of the tilt of mass today, early-forming centrals")
    ] = -0.043
    lgm0pop_c1_clip_x0_early: Annotated[
        Scalar, Within(4.0, 11.0, "Gyr", "pivot in peak time of the tilt's floor, early-forming centrals")
    ] = 7.185
    lgm0pop_c1_clip_ylo_early: Annotated[
        Scalar, Within(0.02, 0.15, "", "floor of the tilt of mass today for early peaks, early-forming centrals")
    ] = 0.14
    lgm0pop_c1_clip_yhi_early: Annotated[
        Scalar, Within(0.001, 0.05, "", "floor of the tilt of mass today for late peaks, early-forming centrals")
    ] = 0.002
    lgm0pop_c1_t_obs_x0_early: Annotated[
        Scalar, Within(3.0, 10.0, "Gyr", "pivot in cosmic time of the tilt of mass today, early-forming centrals")
    ] = 3.01
    # mass today, centrals, late forming
    lgm0pop_c0_ytp_late: Annotated[
        Scalar, Within(0.01, 0.4, "dex", "offset of mass today at a cosmic time of 15 Gyr, late-forming centrals")
    ] = 0.02
    lgm0pop_c0_ylo_late: Annotated[
        Scalar, Within(-0.15, -0.05, "dex / Gyr", "early slope of the offset of mass today, late-forming centrals")
    ] = -0.14
    lgm0pop_c0_clip_c0_late: Annotated[
        Scalar, Within(0.5, 0.9, "dex", "floor of the offset of mass today at peak time 0, late-forming centrals")
    ] = 0.89
    lgm0pop_c0_clip_c1_late: Annotated[
        Scalar, Within(-0.1, -0.01, "dex / Gyr", "slope in peak time of the offset's floor, late-forming centrals")
    ] = -0.09
    lgm0pop_c0_t_obs_x0_late: Annotated[
        Scalar, Within(1.5, 6.0, "Gyr", "pivot in cosmic time of the offset of mass today, late-forming centrals")
    ] = 2.533
    lgm0pop_c1_ytp_late: Annotated[
        Scalar, Within(0.001, 0.1, "", "tilt of mass today at a cosmic time of 10 Gyr, late-forming centrals")
    ] = 0.027
    lgm0pop_c1_ylo_late: Annotated[
        Scalar, Within(-0.05, -0.001, "1 / Gyr", "early slope of the tilt of mass today, late-forming centrals")
    ] = -0.048
    lgm0pop_c1_clip_x0_late: Annotated[
        Scalar, Within(4.0, 11.0, "Gyr", "pivot in peak time of the tilt's floor, late-forming centrals")
    ] = 8.443
    lgm0pop_c1_clip_ylo_late: Annotated[
        Scalar, Within(0.02, 0.15, "", "floor of the tilt of mass today for early peaks, late-forming centrals")
    ] = 0.145
    lgm0pop_c1_clip_yhi_late: Annotated[
        Scalar, Within(0.001, 0.05, "", "floor of the tilt of mass today for late peaks, late-forming centrals")
    ] = 0.002
    lgm0pop_c1_t_obs_x0_late: Annotated[
        Scalar, Within(3.0, 10.0, "Gyr", "pivot in cosmic time of the tilt of mass today, late-forming centrals")
    ] = 6.377
    # mass today, satellites, early forming
    lgm0pop_c0_ytp_early_sats: Annotated[
        Scalar, Within(0.01, 0.4, "dex", "offset of mass today at a cosmic time of 15 Gyr, early-forming satellites")
    ] = 0.018
    lgm0pop_c0_ylo_early_sats: Annotated[
        Scalar, Within(-0.15, -0.05, "dex / Gyr", "early slope of the offset of mass today, early-forming satellites")
    ] = -0.107
    lgm0pop_c0_clip_c0_early_sats: Annotated[
        Scalar, Within(0.5, 0.9, "dex", "floor of the offset of mass today at peak time 0, early-forming satellites")
    ] = 0.734
    lgm0pop_c0_clip_c1_early_sats: Annotated[
        Scalar, Within(-0.1, -0.01, "dex / Gyr", "slope in peak time of the offset's floor, early-forming satellites")
    ] = -0.085
    lgm0pop_c0_t_obs_x0_early_sats: Annotated[
        Scalar, Within(1.5, 6.0, "Gyr", "pivot in cosmic time of the offset of mass today, early-forming satellites")
    ] = 1.55
    lgm0pop_c1_ytp_early_sats: Annotated[
        Scalar, Within(0.001, 0.1, "", "tilt of mass today at a cosmic time of 10 Gyr, early-forming satellites")
    ] = 0.002
    lgm0pop_c1_ylo_early_sats: Annotated[
        Scalar, Within(-0.05, -0.001, "1 / Gyr", "early slope of the tilt of mass today, early-forming satellites")
    ] = -0.02
    lgm0pop_c1_clip_x0_early_sats: Annotated[
        Scalar, Within(4.0, 11.0, "Gyr", "pivot in peak time of the tilt's floor, early-forming satellites")
    ] = 10.539
    lgm0pop_c1_clip_ylo_early_sats: Annotated[
        Scalar, Within(0.02, 0.15, "", "floor of the tilt of mass today for early peaks, early-forming satellites")
    ] = 0.116
    lgm0pop_c1_clip_yhi_early_sats: Annotated[
        Scalar, Within(0.001, 0.05, "", "floor of the tilt of mass today for late peaks, early-forming satellites")
    ] = 0.048
    lgm0pop_c1_t_obs_x0_early_sats: Annotated[
        Scalar, Within(3.0, 10.0, "Gyr", "pivot in cosmic time of the tilt of mass today, early-forming satellites")
    ] = 3.031
    # mass today, satellites, late forming
    lgm0pop_c0_ytp_late_sats: Annotated[
        Scalar, Within(0.01, 0.4, "dex", "offset of mass today at a cosmic time of 15 Gyr, late-forming satellites")
    ] = 0.011
    lgm0pop_c0_ylo_late_sats: Annotated[
        Scalar, Within(-0.15, -0.05, "dex / Gyr", "early slope of the offset of mass today, late-forming satellites")
    ] = -0.08
    lgm0pop_c0_clip_c0_late_sats: Annotated[
        Scalar, Within(0.5, 0.9, "dex", "floor of the offset of mass today at peak time 0, late-forming satellites")
    ] = 0.521
    lgm0pop_c0_clip_c1_late_sats: Annotated[
        Scalar, Within(-0.1, -0.01, "dex / Gyr", "slope in peak time of the offset's floor, late-forming satellites")
    ] = -0.043
    lgm0pop_c0_t_obs_x0_late_sats: Annotated[
        Scalar, Within(1.5, 6.0, "Gyr", "pivot in cosmic time of the offset of mass today, late-forming satellites")
    ] = 1.581
    lgm0pop_c1_ytp_late_sats: Annotated[
        Scalar, Within(0.001, 0.1, "", "tilt of mass today at a cosmic time of 10 Gyr, late-forming satellites")
    ] = 0.005
    lgm0pop_c1_ylo_late_sats: Annotated[
        Scalar, Within(-0.05, -0.001, "1 / Gyr", "early slope of the tilt of mass today, late-forming satellites")
    ] = -0.014
    lgm0pop_c1_clip_x0_late_sats: Annotated[
        Scalar, Within(4.0, 11.0, "Gyr", "pivot in peak time of the tilt's floor, late-forming satellites")
    ] = 10.587
    lgm0pop_c1_clip_ylo_late_sats: Annotated[
        Scalar, Within(0.02, 0.15, "", "floor of the tilt of mass today for early peaks, late-forming satellites")
    ] = 0.074
    lgm0pop_c1_clip_yhi_late_sats: Annotated[
        Scalar, Within(0.001, 0.05, "", "floor of the tilt of mass today for late peaks, late-forming satellites")
    ] = 0.037
    lgm0pop_c1_t_obs_x0_late_sats: Annotated[
        Scalar, Within(3.0, 10.0, "Gyr", "pivot in cosmic time of the tilt of mass today, late-forming satellites")
    ] = 3.781
    # time of transition, early forming
    logtc_lgm_c0_tp_ytp_tobs_c0_early: Annotated[
        Scalar, Within(0.2, 0.9, "dex(Gyr)", "mean logtc at peak time 10 Gyr and cosmic time 0, early-forming halos")
    ] = 0.447
    logtc_lgm_c0_tp_ytp_tobs_c1_early: Annotated[
        Scalar, Within(0.0, 0.05, "dex / Gyr", "slope in cosmic time of mean logtc, early-forming halos")
    ] = 0.002
    logtc_lgm_c0_tp_ylo_early: Annotated[
        Scalar, Within(0.02, 0.15, "dex / Gyr", "slope in early peak time of mean logtc, early-forming halos")
    ] = 0.069
    logtc_lgm_c0_tp_yhi_early: Annotated[
        Scalar, Within(-0.25, 0.0, "dex / Gyr", "slope in late peak time of mean logtc, early-forming halos")
    ] = -0.201
    logtc_lgm_c1_early: Annotated[
        Scalar, Within(0.02, 0.15, "", "slope in halo mass of mean logtc, early-forming halos")
    ] = 0.13
    logtc_c0_ss_x0_early: Annotated[
        Scalar, Within(11.0, 13.0, "Gyr", "pivot in peak time of the slope of mean logtc, early-forming halos")
    ] = 12.221
    # time of transition, late forming
    logtc_lgm_c0_tp_ytp_tobs_c0_late: Annotated[
        Scalar, Within(0.2, 0.9, "dex(Gyr)", "mean logtc at peak time 10 Gyr and cosmic time 0, late-forming halos")
    ] = 0.898
    logtc_lgm_c0_tp_ytp_tobs_c1_late: Annotated[
        Scalar, Within(0.0, 0.05, "dex / Gyr", "slope in cosmic time of mean logtc, late-forming halos")
    ] = 0.005
    logtc_lgm_c0_tp_ylo_late: Annotated[
        Scalar, Within(0.02, 0.15, "dex / Gyr", "slope in early peak time of mean logtc, late-forming halos")
    ] = 0.118
    logtc_lgm_c0_tp_yhi_late: Annotated[
        Scalar, Within(-0.25, 0.0, "dex / Gyr", "slope in late peak time of mean logtc, late-forming halos")
    ] = -0.006
    logtc_lgm_c1_late: Annotated[
        Scalar, Within(0.02, 0.15, "", "slope in halo mass of mean logtc, late-forming halos")
    ] = 0.146
    logtc_c0_ss_x0_late: Annotated[
        Scalar, Within(11.0, 13.0, "Gyr", "pivot in peak time of the slope of mean logtc, late-forming halos")
    ] = 11.091
    # early index, early forming (alpha)
    early_index_ylo_x0_alpha: Annotated[
        Scalar, Within(1.0, 7.0, "Gyr", "pivot in peak time of mean early_index at low mass, early-forming halos")
    ] = 4.319
    early_index_ylo_ylo_alpha: Annotated[
        Scalar, Within(1.0, 3.5, "", "mean early_index at low mass for early peaks, early-forming halos")
    ] = 3.49
    early_index_ylo_yhi_alpha: Annotated[
        Scalar, Within(0.5, 3.0, "", "mean early_index at low mass for late peaks, early-forming halos")
    ] = 2.985
    early_index_yhi_ylo_alpha: Annotated[
        Scalar, Within(2.0, 4.0, "", "mean early_index at high mass and early times, early-forming halos")
    ] = 3.95
    early_index_yhi_yhi_alpha: Annotated[
        Scalar, Within(1.5, 4.0, "", "mean early_index at high mass and late times, early-forming halos")
    ] = 3.665
    early_index_yhi_x0_alpha: Annotated[
        Scalar, Within(4.0, 13.0, "Gyr", "pivot in cosmic time of mean early_index at high mass, early-forming halos")
    ] = 10.405
    early_index_lgm_x0_alpha: Annotated[
        Scalar, Within(12.0, 14.0, "dex(solMass)", "pivot in mass of mean early_index, early-forming halos")
    ] = 12.918
    # early index, late forming (beta)
    early_index_ylo_x0_beta: Annotated[
        Scalar, Within(1.0, 7.0, "Gyr", "pivot in peak time of mean early_index at low mass, late-forming halos")
    ] = 1.456
    early_index_ylo_ylo_beta: Annotated[
        Scalar, Within(1.0, 3.5, "", "mean early_index at low mass for early peaks, late-forming halos")
    ] = 1.037
    early_index_ylo_yhi_beta: Annotated[
        Scalar, Within(0.5, 3.0, "", "mean early_index at low mass for late peaks, late-forming halos")
    ] = 0.879
    early_index_yhi_ylo_beta: Annotated[
        Scalar, Within(2.0, 4.0, "", "mean early_index at high mass and early times, late-forming halos")
    ] = 2.76
    early_index_yhi_yhi_beta: Annotated[
        Scalar, Within(1.5, 4.0, "", "mean early_index at high mass and late times, late-forming halos")
    ] = 2.195
    early_index_yhi_x0_beta: Annotated[
        Scalar, Within(4.0, 13.0, "Gyr", "pivot in cosmic time of mean early_index at high mass, late-forming halos")
    ] = 8.144
    early_index_lgm_x0_beta: Annotated[
        Scalar, Within(12.0, 14.0, "dex(solMass)", "pivot in mass of mean early_index, late-forming halos")
    ] = 12.641
    # late index of both
    late_index_x0_alpha: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the mean of late_index, early-forming halos")
    ] = 11.567
    late_index_ylo_alpha: Annotated[
        Scalar, Within(0.01, 0.2, "", "mean of late_index at low mass, early-forming halos")
    ] = 0.19
    late_index_yhi_alpha: Annotated[
        Scalar, Within(0.01, 0.2, "", "mean of late_index at high mass, early-forming halos")
    ] = 0.19
    late_index_x0_beta: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the mean of late_index, late-forming halos")
    ] = 11.567
    late_index_ylo_beta: Annotated[
        Scalar, Within(0.01, 0.2, "", "mean of late_index at low mass, late-forming halos")
    ] = 0.19
    late_index_yhi_beta: Annotated[
        Scalar, Within(0.01, 0.2, "", "mean of late_index at high mass, late-forming halos")
    ] = 0.19
    # fraction of early-forming halos
    fec_t_obs_x0: Annotated[
        Scalar, Within(5.0, 13.0, "Gyr", "pivot in cosmic time of the early-forming fraction of halos")
    ] = 5.485
    fec_lgm_x0: Annotated[
        Scalar, Within(11.0, 14.0, "dex(solMass)", "pivot in mass of the early-forming fraction of halos")
    ] = 12.51
    fec_lgm_ylo_early: Annotated[
        Scalar, Within(0.25, 0.75, "", "early-forming fraction of halos at low mass and early times")
    ] = 0.546
    fec_lgm_ylo_late: Annotated[
        Scalar, Within(0.25, 0.75, "", "early-forming fraction of halos at low mass and late times")
    ] = 0.421
    fec_lgm_yhi_early: Annotated[
        Scalar, Within(0.25, 0.75, "", "early-forming fraction of halos at high mass and early times")
    ] = 0.415
    fec_lgm_yhi_late: Annotated[
        Scalar, Within(0.25, 0.75, "", "early-forming fraction of halos at high mass and late times")
    ] = 0.298
    # scatter
    std_u_logm0_ylo: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded logm0 at low mass")] = 0.011
    std_u_logtc_ylo: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded logtc at low mass")] = 0.072
    std_u_early_ylo: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded early_index at low mass")] = 0.362
    std_u_late_ylo: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded late_index at low mass")] = 0.186
    std_u_logm0_yhi: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded logm0 at high mass")] = 0.047
    std_u_logtc_yhi: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded logtc at high mass")] = 2.002
    std_u_early_yhi: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded early_index at high mass")] = 0.081
    std_u_late_yhi: Annotated[Scalar, Within(0.01, 100.0, "", "scatter of unbounded late_index at high mass")] = 22.433
    # correlation of the scatter
    rho_logtc_logm0: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded logtc and logm0")
    ] = -0.227
    rho_early_logm0: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded early_index and logm0")
    ] = 0.29
    rho_early_logtc: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded early_index and logtc")
    ] = 0.21
    rho_late_logm0: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded late_index and logm0")
    ] = 0.29
    rho_late_logtc: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded late_index and logtc")
    ] = -0.121
    rho_late_early: Annotated[
        Scalar, Within(-0.3, 0.3, "", "correlation of the scatters of unbounded late_index and early_index")
    ] = -0.29
    # mass at which the scatter changes
    cov_lgm_x0_logm0: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the scatter of unbounded logm0")
    ] = 13.716
    cov_lgm_x0_logtc: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the scatter of unbounded logtc")
    ] = 12.988
    cov_lgm_x0_early: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the scatter of unbounded early_index")
    ] = 11.51
    cov_lgm_x0_late: Annotated[
        Scalar, Within(11.5, 14.0, "dex(solMass)", "pivot in mass of the scatter of unbounded late_index")
    ] = 13.9
