"""Networks that bring several modalities of the same samples together: late, by a bottleneck, or in between."""

from kgreg.nn.integration.bottleneck import BottleneckDesign, BottleneckNetwork
from kgreg.nn.integration.late import LateDesign, LateNetwork
from kgreg.nn.integration.moli import MoliDesign, MoliNetwork

__all__ = ["BottleneckDesign", "BottleneckNetwork", "LateDesign", "LateNetwork", "MoliDesign", "MoliNetwork"]
