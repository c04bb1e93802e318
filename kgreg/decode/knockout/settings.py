"""What a knockout does to the inputs of its genes: silence, a dose, an alteration, any value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kgreg.data.scaling import Scaler
from kgreg.errors import DataError

#: What inputs are set to: "auto" is "altered" where the network reads one modality that holds nothing but 0 and 1
#: (a genotype), else "silent".
SetTo = Literal["auto", "silent", "altered"]


@dataclass(frozen=True)
class Manipulation:
    """What becomes of an input x (in the units of the data): ``factors * x + values``, both ``[n_inputs]``.

    ``dose``: 0 silent, 1 as measured, 2 double; NaN where inputs are set to one value. ``how``: in words, "silent",
    "unaltered", "altered", "dose 0.5" or "value 3".
    """

    factors: NDArray[np.float32]
    values: NDArray[np.float32]
    dose: float
    how: str

    @classmethod
    def of(
        cls,
        x: NDArray[np.float32],
        value: SetTo | float = "auto",
        dose: float = 0.0,
        among: NDArray[np.int64] | None = None,
        one_modality: bool = True,
    ) -> Manipulation:
        """Return what is asked for, with the lowest values of the data for silence.

        A dose is a factor on what was measured, in the units of the data: of logarithms it is a factor on logarithms.
        Data that were centred have no zero that means silence; there a gene's lowest value stands for it, and a dose is
        a factor on the distance from that.

        Parameters
        ----------
        x
            All samples, ``[n, n_inputs]``, in the units of the data.
        value
            See :data:`SetTo`; or a number.
        dose
            Not 0 only where ``value`` is "auto" or "silent".
        among
            The inputs that knockouts may change, of which alone 0 and 1 are asked. Default: all.
        one_modality
            Whether these are of one modality.

        Raises
        ------
        DataError
            If inputs that are not 0 or 1 are to be altered, a dose is negative or not finite, or both a dose and a
            value are given.
        """
        chosen = x if among is None else x[:, among]
        binary = ((chosen == 0) | (chosen == 1)).all(axis=0)
        ones = np.ones(x.shape[1], dtype=np.float32)
        if not (np.isfinite(dose) and dose >= 0):
            raise DataError(f"A dose of {dose:g} means nothing.", "0 is silent, 1 as measured, 2 double.")
        if dose and value not in ("auto", "silent"):
            raise DataError(f"Inputs are either given a dose ({dose:g}) or set to a value ({value}), not both.")
        if value == "auto":
            value = "altered" if one_modality and dose == 0 and binary.all() else "silent"
        if value == "altered":
            if not binary.all():
                raise DataError(
                    f"{int((~binary).sum()):,} of {len(binary):,} inputs hold other values than 0 and 1, so that "
                    "nothing says what altered is.",
                    'Use value = "silent", or name the modalities that are alterations.',
                )
            return cls(0 * ones, ones, np.nan, "altered")
        if value == "silent":
            least = np.minimum(x.min(axis=0), 0.0).astype(np.float32)
            how = f"dose {dose:g}" if dose else "unaltered" if binary.all() else "silent"
            return cls(np.float32(dose) * ones, np.float32(1 - dose) * least, dose, how)
        return cls(0 * ones, np.float32(value) * ones, np.nan, f"value {value:g}")

    @classmethod
    def to(cls, values: NDArray[np.float32]) -> Manipulation:
        """Set input i to ``values[i]``, in the units of the data."""
        return cls(np.zeros_like(values), values, np.nan, "value")

    def scaled(self, scaler: Scaler) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return factors and values for inputs that were scaled."""
        values = (self.factors * scaler.mean + self.values - scaler.mean) / scaler.sd
        return self.factors, values.astype(np.float32)
