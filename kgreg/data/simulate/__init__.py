"""Samples with a planted truth, to see whether a method finds what is there. Every simulator is seeded.

A simulator is a module ``<name>.py`` of this package with a function ``simulate_<name>(..., seed=0)``, and an
experiment on what it makes, ``<name>.toml``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, resources
from pkgutil import iter_modules

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError


def simulators() -> dict[str, Callable[..., Simulation]]:
    """Return name -> function of every simulator."""
    names = sorted(module.name for module in iter_modules(__path__) if module.name != "base")
    return {name: getattr(import_module(f"{__name__}.{name}"), f"simulate_{name}") for name in names}


def simulate(name: str, seed: int = 0) -> Simulation:
    """Simulate with a simulator's own defaults.

    Raises
    ------
    DataError
        If there is no such simulator.
    """
    found = simulators()
    if name not in found:
        raise DataError(f"There is no simulator '{name}'.", f"Choose one of: {', '.join(found) or 'none'}.")
    return found[name](seed=seed)


def experiment_of(name: str) -> str:
    """Return the text of an experiment file for the folder that a simulation was written to."""
    return (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


__all__ = ["Simulation", "experiment_of", "simulate", "simulators"]
