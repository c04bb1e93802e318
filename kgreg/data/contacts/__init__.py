"""Chromatin contacts: files of them, windows of a genome, graphs over windows."""

from kgreg.data.contacts.graph import (
    ContactGraph,
    joined_contacts,
    neighbour_graph,
    no_contacts,
    random_graph,
    read_contacts,
    rewired_contacts,
    shifted_contacts,
)
from kgreg.data.contacts.windows import Windows

__all__ = [
    "ContactGraph",
    "Windows",
    "joined_contacts",
    "neighbour_graph",
    "no_contacts",
    "random_graph",
    "read_contacts",
    "rewired_contacts",
    "shifted_contacts",
]
