"""A merger tree in the Galacticus layout as the halos of its last time, with what is known of their infalls."""

from pathlib import Path

import h5py
import numpy as np

from diffsky_factory.inputs.simulations.arrange import last_of_chain
from diffsky_factory.sky.cosmology import Cosmology, age_64


def nodes(path: Path) -> dict[str, np.ndarray]:
    """Every node of every tree: rows of its descendant and host, cosmic time [Gyr] and mass [dex(Msun)]."""
    with h5py.File(path) as file:
        group = file["forestHalos" if "forestHalos" in file else "haloTrees"]
        read = {name: group[name][()] for name in group if np.ndim(group[name]) == 1}
        unit = float(np.ravel(file["units"].attrs["massUnitsInSI"])[0]) / 1.989e30
        h = float(np.ravel(file["cosmology"].attrs["HubbleParam"])[0])
    index = read["nodeIndex"].astype(np.int64)
    own = np.arange(len(index))
    descendant = read["descendantIndex" if "descendantIndex" in read else "descendentIndex"].astype(np.int64)
    redshift = read["redshift"] if "redshift" in read else 1.0 / read["expansionFactor"] - 1.0

    def rows(ids):
        order = np.argsort(index)
        at = order[np.minimum(np.searchsorted(index[order], ids), len(index) - 1)]
        return np.where(index[at] == ids, at, own)  # itself, where the file has no such node

    return {
        "descendant": rows(descendant),
        "host": last_of_chain(rows(read["hostIndex"].astype(np.int64))),
        "time": age_64(Cosmology(), np.maximum(redshift.astype(float), 0.0)),
        "mass": np.log10(np.maximum(read["nodeMass"].astype(float) * unit / h, 1e4)),
    }


def halos_today(path: Path) -> dict[str, np.ndarray]:
    """Columns of the halos of the last time: hosts on top and at first infall, times and masses of both infalls."""
    tree = nodes(path)
    time, mass, descendant, host = (tree[name] for name in ("time", "mass", "descendant", "host"))
    own = np.arange(len(time))
    today = np.flatnonzero(time == time.max())
    place = np.full(len(time), -1)
    place[today] = np.arange(len(today))

    # the most massive progenitor of each node, and the halo of today that each node becomes part of
    main = np.full(len(time), -1)
    rising = np.argsort(mass, kind="stable")
    rising = rising[descendant[rising] != rising]
    main[descendant[rising]] = rising
    becomes = place[last_of_chain(descendant)]
    top = place[host[today]]

    n = len(today)
    found = {
        "host_row": top,
        "penultimate_host_row": top.copy(),
        **{name: np.full(n, time.max()) for name in ("penultimate_infall_time", "infall_time")},
        **{name: mass[today].copy() for name in MASSES},
    }
    for row in np.flatnonzero(top != np.arange(n)):
        branch = [today[row]]
        while main[branch[-1]] >= 0:
            branch.append(main[branch[-1]])
        inside = [node for node in branch[::-1] if host[node] != own[node]]  # as a satellite, earliest first
        into_top = [node for node in inside if becomes[host[node]] == top[row]]
        if not into_top:
            continue
        first, last = inside[0], into_top[0]
        earlier = becomes[host[first]]
        if earlier < 0 or earlier == row or top[earlier] != top[row]:
            first, earlier = last, top[row]  # that host is no more, or elsewhere
        found["penultimate_host_row"][row] = earlier
        for node, when in ((first, "penultimate_infall"), (last, "infall")):
            found[f"{when}_time"][row] = time[node]
            found[f"log10_halo_mass_at_{when}"][row] = mass[node]
            found[f"log10_host_mass_at_{when}"][row] = mass[host[node]]

    # two that have each been the host of the other
    circle = last_of_chain(found["penultimate_host_row"]) != top
    found["penultimate_host_row"][circle] = top[circle]
    for name in ("infall_time", "log10_halo_mass_at_infall", "log10_host_mass_at_infall"):
        earlier = name.replace("infall", "penultimate_infall")
        found[earlier][circle] = found[name][circle]
    return {**found, "cosmic_time": np.full(n, time.max())}


MASSES = [f"log10_{whose}_mass_at_{when}" for whose in ("halo", "host") for when in ("infall", "penultimate_infall")]
