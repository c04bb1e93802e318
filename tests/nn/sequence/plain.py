"""Published networks written from the tables of their papers, with plain torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def deepsea(units: int, n_outputs: int) -> nn.Module:
    """Supplementary table of Zhou & Troyanskaya 2015: 1,000 bp -> 993 -> 248 -> 241 -> 60 -> 53 positions."""
    return nn.Sequential(
        nn.Conv1d(4, 320, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Conv1d(320, 480, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2),
        nn.Conv1d(480, 960, 8), nn.ReLU(), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(53 * 960, units), nn.ReLU(), nn.Linear(units, n_outputs),
    )  # fmt: skip


def basset(n_outputs: int) -> nn.Module:
    """Kelley et al. 2016: 600 bp -> 582 -> 194 -> 184 -> 46 -> 40 -> 10 positions."""
    return nn.Sequential(
        nn.Conv1d(4, 300, 19), nn.BatchNorm1d(300), nn.ReLU(), nn.MaxPool1d(3),
        nn.Conv1d(300, 200, 11), nn.BatchNorm1d(200), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(200, 200, 7), nn.BatchNorm1d(200), nn.ReLU(), nn.MaxPool1d(4),
        nn.Flatten(),
        nn.Linear(2000, 1000), nn.BatchNorm1d(1000), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(1000, 1000), nn.BatchNorm1d(1000), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(1000, n_outputs),
    )  # fmt: skip


class DanQ(nn.Module):
    """Quang & Xie 2016: 1,000 bp -> 975 -> 75 positions of 640 states."""

    def __init__(self, units: int, n_outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 320, 26)
        self.lstm = nn.LSTM(320, 320, bidirectional=True)
        self.dense = nn.Linear(75 * 640, units)
        self.out = nn.Linear(units, n_outputs)
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_hh"):  # an LSTM of the paper has one bias a gate
                nn.init.zeros_(bias)
                bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.max_pool1d(torch.relu(self.conv(x)), 13)
        h = nn.functional.dropout(h, 0.2, self.training)
        states, _ = self.lstm(h.permute(2, 0, 1))
        h = nn.functional.dropout(states.permute(1, 2, 0), 0.5, self.training)
        return self.out(torch.relu(self.dense(h.flatten(1))))


class BPNet(nn.Module):
    """The equations of bpnet-lite: both strands, control tracks, trimmed to the middle."""

    def __init__(self, positions: int, filters: int = 64, layers: int = 8, controls: int = 2) -> None:
        super().__init__()
        self.positions = positions
        self.first = nn.Conv1d(4, filters, 21, padding=10)
        self.dilated = nn.ModuleList(
            nn.Conv1d(filters, filters, 3, padding=2**i, dilation=2**i) for i in range(1, layers + 1)
        )
        self.profile = nn.Conv1d(filters + controls, 2, 75, padding=37)
        self.counts = nn.Linear(filters + (1 if controls else 0), 1)

    def forward(self, x: Tensor, control: Tensor | None) -> tuple[Tensor, Tensor]:
        trim = (x.shape[2] - self.positions) // 2
        h = torch.relu(self.first(x))
        for conv in self.dilated:
            h = h + torch.relu(conv(h))
        read = h if control is None else torch.cat([h, control], dim=1)
        profile = self.profile(read)[:, :, trim : x.shape[2] - trim]
        seen = slice(trim - 37, x.shape[2] - trim + 37)
        mean = h[:, :, seen].mean(dim=2)
        if control is not None:
            mean = torch.cat([mean, torch.log(control[:, :, seen].sum(dim=(1, 2)) + 1)[:, None]], dim=1)
        return profile, self.counts(mean)[:, 0]


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy parameters and statistics, which both have in the same order."""
    mine, other = list(source.state_dict().values()), target.state_dict()
    assert [tuple(a.shape) for a in mine] == [tuple(b.shape) for b in other.values()]
    target.load_state_dict(dict(zip(other, mine, strict=True)))
