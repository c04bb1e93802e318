"""Chromatin contacts between the windows of a genome: what they add to a network that sees a window at a time.

Two stages (ChromeGCN, Lanchantin & Qi 2020): :func:`fit_windows` trains an encoder of single windows and keeps their
features; :func:`fit_contacts` trains graph networks on these over several graphs, and compares them.
"""

from kgreg.fit.contacts.compare import ContactFit, fit_contacts
from kgreg.fit.contacts.graphs import ContactSettings
from kgreg.fit.contacts.windows import WindowFit, WindowSettings, fit_windows

__all__ = ["ContactFit", "ContactSettings", "WindowFit", "WindowSettings", "fit_contacts", "fit_windows"]
